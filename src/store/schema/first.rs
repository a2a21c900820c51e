//! Migration 1: the tables, the transition table's triggers and the views of the specification's three queries.
//!
//! It is what databases in the field began with, and never changes; what it lacks is a later migration's.

pub(super) const FIRST: &str = concat!(
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
