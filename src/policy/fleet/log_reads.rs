//! Reading the VMAs' logs of the jobs, so that both sides of the tunnel stand in one database, also when the
//! VMA is gone.
//!
//! A document says how long the job's log is there; what is not here yet is read, one read of a job at a time. A read that
//! fails is tried again after the next document. A job that has ended has one more read, so that the VMA's own last
//! entries come too: after the VMA was told of the end, where it is told, and again, less and less often, where it fails;
//! what is given up at last is told in the job's log.

use super::board::Fleet;
use super::logs::Last;
use super::port::Action;
use crate::limits;
use crate::model::change::Change;
use crate::model::event::{Event, LogEntry};
use crate::model::id::JobId;
use crate::model::job::Job;
use crate::model::progress::Progress;
use crate::model::source_log::LogPage;
use crate::model::time::{Now, Wall};

/// How often the last read of a job that has ended is tried: some eight minutes at the paces of R-22.
const LAST_TRIES: u32 = 20;

/// How long after its end a job's log is taken up again by an OMA that starts.
const LAST_LOGS_HOURS: u32 = 24;

impl Fleet {
    /// How far the database has the VMA's log of a job that has just come under the OMA's eyes.
    pub fn recall_log(&mut self, id: &JobId, read: u64) {
        let Some(job) = self.jobs.get(id).map(|tracked| &tracked.job) else { return };
        if let (Some(epoch), true) = (&job.source_epoch, read > 0) {
            self.logs.follow(job, epoch).read = read;
        }
    }

    /// Jobs that ended since then may still lack the end of their VMA's log, which a restart of the OMA has cut off.
    pub fn last_logs_since(now: Now) -> Wall {
        let hours = i64::from(LAST_LOGS_HOURS);
        Wall::from_unix_millis(now.wall.unix_millis().saturating_sub(hours * 3_600_000))
    }

    /// How far the database has the VMA's log of a job that has ended, before this process began, without its end.
    pub fn recall_last_log(&mut self, now: Now, job: &Job, read: u64) {
        let Some(epoch) = &job.source_epoch else { return };
        self.logs.follow(job, epoch).read = read;
        self.last_log(now, &job.id);
    }

    /// A document says how long the job's log is. Older VMAs say nothing, and are asked for nothing.
    pub(super) fn look_for_log(&mut self, id: &JobId, said: &Progress) {
        let (Some(epoch), Some(newest)) = (&said.epoch, said.log) else { return };
        let Some(job) = self.jobs.get(id).map(|tracked| &tracked.job) else { return };
        let has_ended = job.status.is_final();
        let reading = self.logs.follow(job, epoch);
        let is_wanted = newest > reading.read && !reading.is_asking && !has_ended;
        if is_wanted && !self.is_paused && self.logs.asking < limits::LOG_READS {
            self.ask_for_log(id);
        }
    }

    /// The job has ended: its log is read once more.
    pub(super) fn last_log(&mut self, now: Now, id: &JobId) {
        let Some(reading) = self.logs.of.get_mut(id) else { return };
        let is_new = reading.last.replace(Last::default()).is_none();
        let waits = reading.is_asking || self.logs.telling.contains_key(id);
        self.logs.ended += usize::from(is_new);
        if self.logs.ended > limits::LAST_LOGS {
            let why = format!("the logs of {} other ended jobs are still to be read", limits::LAST_LOGS);
            self.give_up_log(now, id, &why);
        } else if !waits {
            self.logs.due.set(id, now.mono);
        }
    }

    /// A VMA that was told of an end has answered, or is not told after all.
    pub(super) fn was_told(&mut self, now: Now, id: &JobId) {
        let Some(telling) = self.logs.telling.get_mut(id) else { return };
        *telling -= 1;
        if *telling > 0 {
            return;
        }
        self.logs.telling.remove(id);
        if self.logs.of.get(id).is_some_and(|reading| reading.last.is_some() && !reading.is_asking) {
            self.logs.due.set(id, now.mono);
        }
    }

    /// Asks for the logs of ended jobs whose moment has come; those that find no room come an interval later.
    pub(super) fn ask_for_due_logs(&mut self, now: Now) {
        if self.is_paused {
            return;
        }
        while let Some(id) = self.logs.due.due(now.mono) {
            if self.logs.asking < limits::LOG_READS {
                self.ask_for_log(&id);
            } else {
                self.logs.due.set(&id, now.mono + self.settings.backoff.interval);
            }
        }
    }

    fn ask_for_log(&mut self, id: &JobId) {
        let Some(reading) = self.logs.of.get_mut(id) else { return };
        reading.is_asking = true;
        if let Some(last) = &mut reading.last {
            last.is_asked = true;
        }
        self.logs.asking += 1;
        let (vma, correlation) = (reading.vma.clone(), reading.correlation.clone());
        self.actions.push_back(Action::ReadLog { job: id.clone(), vma, after: reading.read, correlation });
    }

    /// Takes a part of a log in. Also of a job that has ended: its own row does not change by it.
    pub(super) fn log_read(&mut self, now: Now, id: &JobId, page: LogPage) {
        let Some(reading) = self.logs.ends_read(id) else { return };
        if page.job != *id {
            return self.log_failed(now, id, &format!("the VMA answers with the log of job {}", page.job));
        }
        if page.epoch != reading.epoch {
            // What was asked for counts in another database: from the beginning of this one, then.
            reading.follow(&page.epoch);
            return self.log_failed(now, id, "the VMA's database is another than before");
        }
        let known = reading.read;
        reading.read = page.entries.last().map_or(known, |last| known.max(last.id));
        let (goes_on, last) = (reading.read > known, reading.last.clone());
        // Of an answer that comes late a part may be here.
        let new = page.entries.into_iter().filter(|entry| entry.id > known);
        new.for_each(|entry| self.journal.push(Change::SourceEntry(entry)));
        match last {
            _ if page.more && !goes_on => self.log_failed(now, id, "the VMA's database takes no entries"),
            Some(last) if last.is_asked && !page.more => drop(self.logs.forget(id)),
            Some(_) if self.logs.telling.contains_key(id) => {}
            Some(_) => self.logs.due.set(id, now.mono),
            None if page.more && !self.is_paused => self.ask_for_log(id),
            None => {}
        }
    }

    pub(super) fn log_missed(&mut self, now: Now, id: &JobId, why: &str) {
        if self.logs.ends_read(id).is_some() {
            self.log_failed(now, id, why);
        }
    }

    /// A tracked job's next document asks again; a job that has ended has none.
    fn log_failed(&mut self, now: Now, id: &JobId, why: &str) {
        let Some(last) = self.logs.of.get_mut(id).and_then(|reading| reading.last.as_mut()) else { return };
        last.failed += 1;
        let failed = last.failed;
        if failed >= LAST_TRIES {
            return self.give_up_log(now, id, why);
        }
        if !self.logs.telling.contains_key(id) {
            let delay = self.settings.backoff.delay(failed, std::time::Duration::ZERO, &mut self.dice);
            self.logs.due.set(id, now.mono + delay);
        }
    }

    fn give_up_log(&mut self, now: Now, id: &JobId, why: &str) {
        let Some(reading) = self.logs.forget(id) else { return };
        let tries = reading.last.map_or(0, |last| last.failed);
        let message = format!(
            "the VMA's log of this job is here up to its entry {} and could not be read to its end, {tries} tries, the \
             last: {why}; `waybill log` on the VMA has the rest",
            reading.read
        );
        self.journal.push(Change::Entry(LogEntry {
            job: id.clone(),
            at: now.wall,
            event: Event::SourceLogMissed,
            message,
            attributes: vec![("read", reading.read.into()), ("tries", u64::from(tries).into())],
            correlation: reading.correlation,
        }));
    }
}
