//! What the database refuses whoever types it into a plain `sqlite3` shell, where foreign keys are off, and that
//! each refusal says why. In one place: the table of `REFUSED`.

use waybill::model::change::{Change, Step};
use waybill::model::event::Event;
use waybill::model::job::Job;
use waybill::model::stage::Stage;
use waybill::model::status::{DiskStatus, JobStatus};
use waybill::store::{Durability, Store};

use super::shell::sqlite3;
use super::{Dir, at, change_id, ended, entry, history, job, job_with_disks, progress};

/// A database with a running job, `run`, and one that has ended, `over`.
fn filled() -> Dir {
    let dir = Dir::new();
    let mut store = Store::open(&dir.file()).unwrap();
    let mut run = job_with_disks("run", &["d"]);
    (run.status, run.disks[0].status) = (JobStatus::Streaming, DiskStatus::Completed);
    let mut open = job_with_disks("open", &["d"]);
    (open.status, open.disks[0].status) = (JobStatus::Streaming, DiskStatus::Streaming);
    let over = job_with_disks("over", &["d"]);
    let step = Step { job: over.id.clone(), stage: Stage::Transfer, started_at: at(1), correlation: None };
    let changes = [
        progress(&run),
        progress(&open),
        progress(&over),
        Change::StepBegan(step),
        Change::Entry(entry("over", Event::JobSucceeded)),
        ended(&Job { status: JobStatus::Succeeded, completed_at: Some(at(60)), ..over }),
        Change::History(history("over", "d", Some(change_id(81)))),
    ];
    assert_eq!(store.commit(&changes, Durability::OnDisk).unwrap(), Vec::new());
    dir
}

const ENDED: &str = "this job has ended, and what has ended does not change";
const NOTHING_ADDED: &str = "this job has ended, and nothing is added to what has ended";

/// What is typed, and what the shell answers.
const REFUSED: &[(&str, &str)] = &[
    // A wrong transition.
    ("UPDATE replication_jobs SET status = 'pending' WHERE id = 'run'", "may not follow the present one"),
    ("UPDATE OR REPLACE vm_disks SET sync_status = 'syncing' WHERE job_id = 'run'", "may not follow the present one"),
    // A figure out of range.
    (
        "UPDATE replication_jobs SET progress_percent = 101 WHERE id = 'run'",
        "CHECK constraint failed: progress_percent",
    ),
    ("UPDATE vm_disks SET bytes_synced = -1 WHERE job_id = 'run'", "CHECK constraint failed: bytes_synced"),
    // A change of what has ended.
    ("UPDATE replication_jobs SET error_message = 'x' WHERE id = 'over'", ENDED),
    ("UPDATE replication_jobs SET status = 'failed' WHERE id = 'over'", "this job"),
    ("UPDATE vm_disks SET disk_change_id = 'x' WHERE job_id = 'over'", ENDED),
    ("INSERT INTO vm_disks (job_id, disk_id) VALUES ('over', 'e')", NOTHING_ADDED),
    ("INSERT INTO job_aliases (job_id, alias) VALUES ('over', 'e')", NOTHING_ADDED),
    ("INSERT INTO job_exports (job_id, name) VALUES ('over', 'e')", NOTHING_ADDED),
    ("INSERT INTO job_steps (job_id, stage, started_at) VALUES ('over', 'Finalize', 'now')", NOTHING_ADDED),
    // A replacement, which deletes the old row without a word.
    ("INSERT OR REPLACE INTO replication_jobs (id, vma) VALUES ('over', 'site-a')", "is not replaced"),
    ("INSERT OR REPLACE INTO replication_jobs (id, vma) VALUES ('run', 'site-a')", "is not replaced"),
    ("INSERT OR REPLACE INTO replication_jobs (rowid, id, vma) VALUES (1, 'new', 'a')", "another job has this rowid"),
    ("INSERT OR REPLACE INTO vm_disks (job_id, disk_id) VALUES ('run', 'd')", "is here and is not replaced"),
    ("REPLACE INTO cbt_history (id, job_id, disk_id, sync_type) VALUES (1, 'x', 'd', 'full')", "only ever added to"),
    (
        "REPLACE INTO cbt_history (job_id, disk_id, change_id, sync_type)
         SELECT job_id, disk_id, change_id, 'incremental' FROM cbt_history",
        "once and for ever",
    ),
    ("REPLACE INTO job_events (id, job_id, event) VALUES (1, 'x', 'x')", "only ever added to"),
    ("REPLACE INTO appliance (key, value) VALUES ('sequence', '0')", "is not replaced"),
    // History and log.
    ("UPDATE cbt_history SET sync_success = 0", "cbt_history is only ever added to: its rows do not change"),
    ("DELETE FROM cbt_history", "cbt_history is only ever added to: `waybill db archive` moves old rows"),
    ("UPDATE job_events SET message = ''", "job_events is only ever added to: its rows do not change"),
    ("DELETE FROM job_events WHERE id = 1", "job_events is only ever added to: `waybill db archive` moves old rows"),
    // Rows that lose what they belong to.
    ("INSERT INTO vm_disks (job_id, disk_id) VALUES ('nobody', 'd')", "vm_disks.job_id names no job"),
    ("INSERT INTO job_steps (job_id, stage, started_at) VALUES ('nobody', 'x', 'x')", "job_steps.job_id names no job"),
    ("UPDATE vm_disks SET job_id = 'nobody' WHERE job_id = 'run'", "vm_disks.job_id does not change"),
    ("UPDATE replication_jobs SET id = 'other' WHERE id = 'run'", "the id of a job does not change"),
    ("DELETE FROM replication_jobs WHERE id = 'run'", "jobs are not deleted: `waybill cancel` ends one"),
    ("DELETE FROM replication_jobs WHERE id = 'over'", "`waybill db archive` moves ended ones"),
    ("DELETE FROM vm_disks WHERE job_id = 'run'", "disks are not deleted"),
    ("DELETE FROM job_steps", "steps are not deleted"),
    ("INSERT INTO leaving VALUES ('run')", "only ended jobs may leave"),
    ("INSERT INTO leaving VALUES ('not-yet')", "only ended jobs may leave"),
    ("INSERT INTO leaving VALUES ('over'); UPDATE leaving SET job_id = 'run'", "each by its own id"),
    ("UPDATE OR REPLACE replication_jobs SET rowid = 2 WHERE id = 'run'", "the id of a job does not change"),
    ("UPDATE replication_jobs SET status = 'completed' WHERE id = 'open'", "a disk of this job is not completed"),
    // Numbers after which there is no room for any.
    ("INSERT INTO job_events (id, job_id, event) VALUES (9223372036854775806, 'run', 'x')", "leave it out"),
    (
        "INSERT INTO cbt_history (id, job_id, disk_id, sync_type) VALUES (9223372036854775807, 'x', 'd', 'full')",
        "leave it out",
    ),
    (
        "INSERT INTO replication_jobs (rowid, id, vma) VALUES (9223372036854775807, 'new', 'a')",
        "leave the rowid to SQLite",
    ),
    ("UPDATE appliance SET value = '9223372036854775807' WHERE key = 'sequence'", "neither falls nor leaps"),
    ("UPDATE appliance SET value = '7x' WHERE key = 'sequence'", "neither falls nor leaps"),
    // What the program says of itself.
    ("INSERT INTO status_transitions VALUES ('job', 'failed', 'pending')", "the table of the program"),
    ("UPDATE status_transitions SET to_status = 'pending'", "the table of the program"),
    ("DELETE FROM status_transitions", "the table of the program"),
    ("UPDATE appliance SET value = 'x' WHERE key = 'epoch'", "the epoch of a database never changes"),
    ("DELETE FROM appliance", "not deleted"),
];

#[test]
fn r43_the_shell_is_refused_with_a_reason_and_nothing_has_changed() {
    let dir = filled();
    let before = sqlite3(&dir.file(), ".dump").unwrap();
    for (sql, reason) in REFUSED {
        let complaint = sqlite3(&dir.file(), &format!("BEGIN; {sql}; COMMIT")).expect_err(sql);
        assert!(complaint.contains(reason), "{sql}: {complaint}");
    }
    assert_eq!(sqlite3(&dir.file(), ".dump").unwrap(), before);
}

#[test]
fn r30_what_other_programs_may_do_they_still_can() {
    let dir = filled();
    let allowed = [
        "INSERT OR IGNORE INTO replication_jobs (id, vma) VALUES ('run', 'site-a')",
        "INSERT INTO replication_jobs (id, vma) VALUES ('run', 'b') ON CONFLICT (id) DO UPDATE SET vm_name = 'web01'",
        "INSERT OR REPLACE INTO replication_jobs (id, vma) VALUES ('new', 'site-a')",
        "INSERT INTO vm_disks (job_id, disk_id) VALUES ('new', 'disk-2000')",
        "UPDATE vm_disks SET label = 'Hard disk 1' WHERE job_id = 'run'",
        "INSERT INTO job_events (job_id, event, message) VALUES ('over', 'note', 'seen by the night shift')",
        "UPDATE replication_jobs SET status = 'failed', error_message = 'by hand' WHERE id = 'run'",
    ];
    for sql in allowed {
        sqlite3(&dir.file(), sql).expect(sql);
    }
    let row =
        "SELECT id, vma, vm_name, status, error_message, completed_at > created_at, transfer_speed_bps, eta_seconds
               FROM replication_jobs WHERE id = 'run'";
    assert_eq!(sqlite3(&dir.file(), row).unwrap(), "run|site-a|web01|failed|by hand|1|0|");
    let again = "UPDATE replication_jobs SET error_message = 'changed' WHERE id = 'run'";
    assert!(sqlite3(&dir.file(), again).expect_err("it has ended").contains(ENDED));
    let imported = "INSERT INTO replication_jobs (id, vma, status) VALUES ('old', 'site-a', 'completed')";
    sqlite3(&dir.file(), imported).unwrap();
    assert_eq!(
        sqlite3(&dir.file(), "SELECT completed_at IS NULL FROM replication_jobs WHERE id = 'old'").unwrap(),
        "0"
    );
}

#[test]
fn r42_an_end_is_written_with_all_that_belongs_to_it_also_where_the_job_was_never_stored() {
    let mut store = Store::in_memory().unwrap();
    let mut sudden = job_with_disks("sudden", &["d", "e"]);
    sudden.disks[0].bytes_transferred = 5;
    (sudden.status, sudden.completed_at) = (JobStatus::Failed, Some(at(3)));
    assert_eq!(store.commit(&[ended(&sudden)], Durability::OnDisk).unwrap(), Vec::new());
    assert_eq!(store.job(&sudden.id).unwrap(), Some(sudden));

    let mut known = job_with_disks("known", &["d"]);
    let changes = [progress(&known), progress(&job("other"))];
    store.commit(&changes, Durability::OnDisk).unwrap();
    (known.status, known.completed_at) = (JobStatus::Succeeded, Some(at(9)));
    (known.disks[0].status, known.disks[0].bytes_transferred) = (DiskStatus::Completed, 7);
    assert_eq!(store.commit(&[ended(&known)], Durability::OnDisk).unwrap(), Vec::new());
    assert_eq!(store.job(&known.id).unwrap(), Some(known));
}
