//! The authority's books: certificates that were issued, tokens, and an entry for all that was done. Each step is
//! one transaction that is on the disk when it returns: what was issued, used or revoked is known after any crash.

use rusqlite::{Connection, OptionalExtension, params};

use super::error::StoreError;
use super::read::Queries;
use super::writer::{Durability, Store};
use crate::model::pki::{IssuedCertificate, PkiEvent, Revocation, RevokedCertificates, Token, TokenRefusal};
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

    /// Keeps a certificate that was issued to whoever has that key (SHA-256 of it, 64 hexadecimal digits), unless the key is
    /// revoked by then; tells whether it was kept.
    ///
    /// Errors: as [`Store::commit`].
    pub fn keep_renewed(
        &mut self,
        key_sha256: &str,
        issued: &IssuedCertificate,
        entry: &PkiEvent,
    ) -> Result<bool, StoreError> {
        self.book("keep a certificate in", |conn| {
            let select = "SELECT EXISTS (SELECT 1 FROM certificates WHERE key_sha256 = ?1 AND revoked_at IS NOT NULL)";
            if conn.query_row(select, [key_sha256], |row| row.get(0))? {
                return Ok(false);
            }
            keep(conn, issued)?;
            note(conn, entry)?;
            Ok(true)
        })
    }

    /// Revokes what is valid of somebody, or one certificate, with the open tokens of the owner; tells whose and which, and
    /// none where nothing is. What they are is looked up in the same transaction: nobody renews out of it.
    ///
    /// Errors: as [`Store::commit`].
    pub fn revoke(
        &mut self,
        meant: &Revocation,
        at: Wall,
        reason: &str,
    ) -> Result<Option<RevokedCertificates>, StoreError> {
        let (column, value) = match meant {
            Revocation::Owner(uri) => ("owner", uri),
            Revocation::Certificate(fingerprint) => ("fingerprint", fingerprint),
        };
        let now = at.to_string();
        let update = format!(
            "UPDATE certificates SET revoked_at = ?2, revoked_reason = ?3
             WHERE {column} = ?1 AND revoked_at IS NULL AND not_after > ?2 RETURNING owner, fingerprint"
        );
        self.book("revoke a certificate in", |conn| {
            let mut statement = conn.prepare(&update)?;
            let rows = statement.query_map(params![value, now, reason], |row| Ok((row.get(0)?, row.get(1)?)))?;
            let rows: Vec<(String, String)> = rows.collect::<Result<_, _>>()?;
            let Some((owner, _)) = rows.first().cloned() else { return Ok(None) };
            let fingerprints: Vec<String> = rows.into_iter().map(|(_, fingerprint)| fingerprint).collect();
            // An invitation that is still open would bring them back.
            let close =
                "UPDATE enrolment_tokens SET expires_at = ?2 WHERE owner = ?1 AND used_at IS NULL AND expires_at > ?2";
            conn.execute(close, params![owner, now])?;
            let message = format!("revoked: {reason}; SHA-256 {}", fingerprints.join(", "));
            note(conn, &PkiEvent { at, event: "revoked", owner: owner.clone(), message })?;
            Ok(Some(RevokedCertificates { owner, fingerprints }))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn f47_nobody_renews_out_of_a_revocation() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut store = Store::open(&folder.path().join("oma.db")).expect("a database");
        let at = Wall::from_unix_millis;
        let certificate = |name: &str, owner: &str, until: i64| IssuedCertificate {
            fingerprint: name.repeat(64),
            key_sha256: name.repeat(64),
            owner: owner.to_owned(),
            issued_at: at(0),
            not_after: at(until),
            revoked_at: None,
            revoked_reason: None,
        };
        let entry =
            |owner: &str| PkiEvent { at: at(0), event: "renewed", owner: owner.to_owned(), message: String::new() };
        let (a, b) = ("urn:waybill:vma:a", "urn:waybill:vma:b");
        for (name, owner, until) in [("1", a, 100), ("2", a, 900), ("3", b, 900)] {
            store.keep_certificate(&certificate(name, owner, until), &entry(owner)).expect("kept");
        }
        // What is renewed before the revocation belongs to it.
        let renewed = store.keep_renewed(&"2".repeat(64), &certificate("4", a, 900), &entry(a));
        assert!(renewed.expect("writable"));
        let meant = Revocation::Owner(a.to_owned());
        let revoked = store.revoke(&meant, at(500), "stolen").expect("writable").expect("there are some");
        assert_eq!((revoked.owner.as_str(), revoked.fingerprints), (a, vec!["2".repeat(64), "4".repeat(64)]));
        assert_eq!(store.revoke(&meant, at(501), "stolen").expect("writable"), None, "only once");
        for (key, owner, is_kept) in [("2", a, false), ("4", a, false), ("3", b, true)] {
            let renewed = store.keep_renewed(&key.repeat(64), &certificate("5", owner, 900), &entry(owner));
            assert_eq!(renewed.expect("writable"), is_kept, "{key}");
        }
        let states: Vec<bool> =
            store.certificates().expect("readable").iter().map(|one| one.revoked_at.is_some()).collect();
        assert_eq!(states, [false, true, false, true, false]);
        let one = store.revoke(&Revocation::Certificate("5".repeat(64)), at(502), "lost").expect("writable");
        assert_eq!(one.expect("it is").owner, b);
    }
}
