//! What the store promises to daemons, commands, other programs and a plain `sqlite3` shell, on real files.
#![expect(clippy::unwrap_used, reason = "a test may end where its world is not as it should be")]

mod capacities;
mod guards;
mod readers;
mod round_trip;
mod rules;
mod shell;
mod source_log;
mod speed;
mod spool;
mod survival;
mod upgrade;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use waybill::model::change::{CbtEntry, Change};
use waybill::model::disk::Disk;
use waybill::model::event::{Event, LogEntry};
use waybill::model::id::{ChangeId, DiskId, JobId, VmaName};
use waybill::model::job::{Job, SyncKind};
use waybill::model::request::DiskQuestion;
use waybill::model::time::Wall;
use waybill::policy::serving::serve;
use waybill::store::{Durability, RefusedRow, Store, StoreError};

/// A directory that goes with its test; world-readable, for the tests that give up root's rights.
struct Dir(PathBuf);

impl Dir {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let name = format!("waybill-store-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir(&path).unwrap();
        Self(path)
    }
    fn file(&self) -> PathBuf {
        self.0.join("oma.db")
    }
}

impl Drop for Dir {
    fn drop(&mut self) {
        let _ = std::fs::set_permissions(&self.0, std::fs::Permissions::from_mode(0o755));
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn at(seconds: i64) -> Wall {
    Wall::from_unix_millis(1_795_454_041_123 + seconds * 1000)
}
fn job_id(text: &str) -> JobId {
    JobId::parse(text).unwrap()
}
fn disk_id(text: &str) -> DiskId {
    DiskId::parse(text).unwrap()
}
fn change_id(counter: u32) -> ChangeId {
    ChangeId::from_text(&format!("52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/{counter}")).unwrap()
}
fn job(id: &str) -> Job {
    Job::new(job_id(id), VmaName::parse("site-a").unwrap(), at(0))
}
fn job_with_disks(id: &str, disks: &[&str]) -> Job {
    let mut job = job(id);
    job.disks = disks.iter().map(|disk| Disk::new(disk_id(disk))).collect();
    job
}
fn progress(job: &Job) -> Change {
    Change::Progress(Box::new(job.clone()))
}
fn ended(job: &Job) -> Change {
    Change::Ended(Box::new(job.clone()))
}
fn entry(job: &str, event: Event) -> LogEntry {
    let message = format!("{} happened", event.stored_name());
    LogEntry { job: job_id(job), at: at(1), event, message, attributes: Vec::new(), correlation: None }
}
fn history(job: &str, disk: &str, change_id: Option<ChangeId>) -> CbtEntry {
    CbtEntry {
        job: job_id(job),
        vm_path: "/DC0/vm/web01".to_owned(),
        disk: disk_id(disk),
        change_id,
        previous_change_id: None,
        sync: SyncKind::Full,
        blocks_changed: None,
        bytes_transferred: 7,
        sync_duration_seconds: 3,
        sync_success: true,
        created_at: at(60),
        device_key: None,
        previous_served: false,
        vma: None,
        vm_uuid: String::new(),
        capacity_bytes: None,
    }
}
fn write(store: &mut Store, changes: &[Change]) -> Result<Vec<RefusedRow>, StoreError> {
    store.commit(changes, Durability::HandedToSystem)
}
/// A second program at the database, with the foreign keys on or off as it comes.
fn other_program(path: &Path) -> rusqlite::Connection {
    rusqlite::Connection::open(path).unwrap()
}
fn one<T: rusqlite::types::FromSql>(path: &Path, sql: &str) -> T {
    other_program(path).query_row(sql, [], |row| row.get(0)).unwrap()
}

/// What a mover on this machine would be served of a disk.
fn served(store: &Store, vm_path: &str, disk: &str) -> Option<ChangeId> {
    let question = DiskQuestion { vm_path: vm_path.to_owned(), disk: disk.to_owned(), ..DiskQuestion::default() };
    serve(&question, &store.served_candidates(&question).unwrap()).ok().map(|found| found.change_id.clone())
}
