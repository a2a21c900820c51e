//! Reports a copy to the VMA on a thread of its own: the disks' opening, their progress, and their end.
//!
//! The copy knows nothing of this thread: a VMA that is away or stalled costs reports, never time. Of progress only the
//! newest is ever sent, and only when it differs: a mover that stands still must look so (F8). The end is insisted on
//! for a time of grace.

use std::sync::Arc;
use std::time::Duration;

use super::board::{Board, End};
use super::gauge::{Figure, Total};
use super::message::say;
use super::patience::{Retries, longer};
use super::proc_io::Counters;
use super::standing::JobStanding;
use super::vma::{Report, Vma, VmaError};
use crate::model::id::{DiskId, JobId};
use crate::model::request::Declaration;
use crate::model::stage::Stage;
use crate::model::time::Mono;
use crate::runtime::clock::Clock;

/// How often the copy is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Time between two pushes, unless [`STEP_HUNDREDTHS`] have been made in between.
const INTERVAL: Duration = Duration::from_secs(1);
/// A step that is pushed at once: one percent.
const STEP_HUNDREDTHS: u16 = 100;
/// How often the VMA is asked whether the job has been ended meanwhile.
const ASK: Duration = Duration::from_secs(3);
/// Time that a mover has to end by itself once its job is cancelled.
const LAST_CHANCE: Duration = Duration::from_secs(10);

/// What of the job is to be ended with the copy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Nothing but the disk.
    Disk,
    /// The job, where the disk failed: more of it is to be copied otherwise.
    Failure,
    /// The job, where all its disks are completed.
    Job {
        /// The user says that this was the last disk.
        last: bool,
    },
}

/// Whom to report what to.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The VMA.
    pub vma: Vma,
    /// The job, as the user called it.
    pub job: JobId,
    /// The disks that are copied, in order; may be fewer than the mover copies.
    pub disks: Vec<DiskId>,
    /// What ends with it.
    pub ending: Ending,
    /// How long after the mover's end the reports are insisted on.
    pub grace: Duration,
    /// What is to be declared of the job, where that has not been done yet.
    pub declaration: Option<Declaration>,
    /// Goes on although the job was cancelled.
    pub again: bool,
    /// Lets the mover run on when its job is cancelled.
    pub keep_running: bool,
    /// Its first bars are of stages: a disk is opened once one is copied.
    pub has_stages: bool,
}

/// What became of the reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReportOutcome {
    /// The VMA has all of it; in words, how far the job is.
    Reported(String),
    /// The job was cancelled for this reason, and the mover ended for it.
    Cancelled(String),
    /// Something is missing.
    Missing {
        /// What has not been reported.
        what: &'static str,
        /// Why.
        why: VmaError,
        /// The VMA knows the job and its disk.
        is_open: bool,
    },
}

/// The thread's own state.
pub struct Reporter {
    assignment: Assignment,
    caller: Retries,
    board: Arc<Board>,
    clock: Clock,
    /// When the present disk began.
    started: Mono,
    /// The run that the VMA counts the pushes to.
    run: JobId,
    /// The disks that were declared, as far as is known.
    declared: Vec<DiskId>,
    /// Disks whose end has been reported, and whether the next one is open.
    ended: usize,
    is_open: bool,
    stage: Option<Stage>,
    last: Option<(Mono, Figure)>,
    /// When the VMA was last asked how far the job is, and whether it had ended.
    asked: Mono,
    has_ended: bool,
    /// Why the job was cancelled, when the mover was asked to end, and whether it was killed since.
    cancelled: Option<(String, Mono, bool)>,
}

impl Reporter {
    /// A reporter of a copy that starts now.
    pub fn new(assignment: Assignment, board: Arc<Board>, clock: Clock) -> Self {
        let (started, run) = (clock.now().mono, assignment.job.clone());
        let (vma, grace) = (assignment.vma.clone(), assignment.grace);
        let caller = Retries { vma, board: Arc::clone(&board), clock, grace, away: false };
        Self {
            assignment,
            caller,
            board,
            clock,
            started,
            run,
            declared: Vec::new(),
            ended: 0,
            is_open: false,
            stage: None,
            last: None,
            asked: started,
            has_ended: false,
            cancelled: None,
        }
    }

    /// Reports until the copy has ended and that has been said, or the grace is over.
    pub fn report(mut self) -> ReportOutcome {
        let opened = self.open();
        if opened.is_ok() {
            self.follow();
        }
        // Whatever ended the waiting above, the mover has ended.
        let Some(end) = self.board.state().end.clone() else {
            return ReportOutcome::Reported("the copy goes on".to_owned());
        };
        if let Some((reason, ..)) = self.cancelled {
            return ReportOutcome::Cancelled(reason);
        }
        let (what, disk_end) = match end.failure {
            None => ("that the disk is completed", "completed"),
            Some(_) => ("that the disk has failed, and why", "failed"),
        };
        let is_open = opened.is_ok();
        let told = opened.and_then(|()| self.end_disks_before()).and_then(|()| self.end_disk(&end));
        if let Err(why) = told {
            return ReportOutcome::Missing { what, why, is_open };
        }
        self.doubt_an_empty_copy(&end);
        match (self.assignment.ending, &end.failure) {
            (Ending::Disk, _) | (Ending::Failure, None) => ReportOutcome::Reported(format!("reported as {disk_end}")),
            _ => match self.end_job(&end) {
                Ok(words) => ReportOutcome::Reported(words),
                Err(why) => ReportOutcome::Missing { what: "the end of the job", why, is_open },
            },
        }
    }

    /// Makes the job ready for the first disk. An unknown or finished id first gets a start stage: that opens a new run,
    /// where a Transfer push to a finished job would be refused.
    fn open(&mut self) -> Result<(), VmaError> {
        let job = self.assignment.job.clone();
        let standing = self.caller.insist(|vma| vma.standing(&job))?;
        let cancelled = standing.as_ref().and_then(|standing| standing.cancelled().map(str::to_owned));
        if let Some(reason) = cancelled.filter(|_| !self.assignment.again && !self.assignment.keep_running) {
            self.end_mover(reason);
            return Ok(());
        }
        let running = standing.as_ref().is_some_and(|standing| !standing.status.is_final());
        if !running {
            let first = if self.assignment.has_stages { Stage::Discover } else { Stage::StartExports };
            self.push(&Report::stage(first))?;
        }
        self.declared = standing.iter().flat_map(JobStanding::declared).cloned().collect();
        if let Some(declaration) = self.assignment.declaration.take() {
            let declared = self.assignment.vma.declare(&self.run, &declaration);
            declared.err().iter().for_each(|trouble| say(&not_declared(&self.run, trouble)));
        }
        if self.assignment.has_stages { Ok(()) } else { self.open_disk() }
    }
    fn open_disk(&mut self) -> Result<(), VmaError> {
        let disk = self.disk(self.ended);
        self.push(&Report::open(&disk))?;
        self.is_open = true;
        Ok(())
    }

    /// The id of the disk that is copied as this one: as given, as its bar calls it, as declared, else by its number.
    fn disk(&self, index: usize) -> DiskId {
        let given = self.assignment.disks.get(index).cloned();
        let named = || {
            let state = self.board.state();
            let name = match state.course.ended.get(index) {
                Some((_, name)) => name.clone(),
                None => state.course.disk_name(),
            };
            name.and_then(|name| DiskId::parse(&name).ok())
        };
        let given_ids = &self.assignment.disks;
        let declared = || {
            let mut others = self.declared.iter().filter(|disk| !given_ids.contains(disk));
            others.nth(index.saturating_sub(given_ids.len())).cloned()
        };
        let numbered = || DiskId::parse(&format!("disk-{index}")).ok();
        let any = given.or_else(named).or_else(declared).or_else(numbered);
        any.unwrap_or_else(|| unreachable!("a number makes an id"))
    }

    /// Pushes the newest figure whenever it is due, until the mover ends.
    fn follow(&mut self) {
        let mut pause = Duration::ZERO;
        while self.board.state().end.is_none() {
            self.board.wait(LOOK.max(pause), |state| state.end.is_some());
            if self.cancelled.is_some() {
                self.end_mover_by_force();
                continue;
            }
            self.ask_for_an_end();
            match self.tell_progress() {
                Ok(true) => {
                    self.caller.is_back();
                    pause = Duration::ZERO;
                }
                Ok(false) => {}
                Err(trouble) => {
                    self.caller.is_away(&trouble);
                    pause = longer(pause);
                }
            }
        }
    }

    /// Tells what is new; answers whether anything was.
    fn tell_progress(&mut self) -> Result<bool, VmaError> {
        let (stage, copies, ended) = {
            let course = &self.board.state().course;
            (course.stage, course.copies, course.ended.len())
        };
        if let Some(stage) = stage.filter(|stage| !self.is_open && self.ended == 0 && *stage < Stage::Transfer)
            && self.stage.is_none_or(|told| told < stage)
        {
            self.assignment.vma.push(&self.assignment.job, &Report::stage(stage))?;
            self.stage = Some(stage);
        }
        if self.ended < ended {
            self.end_disks_before()?;
            return Ok(true);
        }
        if copies && !self.is_open {
            let disk = self.disk(self.ended);
            self.assignment.vma.push(&self.assignment.job, &Report::open(&disk))?;
            self.is_open = true;
        }
        let figure = self.figure();
        if !self.is_open || !is_due(self.last.as_ref(), &figure, self.clock.now().mono) {
            return Ok(false);
        }
        let push = Report::running(&self.disk(self.ended), &figure, self.rate_bps(&figure));
        self.assignment.vma.push(&self.assignment.job, &push)?;
        self.last = Some((self.clock.now().mono, figure));
        Ok(true)
    }

    /// Asks whether the job was ended elsewhere: a push to it is answered as ever and changes nothing. Only
    /// a cancelled job ends the mover; any other end is said once.
    fn ask_for_an_end(&mut self) {
        let now = self.clock.now().mono;
        if self.has_ended || now.since(self.asked) < ASK {
            return;
        }
        self.asked = now;
        // A VMA that does not answer is named when a report is due.
        let Ok(Some(standing)) = self.assignment.vma.standing(&self.run) else { return };
        if !standing.status.is_final() {
            return;
        }
        self.has_ended = true;
        match standing.cancelled() {
            Some(reason) if !self.assignment.keep_running => self.end_mover(reason.to_owned()),
            _ => say(&format!("{}; the copy goes on: Ctrl-C or SIGTERM ends it", standing.already_ended(&self.run))),
        }
    }
    fn end_mover(&mut self, reason: String) {
        say(&format!("job {} was cancelled: {reason}; the mover is ended", self.run));
        self.cancelled = Some((reason, self.clock.now().mono, false));
        let mover = self.board.state().mover.clone();
        mover.end(false);
    }
    fn end_mover_by_force(&mut self) {
        let now = self.clock.now().mono;
        let Some((_, since, is_killed)) = &mut self.cancelled else { return };
        if !*is_killed && now.since(*since) >= LAST_CHANCE {
            *is_killed = true;
            say("the mover has not ended within 10 s of SIGTERM; it is killed");
            let mover = self.board.state().mover.clone();
            mover.end(true);
        }
    }

    /// Counts what the kernel saw, without the lock: reading `/proc` may take a while.
    fn figure(&self) -> Figure {
        let counters = self.board.state().counters.clone();
        let written = counters.as_ref().map(Counters::written);
        let threads = counters.as_ref().and_then(Counters::threads);
        let mut state = self.board.state();
        threads.into_iter().for_each(|threads| state.gauge.see_threads(threads));
        written.into_iter().for_each(|bytes| state.gauge.count(bytes));
        state.gauge.running()
    }

    /// Reports the disks that the mover has gone on from.
    fn end_disks_before(&mut self) -> Result<(), VmaError> {
        loop {
            let ended = self.board.state().course.ended.get(self.ended).cloned();
            let Some((figure, _)) = ended else { return Ok(()) };
            if !self.is_open {
                self.open_disk()?;
            }
            let report = Report::completed(&self.disk(self.ended), &figure, self.rate_bps(&figure));
            self.push(&report)?;
            (self.ended, self.is_open, self.last) = (self.ended + 1, false, None);
            self.started = self.clock.now().mono;
        }
    }

    fn end_disk(&mut self, end: &End) -> Result<(), VmaError> {
        if !self.is_open {
            self.open_disk()?;
        }
        let disk = self.disk(self.ended);
        let push = match &end.failure {
            None => {
                let figure = self.board.state().gauge.completed();
                Report::completed(&disk, &figure, self.rate_bps(&figure))
            }
            Some(reason) => {
                let figure = self.figure();
                Report::failed(&disk, &figure, self.rate_bps(&figure), reason)
            }
        };
        self.push(&push)
    }

    /// Says so where a mover ended well that moved nothing, unless that was to be expected.
    fn doubt_an_empty_copy(&self, end: &End) {
        let is_empty = {
            let gauge = &self.board.state().gauge;
            let is_expected = gauge.total() == Total::Bytes(0);
            end.failure.is_none() && !is_expected && gauge.has_moved_nothing() && gauge.completed().bytes == 0
        };
        if !is_empty {
            return;
        }
        let disk = self.disk(self.ended);
        let standing = self.assignment.vma.standing(&self.run).ok().flatten();
        let is_planned =
            |standing: &JobStanding| standing.disks.iter().any(|it| it.id == disk && it.has_nothing_to_move);
        if !standing.as_ref().is_some_and(is_planned) {
            say("warning: the mover moved no byte and no plan says that there was nothing to move");
        }
    }

    fn end_job(&mut self, end: &End) -> Result<String, VmaError> {
        let run = self.run.clone();
        if let Some(reason) = &end.failure {
            return self.finish(&run, Some(reason));
        }
        let last = self.assignment.ending == (Ending::Job { last: true });
        match self.caller.insist(|vma| vma.standing(&run))? {
            None => Err(VmaError::Refused { status: 404, said: format!("the VMA does not know the job {run}") }),
            Some(standing) => match standing.how_it_goes_on(&run, last) {
                Some(words) => Ok(words),
                None => self.finish(&run, None),
            },
        }
    }

    /// Ends the job. A 409 is an answer, not an error: the job waits for something that the VMA names.
    fn finish(&mut self, run: &JobId, failure: Option<&str>) -> Result<String, VmaError> {
        match self.caller.insist(|vma| vma.finish(run, failure)) {
            Ok(()) if failure.is_some() => Ok(format!("job {run} is Failed")),
            Ok(()) => Ok(format!("job {run} has Succeeded")),
            Err(VmaError::Refused { status: 409, said }) => Ok(format!("job {run} is not ended: {said}")),
            Err(trouble) => Err(trouble),
        }
    }

    fn push(&mut self, report: &Report) -> Result<(), VmaError> {
        let job = self.assignment.job.clone();
        let run = self.caller.insist(|vma| vma.push(&job, report))?;
        self.run = run.unwrap_or(job);
        Ok(())
    }

    fn rate_bps(&self, figure: &Figure) -> u64 {
        mean_bps(figure.bytes, self.clock.now().mono.since(self.started))
    }
}

/// What is said where the VMA takes no declaration: a copy does not wait for it.
pub fn not_declared(job: &JobId, trouble: &VmaError) -> String {
    format!("warning: job {job} could not be declared ({trouble}); the copy is not affected")
}

/// Bytes per second over a second at least: a report by hand moves a whole disk in no time.
pub fn mean_bps(bytes: u64, took: Duration) -> u64 {
    u64::try_from(u128::from(bytes) * 1000 / took.as_millis().max(1000)).unwrap_or(u64::MAX)
}

/// True where a figure is news: a step at once, any difference after a while, and sameness never (F8).
fn is_due(last: Option<&(Mono, Figure)>, figure: &Figure, now: Mono) -> bool {
    let hundredths = |figure: &Figure| figure.percent.map_or(0, |percent| percent.hundredths());
    match last {
        None => figure.bytes > 0 || hundredths(figure) > 0,
        Some((at, last)) => {
            let step = hundredths(figure).saturating_sub(hundredths(last)) >= STEP_HUNDREDTHS;
            step || (figure != last && now.since(*at) >= INTERVAL)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::percent::Percent;

    #[test]
    fn the_mean_is_taken_over_a_second_at_least() {
        let mean = |millis| mean_bps(5000, Duration::from_millis(millis));
        assert_eq!((mean(0), mean(4), mean(2500)), (5000, 5000, 2000));
    }

    #[test]
    fn f08_a_mover_that_stands_still_is_not_reported_as_alive() {
        let figure = |bytes| Figure {
            bytes,
            total: Some(10_000),
            percent: Some(Percent::unfinished(bytes, 10_000)),
            counted: false,
        };
        let (early, late) = (Mono::from_millis(100), Mono::from_millis(3_600_000));
        let last = Some((Mono::default(), figure(5000)));
        assert!(!is_due(None, &figure(0), late), "nothing has been moved yet");
        assert!(is_due(None, &figure(1), early), "the first figure at once");
        assert!(!is_due(last.as_ref(), &figure(5000), late), "the same again, however late");
        assert!(!is_due(last.as_ref(), &figure(5099), early), "less than a percent has time");
        assert!(is_due(last.as_ref(), &figure(5099), late), "any difference after a second");
        assert!(is_due(last.as_ref(), &figure(5100), early), "a percent at once");
    }
}
