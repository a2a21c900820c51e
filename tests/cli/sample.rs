//! A database as a daemon leaves it: a job that streams, one that waits, three that have ended.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;
use waybill::model::change::{Change, ReceivedChangeId, Step, StepEnd};
use waybill::model::disk::{Basis, Disk};
use waybill::model::event::{Event, LogEntry};
use waybill::model::id::{ChangeId, CorrelationId, DiskId, JobId, VmaName};
use waybill::model::job::{Contact, Job, SyncKind, Totals, Vm};
use waybill::model::percent::Percent;
use waybill::model::stage::Stage;
use waybill::model::status::{DiskStatus, JobStatus};
use waybill::model::time::Wall;
use waybill::store::{Durability, Store};

pub const GIB: u64 = 1 << 30;

/// A moment so many seconds ago.
pub fn ago(seconds: i64) -> Wall {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    Wall::from_unix_millis(i64::try_from(now).expect("a date") - seconds * 1000)
}

pub fn job(id: &str, created_at: Wall) -> Job {
    Job::new(JobId::parse(id).expect("an id"), VmaName::parse("site-a").expect("a name"), created_at)
}

pub fn ended(id: &str, status: JobStatus, seconds_ago: i64) -> Job {
    let mut job = job(id, ago(seconds_ago + 60));
    job.status = status;
    job.started_at = Some(ago(seconds_ago + 60));
    job.completed_at = Some(ago(seconds_ago));
    if status == JobStatus::Succeeded {
        job.totals.percent = Percent::DONE;
    } else {
        job.error = Some("mover: no space left on device".to_owned());
    }
    job
}

pub fn streaming() -> Job {
    let mut job = job("job-1", ago(600));
    job.vm = Vm { name: "web01".to_owned(), path: "/DC0/vm/web01".to_owned(), uuid: String::new() };
    job.sync = Some(SyncKind::Full);
    (job.status, job.stage) = (JobStatus::Streaming, Some(Stage::Transfer));
    job.totals = Totals {
        total_bytes: 40 * GIB,
        bytes_transferred: 10 * GIB,
        throughput_bps: 100 << 20,
        percent: Percent::from_hundredths(2500),
        eta_seconds: Some(307),
        basis: Some(Basis::Layout),
    };
    job.contact = Contact::Fresh;
    job.correlation = CorrelationId::parse("01JDCQ5ZK0000000000000000A").ok();
    job.started_at = Some(ago(600));
    job.source_updated_at = Some(ago(30));
    job.last_contact_at = Some(ago(30));
    job.updated_at = ago(2);
    let mut disk = Disk::new(DiskId::parse("disk-2000").expect("an id"));
    (disk.status, disk.declared) = (DiskStatus::Streaming, true);
    (disk.planned_bytes, disk.basis) = (Some(40 * GIB), Some(Basis::Layout));
    (disk.bytes_transferred, disk.percent) = (10 * GIB, Percent::from_hundredths(2500));
    disk.previous_change_id = ChangeId::from_text("52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/80");
    job.disks = vec![disk];
    job
}

/// A database that a daemon wrote and left.
pub fn database() -> (TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let file: PathBuf = directory.path().join("oma.db");
    let running = streaming();
    let (id, correlation) = (running.id.clone(), running.correlation.clone());
    let step =
        |stage, seconds| Step { job: id.clone(), stage, started_at: ago(seconds), correlation: correlation.clone() };
    let changes = [
        Change::Declared(Box::new(running.clone())),
        Change::Declared(Box::new(job("job-0", ago(900)))),
        Change::Ended(Box::new(ended("job-failed", JobStatus::Failed, 3600))),
        Change::Ended(Box::new(ended("job-done", JobStatus::Succeeded, 60))),
        Change::Ended(Box::new(ended("job-old", JobStatus::Succeeded, 25 * 3600))),
        Change::StepBegan(step(Stage::Snapshot, 600)),
        Change::StepEnded(StepEnd {
            job: id.clone(),
            stage: Stage::Snapshot,
            completed_at: ago(598),
            duration_ms: Some(2100),
            succeeded: true,
        }),
        Change::StepBegan(step(Stage::Transfer, 598)),
        Change::Entry(LogEntry {
            job: id.clone(),
            at: ago(600),
            event: Event::JobDeclared,
            message: "declared with 1 disk".to_owned(),
            attributes: vec![("disks", 1_u64.into())],
            correlation: correlation.clone(),
        }),
        Change::ChangeIdReceived(ReceivedChangeId {
            job: "job-1".to_owned(),
            disk: "disk-2000".to_owned(),
            vm_path: None,
            change_id: "x/1".to_owned(),
            previous_change_id: None,
            received_at: ago(10),
            vma: None,
        }),
    ];
    let mut store = Store::open(&file).expect("a new database");
    let refused = store.commit(&changes, Durability::OnDisk).expect("written");
    assert!(refused.is_empty(), "{refused:?}");
    let file = file.to_str().expect("UTF-8").to_owned();
    (directory, file)
}

pub fn lines(json: &str) -> Vec<Value> {
    json.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
}
