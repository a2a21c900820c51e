//! When which job is planned: at once when it is known, once more when its snapshot may have been made, and again
//! after growing pauses where vCenter did not answer or a better basis may still come. It keeps times and names only; what
//! a plan does to its job is `source`'s.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use super::backoff::Backoff;
use super::dice::Dice;
use crate::limits;
use crate::model::id::JobId;
use crate::model::time::Mono;

/// What came of a plan, as far as it says when the next one is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// There is nothing better to come.
    Settled,
    /// vCenter did not answer: again after some seconds, then after up to half a minute.
    Soon,
    /// It answered, and a better basis may come: again after some seconds, then after up to five minutes.
    Later,
    /// Somebody has to act before another answer can come.
    Rarely,
    /// The login was refused: no job is planned for a while, because repeated logins lock the account.
    Halt,
}

const SOON: Backoff = Backoff {
    interval: Duration::from_secs(2),
    failures_before_backoff: 2,
    longest: Duration::from_secs(30),
    lost_after: Duration::MAX,
};
const LATER: Backoff = Backoff { longest: Duration::from_secs(300), ..SOON };
const RARELY: Duration = Duration::from_secs(600);

/// Where a job stands.
#[derive(Debug, Clone, Copy, Default)]
struct Standing {
    /// Its plan, made or on its way, was begun after the stage in which the mover takes its snapshot.
    is_after_snapshot: bool,
    /// It stands in the queue of those that are due.
    is_due: bool,
    /// It is to be planned once more when the plan that is on its way has come.
    is_wanted_again: bool,
    /// Plans in a row that were not the last.
    tries: u32,
    pauses_until: Option<Mono>,
    /// It pauses because vCenter did not answer, and goes on as soon as it does, whoever is answered.
    waits_for_vcenter: bool,
}

/// The jobs that are planned.
#[derive(Debug, Clone)]
pub struct Planning {
    standings: BTreeMap<JobId, Standing>,
    /// In the order of becoming due, so that nobody is passed over by who comes again and again.
    due: VecDeque<JobId>,
    pausing: BTreeSet<(Mono, JobId)>,
    /// On their way, also of jobs that are forgotten meanwhile.
    asking: BTreeSet<JobId>,
    /// The last answer was one. Until then one job tries for all: four wrong logins at once lock an account.
    is_answering: bool,
    halted_until: Option<Mono>,
    dice: Dice,
}

impl Planning {
    /// Without a job yet.
    pub fn new(seed: u64) -> Self {
        Self {
            standings: BTreeMap::new(),
            due: VecDeque::new(),
            pausing: BTreeSet::new(),
            asking: BTreeSet::new(),
            is_answering: false,
            halted_until: None,
            dice: Dice::new(seed),
        }
    }

    /// The job is to be planned, now or, where it is being planned, once more.
    pub fn want(&mut self, job: &JobId) {
        let standing = self.standings.entry(job.clone()).or_default();
        if let Some(until) = standing.pauses_until.take() {
            self.pausing.remove(&(until, job.clone()));
        }
        if self.asking.contains(job) {
            standing.is_wanted_again = true;
        } else {
            self.make_due(job);
        }
    }

    fn make_due(&mut self, job: &JobId) {
        let Some(standing) = self.standings.get_mut(job) else { return };
        if !std::mem::replace(&mut standing.is_due, true) {
            self.due.push_back(job.clone());
        }
    }

    /// The job is in a stage before which its mover has taken the snapshot. Whatever was planned before may have been of
    /// another one.
    pub fn passed_snapshot(&mut self, job: &JobId) {
        if let Some(standing) = self.standings.get_mut(job)
            && !std::mem::replace(&mut standing.is_after_snapshot, true)
        {
            self.want(job);
        }
    }

    /// The job needs no plan any more.
    pub fn forget(&mut self, job: &JobId) {
        if let Some(standing) = self.standings.remove(job) {
            if standing.is_due {
                self.due.retain(|due| due != job);
            }
            if let Some(until) = standing.pauses_until {
                self.pausing.remove(&(until, job.clone()));
            }
        }
    }

    /// True while a job waits for a plan, or one is on its way.
    pub fn is_busy(&self) -> bool {
        !(self.due.is_empty() && self.pausing.is_empty() && self.asking.is_empty())
    }

    /// True while no job is planned because a login was refused.
    pub fn is_halted(&self) -> bool {
        self.halted_until.is_some()
    }

    /// The jobs that wait for their plan.
    pub fn waiting(&self) -> impl Iterator<Item = &JobId> {
        self.due.iter().chain(self.pausing.iter().map(|(_, job)| job))
    }

    /// Time has passed.
    pub fn elapse(&mut self, now: Mono) {
        self.halted_until = self.halted_until.filter(|until| *until > now);
        while self.pausing.first().is_some_and(|(until, _)| *until <= now) {
            let Some((_, job)) = self.pausing.pop_first() else { return };
            if let Some(standing) = self.standings.get_mut(&job) {
                standing.pauses_until = None;
            }
            self.make_due(&job);
        }
    }

    /// When to come back if nothing happens.
    pub fn next_deadline(&self) -> Option<Mono> {
        let halt = self.halted_until.filter(|_| !self.due.is_empty());
        self.pausing.first().map(|(until, _)| *until).into_iter().chain(halt).min()
    }

    /// The next job to plan; the caller tells what came of it by [`Planning::answered`].
    pub fn next_job(&mut self) -> Option<JobId> {
        let at_a_time = if self.is_answering { limits::PLANS_AT_A_TIME } else { 1 };
        if self.halted_until.is_some() || self.asking.len() >= at_a_time {
            return None;
        }
        let job = loop {
            let job = self.due.pop_front()?;
            match self.standings.get_mut(&job) {
                Some(standing) if self.asking.contains(&job) => {
                    (standing.is_due, standing.is_wanted_again) = (false, true)
                }
                Some(standing) => {
                    standing.is_due = false;
                    break job;
                }
                None => {}
            }
        };
        self.asking.insert(job.clone());
        Some(job)
    }

    /// vCenter has let somebody in: whoever waits for that goes on.
    pub fn heard(&mut self) {
        if !std::mem::replace(&mut self.is_answering, true) {
            self.go_on(|standing| standing.waits_for_vcenter);
        }
    }

    /// A plan has come, or has failed; false where nobody waits for it any more.
    pub fn answered(&mut self, job: &JobId) -> bool {
        self.asking.remove(job) && self.standings.contains_key(job)
    }

    /// How many plans in a row, the last one included, were tried for the job.
    pub fn tries(&self, job: &JobId) -> u32 {
        self.standings.get(job).map_or(1, |standing| standing.tries + 1)
    }

    /// When the job is planned next, by what came of its last plan.
    pub fn paced(&mut self, now: Mono, job: &JobId, pace: Pace) {
        match pace {
            Pace::Settled | Pace::Later | Pace::Rarely => self.heard(),
            Pace::Soon | Pace::Halt => self.is_answering = false,
        }
        let Some(standing) = self.standings.get_mut(job) else { return };
        standing.tries = if pace == Pace::Settled { 0 } else { standing.tries.saturating_add(1) };
        if std::mem::take(&mut standing.is_wanted_again) {
            self.make_due(job);
            return;
        }
        let pause = match pace {
            Pace::Settled => return,
            Pace::Soon => SOON.delay(standing.tries, Duration::ZERO, &mut self.dice),
            Pace::Later => LATER.delay(standing.tries, Duration::ZERO, &mut self.dice),
            Pace::Rarely => RARELY,
            Pace::Halt => {
                self.halted_until = Some(now + RARELY);
                RARELY
            }
        };
        standing.waits_for_vcenter = matches!(pace, Pace::Soon | Pace::Halt);
        standing.pauses_until = Some(now + pause);
        self.pausing.insert((now + pause, job.clone()));
    }

    /// Those of the pausing jobs are due at once.
    fn go_on(&mut self, is_meant: impl Fn(&Standing) -> bool) {
        for (until, job) in std::mem::take(&mut self.pausing) {
            match self.standings.get_mut(&job) {
                Some(standing) if is_meant(standing) => {
                    standing.pauses_until = None;
                    self.make_due(&job);
                }
                Some(_) | None => drop(self.pausing.insert((until, job))),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> JobId {
        JobId::parse(text).expect("an id")
    }
    fn at(seconds: u64) -> Mono {
        Mono::from_millis(seconds * 1000)
    }
    fn asked(planning: &mut Planning) -> Vec<String> {
        std::iter::from_fn(|| planning.next_job()).map(|job| job.to_string()).collect()
    }
    fn come(planning: &mut Planning, now: u64, job: &str, pace: Pace) {
        assert!(planning.answered(&id(job)));
        planning.paced(at(now), &id(job), pace);
    }

    #[test]
    fn a_job_is_planned_at_once_and_again_when_its_snapshot_is_there() {
        let mut planning = Planning::new(1);
        planning.want(&id("j"));
        assert_eq!(asked(&mut planning), ["j"]);
        planning.passed_snapshot(&id("j"));
        assert_eq!(asked(&mut planning), [""; 0], "one plan of a job at a time");
        come(&mut planning, 1, "j", Pace::Settled);
        assert_eq!(asked(&mut planning), ["j"], "the first one was of an earlier snapshot");
        come(&mut planning, 2, "j", Pace::Settled);
        planning.passed_snapshot(&id("j"));
        assert_eq!((asked(&mut planning), planning.is_busy()), (Vec::new(), false));
        planning.passed_snapshot(&id("other"));
        assert!(!planning.is_busy(), "a job without a VM is not planned");
    }

    #[test]
    fn a_vcenter_that_is_away_is_asked_less_and_less_often() {
        let mut planning = Planning::new(1);
        planning.want(&id("j"));
        let (mut now, mut pauses) = (0, Vec::new());
        for _ in 0..9 {
            assert_eq!(asked(&mut planning), ["j"]);
            assert!(planning.answered(&id("j")));
            planning.paced(at(now), &id("j"), Pace::Soon);
            let next = planning.next_deadline().expect("again");
            pauses.push(next.since(at(now)).as_millis());
            planning.elapse(at(now));
            assert!(planning.next_job().is_none(), "not before its time");
            now = u64::try_from(next.since(at(0)).as_millis()).expect("small").div_ceil(1000);
            planning.elapse(at(now));
        }
        assert_eq!(pauses[0], 2000);
        assert!(pauses.iter().all(|pause| (2000..=30_000).contains(pause)) && pauses[8] >= 22_500, "{pauses:?}");
        assert_eq!(planning.tries(&id("j")), 10);
    }

    #[test]
    fn a_refused_login_halts_all_plans_for_ten_minutes() {
        let mut planning = Planning::new(1);
        planning.want(&id("a"));
        assert_eq!(asked(&mut planning), ["a"]);
        come(&mut planning, 0, "a", Pace::Halt);
        planning.want(&id("b"));
        planning.elapse(at(599));
        assert_eq!((asked(&mut planning), planning.next_deadline()), (Vec::new(), Some(at(600))));
        planning.elapse(at(600));
        assert_eq!(asked(&mut planning), ["b"], "one tries for all");
        come(&mut planning, 601, "b", Pace::Settled);
        assert_eq!(asked(&mut planning), ["a"]);
    }

    #[test]
    fn whoever_waits_for_vcenter_goes_on_when_anybody_is_answered() {
        let mut planning = Planning::new(1);
        ["a", "b", "c"].iter().for_each(|job| planning.want(&id(job)));
        for (job, pace) in [("a", Pace::Rarely), ("b", Pace::Soon), ("c", Pace::Soon)] {
            assert_eq!(planning.next_job(), Some(id(job)));
            come(&mut planning, 0, job, pace);
        }
        assert_eq!(asked(&mut planning), [""; 0]);
        planning.want(&id("d"));
        assert_eq!(asked(&mut planning), ["d"]);
        come(&mut planning, 1, "d", Pace::Settled);
        assert_eq!(asked(&mut planning), ["b", "c"], "and who waits for somebody to act does not");
    }

    #[test]
    fn so_many_are_asked_for_at_a_time_and_the_rest_waits() {
        let mut planning = Planning::new(1);
        let jobs: Vec<String> = (0..20_000).map(|n| format!("job-{n:05}")).collect();
        jobs.iter().for_each(|job| planning.want(&id(job)));
        assert_eq!(asked(&mut planning), ["job-00000"], "until vCenter has answered");
        come(&mut planning, 1, "job-00000", Pace::Later);
        planning.want(&id("job-00000"));
        assert_eq!(asked(&mut planning), ["job-00001", "job-00002", "job-00003", "job-00004"], "in their order");
        planning.forget(&id("job-00001"));
        assert!(!planning.answered(&id("job-00001")), "nobody waits for it any more");
        assert_eq!(asked(&mut planning), ["job-00005"]);
        jobs.iter().rev().for_each(|job| planning.forget(&id(job)));
        assert!(planning.is_busy(), "some are on their way still");
        for job in ["job-00002", "job-00003", "job-00004", "job-00005"] {
            planning.answered(&id(job));
        }
        assert_eq!((planning.is_busy(), planning.next_deadline()), (false, None));
    }
}
