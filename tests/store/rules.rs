//! What the store leaves alone, what it hands back, and what it says when the file is not as it should be.

use std::os::unix::fs::PermissionsExt;

use waybill::model::change::{Change, Step};
use waybill::model::event::Event;
use waybill::model::stage::Stage;
use waybill::model::status::{DiskStatus, JobStatus};
use waybill::store::{Durability, Reader, RefusedWhat, Store, StoreError};

use super::{Dir, at, disk_id, ended, entry, job, job_id, job_with_disks, one, other_program, progress, write};

#[test]
fn r42_a_row_that_another_program_finished_is_not_written_again() {
    let dir = Dir::new();
    let mut store = Store::open(&dir.file()).unwrap();
    let mut running = job_with_disks("j", &["d"]);
    running.status = JobStatus::Streaming;
    write(&mut store, &[progress(&running)]).unwrap();
    let by_hand = "UPDATE replication_jobs SET status = 'failed', error_message = 'stopped by hand' WHERE id = 'j'";
    other_program(&dir.file()).execute(by_hand, []).unwrap();
    let finished = store.job(&running.id).unwrap().unwrap();

    running.totals.bytes_transferred = 5;
    running.disks[0].bytes_transferred = 5;
    let mut over = running.clone();
    over.status = JobStatus::Succeeded;
    let changes = [progress(&running), ended(&over), progress(&job("other"))];
    let refused = store.commit(&changes, Durability::OnDisk).unwrap();

    let what: Vec<_> = refused.iter().map(|row| (row.job.as_str(), row.what.clone())).collect();
    let elsewhere = RefusedWhat::EndedElsewhere(JobStatus::Failed);
    assert_eq!(what, [("j", elsewhere.clone()), ("j", elsewhere)]);
    assert_eq!(store.job(&running.id).unwrap(), Some(finished), "neither the job nor its disk");
    assert!(store.job(&job_id("other")).unwrap().is_some());
}

#[test]
fn the_same_end_twice_is_harmless() {
    let mut store = Store::in_memory().unwrap();
    let mut over = job_with_disks("j", &["d"]);
    over.status = JobStatus::Succeeded;
    over.completed_at = Some(at(9));
    assert_eq!(write(&mut store, &[ended(&over), ended(&over)]).unwrap(), Vec::new());
    assert_eq!(write(&mut store, &[ended(&over)]).unwrap(), Vec::new());
    assert_eq!(store.job(&over.id).unwrap(), Some(over));
}

#[test]
fn r27_a_disk_row_that_cannot_be_written_does_not_hold_up_its_job() {
    let dir = Dir::new();
    let mut store = Store::open(&dir.file()).unwrap();
    let rule = "CREATE TRIGGER rule BEFORE INSERT ON vm_disks WHEN NEW.disk_id = 'bad'
                BEGIN SELECT RAISE(ABORT, 'this disk is not welcome'); END";
    other_program(&dir.file()).execute(rule, []).unwrap();
    let mut job = job_with_disks("j", &["first", "bad", "last"]);
    job.totals.bytes_transferred = 77;
    let refused = write(&mut store, &[progress(&job), Change::Entry(entry("j", Event::JobDeclared))]).unwrap();

    assert_eq!(refused.len(), 1);
    assert_eq!((&refused[0].job, &refused[0].what), (&job.id, &RefusedWhat::Disk(disk_id("bad"))));
    assert_eq!(refused[0].to_string(), "job j: disk bad was not written: this disk is not welcome");
    let read = store.job(&job.id).unwrap().unwrap();
    assert_eq!(read.totals.bytes_transferred, 77);
    assert_eq!(read.disks, [job.disks[0].clone(), job.disks[2].clone()]);
    assert_eq!(store.events(&job.id).unwrap().len(), 1);
}

#[test]
fn a_job_or_step_that_cannot_be_written_holds_up_no_other() {
    let dir = Dir::new();
    let mut store = Store::open(&dir.file()).unwrap();
    let rule = "CREATE TRIGGER rule BEFORE INSERT ON replication_jobs WHEN NEW.id = 'bad'
                BEGIN SELECT RAISE(ABORT, 'no'); END";
    other_program(&dir.file()).execute(rule, []).unwrap();
    let step = Step { job: job_id("nobody"), stage: Stage::Transfer, started_at: at(0), correlation: None };
    let changes = [progress(&job_with_disks("bad", &["d"])), Change::StepBegan(step), progress(&job("good"))];
    let refused = write(&mut store, &changes).unwrap();

    let what: Vec<_> = refused.into_iter().map(|row| row.what).collect();
    assert_eq!(what, [RefusedWhat::Job, RefusedWhat::Step(Stage::Transfer)]);
    assert_eq!(store.jobs().unwrap(), vec![job("good")]);
}

#[test]
fn after_an_error_nothing_is_written_and_the_same_call_works_later() {
    let dir = Dir::new();
    let mut store = Store::open(&dir.file()).unwrap();
    let changes = [progress(&job("j")), Change::Entry(entry("j", Event::JobDeclared)), Change::Sequence(4)];
    let other = other_program(&dir.file());

    other.execute_batch("ALTER TABLE job_events RENAME TO away").unwrap();
    let error = write(&mut store, &changes).unwrap_err();
    assert!(matches!(error, StoreError::Other { .. }), "{error}");
    assert_eq!(store.jobs().unwrap(), Vec::new());
    other.execute_batch("ALTER TABLE away RENAME TO job_events").unwrap();

    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = write(&mut store, &changes).unwrap_err();
    assert!(matches!(error, StoreError::Busy { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("write") && text.contains("oma.db") && text.contains("try again"), "{text}");
    assert_eq!((store.jobs().unwrap(), store.sequence().unwrap()), (Vec::new(), 0), "reading goes on meanwhile");
    other.execute_batch("COMMIT").unwrap();

    assert_eq!(write(&mut store, &changes).unwrap(), Vec::new());
    assert_eq!((store.jobs().unwrap(), store.sequence().unwrap()), (vec![job("j")], 4));
    assert_eq!(store.events(&job_id("j")).unwrap().len(), 1);
}

#[test]
fn r30_what_another_program_does_is_noticed() {
    let dir = Dir::new();
    let mut store = Store::open(&dir.file()).unwrap();
    write(&mut store, &[progress(&job("ours"))]).unwrap();
    let before = store.data_version().unwrap();
    write(&mut store, &[progress(&job("ours"))]).unwrap();
    assert_eq!(store.data_version().unwrap(), before, "our own writes do not count");

    let other = other_program(&dir.file());
    other.execute_batch("INSERT INTO replication_jobs (id, vma) VALUES ('theirs', 'site-b')").unwrap();
    assert_ne!(store.data_version().unwrap(), before);
    let expected = [(job_id("ours"), JobStatus::Queued), (job_id("theirs"), JobStatus::Queued)];
    assert_eq!(store.unfinished_ids().unwrap(), expected.into_iter().collect());
    other.execute_batch("UPDATE replication_jobs SET status = 'completed' WHERE id = 'theirs'").unwrap();
    assert_eq!(store.unfinished_ids().unwrap().len(), 1);
}

#[test]
fn rows_typed_by_hand_are_read_as_far_as_they_make_sense() {
    let dir = Dir::new();
    let store = Store::open(&dir.file()).unwrap();
    other_program(&dir.file())
        .execute_batch(
            "INSERT INTO replication_jobs (id, vma, status, current_operation, progress_percent, created_at, updated_at,
                 started_at, correlation_id)
             VALUES ('odd', 'site-a', 'streaming', 'Transferring', 33.339, 'noon', '2026-11-23 17:14:01', '', char(7)),
                    ('null', 'site-a', 'preparing', NULL, 0, '2026-11-23T17:14:01Z', '2026-11-23T17:14:01Z', NULL, NULL);
             INSERT INTO replication_jobs (id, vma) VALUES (CAST(x'ff' AS TEXT), 'site-a');
             INSERT INTO vm_disks (job_id, disk_id, updated_at) VALUES ('odd', 'disk-2000', 'soon');
             INSERT INTO job_events (job_id, event, at) VALUES ('odd', 'an event of tomorrow', 'later');
             INSERT INTO job_steps (job_id, stage, started_at) VALUES ('odd', 'Dancing', 'then')",
        )
        .unwrap();
    let jobs = store.unfinished_jobs().unwrap();
    let odd = jobs.iter().find(|job| job.id.as_str() == "odd").unwrap();
    assert_eq!((odd.status, odd.stage, odd.totals.percent.hundredths()), (JobStatus::Streaming, None, 3333));
    assert_eq!(odd.updated_at.to_string(), "2026-11-23T17:14:01.000Z", "as SQLite's datetime() writes it");
    assert_eq!((odd.started_at, &odd.correlation), (None, &None));
    assert_eq!((odd.disks[0].status, odd.disks[0].declared), (DiskStatus::Queued, true));
    assert_eq!(jobs.len(), 2, "an id that is no UTF-8 cannot be told from another");

    let notes: Vec<_> = store.take_odd_values().iter().map(ToString::to_string).collect();
    let holds = |column: &str, value: &str, read_as: &str| {
        let note = format!("{column} of job \"odd\" holds {value:?}, which is not understood: {read_as}");
        assert!(notes.contains(&note), "{note} is not in {notes:#?}");
    };
    holds("replication_jobs.current_operation", "Transferring", "none");
    holds("replication_jobs.created_at", "noon", "no time");
    holds("replication_jobs.started_at", "", "no time");
    holds("replication_jobs.correlation_id", "\u{7}", "none");
    holds("vm_disks.updated_at", "soon", "no time");
    let id = "replication_jobs.id of job \"\u{fffd}\" holds \"\u{fffd}\", which is not understood: left out";
    assert!(notes.iter().any(|note| note == id), "{notes:#?}");
    assert_eq!(notes.len(), 6, "{notes:#?}");
    assert_eq!(store.take_odd_values(), Vec::new());

    assert_eq!(store.events(&job_id("odd")).unwrap()[0].event, "an event of tomorrow");
    assert_eq!(store.steps(&job_id("odd")).unwrap()[0].stage, "Dancing");
    assert_eq!(store.take_odd_values().len(), 2);
}

#[test]
fn r70_the_file_is_for_its_owner_and_the_group() {
    let dir = Dir::new();
    let mut store = Store::open(&dir.file()).unwrap();
    write(&mut store, &[progress(&job("j"))]).unwrap();
    for suffix in ["", "-wal", "-shm"] {
        let path = dir.0.join(format!("oma.db{suffix}"));
        let mode = std::fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o640, "{}", path.display());
    }
}

#[test]
fn a_newer_schema_is_refused_and_left_as_it_is() {
    let dir = Dir::new();
    drop(Store::open(&dir.file()).unwrap());
    other_program(&dir.file()).execute_batch("PRAGMA user_version = 99").unwrap();
    let errors = [Store::open(&dir.file()).unwrap_err(), Reader::open(&dir.file()).unwrap_err()];
    for error in errors {
        assert!(matches!(error, StoreError::NewerSchema { found: 99, known: 5, .. }), "{error}");
        let text = error.to_string();
        assert!(text.contains("oma.db") && text.contains("install the newer waybill"), "{text}");
    }
    assert_eq!(one::<i64>(&dir.file(), "PRAGMA user_version"), 99);
}

#[test]
fn a_file_of_another_program_is_refused_and_left_as_it_is() {
    let dir = Dir::new();
    let theirs = dir.0.join("theirs.db");
    other_program(&theirs).execute_batch("CREATE TABLE theirs (x); INSERT INTO theirs VALUES (1)").unwrap();
    let text = dir.0.join("notes.txt");
    std::fs::write(&text, "not a database at all\n".repeat(100)).unwrap();
    for path in [theirs, text] {
        let before = std::fs::read(&path).unwrap();
        for error in [Store::open(&path).unwrap_err(), Reader::open(&path).unwrap_err()] {
            assert!(matches!(error, StoreError::NotADatabase { .. }), "{error}");
        }
        assert_eq!(std::fs::read(&path).unwrap(), before);
    }
}

#[test]
fn a_damaged_file_is_told_apart() {
    let dir = Dir::new();
    {
        let mut store = Store::open(&dir.file()).unwrap();
        let many: Vec<_> = (0..500).map(|n| progress(&job(&format!("job-{n}")))).collect();
        write(&mut store, &many).unwrap();
    }
    other_program(&dir.file()).execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    let mut bytes = std::fs::read(dir.file()).unwrap();
    bytes[4096..].fill(0x5a);
    std::fs::write(dir.file(), bytes).unwrap();
    let error = Reader::open(&dir.file()).and_then(|reader| reader.jobs()).unwrap_err();
    assert!(matches!(error, StoreError::Corrupt { .. }), "{error}");
    assert!(error.to_string().contains("restore a backup"), "{error}");
}

#[test]
fn what_is_missing_is_named_with_a_remedy() {
    let dir = Dir::new();
    let error = Store::open(&dir.0.join("nowhere/oma.db")).unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");
    let text = error.to_string();
    assert!(text.contains("nowhere does not exist") && text.contains("mode 0750"), "{text}");

    let error = Reader::open(&dir.file()).unwrap_err();
    assert!(matches!(error, StoreError::Missing { .. }), "{error}");
    assert!(error.to_string().contains("--db"), "{error}");
    assert!(!dir.file().exists(), "a reader makes no file");
}

#[test]
fn r11_what_was_handed_over_is_made_durable_once() {
    let dir = Dir::new();
    let mut store = Store::open(&dir.file()).unwrap();
    let marks = || one::<String>(&dir.file(), "SELECT value FROM appliance WHERE key = 'made_durable'");
    store.make_durable().unwrap();
    assert_eq!(marks(), "0", "nothing was handed over");
    write(&mut store, &[progress(&job("j"))]).unwrap();
    store.make_durable().unwrap();
    store.make_durable().unwrap();
    assert_eq!(marks(), "1");
    write(&mut store, &[progress(&job("k"))]).unwrap();
    store.commit(&[progress(&job("l"))], Durability::OnDisk).unwrap();
    store.make_durable().unwrap();
    assert_eq!(marks(), "1", "the durable commit took the earlier one with it");
}

#[test]
fn a_database_belongs_to_one_appliance() {
    let dir = Dir::new();
    let mut store = Store::open(&dir.file()).unwrap();
    store.claim("oma").unwrap();
    store.claim("oma").unwrap();
    let error = store.claim("vma").unwrap_err();
    assert!(matches!(error, StoreError::Elses { .. }), "{error}");
    assert!(error.to_string().contains("it is the database of an OMA; name another file"), "{error}");
    drop(store);
    assert!(Store::open(&dir.file()).unwrap().claim("vma").is_err(), "for good");
}
