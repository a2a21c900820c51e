//! What the daemon knows of the authority's books, and how a certificate is entered into them.

use std::collections::BTreeSet;

use data_encoding::HEXLOWER;

use super::links::Revoked;
use crate::model::peer::Peer;
use crate::model::pki::{IssuedCertificate, PkiEvent};
use crate::model::time::Wall;
use crate::pki::authority::Issued;

/// What the daemon knows of the books.
#[derive(Default)]
pub(super) struct Books {
    pub(super) revoked: Revoked,
    /// The keys of all certificates that the authority has issued.
    pub(super) issued: BTreeSet<[u8; 32]>,
    pub(super) enrols: bool,
    /// The state of the database at the last look.
    pub(super) seen: Option<i64>,
    pub(super) refusals: u32,
}

/// A certificate's key as TLS has it.
pub(super) fn key(certificate: &IssuedCertificate) -> Option<[u8; 32]> {
    HEXLOWER.decode(certificate.key_sha256.as_bytes()).ok()?.try_into().ok()
}

/// An entry about somebody.
pub(super) fn entry(at: Wall, event: &'static str, owner: &Peer, message: String) -> PkiEvent {
    PkiEvent { at, event, owner: owner.uri().unwrap_or_default(), message }
}

/// A certificate as it is booked, and the entry about it.
pub fn booked(at: Wall, owner: &Peer, issued: &Issued, event: &'static str) -> (IssuedCertificate, PkiEvent) {
    let fingerprint = HEXLOWER.encode(&issued.facts.fingerprint);
    let until = issued.facts.validity.until;
    let message = format!("{owner} has a certificate until {until}, SHA-256 {fingerprint}");
    let certificate = IssuedCertificate {
        fingerprint,
        key_sha256: HEXLOWER.encode(&issued.facts.key),
        owner: owner.uri().unwrap_or_default(),
        issued_at: at,
        not_after: until,
        revoked_at: None,
        revoked_reason: None,
    };
    (certificate, entry(at, event, owner, message))
}
