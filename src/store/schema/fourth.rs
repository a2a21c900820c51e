//! Migration 4: the authority's books on the OMA (R-63), and which VMA a change id came from (R-61). A certificate is
//! revoked for good, a token is used once, and what has happened is not rewritten.

pub(super) const FOURTH: &str = r"
CREATE TABLE certificates (
    fingerprint    TEXT NOT NULL PRIMARY KEY CHECK (length(fingerprint) = 64),
    key_sha256     TEXT NOT NULL CHECK (length(key_sha256) = 64),
    owner          TEXT NOT NULL CHECK (owner <> ''),
    issued_at      TEXT NOT NULL,
    not_after      TEXT NOT NULL,
    revoked_at     TEXT,
    revoked_reason TEXT,
    CHECK ((revoked_at IS NULL) = (revoked_reason IS NULL))
) STRICT;
CREATE TRIGGER certificates_stay BEFORE DELETE ON certificates
BEGIN SELECT RAISE(ABORT, 'a certificate that was issued stays in the books: set revoked_at and revoked_reason'); END;
CREATE TRIGGER certificates_only_get_revoked BEFORE UPDATE ON certificates
WHEN OLD.revoked_at IS NOT NULL OR NEW.fingerprint <> OLD.fingerprint OR NEW.key_sha256 <> OLD.key_sha256 OR NEW.owner <> OLD.owner
     OR NEW.issued_at <> OLD.issued_at OR NEW.not_after <> OLD.not_after
BEGIN SELECT RAISE(ABORT, 'a certificate can be revoked, once, and nothing else of it changes'); END;

CREATE TABLE enrolment_tokens (
    id            TEXT NOT NULL PRIMARY KEY,
    owner         TEXT NOT NULL CHECK (owner <> ''),
    secret_sha256 TEXT NOT NULL CHECK (length(secret_sha256) = 64),
    created_at    TEXT NOT NULL,
    expires_at    TEXT NOT NULL,
    used_at       TEXT
) STRICT;
CREATE TRIGGER enrolment_tokens_are_used_once BEFORE UPDATE ON enrolment_tokens
WHEN OLD.used_at IS NOT NULL OR NEW.id <> OLD.id OR NEW.owner <> OLD.owner
     OR NEW.secret_sha256 <> OLD.secret_sha256 OR NEW.expires_at > OLD.expires_at
BEGIN SELECT RAISE(ABORT, 'a token is used once, and lasts no longer than it was made for'); END;

CREATE TABLE pki_events (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    at      TEXT NOT NULL,
    event   TEXT NOT NULL CHECK (event <> ''),
    owner   TEXT NOT NULL,
    message TEXT NOT NULL
) STRICT;
CREATE TRIGGER pki_events_do_not_change BEFORE UPDATE ON pki_events
BEGIN SELECT RAISE(ABORT, 'what has happened does not change'); END;
CREATE TRIGGER pki_events_stay BEFORE DELETE ON pki_events
BEGIN SELECT RAISE(ABORT, 'what has happened stays'); END;

ALTER TABLE received_change_ids ADD COLUMN vma TEXT;
";
