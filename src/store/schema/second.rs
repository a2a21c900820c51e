//! Migration 2: the database defends itself, whoever types (R-43), and tables for what crosses the tunnel (R-31, R-51).
//!
//! Triggers keep the rules and not foreign keys, which are off in a plain `sqlite3` shell. What is only ever added to
//! refuses `UPDATE` and `DELETE`. `INSERT OR REPLACE` deletes without a delete trigger, so that inserts are looked at too:
//! beforehand where nobody else has business, and in `replication_jobs` afterwards, where `INSERT OR IGNORE` and upserts
//! of other programs must go on to work. Rows leave in one way: their job, which has ended, is named in `leaving`, and the
//! name goes again in the same transaction (R-10, R-55).

/// True of a row of `replication_jobs` that is named by a column.
macro_rules! job_has_ended {
    ($job:literal) => {
        concat!(
            "EXISTS (SELECT 1 FROM replication_jobs WHERE id = ",
            $job,
            " AND (status = 'completed' OR status = 'failed'))"
        )
    };
}

/// Triggers of a table that belongs to a job: its rows need the job's row, stand still when the job has ended, and go with
/// it only.
macro_rules! belongs_to_a_job {
    ($table:literal) => {
        concat!(
            "CREATE TRIGGER ",
            $table,
            "_need_their_job BEFORE INSERT ON ",
            $table,
            "
WHEN NOT EXISTS (SELECT 1 FROM replication_jobs WHERE id = NEW.job_id)
BEGIN SELECT RAISE(ABORT, '",
            $table,
            ".job_id names no job: insert its row into replication_jobs first'); END;
CREATE TRIGGER ",
            $table,
            "_are_not_added_after_the_end BEFORE INSERT ON ",
            $table,
            "
WHEN ",
            job_has_ended!("NEW.job_id"),
            "
BEGIN SELECT RAISE(ABORT, 'this job has ended, and nothing is added to what has ended'); END;
CREATE TRIGGER ",
            $table,
            "_keep_their_job BEFORE UPDATE OF job_id ON ",
            $table,
            "
WHEN NEW.job_id <> OLD.job_id
BEGIN SELECT RAISE(ABORT, '",
            $table,
            ".job_id does not change: a row belongs to its job'); END;
",
        )
    };
}

/// The trigger of a table that stands still when the job has ended.
macro_rules! stands_still {
    ($table:literal) => {
        concat!(
            "CREATE TRIGGER ",
            $table,
            "_stand_still BEFORE UPDATE ON ",
            $table,
            "
WHEN ",
            job_has_ended!("OLD.job_id"),
            "
BEGIN SELECT RAISE(ABORT, 'this job has ended, and what has ended does not change'); END;
"
        )
    };
}

/// The trigger of a table whose rows may be taken back while the job runs, as its other names.
macro_rules! stays_after_the_end {
    ($table:literal) => {
        concat!(
            "CREATE TRIGGER ", $table, "_stay BEFORE DELETE ON ", $table, "
WHEN ", job_has_ended!("OLD.job_id"), " AND NOT EXISTS (SELECT 1 FROM leaving WHERE job_id = OLD.job_id)
BEGIN SELECT RAISE(ABORT, 'this job has ended, and what has ended is not deleted: `waybill db archive` moves old jobs to another file'); END;
",
        )
    };
}

/// Triggers of a table that is only ever added to; its rows go with an ended job, if at all.
macro_rules! only_grows {
    ($table:literal, $same:literal) => {
        concat!(
            "CREATE TRIGGER ",
            $table,
            "_are_not_changed BEFORE UPDATE ON ",
            $table,
            "
BEGIN SELECT RAISE(ABORT, '",
            $table,
            " is only ever added to: its rows do not change'); END;
CREATE TRIGGER ",
            $table,
            "_are_not_deleted BEFORE DELETE ON ",
            $table,
            "
WHEN NOT EXISTS (SELECT 1 FROM leaving WHERE job_id = OLD.job_id)
BEGIN SELECT RAISE(ABORT, '",
            $table,
            " is only ever added to: `waybill db archive` moves old rows to another file'); END;
CREATE TRIGGER ",
            $table,
            "_are_not_replaced BEFORE INSERT ON ",
            $table,
            "
WHEN EXISTS (SELECT 1 FROM ",
            $table,
            " WHERE ",
            $same,
            ")
BEGIN SELECT RAISE(ABORT, '",
            $table,
            " is only ever added to: this row is there already and is not replaced'); END;
",
        )
    };
}

/// The trigger of a table whose ids count up: after one that is near the last number there is no room for any.
macro_rules! leaves_ids_to_sqlite {
    ($table:literal) => {
        concat!(
            "CREATE TRIGGER ",
            $table,
            "_leave_ids_to_sqlite BEFORE INSERT ON ",
            $table,
            "
WHEN NEW.id > 4611686018427387904
BEGIN SELECT RAISE(ABORT, '",
            $table,
            ".id is counted up by SQLite: leave it out'); END;
"
        )
    };
}

pub(super) const SECOND: &str = concat!(
    r"
-- A job may be asked for by its disk's device key when its own row is no longer here (R-31).
ALTER TABLE cbt_history ADD COLUMN device_key INTEGER;
UPDATE cbt_history SET device_key = (SELECT disk.device_key FROM vm_disks AS disk
    WHERE disk.job_id = cbt_history.job_id AND disk.disk_id = cbt_history.disk_id);

-- Jobs whose rows may be deleted, within one transaction. Nobody else deletes.
CREATE TABLE leaving (
    job_id TEXT PRIMARY KEY NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TRIGGER leaving_are_ended BEFORE INSERT ON leaving
WHEN NOT ",
    job_has_ended!("NEW.job_id"),
    r" AND (EXISTS (SELECT 1 FROM replication_jobs WHERE id = NEW.job_id)
    OR NOT EXISTS (SELECT 1 FROM cbt_history WHERE job_id = NEW.job_id))
BEGIN SELECT RAISE(ABORT, 'this job has not ended: only ended jobs may leave'); END;
CREATE TRIGGER leaving_are_not_changed BEFORE UPDATE ON leaving
BEGIN SELECT RAISE(ABORT, 'only ended jobs may leave, each by its own id'); END;

-- Every id that replication_jobs has, by which a replaced row is told from a new one. That of an archived job stays: a
-- run of the same id would be mixed up with it in the history.
CREATE TABLE job_ids (
    id          TEXT PRIMARY KEY NOT NULL,
    archived_at TEXT
) STRICT, WITHOUT ROWID;
INSERT INTO job_ids (id) SELECT id FROM replication_jobs;
CREATE TRIGGER job_ids_stay BEFORE DELETE ON job_ids
WHEN NOT EXISTS (SELECT 1 FROM leaving WHERE job_id = OLD.id)
BEGIN SELECT RAISE(ABORT, 'job_ids follows replication_jobs: its rows go with theirs'); END;
CREATE TRIGGER job_ids_are_not_changed BEFORE UPDATE ON job_ids
WHEN NEW.id <> OLD.id OR NOT EXISTS (SELECT 1 FROM leaving WHERE job_id = OLD.id)
BEGIN SELECT RAISE(ABORT, 'job_ids follows replication_jobs: its rows do not change'); END;

-- The log of the other side of the tunnel, as the VMA has it; source_id is the entry's id there (OMA, R-51).
CREATE TABLE source_events (
    job_id         TEXT NOT NULL,
    source_epoch   TEXT NOT NULL,
    source_id      INTEGER NOT NULL CHECK (source_id BETWEEN 1 AND 4611686018427387904),
    at             TEXT NOT NULL,
    level          TEXT NOT NULL DEFAULT 'info' ",
    one_of!("level", "info", "warning", "error"),
    r",
    event          TEXT NOT NULL,
    message        TEXT NOT NULL DEFAULT '',
    attributes     TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(attributes)),
    correlation_id TEXT,
    PRIMARY KEY (job_id, source_epoch, source_id)
) STRICT, WITHOUT ROWID;

-- The rows of received_change_ids that the OMA has not confirmed yet (VMA, R-31).
CREATE TABLE unsent_change_ids (
    received_id INTEGER PRIMARY KEY NOT NULL
) STRICT;
-- What the OMA last answered to the question for a disk's change id (VMA, R-31).
CREATE TABLE known_change_ids (
    vm_path     TEXT NOT NULL,
    disk_id     TEXT NOT NULL,
    change_id   TEXT NOT NULL,
    answered_at TEXT NOT NULL,
    -- Who answered: another OMA has another target.
    oma         TEXT NOT NULL,
    PRIMARY KEY (vm_path, disk_id)
) STRICT, WITHOUT ROWID;

-- What was ended by hand in an earlier schema lacks the time of its end.
UPDATE replication_jobs SET completed_at = updated_at, stalled_since = NULL, transfer_speed_bps = 0,
    eta_seconds = iif(status = 'completed', 0, NULL),
    progress_percent = iif(status = 'completed', 100, min(progress_percent, 99.99))
WHERE (status = 'completed' OR status = 'failed') AND completed_at IS NULL;

CREATE TRIGGER jobs_stand_still BEFORE UPDATE ON replication_jobs
WHEN (OLD.status = 'completed' OR OLD.status = 'failed') AND OLD.completed_at IS NOT NULL
BEGIN SELECT RAISE(ABORT, 'this job has ended, and what has ended does not change: start it again under another id'); END;
CREATE TRIGGER jobs_keep_their_id BEFORE UPDATE ON replication_jobs
WHEN NEW.id <> OLD.id OR NEW.rowid <> OLD.rowid
BEGIN SELECT RAISE(ABORT, 'the id of a job does not change: all that is recorded of it goes by it'); END;
CREATE TRIGGER jobs_are_not_deleted BEFORE DELETE ON replication_jobs
WHEN NOT EXISTS (SELECT 1 FROM leaving WHERE job_id = OLD.id)
BEGIN SELECT RAISE(ABORT, 'jobs are not deleted: `waybill cancel` ends one, `waybill db archive` moves ended ones to another file'); END;
CREATE TRIGGER jobs_keep_their_row BEFORE INSERT ON replication_jobs
WHEN EXISTS (SELECT 1 FROM replication_jobs WHERE rowid = NEW.rowid) OR NEW.rowid > 4611686018427387904
BEGIN SELECT RAISE(ABORT, 'another job has this rowid, or none is left after it: leave the rowid to SQLite'); END;
CREATE TRIGGER jobs_are_not_replaced AFTER INSERT ON replication_jobs
BEGIN
    SELECT RAISE(ABORT, 'a job of this id is here or in the archive and is not replaced: UPDATE it, or use another id')
    WHERE EXISTS (SELECT 1 FROM job_ids WHERE id = NEW.id);
    INSERT INTO job_ids (id) VALUES (NEW.id);
END;

-- An end that was typed by hand gets what every end has: its time, and figures that stand still.
CREATE TRIGGER jobs_end_by_hand AFTER UPDATE OF status ON replication_jobs
WHEN (NEW.status = 'completed' OR NEW.status = 'failed') AND NEW.completed_at IS NULL
BEGIN
    UPDATE replication_jobs SET completed_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'), stalled_since = NULL,
        transfer_speed_bps = 0, eta_seconds = iif(NEW.status = 'completed', 0, NULL),
        progress_percent = iif(NEW.status = 'completed', 100, min(NEW.progress_percent, 99.99))
    WHERE id = NEW.id;
END;
CREATE TRIGGER jobs_complete_by_hand BEFORE UPDATE OF status ON replication_jobs
WHEN NEW.status = 'completed' AND OLD.status <> 'completed' AND NEW.completed_at IS NULL
    AND EXISTS (SELECT 1 FROM vm_disks WHERE job_id = OLD.id AND sync_status <> 'completed')
BEGIN SELECT RAISE(ABORT, 'a disk of this job is not completed: what is not all there has not succeeded'); END;
CREATE TRIGGER jobs_fail_by_hand BEFORE UPDATE OF status ON replication_jobs
WHEN NEW.status = 'failed' AND OLD.status <> 'failed' AND NEW.completed_at IS NULL
BEGIN
    UPDATE vm_disks SET sync_status = 'failed', transfer_speed_bps = 0, ended_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
        error_message = coalesce(error_message, 'another program failed the job')
    WHERE job_id = OLD.id AND (sync_status = 'snapshotting' OR sync_status = 'syncing');
END;
CREATE TRIGGER jobs_begin_ended AFTER INSERT ON replication_jobs
WHEN (NEW.status = 'completed' OR NEW.status = 'failed') AND NEW.completed_at IS NULL
BEGIN
    UPDATE replication_jobs SET completed_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now'),
        progress_percent = iif(NEW.status = 'completed', 100, min(NEW.progress_percent, 99.99))
    WHERE id = NEW.id;
END;

",
    belongs_to_a_job!("vm_disks"),
    stands_still!("vm_disks"),
    r"CREATE TRIGGER vm_disks_keep_their_id BEFORE UPDATE OF disk_id ON vm_disks
WHEN NEW.disk_id <> OLD.disk_id
BEGIN SELECT RAISE(ABORT, 'vm_disks.disk_id does not change: the disk goes by it'); END;
CREATE TRIGGER vm_disks_are_not_replaced BEFORE INSERT ON vm_disks
WHEN EXISTS (SELECT 1 FROM vm_disks WHERE job_id = NEW.job_id AND disk_id = NEW.disk_id)
BEGIN SELECT RAISE(ABORT, 'this disk of the job is here and is not replaced: UPDATE it within the rules'); END;
CREATE TRIGGER vm_disks_are_not_deleted BEFORE DELETE ON vm_disks
WHEN NOT EXISTS (SELECT 1 FROM leaving WHERE job_id = OLD.job_id)
BEGIN SELECT RAISE(ABORT, 'disks are not deleted: they leave with their job'); END;

",
    belongs_to_a_job!("job_exports"),
    stands_still!("job_exports"),
    stays_after_the_end!("job_exports"),
    belongs_to_a_job!("job_aliases"),
    stands_still!("job_aliases"),
    stays_after_the_end!("job_aliases"),
    belongs_to_a_job!("job_steps"),
    r"CREATE TRIGGER job_steps_stand_still BEFORE UPDATE ON job_steps
WHEN OLD.completed_at IS NOT NULL OR NEW.id <> OLD.id OR NEW.stage <> OLD.stage
BEGIN SELECT RAISE(ABORT, 'a step that has ended does not change'); END;
CREATE TRIGGER job_steps_are_not_replaced BEFORE INSERT ON job_steps
WHEN EXISTS (SELECT 1 FROM job_steps WHERE job_id = NEW.job_id AND stage = NEW.stage)
    OR EXISTS (SELECT 1 FROM job_steps WHERE id = NEW.id)
BEGIN SELECT RAISE(ABORT, 'this step is here and is not replaced: a run never returns to a stage'); END;
CREATE TRIGGER job_steps_are_not_deleted BEFORE DELETE ON job_steps
WHEN NOT EXISTS (SELECT 1 FROM leaving WHERE job_id = OLD.job_id)
BEGIN SELECT RAISE(ABORT, 'steps are not deleted: they leave with their job'); END;

",
    only_grows!("job_events", "id = NEW.id"),
    leaves_ids_to_sqlite!("job_events"),
    only_grows!(
        "source_events",
        "job_id = NEW.job_id AND source_epoch = NEW.source_epoch AND source_id = NEW.source_id"
    ),
    only_grows!("received_change_ids", "id = NEW.id"),
    leaves_ids_to_sqlite!("received_change_ids"),
    only_grows!("cbt_history", "id = NEW.id"),
    leaves_ids_to_sqlite!("cbt_history"),
    leaves_ids_to_sqlite!("job_steps"),
    r"CREATE TRIGGER cbt_history_is_there_once BEFORE INSERT ON cbt_history
WHEN EXISTS (SELECT 1 FROM cbt_history WHERE job_id = NEW.job_id AND disk_id = NEW.disk_id
             AND coalesce(change_id, '') = coalesce(NEW.change_id, ''))
BEGIN SELECT RAISE(ABORT, 'cbt_history has this change id of this disk of this job, once and for ever'); END;

-- The other side compares by these.
CREATE TRIGGER appliance_goes_on BEFORE UPDATE ON appliance
WHEN NEW.key <> OLD.key OR ((OLD.key = 'epoch' OR OLD.key = 'role') AND NEW.value <> OLD.value)
    OR (OLD.key = 'sequence' AND (CAST(NEW.value AS INTEGER) < CAST(OLD.value AS INTEGER)
        OR NEW.value GLOB '*[^0-9]*' OR CAST(NEW.value AS INTEGER) > 4611686018427387904))
BEGIN SELECT RAISE(ABORT, 'the epoch of a database never changes, and its sequence neither falls nor leaps'); END;
CREATE TRIGGER appliance_facts_stay BEFORE DELETE ON appliance
WHEN OLD.key NOT LIKE 'archive %'
BEGIN SELECT RAISE(ABORT, 'what the database says of itself is not deleted'); END;
CREATE TRIGGER appliance_facts_are_not_replaced BEFORE INSERT ON appliance
WHEN (NEW.key = 'epoch' OR NEW.key = 'sequence' OR NEW.key = 'role') AND EXISTS (SELECT 1 FROM appliance WHERE key = NEW.key)
BEGIN SELECT RAISE(ABORT, 'what the database says of itself is not replaced'); END;
"
);

/// The rows of `status_transitions` come from the code alone (R-41). These triggers are dropped and made anew around the
/// one change that is theirs to allow: another version of the program has another table.
pub(super) const GUARD_TRANSITIONS: &str = "
CREATE TRIGGER IF NOT EXISTS status_transitions_are_not_added BEFORE INSERT ON status_transitions
BEGIN SELECT RAISE(ABORT, 'status_transitions is the table of the program, which fills it: it is not added to'); END;
CREATE TRIGGER IF NOT EXISTS status_transitions_are_not_changed BEFORE UPDATE ON status_transitions
BEGIN SELECT RAISE(ABORT, 'status_transitions is the table of the program, which fills it: it does not change'); END;
CREATE TRIGGER IF NOT EXISTS status_transitions_are_not_deleted BEFORE DELETE ON status_transitions
BEGIN SELECT RAISE(ABORT, 'status_transitions is the table of the program, which fills it: nothing is deleted'); END;
";
pub(super) const UNGUARD_TRANSITIONS: &str = "
DROP TRIGGER IF EXISTS status_transitions_are_not_added;
DROP TRIGGER IF EXISTS status_transitions_are_not_changed;
DROP TRIGGER IF EXISTS status_transitions_are_not_deleted;
";
