//! Sections and keys of the promised file format whose feature this version does not have. Their keys are checked like all
//! others, and then they are refused by name: a security setting must never look as if it worked.

use super::fault::Fault;
use super::section::Section;

/// A section whose feature is missing.
pub(super) struct Unbuilt {
    /// Its head.
    pub(super) name: &'static str,
    /// The keys that may stand in it.
    keys: &'static [&'static str],
    /// What it would do.
    feature: &'static str,
    /// What to do without it.
    remedy: &'static str,
}

/// Of `vma.toml`.
pub(super) const OF_VMA: [Unbuilt; 2] = [
    Unbuilt {
        name: "tls",
        keys: &["listen", "certificate", "key", "client_ca"],
        feature: "listening with TLS",
        remedy: "remove the section; forward the OMA's polls to the loopback port of `listen` by SSH or stunnel",
    },
    Unbuilt {
        name: "tunnel",
        keys: &["oma"],
        feature: "the built-in reverse tunnel",
        remedy: "remove the section; let SSH or stunnel carry the OMA's polls to the loopback port of `listen`",
    },
];

/// Of `oma.toml`.
pub(super) const OF_OMA: [Unbuilt; 2] = [
    Unbuilt {
        name: "tls",
        keys: &["listen", "certificate", "key", "client_ca"],
        feature: "listening with TLS",
        remedy: "remove the section; the API answers on the loopback address of `listen`",
    },
    Unbuilt {
        name: "pki",
        keys: &["directory"],
        feature: "the built-in certificate authority",
        remedy: "remove the section; connections stay on loopback and need no certificates",
    },
];

/// Keys of a `[[vma]]` that are there for TLS and the tunnel.
pub(super) const OF_VMA_ENTRY: [&str; 5] = ["tunnel", "proxy", "ca_file", "certificate", "key"];

/// Notes every section whose feature is missing.
pub(super) fn refuse_sections(top: &Section<'_>, unbuilt: &[Unbuilt], faults: &mut Vec<Fault>) {
    for one in unbuilt.iter().filter(|one| top.has(one.name)) {
        top.section(faults, one.name, one.keys);
        top.note(faults, one.name, format!("{} is not supported by this version", one.feature), one.remedy);
    }
}

/// Notes every key of a `[[vma]]` whose feature is missing.
pub(super) fn refuse_entry_keys(entry: &Section<'_>, faults: &mut Vec<Fault>) {
    for key in OF_VMA_ENTRY.into_iter().filter(|key| entry.has(key)) {
        let feature = match key {
            "tunnel" => "the built-in reverse tunnel",
            "proxy" => "polling through a proxy",
            _ => "polling with TLS",
        };
        let remedy = "remove the key; forward a loopback port to the VMA by SSH or stunnel, and write it as `url`";
        entry.note(faults, key, format!("{feature} is not supported by this version"), remedy);
    }
}
