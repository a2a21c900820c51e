//! Jobs built by hand, at one fixed moment.

use waybill::model::change::ReceivedChangeId;
use waybill::model::disk::{Basis, Disk};
use waybill::model::event::Level;
use waybill::model::id::{ChangeId, CorrelationId, DiskId, JobId, VmaName};
use waybill::model::job::{Contact, Job, SyncKind, Totals, Vm};
use waybill::model::percent::Percent;
use waybill::model::record::{JobRecord, LogRecord, Side, StepRecord};
use waybill::model::stage::Stage;
use waybill::model::status::{DiskStatus, JobStatus};
use waybill::model::time::Wall;
use waybill::view::Moment;

pub const GIB: u64 = 1 << 30;

pub fn at(text: &str) -> Wall {
    Wall::parse(text).expect("a time")
}

/// A moment at which the daemon was alive 3 s before.
pub fn now() -> Moment {
    seen(at("2026-11-23T17:20:00Z"))
}

/// Any moment at which the daemon was alive 3 s before.
pub fn seen(wall: Wall) -> Moment {
    Moment { wall, daemon: Some(Wall::from_unix_millis(wall.unix_millis() - 3000)) }
}

pub fn job(id: &str) -> Job {
    let site = VmaName::parse("site-a").expect("a name");
    Job::new(JobId::parse(id).expect("an id"), site, at("2026-11-23T17:00:00Z"))
}

pub fn disk(id: &str, label: &str) -> Disk {
    let mut disk = Disk::new(DiskId::parse(id).expect("an id"));
    disk.label = label.to_owned();
    disk
}

/// Two disks, one done, the other at a quarter.
pub fn streaming() -> Job {
    let mut job = job("job-1");
    job.vm = Vm { name: "web01".to_owned(), path: "/DC0/vm/web01".to_owned(), uuid: String::new() };
    job.sync = Some(SyncKind::Full);
    (job.status, job.stage) = (JobStatus::Streaming, Some(Stage::Transfer));
    job.totals = Totals {
        total_bytes: 40 * GIB,
        bytes_transferred: 20 * GIB,
        throughput_bps: 100 << 20,
        percent: Percent::from_hundredths(5000),
        eta_seconds: Some(205),
        basis: Some(Basis::Layout),
    };
    job.correlation = CorrelationId::parse("01JDCQ5ZK0000000000000000A").ok();
    job.source_sequence = 77;
    job.started_at = Some(at("2026-11-23T17:00:00Z"));
    job.updated_at = at("2026-11-23T17:19:58Z");
    job.source_updated_at = Some(at("2026-11-23T17:19:58Z"));
    job.last_contact_at = Some(at("2026-11-23T17:19:59Z"));
    let mut first = disk("disk-2000", "Hard disk 1");
    first.status = DiskStatus::Completed;
    (first.capacity_bytes, first.planned_bytes, first.basis) =
        (Some(16 * GIB), Some(10 * GIB), Some(Basis::CbtAllocated));
    (first.bytes_transferred, first.percent) = (10 * GIB, Percent::DONE);
    first.change_id = ChangeId::from_text("52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81");
    first.blocks_changed = Some(12);
    (first.declared, first.device_key) = (true, Some(2000));
    first.updated_at = Some(at("2026-11-23T17:10:00Z"));
    let mut second = disk("disk-2001", "");
    second.status = DiskStatus::Streaming;
    (second.planned_bytes, second.basis) = (Some(30 * GIB), Some(Basis::Layout));
    (second.bytes_transferred, second.percent) = (10 * GIB, Percent::from_hundredths(3333));
    second.throughput_bps = 100 << 20;
    job.disks = vec![first, second];
    job
}

pub fn failed() -> Job {
    let mut job = job("job-2");
    job.status = JobStatus::Failed;
    job.error = Some("no contact since 17:00:03\nafter 41 tries: connect: connection refused".to_owned());
    job.contact = Contact::Lost;
    job.completed_at = Some(at("2026-11-23T17:05:00Z"));
    job
}

pub fn record() -> JobRecord {
    let step = |stage: &str, from, to: Option<&str>, ms, succeeded| StepRecord {
        stage: stage.to_owned(),
        started_at: Some(at(from)),
        completed_at: to.map(at),
        duration_ms: ms,
        succeeded,
        correlation: None,
    };
    let event = |time, level, name: &str, message: &str, attributes: &str| LogRecord {
        at: Some(at(time)),
        level,
        event: name.to_owned(),
        message: message.to_owned(),
        attributes: attributes.to_owned(),
        correlation: None,
    };
    JobRecord {
        job: streaming(),
        steps: vec![
            step("Snapshot", "2026-11-23T17:00:00Z", Some("2026-11-23T17:00:01.25Z"), Some(1250), Some(true)),
            step("Transfer", "2026-11-23T17:00:02Z", None, None, None),
        ],
        log: vec![
            event("2026-11-23T17:00:00Z", Level::Info, "job_declared", "job declared with 2 disks", "{\"disks\":2}"),
            event("2026-11-23T17:01:00Z", Level::Warning, "bytes_regressed", "counter\nfell", "no json"),
        ],
        side: Side::Oma,
        source_log: Vec::new(),
        received: vec![ReceivedChangeId {
            job: "job-1".to_owned(),
            disk: String::new(),
            vm_path: None,
            change_id: "x/1".to_owned(),
            previous_change_id: None,
            received_at: at("2026-11-23T17:10:01Z"),
            vma: None,
        }],
    }
}
