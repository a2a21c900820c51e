//! How often a job could not be handled because waybill itself panicked. It harms no other job, is an entry in the
//! log of its own, and fails the job at the third time in a row: it would never come to its end.

use std::collections::BTreeMap;

use crate::model::id::JobId;

/// So many in a row fail the job.
const MOST: u32 = 3;

/// Panics in a row, of the jobs that had one.
#[derive(Debug, Clone, Default)]
pub struct Panics(BTreeMap<JobId, u32>);

/// What a panic means for its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on, and its log says so.
    GoOn(String),
    /// It fails, for this reason.
    Fail(String),
}

impl Panics {
    /// The job's handling panicked at `place`, which is where and with which words.
    pub fn caught(&mut self, job: &JobId, place: &str) -> Verdict {
        let count = self.0.entry(job.clone()).or_insert(0);
        *count += 1;
        if *count < MOST {
            return Verdict::GoOn(format!(
                "waybill panicked over this job at {place}; what was in hand is dropped, it goes on ({count} of {MOST} in a \
                 row)"
            ));
        }
        self.0.remove(job);
        Verdict::Fail(format!(
            "waybill panicked over this job {MOST} times in a row, the last time at {place}; report this text with the \
             output of `waybill --version`, and start the job again"
        ))
    }
    /// The job was handled without one.
    pub fn passed(&mut self, job: &JobId) {
        if !self.0.is_empty() {
            self.0.remove(job);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r52_three_in_a_row_fail_the_job_and_two_with_a_good_one_between_do_not() {
        let mut panics = Panics::default();
        let job = JobId::parse("j").expect("an id");
        let goes_on = |verdict| matches!(verdict, Verdict::GoOn(text) if text.contains("at src/a.rs:1:2: x"));
        assert!(goes_on(panics.caught(&job, "src/a.rs:1:2: x")) && goes_on(panics.caught(&job, "src/a.rs:1:2: x")));
        panics.passed(&job);
        assert!(goes_on(panics.caught(&job, "src/a.rs:1:2: x")) && goes_on(panics.caught(&job, "src/a.rs:1:2: x")));
        let Verdict::Fail(reason) = panics.caught(&job, "src/b.rs:3:4: y") else { panic!("the third fails") };
        assert!(reason.contains("3 times in a row") && reason.contains("src/b.rs:3:4: y"), "{reason}");
    }
}
