//! `vma.toml`.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use toml::de::DeTable;

use super::fault::Fault;
use super::section::Section;
use super::settings::VmaConfig;
use super::unbuilt;

/// The keys that only this file has.
pub(super) const OWN_KEYS: [&str; 6] =
    ["name", "auto_initialize", "keep_finished", "tunnel", "vcenter", "changeid_spool"];

const KEYS: [&str; 9] =
    ["name", "database", "listen", "auto_initialize", "keep_finished", "tls", "tunnel", "vcenter", "changeid_spool"];

const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// Reads the file; notes every fault.
pub(super) fn read<'a>(table: &'a DeTable<'a>, text: &'a str, faults: &mut Vec<Fault>) -> Option<VmaConfig> {
    let top = Section::top(text, table, &KEYS, faults);
    unbuilt::refuse_sections(&top, &unbuilt::OF_VMA, faults);
    let name = top.vma_name(faults, "name");
    let database = top.path(faults, "database", "/var/lib/waybill/vma.db");
    let listen = top.listener(faults, "listen", SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)));
    let auto_initialize = top.switch(faults, "auto_initialize", true);
    let why = "the OMA must have time to read how a job ended, also after an outage";
    let keep_finished = top.duration(faults, "keep_finished", 7 * DAY, MINUTE..=3650 * DAY, why);
    Some(VmaConfig { name: name?, database, listen, auto_initialize, keep_finished })
}
