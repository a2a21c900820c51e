//! When a job's row is written.
//!
//! A status or an operation that changed, or one percentage point, is written at once; anything else that differs after
//! `min_interval`; a contact without news at most every `contact_refresh`. What equals the stored row is not written.
//! The table of R-26 is one [`Throttle`] (40 bytes) in each tracked job, and goes with it.

use std::time::Duration;

use crate::model::job::Job;
use crate::model::percent::Percent;
use crate::model::stage::Stage;
use crate::model::status::JobStatus;
use crate::model::time::{Mono, Wall};

/// The thresholds, from the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ThrottleSettings {
    /// Progress of this much is written at once.
    pub min_percent: Percent,
    /// Other news waits for this long after the last write.
    pub min_interval: Duration,
    /// A contact without news is written this seldom.
    pub contact_refresh: Duration,
}

/// Why a row is written now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum WriteReason {
    /// The status changed.
    Status,
    /// The stage changed.
    Operation,
    /// Progress moved by at least `min_percent`.
    Percent,
    /// Something else differs, and `min_interval` has passed.
    Interval,
    /// Only the time of the last contact differs, and `contact_refresh` has passed.
    Contact,
}

/// What was last written of one job, as far as the rules ask for it.
#[derive(Debug, Clone, Copy)]
pub struct Throttle {
    written_at: Mono,
    status: JobStatus,
    stage: Option<Stage>,
    percent: Percent,
    contact: Option<Wall>,
    differs: bool,
}

impl Throttle {
    /// The row as it has just been stored.
    pub fn written(job: &Job, now: Mono) -> Self {
        let (status, stage, percent) = (job.status, job.stage, job.totals.percent);
        Self { written_at: now, status, stage, percent, contact: job.last_contact_at, differs: false }
    }
    /// Something in the row other than the time of contact no longer equals what is stored.
    pub fn note_difference(&mut self) {
        self.differs = true;
    }
    /// Why the row is to be written now, if it is.
    pub fn reason(&self, job: &Job, now: Mono, settings: &ThrottleSettings) -> Option<WriteReason> {
        let age = now.since(self.written_at);
        let moved = job.totals.percent.hundredths().abs_diff(self.percent.hundredths());
        // A tenth of tolerance: a poll that comes a little early must not skip every other write.
        let interval = settings.min_interval.saturating_sub(settings.min_interval / 10);
        if job.status != self.status {
            Some(WriteReason::Status)
        } else if job.stage != self.stage {
            Some(WriteReason::Operation)
        } else if self.differs && moved > 0 && moved >= settings.min_percent.hundredths() {
            Some(WriteReason::Percent)
        } else if self.differs && age >= interval {
            Some(WriteReason::Interval)
        } else if job.last_contact_at != self.contact && age >= settings.contact_refresh {
            Some(WriteReason::Contact)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{JobId, VmaName};
    use crate::model::time::Wall;

    const SETTINGS: ThrottleSettings = ThrottleSettings {
        min_percent: Percent::DONE,
        min_interval: Duration::from_secs(2),
        contact_refresh: Duration::from_secs(30),
    };

    fn job() -> Job {
        let (id, vma) = (JobId::parse("j").expect("an id"), VmaName::parse("v").expect("a name"));
        Job::new(id, vma, Wall::from_unix_millis(0))
    }

    #[test]
    fn f29_a_document_that_equals_the_row_is_not_written() {
        let (mut job, at) = (job(), Mono::from_millis);
        let mut throttle = Throttle::written(&job, at(0));
        assert_eq!(throttle.reason(&job, at(2000), &SETTINGS), None);
        assert_eq!(throttle.reason(&job, at(30_000), &SETTINGS), None, "nobody answered, so nothing differs");
        job.last_contact_at = Some(Wall::from_unix_millis(1));
        assert_eq!(throttle.reason(&job, at(29_999), &SETTINGS), None);
        assert_eq!(throttle.reason(&job, at(30_000), &SETTINGS), Some(WriteReason::Contact));
        throttle.note_difference();
        assert_eq!(throttle.reason(&job, at(1799), &SETTINGS), None);
        assert_eq!(throttle.reason(&job, at(1800), &SETTINGS), Some(WriteReason::Interval));
    }

    #[test]
    fn a_status_an_operation_and_a_whole_percent_are_written_at_once() {
        let mut job = job();
        let mut throttle = Throttle::written(&job, Mono::from_millis(0));
        let settings = ThrottleSettings { min_percent: Percent::from_hundredths(100), ..SETTINGS };
        throttle.note_difference();
        job.totals.percent = Percent::from_hundredths(99);
        assert_eq!(throttle.reason(&job, Mono::from_millis(1), &settings), None);
        job.totals.percent = Percent::from_hundredths(100);
        assert_eq!(throttle.reason(&job, Mono::from_millis(1), &settings), Some(WriteReason::Percent));
        job.stage = Some(Stage::Transfer);
        assert_eq!(throttle.reason(&job, Mono::from_millis(1), &settings), Some(WriteReason::Operation));
        job.status = JobStatus::Streaming;
        assert_eq!(throttle.reason(&job, Mono::from_millis(1), &settings), Some(WriteReason::Status));
    }

    #[test]
    fn the_table_is_as_small_as_it_says() {
        assert!(size_of::<Throttle>() <= 40);
    }
}
