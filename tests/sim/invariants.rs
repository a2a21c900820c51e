//! What must hold after every step, whatever happened.

use std::collections::{BTreeMap, BTreeSet};

use waybill::limits;
use waybill::model::change::Change;
use waybill::model::event::{Event, LogEntry, Value};
use waybill::model::id::JobId;
use waybill::model::job::{Contact, Job};
use waybill::model::percent::Percent;
use waybill::model::status::{DiskStatus, JobStatus};
use waybill::policy::fleet::Fleet;
use waybill::policy::transition::{disk_may, job_may};
use waybill::store::Store;

/// What was last given out of every job.
#[derive(Clone, Default)]
pub struct Invariants {
    given: BTreeMap<JobId, Job>,
    /// What SQLite holds of each.
    stored: BTreeMap<JobId, Job>,
    changed: BTreeSet<JobId>,
}

impl Invariants {
    /// Of a database that holds these jobs already.
    pub fn knowing(jobs: &[Job]) -> Self {
        let rows: BTreeMap<JobId, Job> = jobs.iter().map(|job| (job.id.clone(), job.clone())).collect();
        Self { given: rows.clone(), stored: rows, changed: BTreeSet::new() }
    }
    /// The changes of one wake-up, which are one transaction.
    pub fn check(&mut self, changes: &[Change]) {
        let mut concerned: BTreeMap<&JobId, Vec<&LogEntry>> = BTreeMap::new();
        let mut rows: BTreeMap<&JobId, &Job> = BTreeMap::new();
        for change in changes {
            match change {
                Change::Entry(entry) => concerned.entry(&entry.job).or_default().push(entry),
                Change::Progress(job) | Change::Declared(job) | Change::Ended(job) => {
                    let is_end = matches!(change, Change::Ended(_));
                    assert_eq!(is_end, job.status.is_final(), "{}: {:?}", job.id, job.status);
                    assert!(
                        rows.insert(&job.id, job).is_none_or(|row| !row.status.is_final()),
                        "{} ended twice",
                        job.id
                    );
                }
                Change::Forgotten(id) => drop((self.given.remove(id), self.stored.remove(id))),
                _ => {}
            }
        }
        for (id, entries) in &concerned {
            if !rows.contains_key(id) {
                let moved = entries.iter().find(|entry| is_audit(entry.event));
                assert!(moved.is_none(), "an audit line without its row: {moved:?}");
            }
        }
        for (id, job) in rows {
            self.check_job(job, concerned.get(id).map_or(&[], Vec::as_slice));
            self.given.insert(id.clone(), job.clone());
            self.changed.insert(id.clone());
        }
    }

    fn check_job(&self, job: &Job, entries: &[&LogEntry]) {
        let fresh = Job::new(job.id.clone(), job.vma.clone(), job.created_at);
        let before = self.given.get(&job.id).unwrap_or(&fresh);
        let id = &job.id;
        assert!(!before.status.is_final(), "{id} was finished as {:?} and is given out again", before.status);
        assert!(job.stage >= before.stage, "{id}: stage {:?} -> {:?}", before.stage, job.stage);
        check_moves(before, job, entries);
        let (was, is) = (&before.totals, &job.totals);
        assert!(is.bytes_transferred >= was.bytes_transferred, "{id}: bytes fell");
        let is_set_back = entries.iter().any(|entry| entry.event == Event::SourceReplaced);
        let falls = job.source_sequence < before.source_sequence && job.source_epoch == before.source_epoch;
        assert!(!falls || is_set_back, "{id}: an older document was taken");
        let is_revised = entries.iter().any(|entry| entry.event == Event::PlanRevised);
        assert!(is.percent >= was.percent || is_revised, "{id}: {} % -> {} % without a word", was.percent, is.percent);
        assert_eq!(is.percent == Percent::DONE, job.status == JobStatus::Succeeded, "{id}: {} %", is.percent);
        assert!(job.disks.len() <= limits::DISKS_PER_JOB);
        check_end(job);
        for disk in &job.disks {
            let has_ended = matches!(disk.status, DiskStatus::Completed | DiskStatus::Failed);
            assert_eq!(disk.ended_at.is_some(), has_ended, "{id} {}: {} {:?}", disk.id, disk.status, disk.ended_at);
            let is_done = disk.status == DiskStatus::Completed;
            assert_eq!(disk.percent == Percent::DONE, is_done, "{id} {}: {} %", disk.id, disk.percent);
        }
        for was in &before.disks {
            // A placeholder gets its name, and the declaration of a job that has not begun may be corrected.
            let named = job.disks.iter().find(|disk| !was.named && disk.earlier_id.as_ref() == Some(&was.id));
            let Some(disk) = job.disk(&was.id).or(named) else {
                assert_eq!(before.status, JobStatus::Queued, "{id}: disk {} is gone", was.id);
                continue;
            };
            assert!(disk.bytes_transferred >= was.bytes_transferred, "{id} {}: bytes fell", disk.id);
            let (from, to) = (was.percent, disk.percent);
            assert!(to >= from || is_revised, "{id} {}: {from} % -> {to} % without a word", disk.id);
        }
    }

    /// What is about to be written goes, row after row, by the edges of the one table, as the database's own triggers
    /// have it.
    pub fn check_edges(&mut self, changes: &[Change]) {
        for change in changes {
            let (Change::Progress(job) | Change::Declared(job) | Change::Ended(job)) = change else { continue };
            let Some(before) = self.stored.insert(job.id.clone(), (**job).clone()) else { continue };
            let (from, to) = (before.status, job.status);
            assert!(from == to || job_may(from, to), "{}: a row goes {from} -> {to}", job.id);
            for disk in &job.disks {
                let (from, to) = (before.disk(&disk.id).map_or(disk.status, |was| was.status), disk.status);
                assert!(from == to || disk_may(from, to), "{} {}: a row goes {from} -> {to}", job.id, disk.id);
            }
        }
    }

    /// The rows that changed are in SQLite as they were given out.
    pub fn check_rows(&mut self, store: &Store) {
        for id in std::mem::take(&mut self.changed) {
            let Some(given) = self.given.get(&id) else { continue };
            assert_eq!(store.job(&id).expect("readable").as_ref(), Some(given), "SQLite has another row");
        }
    }

    /// What the core holds of the jobs that something happened to is what the rows say, but for figures that wait for
    /// their turn.
    pub fn check_memory<'a>(&self, fleet: &Fleet, touched: impl Iterator<Item = &'a JobId>) {
        for job in touched.filter_map(|id| fleet.job(id)) {
            let Some(row) = self.given.get(&job.id) else { continue };
            assert_eq!((job.status, job.stage), (row.status, row.stage), "{}", job.id);
            for disk in &job.disks {
                // A disk that has just been named and waits is news like any other, and is written in its turn.
                let written = row.disk(&disk.id).map_or(DiskStatus::Queued, |disk| disk.status);
                assert_eq!(disk.status, written, "{}: disk {}", job.id, disk.id);
            }
            let apart = job.totals.percent.hundredths().abs_diff(row.totals.percent.hundredths());
            assert!(apart < 100, "{}: {} % is held back as {} %", job.id, job.totals.percent, row.totals.percent);
        }
    }
}

/// What has ended says when and why and stands still; what has not says none of it (F19, F22).
fn check_end(job: &Job) {
    let (id, is_final, has_succeeded) = (&job.id, job.status.is_final(), job.status == JobStatus::Succeeded);
    assert_eq!(job.completed_at.is_some(), is_final, "{id}: {} {:?}", job.status, job.completed_at);
    assert_eq!(job.totals.eta_seconds == Some(0), has_succeeded, "{id}: {} {:?}", job.status, job.totals.eta_seconds);
    assert!(!is_final || job.stalled_since.is_none(), "{id}: {} and stalled", job.status);
    assert!(is_final || job.contact != Contact::Lost, "{id}: {} and lost", job.status);
    assert!(!has_succeeded || job.error.is_none(), "{id}: succeeded with {:?}", job.error);
    // No job is Completed while a disk that anybody declared, opened or named is not (F53).
    assert!(!has_succeeded || job.missing_disks().is_empty(), "{id}: succeeded, and {:?}", job.missing_disks());
    assert!(
        job.status != JobStatus::Failed || job.error.as_deref().is_some_and(|text| !text.is_empty()),
        "{id}: no cause"
    );
    let rates = job.disks.iter().map(|disk| disk.throughput_bps).chain([job.totals.throughput_bps]);
    assert!(!is_final || rates.max() == Some(0), "{id}: {} and still moving", job.status);
}

/// Entries that say of a row that it changed: they and the row are one transaction.
fn is_audit(event: Event) -> bool {
    use Event::{ContactLost, ContactRegained, DiskStatusChanged, JobResumed, JobStalled, PlanRevised, StatusChanged};
    let audit = [ContactLost, ContactRegained, DiskStatusChanged, JobResumed, JobStalled, PlanRevised, StatusChanged];
    audit.contains(&event) || event == Event::StageChanged
}

/// Every transition has exactly one audit line, and every audit line is an edge of the one table.
fn check_moves(before: &Job, job: &Job, entries: &[&LogEntry]) {
    let id = &job.id;
    let mut status = before.status.stored_name();
    let mut disks: BTreeMap<&str, &str> =
        before.disks.iter().map(|disk| (disk.id.as_str(), disk.status.stored_name())).collect();
    let mut stages = 0;
    for entry in entries {
        match entry.event {
            Event::StatusChanged => {
                let (from, to) = (text(entry, "from"), text(entry, "to"));
                assert_eq!(status, from, "{id}: {}", entry.message);
                let edge = (JobStatus::from_stored_name(from), JobStatus::from_stored_name(to));
                assert!(matches!(edge, (Some(from), Some(to)) if job_may(from, to)), "{id}: {}", entry.message);
                status = to;
            }
            Event::DiskStatusChanged => {
                let (disk, from, to) = (text(entry, "disk"), text(entry, "from"), text(entry, "to"));
                let was = disks.insert(disk, to).unwrap_or(DiskStatus::Queued.stored_name());
                assert_eq!(was, from, "{id}: {}", entry.message);
                let edge = (DiskStatus::from_stored_name(from), DiskStatus::from_stored_name(to));
                assert!(matches!(edge, (Some(from), Some(to)) if disk_may(from, to)), "{id}: {}", entry.message);
            }
            Event::DiskNamed => {
                let (disk, earlier) = (text(entry, "disk"), text(entry, "earlier"));
                if let Some(status) = disks.remove(earlier) {
                    disks.insert(disk, status);
                }
            }
            Event::StageChanged => stages += 1,
            _ => {}
        }
    }
    assert_eq!(status, job.status.stored_name(), "{id}: a status without its audit line");
    assert_eq!(stages > 0, job.stage != before.stage, "{id}: stage {:?} -> {:?}", before.stage, job.stage);
    for disk in &job.disks {
        let said = disks.get(disk.id.as_str()).copied().unwrap_or(DiskStatus::Queued.stored_name());
        assert_eq!(said, disk.status.stored_name(), "{id}: disk {} without its audit line", disk.id);
    }
    let ends = entries.iter().filter(|entry| matches!(entry.event, Event::JobFailed | Event::JobSucceeded)).count();
    assert_eq!(ends, usize::from(job.status.is_final()), "{id}: an end is said exactly once");
}

fn text<'a>(entry: &'a LogEntry, key: &str) -> &'a str {
    match entry.attributes.iter().find(|(name, _)| *name == key) {
        Some((_, Value::Text(text))) => text,
        other => panic!("{}: {key} is {other:?}", entry.message),
    }
}
