//! Reports a copy to the VMA on a thread of its own: the disk's opening, its progress, and its end.
//!
//! The copy knows nothing of this thread: a VMA that is away or stalled costs reports, never time. Of progress only the
//! newest is ever sent, and only when it differs: a mover that stands still must look so (F8). The end is insisted on
//! for a time of grace. Refusals while the copy runs are tried again, since the job may be declared yet; at the end they
//! are final.

use std::sync::Arc;
use std::time::Duration;

use super::board::{Board, End};
use super::gauge::Figure;
use super::message::say;
use super::proc_io::Counters;
use super::vma::{Report, Standing, Trouble, Vma};
use crate::model::id::{DiskId, JobId};
use crate::model::time::Mono;
use crate::runtime::clock::Clock;

/// How often the copy is looked at.
const LOOK: Duration = Duration::from_millis(250);
/// Time between two pushes, unless [`STEP_HUNDREDTHS`] have been made in between.
const INTERVAL: Duration = Duration::from_secs(1);
/// A step that is pushed at once: one percent.
const STEP_HUNDREDTHS: u16 = 100;
/// How often the VMA is asked whether somebody has ended the job meanwhile.
const ASK: Duration = Duration::from_secs(3);
/// Wait after a call that brought nothing: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Whom to report what to.
#[derive(Debug, Clone)]
pub struct Assignment {
    /// The VMA.
    pub vma: Vma,
    /// The job, as the user called it.
    pub job: JobId,
    /// The disk that is copied.
    pub disk: DiskId,
    /// End the job too, where this was its last disk or the disk failed.
    pub finish: bool,
    /// How long after the mover's end the reports are insisted on.
    pub grace: Duration,
}

/// What became of the reports.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The VMA has all of it; in words, how the job stands.
    Reported(String),
    /// Something is missing.
    Missing {
        /// What has not been reported.
        what: &'static str,
        /// Why.
        why: Trouble,
        /// The VMA knows the job and its disk.
        is_open: bool,
    },
}

/// The thread's own state.
pub struct Reporter {
    assignment: Assignment,
    board: Arc<Board>,
    clock: Clock,
    started: Mono,
    /// The run that the VMA counts the pushes to.
    run: JobId,
    last: Option<(Mono, Figure)>,
    away: bool,
    /// When the VMA was last asked how the job stands, and whether it had ended.
    asked: Mono,
    has_ended: bool,
}

impl Reporter {
    /// A reporter of a copy that starts now.
    pub fn new(assignment: Assignment, board: Arc<Board>, clock: Clock) -> Self {
        let (started, run) = (clock.now().mono, assignment.job.clone());
        Self { assignment, board, clock, started, run, last: None, away: false, asked: started, has_ended: false }
    }

    /// Reports until the copy has ended and that has been told, or the grace is over.
    pub fn report(mut self) -> Outcome {
        let opened = self.open();
        if opened.is_ok() {
            self.follow();
        }
        // Whatever ended the waiting above, the mover has ended.
        let Some(end) = self.board.state().end.clone() else {
            return Outcome::Reported("the copy goes on".to_owned());
        };
        let (what, disk_end) = match end.failure {
            None => ("that the disk is completed", "completed"),
            Some(_) => ("that the disk has failed, and why", "failed"),
        };
        let is_open = opened.is_ok();
        let told = opened.and_then(|()| self.end_disk(&end));
        match told {
            Err(why) => Outcome::Missing { what, why, is_open },
            Ok(()) if !self.assignment.finish => Outcome::Reported(format!("reported as {disk_end}")),
            Ok(()) => match self.end_job(&end) {
                Ok(words) => Outcome::Reported(words),
                Err(why) => Outcome::Missing { what: "the end of the job", why, is_open },
            },
        }
    }

    /// Opens the disk. An unknown or finished id first gets a start stage: that opens a new run, where a Transfer push
    /// to a finished job would be refused.
    fn open(&mut self) -> Result<(), Trouble> {
        let (job, disk) = (self.assignment.job.clone(), self.assignment.disk.clone());
        let standing = self.insist(|vma| vma.standing(&job))?;
        let running = standing.is_some_and(|standing| !standing.status.is_final());
        if !running {
            self.push(&Report::start())?;
        }
        self.push(&Report::open(&disk))
    }

    /// Pushes the newest figure whenever it is due, until the mover ends.
    fn follow(&mut self) {
        let mut pause = Duration::ZERO;
        while self.board.state().end.is_none() {
            self.board.wait(LOOK.max(pause), |state| state.end.is_some());
            self.ask_for_an_end();
            let figure = self.figure();
            if !is_due(self.last.as_ref(), &figure, self.clock.now().mono) {
                continue;
            }
            let push = Report::running(&self.assignment.disk, &figure, self.rate_bps(&figure));
            match self.assignment.vma.push(&self.assignment.job, &push) {
                Ok(_) => {
                    self.last = Some((self.clock.now().mono, figure));
                    self.is_back();
                    pause = Duration::ZERO;
                }
                Err(trouble) => {
                    self.is_away(&trouble);
                    pause = longer(pause);
                }
            }
        }
    }

    /// Says once that the job was ended by somebody else: a push to it is answered as ever and changes nothing, so
    /// that whoever cancelled it would believe the copy over. It is not ours to end.
    fn ask_for_an_end(&mut self) {
        let now = self.clock.now().mono;
        if self.has_ended || now.since(self.asked) < ASK {
            return;
        }
        self.asked = now;
        // A VMA that does not answer is told of where a report is due.
        let Ok(Some(standing)) = self.assignment.vma.standing(&self.run) else { return };
        if standing.status.is_final() {
            self.has_ended = true;
            say(&format!("{}; the copy goes on: Ctrl-C or SIGTERM ends it", already_ended(&self.run, &standing)));
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

    fn end_disk(&mut self, end: &End) -> Result<(), Trouble> {
        let disk = &self.assignment.disk;
        let push = match &end.failure {
            None => {
                let figure = self.board.state().gauge.completed();
                Report::completed(disk, &figure, self.rate_bps(&figure))
            }
            Some(reason) => {
                let figure = self.figure();
                Report::failed(disk, &figure, self.rate_bps(&figure), reason)
            }
        };
        self.push(&push)
    }

    fn end_job(&mut self, end: &End) -> Result<String, Trouble> {
        let run = self.run.clone();
        if let Some(reason) = &end.failure {
            return self.finish(&run, Some(reason));
        }
        match self.insist(|vma| vma.standing(&run))? {
            None => Err(Trouble::Refused { status: 404, said: format!("the VMA does not know the job {run}") }),
            Some(standing) => match how_it_goes_on(&run, &standing) {
                Some(words) => Ok(words),
                None => self.finish(&run, None),
            },
        }
    }

    /// Ends the job. A 409 is an answer, not an error: the job waits for something that the VMA names.
    fn finish(&mut self, run: &JobId, failure: Option<&str>) -> Result<String, Trouble> {
        match self.insist(|vma| vma.finish(run, failure)) {
            Ok(()) if failure.is_some() => Ok(format!("job {run} is Failed")),
            Ok(()) => Ok(format!("job {run} has Succeeded")),
            Err(Trouble::Refused { status: 409, said }) => Ok(format!("job {run} is not ended: {said}")),
            Err(trouble) => Err(trouble),
        }
    }

    fn push(&mut self, report: &Report) -> Result<(), Trouble> {
        let job = self.assignment.job.clone();
        let run = self.insist(|vma| vma.push(&job, report))?;
        self.run = run.unwrap_or(job);
        Ok(())
    }

    /// Tries until it works. After the mover's end only for the time of grace, and never against a refusal.
    fn insist<T>(&mut self, call: impl Fn(&Vma) -> Result<T, Trouble>) -> Result<T, Trouble> {
        let mut pause = Duration::ZERO;
        loop {
            let ended_before = self.board.state().end.is_some();
            let trouble = match call(&self.assignment.vma) {
                Ok(answer) => {
                    self.is_back();
                    return Ok(answer);
                }
                Err(trouble) => trouble,
            };
            pause = longer(pause);
            if ended_before && (matches!(trouble, Trouble::Refused { .. }) || self.grace_is_over(pause)) {
                return Err(trouble);
            }
            self.is_away(&trouble);
            // The mover's end cuts a wait of before short, so that its grace is not slept away.
            self.board.wait(pause, |state| state.impatient || (!ended_before && state.end.is_some()));
        }
    }

    fn grace_is_over(&self, pause: Duration) -> bool {
        let state = self.board.state();
        let Some(end) = &state.end else { return false };
        state.impatient || (self.clock.now().mono + pause).since(end.at) > self.assignment.grace
    }

    fn rate_bps(&self, figure: &Figure) -> u64 {
        mean_bps(figure.bytes, self.clock.now().mono.since(self.started))
    }

    fn is_away(&mut self, trouble: &Trouble) {
        if !std::mem::replace(&mut self.away, true) {
            say(&format!(
                "no report to {} ({trouble}); the copy is not affected, trying again",
                self.assignment.vma.url()
            ));
        }
    }
    fn is_back(&mut self) {
        if std::mem::replace(&mut self.away, false) {
            say(&format!("{} takes reports again", self.assignment.vma.url()));
        }
    }
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

/// Why a job is not to be ended by this wrapper, although its disk is done; `None` where it is.
fn how_it_goes_on(run: &JobId, standing: &Standing) -> Option<String> {
    if standing.status.is_final() {
        return Some(already_ended(run, standing));
    }
    if standing.disks == 0 {
        return Some(format!("job {run} goes on: the VMA knows no disk of it"));
    }
    (!standing.waits_for.is_empty())
        .then(|| format!("job {run} goes on, waiting for {}", standing.waits_for.join(", ")))
}

fn already_ended(run: &JobId, standing: &Standing) -> String {
    let why = standing.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
    format!("job {run} is {} already{why}", standing.status)
}

fn longer(pause: Duration) -> Duration {
    (pause * 2).clamp(PAUSES.0, PAUSES.1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::percent::Percent;
    use crate::model::status::JobStatus;

    #[test]
    fn pauses_grow_to_a_bound() {
        let pauses: Vec<u128> = std::iter::successors(Some(longer(Duration::ZERO)), |p| Some(longer(*p)))
            .take(7)
            .map(|p| p.as_millis())
            .collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 5000, 5000]);
    }

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

    #[test]
    fn a_job_is_ended_only_when_all_its_disks_are_completed() {
        let run = JobId::parse("j").expect("an id");
        let standing = |status, disks, waits: &[&str]| Standing {
            status,
            error: None,
            disks,
            waits_for: waits.iter().map(|disk| (*disk).to_owned()).collect(),
        };
        let goes_on = |standing| how_it_goes_on(&run, &standing);
        assert_eq!(goes_on(standing(JobStatus::Streaming, 2, &[])), None);
        assert_eq!(goes_on(standing(JobStatus::Streaming, 2, &["b"])).as_deref(), Some("job j goes on, waiting for b"));
        assert!(goes_on(standing(JobStatus::Streaming, 0, &[])).is_some());
        assert_eq!(goes_on(standing(JobStatus::Failed, 1, &[])).as_deref(), Some("job j is Failed already"));
    }
}
