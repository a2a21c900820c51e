//! `waybill check-config`: all faults of a configuration file before a daemon meets them.

use std::ffi::OsString;
use std::path::PathBuf;

use super::args::{self, Spec};
use super::{daemon, help, output};
use crate::config::{self, OmaConfig, Role, VmaConfig};
use crate::exit::{Exit, Failure};

const SPEC: Spec = Spec {
    name: "check-config",
    words: &["FILE"],
    options: &[("role", "vma|oma", false)],
    switches: &[],
    help: help::CHECK_CONFIG,
};

/// Runs the command with the arguments after `check-config`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let file = PathBuf::from(given.raw_word(0));
    let named = match given.value(&SPEC, "role")?.as_deref() {
        None => None,
        Some("vma") => Some(Role::Vma),
        Some("oma") => Some(Role::Oma),
        Some(other) => {
            let failure = Failure::new(Exit::Usage, "check-config", format!("--role {other:?} is not known"));
            return Err(failure.with_remedy("write --role vma or --role oma"));
        }
    };
    let text = daemon::read(&file)?;
    let name = file.to_string_lossy();
    let Some(role) = named.or_else(|| config::role_of(&text, &name)) else {
        let why = "its keys do not tell whether it is a VMA's or an OMA's";
        let failure = Failure::new(Exit::Usage, format!("cannot check {name}"), why);
        return Err(failure.with_remedy("say it: --role vma or --role oma"));
    };
    let checked = match role {
        Role::Vma => VmaConfig::parse(&text, &name).map(|config| match config.oma_of_spool() {
            Some(oma) => format!("{}, change ids go to {oma}", config.name),
            None => format!("{}, no [changeid_spool]: movers' change ids are not taken here", config.name),
        }),
        Role::Oma => OmaConfig::parse(&text, &name).map(|config| match config.vmas.len() {
            0 => "no VMA yet: jobs need a [[vma]]".to_owned(),
            1 => "1 VMA".to_owned(),
            several => format!("{several} VMAs"),
        }),
    };
    let about = checked.map_err(|errors| daemon::refused(&errors))?;
    output::print(&format!("{name}: valid {role} configuration ({about})\n"))
}
