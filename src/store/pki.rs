//! The authority's books: certificates that were issued, tokens, and an entry for all that was done. Each step is
//! one transaction that is on the disk when it returns: what was issued, used or revoked is known after any crash.

use rusqlite::{Connection, OptionalExtension, params};

use super::error::StoreError;
use super::read::Queries;
use super::writer::{Durability, Store};
use crate::model::pki::{IssuedCertificate, PkiEvent, Token, TokenRefusal};
use crate::model::time::Wall;

impl Store {
    /// Keeps a token that was made.
    ///
    /// Errors: as [`Store::commit`].
    pub fn keep_token(&mut self, token: &Token, entry: &PkiEvent) -> Result<(), StoreError> {
        self.book("keep a token in", |conn| {
            conn.execute(
                "INSERT INTO enrolment_tokens (id, owner, secret_sha256, created_at, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![token.id, token.owner, token.secret_sha256, token.created_at.to_string(), token.expires_at.to_string()],
            )?;
            note(conn, entry)
        })
    }

    /// Takes a token that somebody shows: at most once, not after its time, and only with its secret. The certificate that
    /// `issue` makes for the token's owner, and the entry about it, are kept in the same transaction: a token is used up by
    /// what it has brought, and by nothing else.
    ///
    /// Errors: as [`Store::commit`].
    pub fn redeem(
        &mut self,
        id: &str,
        secret_sha256: &str,
        now: Wall,
        issue: impl FnOnce(&str) -> Result<(IssuedCertificate, PkiEvent), String>,
    ) -> Result<Result<(), TokenRefusal>, StoreError> {
        self.book("use a token of", |conn| {
            let select = "SELECT owner, secret_sha256, expires_at, used_at FROM enrolment_tokens WHERE id = ?1";
            let found = conn.query_row(select, [id], |row| {
                let text = |at| row.get::<_, String>(at);
                Ok((text(0)?, text(1)?, text(2)?, row.get::<_, Option<String>>(3)?))
            });
            let Some((owner, kept, expires_at, used_at)) = found.optional()? else {
                return Ok(Err(TokenRefusal::Unknown));
            };
            if kept != secret_sha256 {
                return Ok(Err(TokenRefusal::Unknown));
            }
            if used_at.is_some() {
                return Ok(Err(TokenRefusal::Used));
            }
            // A time that cannot be read is no permission.
            if Wall::parse(&expires_at).is_none_or(|expires_at| expires_at <= now) {
                return Ok(Err(TokenRefusal::Expired));
            }
            let (issued, entry) = match issue(&owner) {
                Ok(issued) => issued,
                Err(why) => return Ok(Err(TokenRefusal::NotIssued(why))),
            };
            conn.execute("UPDATE enrolment_tokens SET used_at = ?2 WHERE id = ?1", params![id, now.to_string()])?;
            keep(conn, &issued)?;
            note(conn, &entry)?;
            Ok(Ok(()))
        })
    }

    /// Keeps a certificate that was issued.
    ///
    /// Errors: as [`Store::commit`].
    pub fn keep_certificate(&mut self, issued: &IssuedCertificate, entry: &PkiEvent) -> Result<(), StoreError> {
        self.book("keep a certificate in", |conn| {
            keep(conn, issued)?;
            note(conn, entry)
        })
    }

    /// Revokes certificates that are not revoked yet, and the open tokens of their owner; tells how many certificates.
    ///
    /// Errors: as [`Store::commit`].
    pub fn revoke(&mut self, fingerprints: &[String], reason: &str, entry: &PkiEvent) -> Result<usize, StoreError> {
        self.book("revoke a certificate in", |conn| {
            let mut count = 0;
            for fingerprint in fingerprints {
                count += conn.execute(
                    "UPDATE certificates SET revoked_at = ?2, revoked_reason = ?3 WHERE fingerprint = ?1 AND revoked_at IS NULL",
                    params![fingerprint, entry.at.to_string(), reason],
                )?;
            }
            if count > 0 {
                // An invitation that is still open would bring them back.
                let close = "UPDATE enrolment_tokens SET expires_at = ?2 WHERE owner = ?1 AND used_at IS NULL AND expires_at > ?2";
                conn.execute(close, params![entry.owner, entry.at.to_string()])?;
                note(conn, entry)?;
            }
            Ok(count)
        })
    }

    /// Keeps an entry of its own.
    ///
    /// Errors: as [`Store::commit`].
    pub fn note_pki(&mut self, entry: &PkiEvent) -> Result<(), StoreError> {
        self.book("write to", |conn| note(conn, entry))
    }

    fn book<T>(
        &mut self,
        operation: &'static str,
        write: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.transact(Durability::OnDisk, write).map_err(|error| self.failure(operation, &error))
    }
}

fn keep(conn: &Connection, issued: &IssuedCertificate) -> rusqlite::Result<()> {
    conn.execute(
        "INSERT INTO certificates (fingerprint, key_sha256, owner, issued_at, not_after) VALUES (?1, ?2, ?3, ?4, ?5)",
        params![
            issued.fingerprint,
            issued.key_sha256,
            issued.owner,
            issued.issued_at.to_string(),
            issued.not_after.to_string()
        ],
    )
    .map(drop)
}

fn note(conn: &Connection, entry: &PkiEvent) -> rusqlite::Result<()> {
    conn.execute(
        "INSERT INTO pki_events (at, event, owner, message) VALUES (?1, ?2, ?3, ?4)",
        params![entry.at.to_string(), entry.event, entry.owner, entry.message],
    )
    .map(drop)
}

impl Queries {
    /// All certificates that were issued, oldest first.
    pub fn certificates(&self) -> Result<Vec<IssuedCertificate>, StoreError> {
        const SELECT: &str = "SELECT fingerprint, key_sha256, owner, issued_at, not_after, revoked_at, revoked_reason
                              FROM certificates ORDER BY issued_at, rowid";
        self.rows("read the certificates in", "certificates", SELECT, [], |cells| {
            Ok(Some(IssuedCertificate {
                fingerprint: cells.text()?.unwrap_or_default(),
                key_sha256: cells.text()?.unwrap_or_default(),
                owner: cells.text()?.unwrap_or_default(),
                issued_at: cells.time()?.unwrap_or_default(),
                not_after: cells.time()?.unwrap_or_default(),
                revoked_at: cells.text()?,
                revoked_reason: cells.text()?,
            }))
        })
    }

    /// True where a token waits to be used.
    pub fn has_open_token(&self, now: Wall) -> Result<bool, StoreError> {
        self.run("look for tokens in", |conn| {
            let select = "SELECT EXISTS (SELECT 1 FROM enrolment_tokens WHERE used_at IS NULL AND expires_at > ?1)";
            conn.query_row(select, [now.to_string()], |row| row.get(0))
        })
    }
}
