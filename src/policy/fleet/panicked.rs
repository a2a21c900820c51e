//! A panic over one job undoes what was in hand of that job, and nothing else (R-52, F41): it goes on from its stored row.

use super::board::Fleet;
use super::tracked::{InHand, Tracked};
use crate::model::change::Change;
use crate::model::event::Event;
use crate::model::id::JobId;
use crate::model::job::Job;
use crate::model::time::Now;
use crate::policy::panics::Verdict;

impl Fleet {
    /// Something panicked: drops the job that was in hand, with all that was decided of it since. The caller reads its
    /// row and gives it to [`Fleet::go_on_after_panic`]. `None` where no job was in hand.
    pub fn drop_in_hand(&mut self) -> Option<JobId> {
        let InHand { job, changes, actions } = self.in_hand.take()?;
        self.journal.roll_back(changes, &job);
        self.actions.truncate(actions);
        self.jobs.remove(&job);
        self.ended_in_flight.remove(&job);
        self.schedule.remove(&job);
        // What it was to ask for or to tell may never be sent; how far its log is here the database knows.
        self.logs.forget(&job);
        self.logs.telling.remove(&job);
        Some(job)
    }

    /// Takes a job up again from its stored row, or fails it where it panicked too often in a row. `place` says where it
    /// panicked and with which words.
    pub fn go_on_after_panic(&mut self, now: Now, stored: Job, place: &str) {
        if stored.status.is_final() {
            return;
        }
        let id = stored.id.clone();
        let next_poll = now.mono + self.settings.backoff.interval;
        let mut tracked = Tracked::new(stored, now, next_poll);
        tracked.written(now);
        let verdict = self.panics.caught(&id, place);
        let (Verdict::GoOn(message) | Verdict::Fail(message)) = &verdict;
        self.journal.note(now, &tracked.job, Event::PanicCaught, message.clone(), vec![("place", place.into())]);
        self.journal.push(Change::Progress(Box::new(tracked.job.clone())));
        self.jobs.insert(id.clone(), Box::new(tracked));
        self.schedule.set(&id, next_poll);
        if let Verdict::Fail(reason) = verdict {
            self.fail(now, &id, reason);
        }
    }
}
