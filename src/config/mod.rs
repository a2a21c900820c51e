//! TOML text to typed configuration. Pure: text and file name come in, a configuration or *all* faults come out.
//!
//! Nothing is ignored: an unknown key, a value out of range and keys that do not go together are faults, each with file,
//! line, key and remedy. A daemon that is running keeps its old configuration when this refuses a new one.

pub mod duration;
mod fault;
mod listener;
mod nearest;
mod oma;
mod section;
mod settings;
mod tls;
mod vcenter;
mod vma;

use toml::de::DeTable;

pub use fault::{ConfigErrors, Fault};
pub use nearest::nearest;
pub use settings::{
    OmaConfig, OnStall, PkiConfig, PollRules, ProxyConfig, Role, SpoolConfig, SpoolWay, ThrottleRules, TlsFiles,
    TlsListener, TunnelConfig, VcenterConfig, VmaConfig, VmaEntry, VmaWay,
};

impl VmaConfig {
    /// Reads `vma.toml`; `file` is only named in the faults.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigErrors> {
        fault::collect(file, |faults| {
            let table = root(text, faults)?;
            vma::read(&table, text, faults)
        })
    }
}

impl OmaConfig {
    /// Reads `oma.toml`; `file` is only named in the faults.
    pub fn parse(text: &str, file: &str) -> Result<Self, ConfigErrors> {
        fault::collect(file, |faults| {
            let table = root(text, faults)?;
            oma::read(&table, text, faults)
        })
    }
}

/// The role that the file's own keys tell; where they tell nothing, its name (`vma.toml`, `oma.toml`). `None` where
/// neither does, or where the keys contradict each other.
pub fn role_of(text: &str, file: &str) -> Option<Role> {
    let (table, _) = DeTable::parse_recoverable(text);
    let has_one_of = |keys: &[&str]| keys.iter().any(|key| table.get_ref().contains_key(*key));
    match (has_one_of(&vma::OWN_KEYS), has_one_of(&oma::OWN_KEYS)) {
        (true, false) => Some(Role::Vma),
        (false, true) => Some(Role::Oma),
        (true, true) => None,
        (false, false) => match file.rsplit('/').next() {
            Some("vma.toml") => Some(Role::Vma),
            Some("oma.toml") => Some(Role::Oma),
            _ => None,
        },
    }
}

/// The file as a table; syntax errors are all reported, and nothing else is looked at then.
fn root<'t>(text: &'t str, faults: &mut Vec<Fault>) -> Option<DeTable<'t>> {
    let (table, errors) = DeTable::parse_recoverable(text);
    if errors.is_empty() {
        return Some(table.into_inner());
    }
    for error in errors {
        faults.push(Fault {
            line: section::line_at(text, error.span().map_or(0, |span| span.start)),
            key: String::new(),
            problem: format!("not TOML: {}", error.message().replace('\n', "; ")),
            remedy: "write `key = value` lines and `[section]` heads; texts and durations in double quotes".to_owned(),
        });
    }
    None
}
