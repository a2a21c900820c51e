//! What could not be written yet: of a job's progress only the newest, of everything else all, in order. It is
//! bounded; when it is full the polls pause, because polling gives way and records do not.

use std::collections::BTreeMap;

use crate::limits;
use crate::model::change::Change;
use crate::model::disk::Disk;
use crate::model::id::JobId;
use crate::model::job::Job;
use crate::model::status::DiskStatus;

/// Changes that wait for the database, in the order in which they are to be written.
#[derive(Debug, Default)]
pub struct Outbox {
    changes: Vec<Change>,
    /// Where in `changes` the waiting progress of a job stands.
    progress: BTreeMap<JobId, usize>,
    /// Where the waiting sequence stands: only the highest matters.
    sequence: Option<usize>,
}

impl Outbox {
    /// Adds the changes of one wake-up.
    pub fn extend(&mut self, changes: impl IntoIterator<Item = Change>) {
        for change in changes {
            match change {
                Change::Progress(job) => match self.replaceable(&job) {
                    Some(at) => self.changes[at] = Change::Progress(job),
                    None => {
                        self.progress.insert(job.id.clone(), self.changes.len());
                        self.changes.push(Change::Progress(job));
                    }
                },
                Change::Sequence(_) => match self.sequence {
                    Some(at) => self.changes[at] = change,
                    None => {
                        self.sequence = Some(self.changes.len());
                        self.changes.push(change);
                    }
                },
                Change::Ended(ref job) | Change::Declared(ref job) => {
                    // Progress that comes after this row must not take the place of progress before it.
                    self.progress.remove(&job.id);
                    self.changes.push(change);
                }
                other => self.changes.push(other),
            }
        }
    }
    /// The place of the waiting progress that a newer one may take. A disk that streams in the waiting row and is
    /// Completed in the newer one may be stored as Failed, from where only streaming leads on: both rows are kept.
    fn replaceable(&self, newer: &Job) -> Option<usize> {
        let at = *self.progress.get(&newer.id)?;
        let Some(Change::Progress(waiting)) = self.changes.get(at) else { return None };
        let ends = |disk: &Disk| {
            // It may have got its name in between.
            let now = newer.place_of(&disk.id).map(|at| newer.disks[at].status);
            disk.status == DiskStatus::Streaming && now == Some(DiskStatus::Completed)
        };
        (!waiting.disks.iter().any(ends)).then_some(at)
    }
    /// The newest row of a job that waits; it stands before what the database holds. A job whose end is not written yet
    /// must not be taken up again from its stored row.
    pub fn row(&self, id: &JobId) -> Option<&Job> {
        self.changes.iter().rev().find_map(|change| match change {
            Change::Progress(job) | Change::Declared(job) | Change::Ended(job) if job.id == *id => Some(&**job),
            _ => None,
        })
    }
    /// What is to be written, in order.
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }
    /// True where nothing waits.
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }
    /// True where no more may be taken in: polls must pause.
    pub fn is_full(&self) -> bool {
        self.changes.len() >= limits::UNWRITTEN_CHANGES
    }
    /// True where one of them must be durable before anyone is told.
    pub fn is_irreplaceable(&self) -> bool {
        self.changes.iter().any(Change::is_irreplaceable)
    }
    /// True where one of them must be on the disk whatever the appliance.
    pub fn is_of_spool(&self) -> bool {
        self.changes.iter().any(Change::is_of_spool)
    }
    /// Everything has been written.
    pub fn written(&mut self) {
        self.changes.clear();
        self.progress.clear();
        self.sequence = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::event::{Event, LogEntry};
    use crate::model::id::{DiskId, VmaName};
    use crate::model::status::JobStatus;
    use crate::model::time::Wall;

    fn job(name: &str, bytes: u64) -> Box<Job> {
        let (id, vma) = (JobId::parse(name).expect("an id"), VmaName::parse("v").expect("a name"));
        let mut job = Job::new(id, vma, Wall::from_unix_millis(0));
        job.totals.bytes_transferred = bytes;
        Box::new(job)
    }

    #[test]
    fn of_progress_only_the_newest_waits_and_of_records_all() {
        let mut outbox = Outbox::default();
        outbox.extend([Change::Progress(job("a", 1)), Change::Sequence(1), Change::Progress(job("b", 1))]);
        outbox.extend([Change::Progress(job("a", 2)), Change::Sequence(2)]);
        let expected = [Change::Progress(job("a", 2)), Change::Sequence(2), Change::Progress(job("b", 1))];
        assert_eq!(outbox.changes(), expected);
        assert!(!outbox.is_irreplaceable());
    }

    #[test]
    fn f42_a_queue_that_is_full_stops_the_polls_and_drops_nothing() {
        let entry = |n: usize| {
            let job = JobId::parse("a").expect("an id");
            let (at, event) = (Wall::from_unix_millis(n as i64), Event::Milestone);
            let (message, attributes) = (n.to_string(), Vec::new());
            Change::Entry(LogEntry { job, at, event, message, attributes, correlation: None })
        };
        let (mut outbox, more) = (Outbox::default(), limits::UNWRITTEN_CHANGES + 1000);
        for n in 0..more {
            assert_eq!(outbox.is_full(), n >= limits::UNWRITTEN_CHANGES, "{n}");
            outbox.extend([entry(n)]);
        }
        let kept = outbox.changes().iter().zip(0..).filter(|(change, n)| **change == entry(*n)).count();
        assert_eq!((kept, outbox.changes().len()), (more, more), "each once and in its place");
    }

    #[test]
    fn a_disk_that_failed_streamed_and_completed_while_nothing_could_be_written_keeps_its_way() {
        let mut outbox = Outbox::default();
        let row = |status| {
            let mut job = job("a", 1);
            job.disks.push(Disk::new(DiskId::parse("d").expect("an id")));
            job.disks[0].status = status;
            Change::Progress(job)
        };
        let (failed, streaming, completed) =
            (row(DiskStatus::Failed), row(DiskStatus::Streaming), row(DiskStatus::Completed));
        outbox.extend([failed, streaming.clone(), completed.clone(), completed.clone()]);
        assert_eq!(outbox.changes(), [streaming.clone(), completed.clone()]);

        let Change::Progress(mut named) = completed else { panic!("a row") };
        named.disks[0].name(DiskId::parse("disk-2000").expect("an id"));
        let mut outbox = Outbox::default();
        outbox.extend([streaming.clone(), Change::Progress(named.clone())]);
        assert_eq!(outbox.changes(), [streaming, Change::Progress(named)], "also if it got its name in between");
    }

    #[test]
    fn an_end_stands_after_all_that_led_to_it() {
        let mut outbox = Outbox::default();
        let mut ended = job("a", 3);
        ended.status = JobStatus::Failed;
        outbox.extend([Change::Progress(job("a", 1)), Change::Ended(ended.clone())]);
        outbox.extend([Change::Progress(job("a", 9))]);
        assert_eq!(outbox.changes().len(), 3, "a job's later progress never takes the place of one before its end");
        assert!(outbox.is_irreplaceable());
        let (a, b) = (JobId::parse("a").expect("an id"), JobId::parse("b").expect("an id"));
        assert_eq!((outbox.row(&a), outbox.row(&b)), (Some(&*job("a", 9)), None));
        outbox.written();
        assert!(outbox.is_empty());
    }
}
