//! The authority's nouns: what it has issued, whom it has invited, and what it has done.

use std::time::Duration;

use super::time::Wall;

/// When a certificate is valid, as it says itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// From then on.
    pub from: Wall,
    /// Until then.
    pub until: Wall,
}

impl Validity {
    /// How long it is valid in all.
    pub fn length(self) -> Duration {
        self.left(self.from)
    }
    /// True at a moment within it.
    pub fn holds(self, at: Wall) -> bool {
        (self.from..self.until).contains(&at)
    }
    /// How much of that is left; nothing where it has ended.
    pub fn left(self, at: Wall) -> Duration {
        let millis = self.until.unix_millis().saturating_sub(at.unix_millis());
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}

/// A certificate that the authority has issued.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IssuedCertificate {
    /// SHA-256 of it, 64 hexadecimal digits.
    pub fingerprint: String,
    /// SHA-256 of its public key, by which it is known when it is revoked.
    pub key_sha256: String,
    /// Whose it is, as its URI says.
    pub owner: String,
    /// When it was issued.
    pub issued_at: Wall,
    /// Until when it is valid.
    pub not_after: Wall,
    /// When it was revoked; whatever stands there, it is.
    pub revoked_at: Option<String>,
    /// Why.
    pub revoked_reason: Option<String>,
}

/// What is to be revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Revocation {
    /// All that somebody has, by their URI.
    Owner(String),
    /// One certificate, by its SHA-256.
    Certificate(String),
}

/// What was revoked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RevokedCertificates {
    /// Whose it was, as a URI.
    pub owner: String,
    /// SHA-256 of each.
    pub fingerprints: Vec<String>,
}

/// A token, as the authority keeps it: without its secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Token {
    /// Its public half.
    pub id: String,
    /// Whom its certificate is for, as a URI.
    pub owner: String,
    /// SHA-256 of its secret, 64 hexadecimal digits.
    pub secret_sha256: String,
    /// When it was made.
    pub created_at: Wall,
    /// When it ends.
    pub expires_at: Wall,
}

/// Why a token is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenRefusal {
    /// No such token, or another secret: the two are not told apart.
    #[error("this OMA has made no such token")]
    Unknown,
    /// It was used before.
    #[error("the token was used already, and is good for one enrolment")]
    Used,
    /// Its time is over.
    #[error("the token has expired")]
    Expired,
    /// No certificate can be made; the token is as good as before.
    #[error("{0}")]
    NotIssued(String),
}

/// Something that the authority has done, or refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PkiEvent {
    /// When.
    pub at: Wall,
    /// What, in snake case.
    pub event: &'static str,
    /// About whom, as a URI; "" where nobody is known.
    pub owner: String,
    /// In words.
    pub message: String,
}
