//! What both files say of TLS: whose certificate is shown, whose authority is believed, and the proxy on the way
//! . Keys and secrets stand in files of their own; here are only their names.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::fault::Fault;
use super::section::Section;
use super::settings::{ProxyConfig, TlsFiles, TlsListener};
use crate::wire::proxy::Proxy;

/// The keys of `[tls]`.
pub(super) const KEYS: [&str; 5] = ["listen", "certificate", "key", "client_ca", "allow_tls12"];

/// Those of a VMA.
pub(super) const VMA_KEYS: [&str; 6] = ["listen", "certificate", "key", "client_ca", "allow_tls12", "client_name"];

/// The keys about a proxy.
pub(super) const PROXY_KEYS: [&str; 3] = ["proxy", "proxy_username_file", "proxy_password_file"];

/// The files of an appliance where nothing else is written.
pub(super) fn default_files(appliance: &str) -> TlsFiles {
    TlsFiles {
        certificate: PathBuf::from(format!("/etc/waybill/tls/{appliance}.pem")),
        key: PathBuf::from(format!("/etc/waybill/tls/{appliance}.key")),
        authority: PathBuf::from("/etc/waybill/tls/ca.pem"),
    }
}

/// Reads the names of the three files; `authority` is the key that names the third.
pub(super) fn files(section: &Section<'_>, authority: &str, default: TlsFiles, faults: &mut Vec<Fault>) -> TlsFiles {
    let mut read = |key: &str, default: PathBuf| section.path(faults, key, &default.to_string_lossy());
    let files = TlsFiles {
        certificate: read("certificate", default.certificate),
        key: read("key", default.key),
        authority: read(authority, default.authority),
    };
    if files.certificate == files.key {
        let problem = format!("{} is the file of the certificate too, which everybody may read", files.key.display());
        section.note(faults, "key", problem, "keep the key in a file of its own, with mode 600");
    }
    files
}

/// Refuses a certificate with another key than elsewhere, and a key with another certificate: both are renewed together, in
/// their files, for all who show them.
pub(super) fn refuse_mixed_pair<'f>(
    section: &Section<'_>,
    files: &TlsFiles,
    mut others: impl Iterator<Item = &'f TlsFiles>,
    faults: &mut Vec<Fault>,
) {
    let pair = |files: &TlsFiles| format!("{} with {}", files.certificate.display(), files.key.display());
    let is_mixed = |other: &&TlsFiles| (other.certificate == files.certificate) != (other.key == files.key);
    if let Some(other) = others.find(is_mixed) {
        let problem = format!("{}, and {} in another section, which cannot both be", pair(files), pair(other));
        section.note(faults, "key", problem, "write certificate and key as there, or two files of their own");
    }
}

/// Reads `[tls]`.
pub(super) fn listener(section: &Section<'_>, appliance: &str, faults: &mut Vec<Fault>) -> TlsListener {
    let default = SocketAddr::from(([0, 0, 0, 0], 443));
    let listen = section.any_listener(faults, "listen", default);
    let files = files(section, "client_ca", default_files(appliance), faults);
    let client_name = section.text(faults, "client_name", "\"oma.example\", a DNS name of the OMA's certificate");
    let allow_tls12 = section.switch(faults, "allow_tls12", false);
    TlsListener { listen, files, allow_tls12, client_name: client_name.map(str::to_owned) }
}

/// Reads what stands about a proxy.
pub(super) fn proxy(section: &Section<'_>, faults: &mut Vec<Fault>) -> Option<ProxyConfig> {
    let username_file = section.optional_path(faults, "proxy_username_file", "/etc/waybill/proxy.user");
    let password_file = section.optional_path(faults, "proxy_password_file", "/etc/waybill/proxy.password");
    let remedy = "write proxy_username_file and proxy_password_file, or neither";
    match (section.has("proxy_username_file"), section.has("proxy_password_file")) {
        (true, false) => section.note(faults, "proxy_username_file", "stands without a password", remedy),
        (false, true) => section.note(faults, "proxy_password_file", "stands without a user's name", remedy),
        (true, true) if !section.has("proxy") => {
            section.note(faults, "proxy_username_file", "stands without `proxy`", "write proxy = \"http://...\" too");
        }
        _ => {}
    }
    let url = section.text(faults, "proxy", "\"http://proxy.example:3128\" in quotes")?;
    match Proxy::from_url(url) {
        Ok(address) => Some(ProxyConfig { address, credentials: username_file.zip(password_file) }),
        Err(bad) => {
            section.note(faults, "proxy", bad.to_string(), bad.remedy());
            None
        }
    }
}
