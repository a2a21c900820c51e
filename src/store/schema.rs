//! Tables, views and numbered migrations. One schema serves both appliances, so that every reading command works on the
//! database of either; `job_exports`, `job_aliases`, `received_change_ids` and `appliance` are filled where they are needed.
//!
//! `PRAGMA user_version` counts the migrations that a file has had. Each is one transaction; a file that has had more of
//! them than this program knows is refused. The SQL is understood by the sqlite3 3.40 of Debian 12 (R-43).

use rusqlite::{Connection, TransactionBehavior};

use super::error::{Place, StoreError};

/// `PRAGMA application_id` of a waybill database: "Wayb" in ASCII.
pub(super) const APPLICATION_ID: i32 = 0x5761_7962;
/// The number of the newest migration.
pub(super) const NEWEST: i64 = MIGRATIONS.len() as i64;

const MIGRATIONS: [&str; 1] = [FIRST];

/// The rules of `model::id` for a column: 1 to 255 bytes without control characters (R-2).
macro_rules! id_rule {
    ($column:literal) => {
        concat!(
            "CHECK (length(CAST(",
            $column,
            " AS BLOB)) BETWEEN 1 AND 255 AND instr(",
            $column,
            ", char(0)) = 0 AND ",
            $column,
            " NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*')"
        )
    };
}

/// A column that holds one of a few words, or NULL. Not `IN`: SQLite builds a table of the words for each row it checks,
/// which doubles the time of a write.
macro_rules! one_of {
    ($column:literal, $first:literal $(, $word:literal)*) => {
        concat!("CHECK (", $column, " = '", $first, "'", $(" OR ", $column, " = '", $word, "'",)* ")")
    };
}

const FIRST: &str = concat!(
    r"
CREATE TABLE replication_jobs (
    id                 TEXT PRIMARY KEY NOT NULL ",
    id_rule!("id"),
    r",
    vma                TEXT NOT NULL ",
    id_rule!("vma"),
    r",
    vm_name            TEXT NOT NULL DEFAULT '',
    vm_path            TEXT NOT NULL DEFAULT '',
    replication_type   TEXT ",
    one_of!("replication_type", "full", "incremental"),
    r",
    status             TEXT NOT NULL DEFAULT 'pending' ",
    one_of!("status", "pending", "preparing", "snapshotting", "streaming", "finalizing", "completed", "failed"),
    r",
    current_operation  TEXT,
    progress_percent   REAL NOT NULL DEFAULT 0 CHECK (progress_percent BETWEEN 0 AND 100),
    bytes_transferred  INTEGER NOT NULL DEFAULT 0 CHECK (bytes_transferred >= 0),
    total_bytes        INTEGER NOT NULL DEFAULT 0 CHECK (total_bytes >= 0),
    total_basis        TEXT ",
    one_of!("total_basis", "cbt-allocated", "cbt-delta", "layout", "mover", "capacity"),
    r",
    transfer_speed_bps INTEGER NOT NULL DEFAULT 0 CHECK (transfer_speed_bps >= 0),
    eta_seconds        INTEGER CHECK (eta_seconds >= 0),
    contact            TEXT NOT NULL DEFAULT 'fresh' ",
    one_of!("contact", "fresh", "late", "tunnel_down", "vma_unreachable", "job_unknown", "lost"),
    r",
    stalled_since      TEXT,
    error_message      TEXT,
    correlation_id     TEXT,
    source_sequence    INTEGER NOT NULL DEFAULT 0 CHECK (source_sequence >= 0),
    source_updated_at  TEXT,
    created_at         TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    started_at         TEXT,
    updated_at         TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    last_contact_at    TEXT,
    completed_at       TEXT,
    source_epoch       TEXT
) STRICT;
CREATE INDEX replication_jobs_by_status ON replication_jobs (status);
CREATE INDEX replication_jobs_by_updated_at ON replication_jobs (updated_at);

CREATE TABLE vm_disks (
    job_id                TEXT NOT NULL REFERENCES replication_jobs (id),
    disk_id               TEXT NOT NULL ",
    id_rule!("disk_id"),
    r",
    label                 TEXT NOT NULL DEFAULT '',
    capacity_bytes        INTEGER CHECK (capacity_bytes >= 0),
    planned_bytes         INTEGER CHECK (planned_bytes >= 0),
    planned_basis         TEXT ",
    one_of!("planned_basis", "cbt-allocated", "cbt-delta", "layout", "mover", "capacity"),
    r",
    sync_status           TEXT NOT NULL DEFAULT 'pending' ",
    one_of!("sync_status", "pending", "snapshotting", "syncing", "completed", "failed"),
    r",
    sync_progress_percent REAL NOT NULL DEFAULT 0 CHECK (sync_progress_percent BETWEEN 0 AND 100),
    bytes_synced          INTEGER NOT NULL DEFAULT 0 CHECK (bytes_synced >= 0),
    transfer_speed_bps    INTEGER NOT NULL DEFAULT 0 CHECK (transfer_speed_bps >= 0),
    disk_change_id        TEXT,
    previous_change_id    TEXT,
    blocks_changed        INTEGER CHECK (blocks_changed >= 0),
    error_message         TEXT,
    updated_at            TEXT,
    ordinal               INTEGER NOT NULL DEFAULT 0 CHECK (ordinal >= 0),
    declared              INTEGER NOT NULL DEFAULT 1 CHECK (declared IN (0, 1)),
    device_key            INTEGER,
    mover_throughput_bps  INTEGER CHECK (mover_throughput_bps >= 0),
    suspect               TEXT,
    started_at            TEXT,
    ended_at              TEXT,
    PRIMARY KEY (job_id, disk_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE job_exports (
    job_id     TEXT NOT NULL REFERENCES replication_jobs (id),
    name       TEXT NOT NULL ",
    id_rule!("name"),
    r",
    ordinal    INTEGER NOT NULL DEFAULT 0 CHECK (ordinal >= 0),
    disk_id    TEXT,
    device     TEXT NOT NULL DEFAULT '',
    connected  INTEGER NOT NULL DEFAULT 0 CHECK (connected IN (0, 1)),
    started_at TEXT,
    PRIMARY KEY (job_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE job_aliases (
    job_id  TEXT NOT NULL REFERENCES replication_jobs (id),
    alias   TEXT NOT NULL ",
    id_rule!("alias"),
    r",
    ordinal INTEGER NOT NULL DEFAULT 0 CHECK (ordinal >= 0),
    PRIMARY KEY (job_id, alias)
) STRICT, WITHOUT ROWID;

-- No foreign key: the history outlives the job's row (R-53).
CREATE TABLE cbt_history (
    id                    INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id                TEXT NOT NULL,
    vm_path               TEXT NOT NULL DEFAULT '',
    disk_id               TEXT NOT NULL,
    change_id             TEXT,
    previous_change_id    TEXT,
    sync_type             TEXT NOT NULL ",
    one_of!("sync_type", "full", "incremental"),
    r",
    blocks_changed        INTEGER CHECK (blocks_changed >= 0),
    bytes_transferred     INTEGER NOT NULL DEFAULT 0 CHECK (bytes_transferred >= 0),
    sync_duration_seconds INTEGER NOT NULL DEFAULT 0 CHECK (sync_duration_seconds >= 0),
    sync_success          INTEGER NOT NULL DEFAULT 0 CHECK (sync_success IN (0, 1)),
    created_at            TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;
-- NULLs are all different to a unique index, so a missing change id counts as the empty one.
CREATE UNIQUE INDEX cbt_history_once ON cbt_history (job_id, disk_id, coalesce(change_id, ''));
CREATE INDEX cbt_history_by_disk ON cbt_history (vm_path, disk_id);
CREATE INDEX cbt_history_by_created_at ON cbt_history (created_at);

CREATE TABLE job_steps (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id         TEXT NOT NULL REFERENCES replication_jobs (id),
    stage          TEXT NOT NULL,
    started_at     TEXT NOT NULL,
    completed_at   TEXT,
    duration_ms    INTEGER CHECK (duration_ms >= 0),
    outcome        TEXT ",
    one_of!("outcome", "succeeded", "failed"),
    r",
    correlation_id TEXT
) STRICT;
-- A run never returns to a stage (R-40), so it has one row for each.
CREATE UNIQUE INDEX job_steps_once ON job_steps (job_id, stage);

-- No foreign key: an entry about an id that nobody knows is kept too (R-31).
CREATE TABLE job_events (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id         TEXT NOT NULL,
    at             TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    level          TEXT NOT NULL DEFAULT 'info' ",
    one_of!("level", "info", "warning", "error"),
    r",
    event          TEXT NOT NULL,
    message        TEXT NOT NULL DEFAULT '',
    attributes     TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(attributes)),
    correlation_id TEXT
) STRICT;
CREATE INDEX job_events_by_job ON job_events (job_id);

-- What movers sent, as they sent it (R-31): no rule may refuse a row.
CREATE TABLE received_change_ids (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id             TEXT NOT NULL,
    disk_id            TEXT NOT NULL,
    vm_path            TEXT,
    change_id          TEXT NOT NULL,
    previous_change_id TEXT,
    received_at        TEXT NOT NULL
) STRICT;
CREATE INDEX received_change_ids_by_job ON received_change_ids (job_id);

CREATE TABLE status_transitions (
    subject     TEXT NOT NULL ",
    one_of!("subject", "job", "disk"),
    r",
    from_status TEXT NOT NULL,
    to_status   TEXT NOT NULL,
    PRIMARY KEY (subject, from_status, to_status)
) STRICT, WITHOUT ROWID;

-- No program may take a step that the table does not have (R-41), whoever types it.
CREATE TRIGGER job_status_follows_the_table BEFORE UPDATE OF status ON replication_jobs
WHEN NEW.status <> OLD.status AND NOT EXISTS (SELECT 1 FROM status_transitions
    WHERE subject = 'job' AND from_status = OLD.status AND to_status = NEW.status)
BEGIN
    SELECT RAISE(ABORT, 'this job status may not follow the present one; see the table status_transitions');
END;
CREATE TRIGGER disk_status_follows_the_table BEFORE UPDATE OF sync_status ON vm_disks
WHEN NEW.sync_status <> OLD.sync_status AND NOT EXISTS (SELECT 1 FROM status_transitions
    WHERE subject = 'disk' AND from_status = OLD.sync_status AND to_status = NEW.sync_status)
BEGIN
    SELECT RAISE(ABORT, 'this disk status may not follow the present one; see the table status_transitions');
END;

-- Facts about this database: its epoch, its sequence (R-9) and how often it was made durable.
CREATE TABLE appliance (
    key   TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO appliance (key, value) VALUES ('sequence', '0'), ('made_durable', '0');

-- Active replication jobs: every job that is not finished.
CREATE VIEW active_jobs AS
SELECT id, status, current_operation, progress_percent, updated_at,
       vma, vm_name, bytes_transferred, total_bytes, transfer_speed_bps, eta_seconds, contact, stalled_since
FROM replication_jobs
WHERE status IN ('pending', 'preparing', 'snapshotting', 'streaming', 'finalizing');

-- Recent CBT history: of each job's disk the last row, which supersedes the earlier ones (R-53).
CREATE VIEW recent_cbt_history AS
SELECT job_id, disk_id, sync_type, bytes_transferred, sync_success, created_at,
       vm_path, change_id, previous_change_id, blocks_changed, sync_duration_seconds
FROM cbt_history AS entry
WHERE NOT EXISTS (SELECT 1 FROM cbt_history AS later
                  WHERE later.job_id = entry.job_id AND later.disk_id = entry.disk_id AND later.id > entry.id)
ORDER BY created_at DESC, id DESC
LIMIT 10;

-- Progress tracking health: the jobs of the last 24 hours.
CREATE VIEW tracking_health AS
SELECT count(*) AS total_jobs,
       coalesce(sum(status = 'completed'), 0) AS completed,
       coalesce(sum(status = 'failed'), 0) AS failed
FROM replication_jobs
WHERE datetime(created_at) > datetime('now', '-24 hours');
"
);

/// What a file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// `PRAGMA application_id`.
    pub(super) application_id: i32,
    /// `PRAGMA user_version`: how many migrations it has had.
    pub(super) version: i64,
    /// True where there is nothing in it.
    pub(super) empty: bool,
}

/// Reads the stamp; the first thing that touches a file's content.
pub(super) fn stamp(conn: &Connection) -> rusqlite::Result<Stamp> {
    Ok(Stamp {
        application_id: conn.query_row("PRAGMA application_id", [], |row| row.get(0))?,
        version: conn.query_row("PRAGMA user_version", [], |row| row.get(0))?,
        empty: conn.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?,
    })
}

/// Brings the file up to [`NEWEST`], one transaction for each migration. The stamp is read again inside each, because a
/// second daemon may be doing the same. The caller has refused what is newer.
pub(super) fn migrate(conn: &mut Connection) -> rusqlite::Result<()> {
    for (number, sql) in (1..).zip(MIGRATIONS) {
        let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if stamp(&transaction)?.version < number {
            transaction.execute_batch(sql)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", number)?;
        }
        transaction.commit()?;
    }
    Ok(())
}

/// Makes `status_transitions` equal to the table in the code, which is its only source (R-41). Writes nothing where it is.
pub(super) fn fill_transitions(
    conn: &mut Connection,
    rows: impl Iterator<Item = (&'static str, &'static str, &'static str)>,
) -> rusqlite::Result<()> {
    let mut wanted: Vec<(String, String, String)> =
        rows.map(|(subject, from, to)| (subject.to_owned(), from.to_owned(), to.to_owned())).collect();
    wanted.sort();
    wanted.dedup();
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let stored: Vec<(String, String, String)> = transaction
        .prepare("SELECT subject, from_status, to_status FROM status_transitions ORDER BY 1, 2, 3")?
        .query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?
        .collect::<rusqlite::Result<_>>()?;
    if stored != wanted {
        transaction.execute("DELETE FROM status_transitions", [])?;
        let mut insert = transaction.prepare("INSERT INTO status_transitions VALUES (?1, ?2, ?3)")?;
        for row in &wanted {
            insert.execute(rusqlite::params![row.0, row.1, row.2])?;
        }
    }
    transaction.commit()
}

/// Refuses what is not ours and what is newer than this program.
pub(super) fn refuse_foreign(stamp: Stamp, at: impl Fn() -> Place) -> Result<(), StoreError> {
    let is_new = stamp.empty && stamp.version == 0 && stamp.application_id == 0;
    if !is_new && stamp.application_id != APPLICATION_ID {
        let reason = format!("a database of another program, application id {}", stamp.application_id);
        return Err(StoreError::NotADatabase { at: at(), reason });
    }
    if stamp.version > NEWEST {
        return Err(StoreError::NewerSchema { at: at(), found: stamp.version, known: NEWEST });
    }
    Ok(())
}

/// The epoch (R-9), made at the first call. SQLite supplies the randomness and the time, so that no clock is read here.
pub(super) fn epoch(conn: &Connection) -> rusqlite::Result<String> {
    let (random, millis): ([u8; 16], i64) = conn.query_row(
        "SELECT randomblob(16), CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let made = ulid::Ulid::from_parts(u64::try_from(millis).unwrap_or(0), u128::from_be_bytes(random)).to_string();
    conn.execute("INSERT INTO appliance (key, value) VALUES ('epoch', ?1) ON CONFLICT (key) DO NOTHING", [&made])?;
    conn.query_row("SELECT value FROM appliance WHERE key = 'epoch'", [], |row| row.get(0))
}
