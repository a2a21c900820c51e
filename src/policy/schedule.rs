//! When each job is to be looked at: a queue of moments, and starting points that are spread over the interval so
//! that polls do not come in a burst.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::model::id::JobId;
use crate::model::time::Mono;

/// The next moment of every job. One entry a job.
#[derive(Debug, Clone, Default)]
pub struct Schedule {
    queue: BTreeSet<(Mono, JobId)>,
    moments: BTreeMap<JobId, Mono>,
    spread: u32,
}

impl Schedule {
    /// Sets the job's next moment, in place of its present one.
    pub fn set(&mut self, job: &JobId, at: Mono) {
        if let Some(before) = self.moments.insert(job.clone(), at) {
            self.queue.remove(&(before, job.clone()));
        }
        self.queue.insert((at, job.clone()));
    }
    /// The job has no more moments.
    pub fn remove(&mut self, job: &JobId) {
        if let Some(at) = self.moments.remove(job) {
            self.queue.remove(&(at, job.clone()));
        }
    }
    /// Takes the next job whose moment has come.
    pub fn due(&mut self, now: Mono) -> Option<JobId> {
        self.queue.first().filter(|(at, _)| *at <= now)?;
        let (_, job) = self.queue.pop_first()?;
        self.moments.remove(&job);
        Some(job)
    }
    /// The next moment of any job.
    pub fn next(&self) -> Option<Mono> {
        self.queue.first().map(|(at, _)| *at)
    }
    /// A starting point within the interval for one more job: each falls into the widest gap that those before it left
    /// (steps of the golden ratio), so that any number of jobs is spread evenly.
    pub fn stagger(&mut self, interval: Duration) -> Duration {
        const GOLDEN: u32 = 2_654_435_769; // 2^32 / 1.618...
        self.spread = self.spread.wrapping_add(GOLDEN);
        let millis = (interval.as_millis() * u128::from(self.spread)) >> 32;
        Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(n: usize) -> JobId {
        JobId::parse(&format!("job-{n}")).expect("an id")
    }

    #[test]
    fn a_job_has_one_moment_and_they_come_in_order() {
        let mut schedule = Schedule::default();
        let at = Mono::from_millis;
        schedule.set(&job(1), at(50));
        schedule.set(&job(2), at(30));
        schedule.set(&job(1), at(20));
        assert_eq!((schedule.next(), schedule.due(at(19))), (Some(at(20)), None));
        assert_eq!(
            (schedule.due(at(30)), schedule.due(at(30)), schedule.due(at(30))),
            (Some(job(1)), Some(job(2)), None)
        );
        schedule.set(&job(1), at(70));
        schedule.remove(&job(1));
        assert_eq!(schedule.next(), None);
    }

    #[test]
    fn polls_of_many_jobs_are_spread_over_the_interval() {
        for jobs in [10, 100, 2000] {
            let mut schedule = Schedule::default();
            let mut tenths = [0; 10];
            for _ in 0..jobs {
                tenths[schedule.stagger(Duration::from_secs(2)).as_millis() as usize / 200] += 1;
            }
            let fair = jobs / 10;
            assert!(tenths.iter().all(|n| (fair - 1..=fair + 1).contains(n)), "{jobs}: {tenths:?}");
        }
    }
}
