//! The book of all jobs that a VMA knows: documents, ends, and what is let go.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::entry::{Entry, Revision, Shape};
use super::names::Names;
use super::unclaimed::Unclaimed;
use crate::limits;
use crate::model::change::Change;
use crate::model::disk::{Basis, Disk};
use crate::model::event::Event;
use crate::model::id::{Epoch, JobId, VmaName};
use crate::model::job::{Job, SyncKind};
use crate::model::request::Outcome;
use crate::model::status::{DiskStatus, JobStatus};
use crate::model::time::{Mono, Now};
use crate::model::vmware::Fault;
use crate::model::warning::WarningKind;
use crate::policy::dice::Dice;
use crate::policy::ending::{failure_text, stop_disks};
use crate::policy::journal::Journal;
use crate::policy::panics::Verdict;
use crate::policy::planning::Planning;
use crate::policy::refusal::Refusal;
use crate::policy::schedule::Schedule;
use crate::policy::tally::tally;
use crate::policy::transition::{Moved, set_job_status};

/// How a VMA's source behaves.
#[derive(Debug, Clone)]
pub struct SourceSettings {
    /// The VMA's name.
    pub name: VmaName,
    /// Names this VMA's database; sequences compare only within it.
    pub epoch: Epoch,
    /// A push may start a job that nobody declared.
    pub auto_initialize: bool,
    /// How long a finished job is answered for.
    pub keep_finished: Duration,
    /// How long after a mover's own `failed` its silence ends the job.
    pub failed_grace: Duration,
    /// There is a vCenter that tells how much there is to copy.
    pub plans: bool,
    /// Seed for correlation ids.
    pub seed: u64,
}

/// What of [`SourceSettings`] may change while the source runs.
#[derive(Debug, Clone, Copy)]
pub struct SourceRules {
    /// As in [`SourceSettings`].
    pub auto_initialize: bool,
    /// As in [`SourceSettings`].
    pub keep_finished: Duration,
    /// As in [`SourceSettings`].
    pub failed_grace: Duration,
    /// As in [`SourceSettings`].
    pub plans: bool,
}

/// All jobs that a VMA knows.
#[derive(Debug, Clone)]
pub struct Source {
    pub(super) settings: SourceSettings,
    pub(super) jobs: BTreeMap<JobId, Entry>,
    pub(super) by_sequence: BTreeMap<u64, JobId>,
    pub(super) finished: BTreeSet<(Mono, JobId)>,
    pub(super) names: Names,
    pub(super) sequence: u64,
    pub(super) journal: Journal,
    pub(super) dice: Dice,
    /// Which jobs vCenter is asked about; `None` without a vCenter.
    pub(super) planning: Option<Planning>,
    /// Another after each start and reload: what was asked before is nobody's answer.
    pub(super) generation: u64,
    /// Why no job is planned for a while.
    pub(super) halt: Option<Fault>,
    /// What waits for a job of its VM.
    pub(super) unclaimed: Unclaimed,
    /// When the jobs end whose movers have failed and said nothing since.
    pub(super) failing: Schedule,
    /// The job whose next push makes the source panic: no real one is known to do so.
    #[cfg(test)]
    pub(crate) trap: Option<JobId>,
}

impl Source {
    /// A source that goes on with the jobs and the sequence that its database remembers.
    pub fn resume(settings: SourceSettings, sequence: u64, jobs: Vec<Job>, now: Now) -> Self {
        let dice = Dice::new(settings.seed);
        let planning = settings.plans.then(|| Planning::new(settings.seed));
        let mut source = Self {
            settings,
            jobs: BTreeMap::new(),
            by_sequence: BTreeMap::new(),
            finished: BTreeSet::new(),
            names: Names::default(),
            sequence,
            journal: Journal::default(),
            dice,
            planning,
            generation: sequence,
            halt: None,
            unclaimed: Unclaimed::default(),
            failing: Schedule::default(),
            #[cfg(test)]
            trap: None,
        };
        for job in jobs {
            source.sequence = source.sequence.max(job.source_sequence);
            source.by_sequence.insert(job.source_sequence, job.id.clone());
            let finished = job.status.is_final().then_some(now.mono);
            if finished.is_some() {
                source.names.remember(&job);
                source.finished.insert((now.mono, job.id.clone()));
            } else {
                source.names.bind(&job);
            }
            source.jobs.insert(job.id.clone(), Entry::new(job, finished));
        }
        let jobs = &source.jobs;
        let has_ended = |id: &JobId| jobs.get(id).is_some_and(|entry| entry.job.status.is_final());
        source.names.find_runs(jobs.keys(), has_ended);
        let unfinished = source.jobs.values().filter(|entry| !entry.job.status.is_final());
        let unfinished: Vec<JobId> = unfinished.map(|entry| entry.job.id.clone()).collect();
        unfinished.iter().for_each(|id| source.watch_failure(now, id));
        source.plan_unfinished(now);
        source
    }

    /// Takes over settings that may change while it runs; all unfinished jobs are planned anew.
    pub fn reconfigure(&mut self, now: Now, settings: SourceRules) {
        let SourceRules { auto_initialize, keep_finished, failed_grace, plans } = settings;
        self.settings.auto_initialize = auto_initialize;
        (self.settings.keep_finished, self.settings.failed_grace) = (keep_finished, failed_grace);
        // What is on its way was asked of the vCenter before, with secrets that may have been wrong: nobody waits for it.
        self.settings.plans = plans;
        self.generation += 1;
        (self.planning, self.halt) = (plans.then(|| Planning::new(self.settings.seed)), None);
        self.plan_unfinished(now);
    }

    /// How it behaves.
    pub fn settings(&self) -> &SourceSettings {
        &self.settings
    }

    /// The job that a caller means by now: of an id or alias its present run; the id itself where nobody has it.
    pub fn present_run(&self, id: &JobId) -> JobId {
        self.job(id).map_or(id, |job| self.names.latest_run(&job.id)).clone()
    }

    /// waybill panicked over a push, declaration or end of this job, at `place`, and has taken it up again from its stored
    /// row: its log says so, or it fails.
    pub fn panicked(&mut self, now: Now, id: &JobId, verdict: Verdict, place: &str) {
        let Some(id) = self.job(id).filter(|job| !job.status.is_final()).map(|job| job.id.clone()) else { return };
        let Some(entry) = self.jobs.get(&id) else { return };
        let (Verdict::GoOn(message) | Verdict::Fail(message)) = &verdict;
        self.journal.note(now, &entry.job, Event::PanicCaught, message.clone(), vec![("place", place.into())]);
        if let Verdict::Fail(reason) = verdict {
            self.end(now, &id, &Outcome::Failed(reason));
        }
    }

    /// What must be remembered of all that happened since the last call.
    pub fn changes(&mut self) -> Vec<Change> {
        let mut changes = self.journal.drain();
        if !changes.is_empty() {
            changes.push(Change::Sequence(self.sequence));
        }
        changes
    }

    /// The job of that id or of that declared alias; an exact id wins.
    pub fn job(&self, id: &JobId) -> Option<&Job> {
        let found =
            self.jobs.get(id).or_else(|| self.names.holder(id.as_str()).and_then(|(job, _)| self.jobs.get(job)));
        found.map(|entry| &*entry.job)
    }

    /// How many jobs are unfinished and how many are kept finished.
    pub fn counts(&self) -> (usize, usize) {
        (self.jobs.len() - self.finished.len(), self.finished.len())
    }

    /// Ends a job as somebody asks. Asking twice for the same end is well.
    pub fn finish(&mut self, now: Now, id: &JobId, outcome: &Outcome) -> Result<(), Refusal> {
        let unknown = || Refusal::UnknownJob { id: id.to_string() };
        let target = self.job(id).map(|job| self.names.latest_run(&job.id).clone()).ok_or_else(unknown)?;
        let job = &self.jobs.get(&target).ok_or_else(unknown)?.job;
        let wanted = match outcome {
            Outcome::Succeeded => JobStatus::Succeeded,
            Outcome::Failed(_) => JobStatus::Failed,
        };
        if job.status.is_final() {
            let refused = Refusal::Finished { job: target, status: job.status };
            return if job.status == wanted { Ok(()) } else { Err(refused) };
        }
        if wanted == JobStatus::Succeeded {
            let missing = job.missing_disks();
            if !missing.is_empty() {
                return Err(Refusal::DisksOpen { job: target, disks: missing.join(", ") });
            }
        }
        self.end(now, &target, outcome);
        Ok(())
    }

    /// Lets go of finished jobs that are too old or too many. An id stays for as long as a later run of it does:
    /// without it the next push would begin another job under that id instead of going to the run.
    pub fn elapse(&mut self, now: Now) {
        if let Some(planning) = &mut self.planning {
            planning.elapse(now.mono);
        }
        while let Some(id) = self.failing.due(now.mono) {
            let said = self.jobs.get(&id).and_then(|entry| entry.mover_failed.clone()).unwrap_or_default();
            self.end(now, &id, &Outcome::Failed(said));
        }
        let mut kept = Vec::new();
        while let Some((since, id)) = self.finished.first().cloned() {
            let is_due = now.mono.since(since) >= self.settings.keep_finished;
            if !is_due && self.finished.len() <= limits::FINISHED_JOBS {
                break;
            }
            self.finished.pop_first();
            let run = self.names.latest_run(&id);
            if *run != id && self.jobs.contains_key(run) {
                kept.push((now.mono, id));
                continue;
            }
            if let Some(entry) = self.jobs.remove(&id) {
                self.by_sequence.remove(&entry.job.source_sequence);
                self.names.forget(&entry.job);
            }
            self.journal.push(Change::Forgotten(id));
        }
        for (since, id) in kept {
            if let Some(entry) = self.jobs.get_mut(&id) {
                entry.finished = Some(since);
            }
            self.finished.insert((since, id));
        }
    }

    /// When to call [`Source::elapse`] if nothing else happens.
    pub fn next_deadline(&self) -> Option<Mono> {
        let letting_go = self.finished.first().map(|(since, _)| *since + self.settings.keep_finished);
        let planning = self.planning.as_ref().and_then(Planning::next_deadline);
        letting_go.into_iter().chain(planning).chain(self.failing.next()).min()
    }

    /// A mover that says `failed` and leaves ends its job: the moment comes when it has been silent for the grace while no
    /// disk was copied.
    pub(super) fn watch_failure(&mut self, now: Now, id: &JobId) {
        let Some(entry) = self.jobs.get(id) else { return };
        let is_copying = entry.job.disks.iter().any(|disk| disk.status == DiskStatus::Streaming);
        let has_failed =
            entry.mover_failed.is_some() || entry.job.disks.iter().any(|disk| disk.status == DiskStatus::Failed);
        match has_failed && !is_copying && !entry.job.status.is_final() {
            true => self.failing.set(id, now.mono + self.settings.failed_grace),
            false => self.failing.remove(id),
        }
    }

    /// Adds a warning to a job, and to its log if it is new.
    pub(super) fn warn(&mut self, now: Now, id: &JobId, kind: WarningKind, text: impl Into<String>) {
        let Some(Entry { job, .. }) = self.jobs.get_mut(id) else { return };
        let text = text.into();
        if job.warn(kind, text.clone()) {
            let attributes = vec![("kind", kind.name().into())];
            self.journal.note(now, job, Event::WarningRaised, format!("{text}; {}", kind.remedy()), attributes);
        }
    }

    pub(super) fn end(&mut self, now: Now, id: &JobId, outcome: &Outcome) {
        let Some(entry) = self.jobs.get_mut(id) else { return };
        let job = &mut entry.job;
        let wanted = match outcome {
            Outcome::Succeeded => JobStatus::Succeeded,
            Outcome::Failed(_) => JobStatus::Failed,
        };
        if wanted == JobStatus::Succeeded && has_moved_nothing(job) {
            let text = "the mover ended well and moved no byte, and no plan says that there was nothing to move";
            self.warn(now, id, WarningKind::NothingMoved, text);
        }
        let Some(entry) = self.jobs.get_mut(id) else { return };
        let job = &mut entry.job;
        let Ok(Moved::From(before)) = set_job_status(&mut job.status, wanted) else { return };
        if let Outcome::Failed(reason) = outcome {
            job.error = Some(failure_text(job, reason));
            stop_disks(now, job, &mut self.journal);
        }
        job.completed_at = Some(now.wall);
        for export in &mut job.exports {
            export.connected = false;
        }
        // Nothing moves any more, also in the row that is stored.
        entry.watched.iter_mut().for_each(|disk| disk.rate = Default::default());
        entry.finished = Some(now.mono);
        self.finished.insert((now.mono, id.clone()));
        self.names.release(&entry.job);
        self.failing.remove(id);
        if let Some(planning) = &mut self.planning {
            planning.forget(id);
        }
        self.journal.status_moved(now, &entry.job, before);
        self.touch(now, id, &[]);
        if let Some(entry) = self.jobs.get(id) {
            self.journal.plan_accuracy(now, &entry.job);
            let left_out = entry.job.disks.iter().filter(|disk| disk.is_found() && disk.status == DiskStatus::Queued);
            let left_out: Vec<&str> = left_out.map(|disk| disk.id.as_str()).collect();
            if entry.job.status == JobStatus::Succeeded && !left_out.is_empty() {
                let message =
                    format!("the job ends without {}: vCenter knows them, and nobody copied them", left_out.join(", "));
                self.journal.note(now, &entry.job, Event::PlanContradicted, message, Vec::new());
            }
            self.journal.ended(now, &entry.job);
        }
        self.rival_ended(now, id);
    }

    /// The source has reported on the job: its document changes, and so does the sequence.
    /// The bar holds its place unless a plan was revised.
    pub(super) fn touch(&mut self, now: Now, id: &JobId, revisions: &[Revision]) {
        if let Some(entry) = self.jobs.get_mut(id) {
            entry.job.source_updated_at = Some(now.wall);
        }
        self.renew(now, id, revisions);
    }

    /// The job's document changes, though its mover has said nothing: a dead one must not look alive.
    pub(super) fn renew(&mut self, now: Now, id: &JobId, revisions: &[Revision]) {
        let Some(entry) = self.jobs.get_mut(id) else { return };
        let rate = entry.throughput(now.mono);
        let job = &mut entry.job;
        self.by_sequence.remove(&job.source_sequence);
        self.sequence += 1;
        job.source_sequence = self.sequence;
        job.updated_at = now.wall;
        let before = job.totals;
        job.totals = tally(job, rate);
        let shape = Shape::of(job);
        let is_reshaped = std::mem::replace(&mut entry.shape, shape) != shape;
        let falls = job.totals.percent < before.percent && !job.status.is_final();
        if falls && revisions.is_empty() && is_reshaped {
            // A disk appeared, or got its size.
            let (totals, percent) = (job.totals, (before.percent, job.totals.percent));
            self.journal.plan_revised(now, job, "the job", before.total_bytes, totals.total_bytes, percent);
        } else if revisions.is_empty() {
            job.totals.percent = job.totals.percent.max(before.percent);
        }
        if job.totals.bytes_transferred > before.bytes_transferred {
            job.bytes_moved_at = Some(now.wall);
        }
        for Revision { whose, from, to } in revisions {
            let percent = (before.percent, job.totals.percent);
            self.journal.plan_revised(now, job, whose, *from, *to, percent);
        }
        self.journal.milestones(now, job, before);
        self.by_sequence.insert(self.sequence, id.clone());
    }

    pub(super) fn auto_initialize(&mut self, now: Now, id: &JobId) -> Result<(), Refusal> {
        if !self.settings.auto_initialize {
            return Err(Refusal::UnknownJob { id: id.to_string() });
        }
        self.insert(now, id)?;
        if let Some(entry) = self.jobs.get(id) {
            let message = "a push was the first that was heard of this job; nobody declared it";
            self.journal.note(now, &entry.job, Event::JobAutoInitialized, message, Vec::new());
        }
        Ok(())
    }

    /// A new job under an id that no job has.
    pub(super) fn insert(&mut self, now: Now, id: &JobId) -> Result<(), Refusal> {
        if self.jobs.contains_key(id) {
            let differences = "it exists already, and another was to be opened under its id".to_owned();
            return Err(Refusal::Contradiction { job: id.clone(), differences });
        }
        if self.counts().0 >= limits::UNFINISHED_JOBS {
            return Err(Refusal::Full { what: "unfinished jobs", limit: limits::UNFINISHED_JOBS });
        }
        let mut job = Job::new(id.clone(), self.settings.name.clone(), now.wall);
        job.started_at = Some(now.wall);
        job.correlation = Some(self.dice.correlation(now.wall));
        job.source_epoch = Some(self.settings.epoch.clone());
        // The row comes before the rows that point at it.
        self.journal.push(Change::Declared(Box::new(job.clone())));
        self.jobs.insert(id.clone(), Entry::new(job, None));
        Ok(())
    }
}

/// True of a copy that moved nothing, if nothing says that it was to: an incremental may have found no changes (F39), and a
/// plan may be of zero bytes.
fn has_moved_nothing(job: &Job) -> bool {
    let is_planned = |disk: &Disk| disk.planned_bytes == Some(0) || disk.basis.is_some_and(Basis::is_of_cbt);
    let may_be_empty = job.sync == Some(SyncKind::Incremental) || job.disks.iter().any(is_planned);
    job.totals.bytes_transferred == 0 && !job.disks.is_empty() && !may_be_empty
}

#[cfg(test)]
mod tests {
    use super::super::WhichRun;
    use super::*;
    use crate::model::request::Declaration;
    use crate::model::time::Wall;

    fn source() -> Source {
        let settings = SourceSettings {
            name: VmaName::parse("site-a").expect("a name"),
            epoch: Epoch::parse("e1").expect("an epoch"),
            auto_initialize: true,
            keep_finished: Duration::from_secs(60),
            failed_grace: Duration::from_secs(120),
            plans: false,
            seed: 1,
        };
        Source::resume(settings, 0, Vec::new(), now(0))
    }

    fn now(seconds: u64) -> Now {
        Now { mono: Mono::from_millis(seconds * 1000), wall: Wall::from_unix_millis(0) }
    }

    fn declare(source: &mut Source, jobs: std::ops::Range<usize>) {
        for n in jobs {
            let id = JobId::parse(&format!("job-{n}")).expect("an id");
            source.declare(now(0), &id, &Declaration::default()).expect("declared");
        }
    }

    #[test]
    fn a_list_has_what_changed_and_everything_where_the_question_makes_no_sense() {
        let mut source = source();
        declare(&mut source, 0..3);
        let listed = |since, epoch| source.listing(now(0), since, epoch).jobs.len();
        assert_eq!((listed(0, None), listed(2, Some("e1")), listed(3, Some("e1"))), (3, 1, 0));
        assert_eq!((listed(4, Some("e1")), listed(3, Some("e0"))), (3, 3), "ahead, and of another epoch");
    }

    #[test]
    fn a_long_list_comes_in_parts_that_leave_nothing_out() {
        let mut source = source();
        let jobs = limits::LISTED_ENTRIES + 10;
        declare(&mut source, 0..jobs);
        let first = source.listing(now(0), 0, None);
        let rest = source.listing(now(0), first.sequence, Some("e1"));
        assert!(first.more && !rest.more && rest.sequence == source.sequence);
        assert_eq!(first.jobs.len() + rest.jobs.len(), jobs);
    }

    #[test]
    fn f26_finished_jobs_are_let_go_in_time() {
        let mut source = source();
        declare(&mut source, 0..2);
        let id = JobId::parse("job-0").expect("an id");
        source.finish(now(10), &id, &Outcome::Failed("why".to_owned())).expect("finished");
        assert_eq!(source.next_deadline(), Some(Mono::from_millis(70_000)));
        source.elapse(now(69));
        assert_eq!(source.counts(), (1, 1));
        source.elapse(now(70));
        assert_eq!((source.counts(), source.document(now(70), &id, WhichRun::Newest)), ((1, 0), None));
    }
}
