//! The three files that say who we are and whom we believe, and the pair that the last renewal has replaced. All are read
//! anew whenever they are needed, so that a renewed certificate holds from the next connection on.
//!
//! Policy: a certificate that is not valid yet was made while a clock was ahead, and everybody would refuse it; the one that
//! it replaced is shown in its place for as long as that is valid.

use crate::config::TlsFiles;
use crate::limits;
use crate::net::tls::{BadTls, Own, check_authority};
use crate::pki;
use crate::runtime::clock::Clock;
use crate::runtime::secrets;

/// What stands in the files.
#[derive(Debug)]
pub struct Credentials {
    /// Our certificate and its key.
    pub own: Own,
    /// The authority of the other side, in PEM.
    pub authority: Vec<u8>,
    /// What lies in the files is not valid yet, and this is the pair that was kept.
    pub is_kept: bool,
}

impl Credentials {
    /// Reads the files.
    ///
    /// # Errors
    /// What is wrong, with the name of the file.
    pub fn read(files: &TlsFiles) -> Result<Self, String> {
        let certificate = secrets::read_public(&files.certificate, limits::AUTHORITY_BYTES)?;
        let authority = secrets::read_public(&files.authority, limits::AUTHORITY_BYTES)?;
        check_authority(&authority).map_err(|error| format!("{}: {error}", files.authority.display()))?;
        let key = secrets::read_key(&files.key).map_err(|error| error.to_string())?;
        let own = match Own::read(&certificate, key.expose()) {
            // A renewal that was cut off between its two renames.
            Err(BadTls::Apart) => finish(files, key.expose()).unwrap_or(Err(BadTls::Apart)),
            read => read,
        };
        let own =
            own.map_err(|error| format!("{} with {}: {error}", files.certificate.display(), files.key.display()))?;
        let now = Clock::start().now().wall;
        let kept = if now < own.facts.validity.from { kept(files) } else { None };
        Ok(match kept.filter(|kept| kept.facts.validity.holds(now)) {
            Some(kept) => Self { own: kept, authority, is_kept: true },
            None => Self { own, authority, is_kept: false },
        })
    }

    /// Puts a renewed pair in their place, and keeps them beside it.
    ///
    /// # Errors
    /// What is wrong, with the name of the file; then they are as they were.
    pub fn renew(&self, files: &TlsFiles, certificate: &str, key: &str) -> Result<(), String> {
        if !self.is_kept {
            pki::files::keep(files)?;
        }
        pki::files::put_all(files, certificate, key, None)
    }
}

/// The certificate that waits beside its file, where it is the key's: it is put into its place.
fn finish(files: &TlsFiles, key: &[u8]) -> Option<Result<Own, BadTls>> {
    let waiting = pki::files::waiting(&files.certificate);
    let certificate = secrets::read_public(&waiting, limits::AUTHORITY_BYTES).ok()?;
    let own = Own::read(&certificate, key).ok()?;
    std::fs::rename(&waiting, &files.certificate).ok()?;
    log::warn!("{}: a renewal was cut off, and is completed now", files.certificate.display());
    Some(Ok(own))
}

/// The pair that the last renewal has replaced.
fn kept(files: &TlsFiles) -> Option<Own> {
    let [certificate, key] = [&files.certificate, &files.key].map(|file| pki::files::replaced(file));
    let certificate = secrets::read_public(&certificate, limits::AUTHORITY_BYTES).ok()?;
    Own::read(&certificate, secrets::read_key(&key).ok()?.expose()).ok()
}
