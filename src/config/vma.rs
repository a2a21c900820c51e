//! `vma.toml`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use toml::de::DeTable;

use super::fault::Fault;
use super::section::Section;
use super::settings::{SpoolConfig, SpoolWay, TlsFiles, TunnelConfig, VmaConfig};
use super::{tls, vcenter};
use crate::wire::origin::Origin;

/// The keys that only this file has.
pub(super) const OWN_KEYS: [&str; 7] =
    ["name", "auto_initialize", "keep_finished", "failed_grace", "tunnel", "vcenter", "changeid_spool"];

const KEYS: [&str; 10] = [
    "name",
    "database",
    "listen",
    "auto_initialize",
    "keep_finished",
    "failed_grace",
    "tls",
    "tunnel",
    "vcenter",
    "changeid_spool",
];

const SPOOL_KEYS: [&str; 2] = ["listen", "oma"];

const TUNNEL_KEYS: [&str; 7] =
    ["oma", "certificate", "key", "ca_file", tls::PROXY_KEYS[0], tls::PROXY_KEYS[1], tls::PROXY_KEYS[2]];

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// Reads the file; notes every fault.
pub(super) fn read<'a>(table: &'a DeTable<'a>, text: &'a str, faults: &mut Vec<Fault>) -> Option<VmaConfig> {
    let top = Section::top(text, table, &KEYS, faults);
    let name = top.vma_name(faults, "name");
    let database = top.path(faults, "database", "/var/lib/waybill/vma.db");
    let listen = top.listener(faults, "listen", SocketAddr::from((Ipv4Addr::LOCALHOST, 8081)));
    let auto_initialize = top.switch(faults, "auto_initialize", true);
    let why = "the OMA must have time to read how a job ended, also after an outage";
    let keep_finished = top.duration(faults, "keep_finished", 7 * DAY, MINUTE..=3650 * DAY, why);
    let why = "a mover that failed may be started again within it, and its job goes on";
    let failed_grace = top.duration(faults, "failed_grace", 2 * MINUTE, SECOND..=DAY, why);
    let listener = top.section(faults, "tls", &tls::VMA_KEYS).map(|section| tls::listener(&section, "vma", faults));
    let own = listener.as_ref().map(|listener| &listener.files);
    let tunnel = match top.section(faults, "tunnel", &TUNNEL_KEYS) {
        Some(section) => Some(tunnel(&section, own, faults)?),
        None => None,
    };
    let has_link = listener.is_some() || tunnel.is_some();
    let changeid_spool = match top.section(faults, "changeid_spool", &SPOOL_KEYS) {
        Some(section) => Some(spool(&section, listen, has_link, faults)?),
        None => None,
    };
    let vcenter = match top.section(faults, "vcenter", &vcenter::KEYS) {
        Some(section) => Some(vcenter::read(&section, faults)?),
        None => None,
    };
    Some(VmaConfig {
        name: name?,
        database,
        listen,
        tls: listener,
        tunnel,
        auto_initialize,
        keep_finished,
        failed_grace,
        changeid_spool,
        vcenter,
    })
}

fn tunnel(section: &Section<'_>, own: Option<&TlsFiles>, faults: &mut Vec<Fault>) -> Option<TunnelConfig> {
    let default = own.cloned().unwrap_or_else(|| tls::default_files("vma"));
    let files = tls::files(section, "ca_file", default, faults);
    tls::refuse_mixed_pair(section, &files, own.into_iter(), faults);
    let proxy = tls::proxy(section, faults);
    let text = section.required_text(faults, "oma", "\"oma.example:443\"")?;
    match Origin::with_tls(text) {
        Ok(oma) => Some(TunnelConfig { oma, files, proxy }),
        Err(bad) => {
            section.note(faults, "oma", bad.to_string(), "write oma = \"oma.example:443\", host and port only");
            None
        }
    }
}

/// A spool without a way to the OMA would take change ids that nobody ever gets, so it is refused (F37).
fn spool(section: &Section<'_>, movers: SocketAddr, has_link: bool, faults: &mut Vec<Fault>) -> Option<SpoolConfig> {
    const REMEDY: &str = "write oma = \"http://127.0.0.1:18082\", the near end of the tunnel to the OMA's own `listen`";
    let listen = section.listener(faults, "listen", SocketAddr::from((Ipv4Addr::LOCALHOST, 8082)));
    if listen == movers && listen.port() != 0 {
        let problem = format!("{listen} is the `listen` of the movers' progress already");
        section.note(faults, "listen", problem, "give the spool a port of its own; movers expect 8082");
    }
    if !section.has("oma") && has_link {
        return Some(SpoolConfig { listen, oma: SpoolWay::Link });
    }
    if !section.has("oma") {
        let problem = "is missing, and there is neither [tunnel] nor [tls]: change ids would be forwarded to nobody";
        section.note(faults, "oma", problem, REMEDY);
        return None;
    }
    let url = section.text(faults, "oma", "\"http://127.0.0.1:18082\"")?;
    let oma = section.origin(faults, "oma", url)?;
    for (own, whose) in [(listen, "the spool itself listens"), (movers, "this VMA listens for progress")] {
        if is_there(&oma, own) {
            section.note(faults, "oma", format!("{url:?} is where {whose}, and no OMA"), REMEDY);
        }
    }
    Some(SpoolConfig { listen, oma: SpoolWay::Forward(oma) })
}

/// True where the origin is that of a listener of this machine; a name may be either loopback address.
fn is_there(origin: &Origin, listener: SocketAddr) -> bool {
    let is_host = match origin.host.parse::<IpAddr>() {
        Ok(address) => address == listener.ip(),
        Err(_) => [IpAddr::from(Ipv4Addr::LOCALHOST), IpAddr::from(Ipv6Addr::LOCALHOST)].contains(&listener.ip()),
    };
    is_host && origin.port == listener.port()
}
