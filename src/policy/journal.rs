//! What is to be remembered of the decisions of one wake-up, in order: job rows, steps and log entries, worded once for
//! both appliances. It decides nothing about jobs; it only says what was decided.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::change::{Change, Step, StepEnd};
use crate::model::event::{Event, LogEntry, Value};
use crate::model::id::JobId;
use crate::model::job::Job;
use crate::model::percent::Percent;
use crate::model::request::Push;
use crate::model::stage::Stage;
use crate::model::status::{DiskStatus, JobStatus};
pub use crate::model::text::bounded;
use crate::model::time::{Mono, Now};
use crate::model::{disk::Disk, job::Totals};
use crate::policy::tally::unknown_sizes;

/// The changes of one wake-up.
#[derive(Debug, Clone, Default)]
pub struct Journal {
    changes: Vec<Change>,
    /// When the stage that each job is in began; absent where that was before the process started.
    stages: BTreeMap<JobId, Mono>,
    /// The jobs that the changes hold an entry of.
    noted: BTreeSet<JobId>,
}

/// Attributes of an entry.
pub type Attributes = Vec<(&'static str, Value)>;

impl Journal {
    /// Hands the changes out, in order, and is empty.
    pub fn drain(&mut self) -> Vec<Change> {
        self.noted.clear();
        std::mem::take(&mut self.changes)
    }
    /// How much has been noted by now, for [`Journal::roll_back`].
    pub fn mark(&self) -> usize {
        self.changes.len()
    }
    /// Forgets what was noted since the mark, all of it about this job.
    pub fn roll_back(&mut self, mark: usize, job: &JobId) {
        self.changes.truncate(mark);
        self.noted.remove(job);
        self.stages.remove(job);
    }
    /// True where the log of this job gets an entry in this wake-up; its row belongs into the same transaction.
    pub fn has_noted(&self, job: &JobId) -> bool {
        self.noted.contains(job)
    }
    /// The last row of a job that has ended in this wake-up; whoever reads its stored row reads too old a one.
    pub fn end_of(&self, job: &JobId) -> Option<&Job> {
        self.changes.iter().find_map(|change| match change {
            Change::Ended(ended) if ended.id == *job => Some(&**ended),
            _ => None,
        })
    }
    /// Adds a change as it is.
    pub fn push(&mut self, change: Change) {
        self.changes.push(change);
    }
    /// Adds an entry to the job's log.
    pub fn note(&mut self, now: Now, job: &Job, event: Event, message: impl Into<String>, attributes: Attributes) {
        self.noted.insert(job.id.clone());
        self.changes.push(Change::Entry(LogEntry {
            job: job.id.clone(),
            at: now.wall,
            event,
            message: message.into(),
            attributes,
            correlation: job.correlation.clone(),
        }));
    }

    /// The job entered its present stage, coming from another or from none.
    pub fn stage_moved(&mut self, now: Now, job: &Job, from: Option<Stage>, to: Stage) {
        let took = from.and_then(|stage| self.step_ended(now, job, stage, true));
        self.stages.insert(job.id.clone(), now.mono);
        self.changes.push(Change::StepBegan(Step {
            job: job.id.clone(),
            stage: to,
            started_at: now.wall,
            correlation: job.correlation.clone(),
        }));
        let message = match (from, took) {
            (Some(from), Some(ms)) => format!("stage {from} -> {to} after {}.{} s", ms / 1000, ms % 1000 / 100),
            (Some(from), None) => format!("stage {from} -> {to}"),
            (None, _) => format!("stage {to}"),
        };
        let mut attributes = vec![("to", to.wire_name().into())];
        attributes.extend(took.map(|ms| ("duration_ms", ms.into())));
        self.note(now, job, Event::StageChanged, message, attributes);
    }

    /// The job's status changed.
    pub fn status_moved(&mut self, now: Now, job: &Job, from: JobStatus) {
        let to = job.status;
        let attributes = vec![("from", from.stored_name().into()), ("to", to.stored_name().into())];
        self.note(now, job, Event::StatusChanged, format!("status {from} -> {to}"), attributes);
    }

    /// A disk that had only a placeholder for a name got its own; `says` is what names it.
    pub fn disk_named(&mut self, now: Now, job: &Job, disk: &Disk, says: &str) {
        let earlier = disk.earlier_id.as_ref().map_or("", |earlier| earlier.as_str());
        let attributes = vec![("disk", disk.id.as_str().into()), ("earlier", earlier.into())];
        self.note(now, job, Event::DiskNamed, format!("disk {earlier} is {}, as {says}", disk.id), attributes);
    }

    /// The same for each placeholder that a declaration has named since.
    pub fn disks_named(&mut self, now: Now, before: &Job, job: &Job) {
        for disk in &job.disks {
            let was_unnamed = |known: &&Disk| !known.named && Some(&known.id) == disk.earlier_id.as_ref();
            if disk.named && before.disks.iter().find(was_unnamed).is_some() {
                self.disk_named(now, job, disk, "its job's declaration says");
            }
        }
    }

    /// A disk's status changed.
    pub fn disk_moved(&mut self, now: Now, job: &Job, disk: &Disk, from: DiskStatus) {
        let to = disk.status;
        let attributes = vec![
            ("disk", disk.id.as_str().into()),
            ("from", from.stored_name().into()),
            ("to", to.stored_name().into()),
            ("bytes", disk.bytes_transferred.into()),
        ];
        let message = format!("disk {}: {from} -> {to}", disk.id);
        self.note(now, job, Event::DiskStatusChanged, message, attributes);
    }

    /// The total of a disk or of the job was replaced; the bar may fall with it (R-44, U6).
    pub fn plan_revised(&mut self, now: Now, job: &Job, whose: &str, from: u64, to: u64, percent: (Percent, Percent)) {
        let attributes = vec![("of", whose.into()), ("from", from.into()), ("to", to.into())];
        let (before, after) = percent;
        let how = if from != to {
            format!("revised from {from} to {to} bytes")
        } else if unknown_sizes(job) > 0 {
            format!("is {to} bytes and the size of a disk that is not known yet")
        } else {
            format!("was revised in between and is {to} bytes again")
        };
        let message = format!("plan of {whose} {how}: {before} % is now {after} %");
        self.note(now, job, Event::PlanRevised, message, attributes);
    }

    /// How near the plan came to what was moved, at the end of a job that succeeded; disks that nobody planned do not count.
    pub fn plan_accuracy(&mut self, now: Now, job: &Job) {
        let planned = job.disks.iter().filter_map(|disk| Some((disk, disk.planned_bytes?)));
        let planned: Vec<(&Disk, u64)> = planned.collect();
        if job.status != JobStatus::Succeeded || planned.is_empty() {
            return;
        }
        let sum = |of: &dyn Fn(&(&Disk, u64)) -> u64| planned.iter().map(of).fold(0, u64::saturating_add);
        let (plan, moved) = (sum(&|(_, bytes)| *bytes), sum(&|(disk, _)| disk.bytes_transferred));
        let share = share(moved, plan);
        let disks = planned.iter().map(|(disk, bytes)| {
            let basis = disk.basis.map_or("unknown", |basis| basis.wire_name());
            format!("{} {}/{bytes} {basis}", disk.id, disk.bytes_transferred)
        });
        let disks = disks.collect::<Vec<_>>().join(", ");
        let message = format!("planned {plan} bytes, moved {moved}: {share} of the plan ({disks})");
        let attributes = vec![("planned", plan.into()), ("moved", moved.into()), ("share", share.into())];
        self.note(now, job, Event::PlanAccuracy, message, attributes);
    }

    /// A mover counts again towards another total: both passes count.
    pub fn pass_started(&mut self, now: Now, job: &Job, disk: &Disk, push: &Push) {
        let (earlier, bytes, total) =
            (disk.earlier_passes_bytes, push.bytes_transferred, push.total_bytes.unwrap_or_default());
        let message = format!(
            "disk {}: the mover counts again from the start, {bytes} of {total} bytes after {earlier}: bytes and plan count over both passes",
            disk.id
        );
        let attributes = vec![("disk", disk.id.as_str().into()), ("earlier", earlier.into()), ("total", total.into())];
        self.note(now, job, Event::PassStarted, message, attributes);
    }

    /// Counters came back smaller than they had been.
    pub fn bytes_regressed(&mut self, now: Now, job: &Job, whose: &str, kept: u64, said: u64) {
        let attributes = vec![("of", whose.into()), ("kept", kept.into()), ("said", said.into())];
        let message = format!(
            "{whose}: the source says {said} bytes after {kept}; it has probably started again, the larger count stays"
        );
        self.note(now, job, Event::BytesRegressed, message, attributes);
    }

    /// The figures changed: names each quarter that was reached.
    pub fn milestones(&mut self, now: Now, job: &Job, before: Totals) {
        for quarter in [25_u16, 50, 75] {
            let mark = Percent::from_hundredths(quarter * 100);
            if before.percent < mark && job.totals.percent >= mark {
                self.milestone(now, job, quarter);
            }
        }
    }

    /// The job has ended: its last step, its last entry and its last rows.
    pub fn ended(&mut self, now: Now, job: &Job) {
        let succeeded = job.status == JobStatus::Succeeded;
        if let Some(stage) = job.stage {
            self.step_ended(now, job, stage, succeeded);
        }
        self.stages.remove(&job.id);
        if succeeded {
            self.milestone(now, job, 100);
            let message = format!("Job completed: {} bytes moved", job.totals.bytes_transferred);
            self.note(now, job, Event::JobSucceeded, message, Vec::new());
        } else {
            let cause = job.error.as_deref().unwrap_or("no reason was given");
            self.note(now, job, Event::JobFailed, format!("Job failed: {cause}"), Vec::new());
        }
        self.changes.push(Change::Ended(Box::new(job.clone())));
    }

    /// Another program has ended the job, whose status says how, and has written its row: its last step.
    pub fn ended_elsewhere(&mut self, now: Now, job: &Job) {
        if let Some(stage) = job.stage {
            self.step_ended(now, job, stage, job.status == JobStatus::Succeeded);
        }
        self.stages.remove(&job.id);
    }

    fn milestone(&mut self, now: Now, job: &Job, percent: u16) {
        let attributes = vec![
            ("percent", u64::from(percent).into()),
            ("bytes", job.totals.bytes_transferred.into()),
            ("total", job.totals.total_bytes.into()),
        ];
        let (moved, total) = (job.totals.bytes_transferred, job.totals.total_bytes);
        self.note(now, job, Event::Milestone, format!("{percent} % reached: {moved} of {total} bytes"), attributes);
    }

    /// The row of a stage that is over; how long it took in milliseconds, where this process saw all of it.
    fn step_ended(&mut self, now: Now, job: &Job, stage: Stage, succeeded: bool) -> Option<u64> {
        let began = self.stages.get(&job.id);
        let duration_ms = began.map(|began| u64::try_from(now.mono.since(*began).as_millis()).unwrap_or(u64::MAX));
        let (job, completed_at) = (job.id.clone(), now.wall);
        self.changes.push(Change::StepEnded(StepEnd { job, stage, completed_at, duration_ms, succeeded }));
        duration_ms
    }
}

/// A part of a whole in percent, with two decimals; more than the whole is more than 100.
fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return if part == 0 { "100.00 %".to_owned() } else { "all of it beyond 100 %".to_owned() };
    }
    let hundredths = u128::from(part) * 10_000 / u128::from(whole);
    format!("{}.{:02} %", hundredths / 100, hundredths % 100)
}

/// Things of one job that are worth an entry the first time only, up to a bound.
#[derive(Debug, Clone, Default)]
pub struct Once(Vec<Box<str>>);

impl Once {
    /// True the first time that this text is met, while there are fewer than `bound` of them.
    pub fn is_first(&mut self, text: &str, bound: usize) -> bool {
        if self.0.len() >= bound || self.0.iter().any(|met| &**met == text) {
            return false;
        }
        self.0.push(text.into());
        true
    }
    /// Forgets a text, so that its next time is a first time again.
    pub fn forget(&mut self, text: &str) {
        self.0.retain(|met| &**met != text);
    }
}
