//! A database of an earlier schema is brought up to date, after a copy of it was kept. `schema_1.sql` is what the first
//! version wrote of two runs of `waybill demo`.

use rusqlite::Connection;
use std::os::unix::fs::PermissionsExt;

use waybill::model::status::{DiskStatus, JobStatus};
use waybill::store::{Reader, Store, StoreError};

use super::shell::sqlite3;
use super::{Dir, change_id, ended, job_id, one, write};

/// A database as the first version left it, with a job that was ended by hand and one that runs.
fn first_version(dir: &Dir) {
    let conn = Connection::open(dir.file()).unwrap();
    conn.execute_batch(include_str!("schema_1.sql")).unwrap();
    conn.execute_batch(
        "INSERT INTO replication_jobs (id, vma) VALUES ('by-hand', 'site-a'), ('running', 'site-a');
         UPDATE replication_jobs SET status = 'failed' WHERE id = 'by-hand';
         INSERT INTO vm_disks (job_id, disk_id, device_key) VALUES ('running', 'disk-0', 2000);
         UPDATE vm_disks SET device_key = 2001 WHERE disk_id = 'disk-2001';",
    )
    .unwrap();
}

#[test]
fn a_database_of_the_first_schema_goes_on_and_a_copy_of_it_is_kept() {
    let dir = Dir::new();
    first_version(&dir);
    let before =
        sqlite3(&dir.file(), "SELECT * FROM replication_jobs; SELECT * FROM vm_disks; SELECT * FROM job_events")
            .unwrap();
    let error = Reader::open(&dir.file()).unwrap_err();
    assert!(matches!(error, StoreError::OlderSchema { found: 1, known: 5, .. }), "{error}");
    assert!(error.to_string().contains("start the daemon once"), "{error}");

    let mut store = Store::open(&dir.file()).unwrap();
    assert_eq!(one::<i64>(&dir.file(), "PRAGMA user_version"), 5);
    assert_eq!(one::<String>(&dir.file(), "PRAGMA integrity_check"), "ok");
    assert_eq!(store.history(None).unwrap().len(), 4);
    let last = super::served(&store, "/DC0/vm/demo", "disk-2001");
    assert_eq!(last.unwrap().as_str(), "52 00 7a 11 0c 5e 4f 92-8b 3d 10 aa 42 f6 71 0e/97");
    let by_hand = store.job(&job_id("by-hand")).unwrap().unwrap();
    assert_eq!((by_hand.status, by_hand.completed_at), (JobStatus::Failed, Some(by_hand.updated_at)));
    assert!(sqlite3(&dir.file(), "UPDATE replication_jobs SET vm_name = 'x' WHERE id = 'by-hand'").is_err());

    let mut running = store.job(&job_id("running")).unwrap().unwrap();
    (running.status, running.completed_at) = (JobStatus::Succeeded, Some(running.updated_at));
    running.disks[0].change_id = Some(change_id(5));
    running.disks.iter_mut().for_each(|disk| disk.status = DiskStatus::Completed);
    assert_eq!(write(&mut store, &[ended(&running)]).unwrap(), Vec::new());

    let kept = dir.0.join("oma.db.schema-1");
    let copied = sqlite3(&kept, "SELECT * FROM replication_jobs; SELECT * FROM vm_disks; SELECT * FROM job_events");
    assert_eq!(copied.unwrap(), before, "as it was before the upgrade");
    assert_eq!(one::<i64>(&kept, "PRAGMA user_version"), 1);
    assert_eq!(std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777, 0o640);
}

#[test]
fn without_room_for_the_copy_nothing_is_upgraded() {
    let dir = Dir::new();
    first_version(&dir);
    // A folder is where the copy would be put.
    std::fs::create_dir(dir.0.join("oma.db.schema-1")).unwrap();
    let error = Store::open(&dir.file()).unwrap_err();
    assert!(error.to_string().contains("back up to") && error.to_string().contains("oma.db.schema-1"), "{error}");
    assert_eq!(one::<i64>(&dir.file(), "PRAGMA user_version"), 1);
    assert!(!dir.0.join("oma.db.schema-1.part").exists());
}
