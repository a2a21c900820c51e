//! The board of all tracked jobs: inputs reach their job, what is due is found, rows are written when it is time.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use super::discover::Discovery;
use super::logs::Logs;
use super::merge::{self, Merged};
use super::order;
use super::port::{Action, FleetSettings, Input};
use super::tracked::{InHand, Tracked};
use crate::model::change::Change;
use crate::model::event::Event;
use crate::model::id::{JobId, VmaName};
use crate::model::job::Job;
use crate::model::progress::Progress;
use crate::model::request::TrackRequest;
use crate::model::status::JobStatus;
use crate::model::time::{Mono, Now};
use crate::policy::contact::Miss;
use crate::policy::dice::Dice;
use crate::policy::journal::Journal;
use crate::policy::panics::Panics;
use crate::policy::schedule::Schedule;

/// All jobs that an OMA tracks. Ended jobs leave it at once.
#[derive(Debug, Clone)]
pub struct Fleet {
    pub(super) settings: FleetSettings,
    /// On the heap each: half of a table's places are empty where ids come in their order.
    pub(super) jobs: BTreeMap<JobId, Box<Tracked>>,
    pub(super) schedule: Schedule,
    pub(super) actions: VecDeque<Action>,
    pub(super) redirected: VecDeque<TrackRequest>,
    pub(super) journal: Journal,
    pub(super) dice: Dice,
    pub(super) is_paused: bool,
    pub(super) discoveries: Vec<Discovery>,
    pub(super) logs: Logs,
    /// Jobs that ended while their poll was on the way, until its answer comes.
    pub(super) ended_in_flight: BTreeMap<JobId, Job>,
    pub(super) panics: Panics,
    pub(super) in_hand: Option<InHand>,
    /// The job whose next document makes the fleet panic: no real one is known to do so.
    #[cfg(test)]
    pub(crate) trap: Option<JobId>,
}

impl Fleet {
    /// Goes on with the unfinished jobs that the database remembers.
    pub fn resume(settings: FleetSettings, jobs: Vec<Job>, now: Now) -> Self {
        let dice = Dice::new(settings.seed);
        let discoveries = settings.vmas.iter().map(|vma| Discovery::new(vma.clone(), now.mono)).collect();
        let mut fleet = Self {
            settings,
            jobs: BTreeMap::new(),
            schedule: Schedule::default(),
            actions: VecDeque::new(),
            redirected: VecDeque::new(),
            journal: Journal::default(),
            dice,
            is_paused: false,
            discoveries,
            logs: Logs::default(),
            ended_in_flight: BTreeMap::new(),
            panics: Panics::default(),
            in_hand: None,
            #[cfg(test)]
            trap: None,
        };
        for job in jobs {
            let is_new = job.correlation.is_none();
            fleet.admit(now, job, if is_new { Event::TrackingStarted } else { Event::TrackingResumed });
        }
        fleet
    }

    /// Takes over settings that changed while it ran. Jobs of a VMA that is gone stay, and their polls fail.
    pub fn reconfigure(&mut self, settings: FleetSettings, now: Now) {
        let known: Vec<Discovery> = std::mem::take(&mut self.discoveries);
        self.discoveries = settings
            .vmas
            .iter()
            .map(|vma| {
                let same = known.iter().find(|known| known.vma == *vma);
                same.cloned().unwrap_or_else(|| Discovery::new(vma.clone(), now.mono))
            })
            .collect();
        let before = std::mem::replace(&mut self.settings, settings);
        let (backoff, throttle) = (self.settings.backoff, self.settings.throttle);
        if (before.backoff, before.throttle) == (backoff, throttle) {
            return;
        }
        let ids: Vec<JobId> = self.jobs.keys().cloned().collect();
        for id in ids {
            let Some(tracked) = self.jobs.get(&id) else { continue };
            let message = format!(
                "from now on polls are {} ms apart, {} ms at most after failures; rows are written after {} % or {} ms",
                backoff.interval.as_millis(),
                backoff.longest.as_millis(),
                throttle.min_percent,
                throttle.min_interval.as_millis()
            );
            self.journal.note(now, &tracked.job, Event::PaceReconfigured, message, Vec::new());
            self.settle(now, &id);
        }
    }

    /// The tracked job of that id.
    pub fn job(&self, id: &JobId) -> Option<&Job> {
        self.jobs.get(id).map(|tracked| &tracked.job)
    }
    /// All tracked jobs, by id.
    pub fn jobs(&self) -> impl Iterator<Item = &Job> {
        self.jobs.values().map(|tracked| &tracked.job)
    }
    /// How many jobs are tracked.
    pub fn len(&self) -> usize {
        self.jobs.len()
    }
    /// True where no job is tracked.
    pub fn is_empty(&self) -> bool {
        self.jobs.is_empty()
    }
    /// What must be remembered of all that happened since the last call.
    pub fn changes(&mut self) -> Vec<Change> {
        self.journal.drain()
    }
    /// The next thing to send; `None` when all is said.
    pub fn next_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }
    /// The next job that is to be tracked because a poll under one of its other names found it. The caller has its row,
    /// which may say that it has ended, and gives it to [`Fleet::track`]; a refusal is well: then it stays as it is.
    pub fn next_redirected(&mut self) -> Option<TrackRequest> {
        self.redirected.pop_front()
    }
    /// When to come back with [`Input::Elapsed`] if nothing else happens.
    pub fn next_deadline(&self) -> Option<Mono> {
        let lists = self.discoveries.iter().filter_map(Discovery::due);
        let logs = self.logs.next().filter(|_| !self.is_paused);
        lists.chain(self.schedule.next()).chain(logs).min()
    }

    /// Takes what happened.
    pub fn handle(&mut self, now: Now, input: Input) {
        if self.next_deadline().is_some_and(|due| now.mono.since(due) >= self.longest_lag()) {
            self.restart_windows(now);
        }
        let about = input.job().cloned();
        match &about {
            Some(id) => self.take_in_hand(id),
            None => self.put_down(),
        }
        let is_of_a_poll = matches!(input, Input::Answered(..) | Input::Missed(..));
        match input {
            Input::Answered(id, progress) => self.answered(now, &id, &progress),
            Input::Missed(id, miss) => self.missed(now, &id, miss),
            Input::FinishAnswered(id, answer) => self.finish_answered(now, &id, &answer),
            Input::DeclareAnswered(id, sent, answer) => self.declare_answered(now, &id, *sent, &answer),
            Input::EndedElsewhere(id, status) => self.ended_elsewhere(now, &id, status),
            Input::Noticed(job) => self.noticed(now, *job),
            Input::Listed(vma, listed) => self.listed(now, &vma, listed),
            Input::ListMissed(vma) => self.list_missed(now, &vma),
            Input::LogRead(id, page) => self.log_read(now, &id, page),
            Input::LogMissed(id, why) => self.log_missed(now, &id, &why),
            Input::RowRefused(id, reason) => self.row_refused(now, &id, reason),
            Input::LinkUp(vma) => self.link_up(now, &vma),
            Input::Writable(true) => self.unpause(now),
            Input::Writable(false) => self.is_paused = true,
            Input::Elapsed => {}
        }
        if let Some(id) = about.filter(|_| is_of_a_poll) {
            self.panics.passed(&id);
        }
        while let Some(id) = self.schedule.due(now.mono) {
            self.take_in_hand(&id);
            self.look_at(now, &id);
        }
        self.put_down();
        self.ask_for_due_logs(now);
        for discovery in &mut self.discoveries {
            if discovery.starts(now.mono) {
                let (vma, since, epoch) = (discovery.vma.clone(), discovery.since, discovery.epoch.clone());
                self.actions.push_back(Action::List { vma, since, epoch });
            }
        }
    }

    /// From now on this job is handled.
    pub(super) fn take_in_hand(&mut self, id: &JobId) {
        self.in_hand = Some(InHand { job: id.clone(), changes: self.journal.mark(), actions: self.actions.len() });
    }
    /// No job is handled: a panic from here on drops none.
    pub fn put_down(&mut self) {
        self.in_hand = None;
    }

    pub(super) fn answered(&mut self, now: Now, id: &JobId, progress: &Progress) {
        let Some(tracked) = self.jobs.get_mut(id) else { return self.answered_late(now, id, progress) };
        if !tracked.ends_poll() {
            return;
        }
        if progress.job != *id && progress.epoch.is_some() {
            return self.redirect(now, id, progress);
        }
        if progress.job != *id {
            let text = format!("it is the document of job {}: track that id instead", progress.job);
            return self.missed_poll(now, id, Miss::Rubbish(text));
        }
        tracked.heard(now, &mut self.journal, &self.settings);
        let merged = match order::is_news(now, tracked, progress, &mut self.journal) {
            true => merge::merge(now, tracked, progress, &mut self.journal),
            false => Merged::GoesOn,
        };
        tracked.next_poll_on_pace(now, self.settings.backoff.interval);
        #[cfg(test)]
        assert!(self.trap.as_ref() != Some(id), "the trap of job {id}");
        self.place_early_change_ids(now, id);
        self.look_for_log(id, progress);
        let ended = self.jobs.get(id).map(|tracked| tracked.job.clone()).filter(|_| merged != Merged::GoesOn);
        match merged {
            Merged::GoesOn => self.declare_what_is_missing(id, Some(progress)),
            Merged::Over => self.end(now, id),
            Merged::Missing(why) => self.fail(now, id, why),
        }
        if let Some(ended) = ended {
            return self.follow_next_run(now, &ended, progress);
        }
        let Some(tracked) = self.jobs.get_mut(id) else { return };
        if let Some(reason) = tracked.check_stall(now, &mut self.journal, &self.settings) {
            return self.fail(now, id, reason);
        }
        self.judge(now, id);
        self.settle(now, id);
    }

    /// The id is another name of a job, declared at the source: the job is tracked under its own id instead. A VMA
    /// without an epoch may only have guessed (F25), so its answer counts as rubbish.
    fn redirect(&mut self, now: Now, id: &JobId, progress: &Progress) {
        let Some(tracked) = self.jobs.get(id) else { return };
        let (vma, vm) = (tracked.job.vma.clone(), progress.vm.clone());
        let own = progress.job.clone();
        self.fail(now, id, format!("{id} is another name of job {own}, which is tracked under its own id instead"));
        self.redirected.push_back(TrackRequest { job: own, vma, vm, disks: Vec::new(), disk_count: None });
    }

    /// A document that was on the way when its job ended: it changes nothing and is recorded once (R-42, F28).
    fn answered_late(&mut self, now: Now, id: &JobId, progress: &Progress) {
        let Some(job) = self.ended_in_flight.remove(id).filter(|job| job.status != progress.status) else { return };
        let message =
            format!("a document came after the end and changes nothing: {} -> {}", job.status, progress.status);
        self.journal.note(now, &job, Event::TransitionRefused, message, Vec::new());
    }

    fn missed(&mut self, now: Now, id: &JobId, miss: Miss) {
        self.ended_in_flight.remove(id);
        if self.jobs.get_mut(id).is_some_and(|tracked| tracked.ends_poll()) {
            self.missed_poll(now, id, miss);
        }
    }

    pub(super) fn missed_poll(&mut self, now: Now, id: &JobId, miss: Miss) {
        let Some(tracked) = self.jobs.get_mut(id) else { return };
        let is_unknown = miss == Miss::Unknown;
        tracked.missed(now, miss, &mut self.journal, &self.settings, &mut self.dice);
        if is_unknown {
            self.declare_what_is_missing(id, None);
        }
        if self.fail_if_lost(now, id) {
            return;
        }
        self.judge(now, id);
        self.settle(now, id);
    }

    /// A job's moment has come: a poll, or a window that has run out.
    pub(super) fn look_at(&mut self, now: Now, id: &JobId) {
        if self.fail_if_lost(now, id) {
            return;
        }
        let Some(tracked) = self.jobs.get_mut(id) else { return };
        if !self.is_paused && tracked.starts_poll(now) {
            let (job, vma, correlation) = (id.clone(), tracked.job.vma.clone(), tracked.job.correlation.clone());
            self.actions.push_back(Action::Poll { job, vma, correlation });
        }
        self.judge(now, id);
        self.settle(now, id);
    }

    pub(super) fn fail_if_lost(&mut self, now: Now, id: &JobId) -> bool {
        if self.is_paused {
            return false;
        }
        let Some(tracked) = self.jobs.get(id) else { return false };
        let Some(reason) = tracked.loss(now, &self.settings) else { return false };
        if tracked.has_succeeded() {
            // All disks are Completed and have their change ids: the silence only kept the VMA from being told.
            self.succeed_untold(now, id, &reason);
            return true;
        }
        if let Some(tracked) = self.jobs.get_mut(id) {
            tracked.show_lost();
        }
        self.fail(now, id, reason);
        true
    }

    /// Writes the row if it is time, or if the job's log got an entry that the row must agree with, and sets the
    /// job's next moment.
    pub(super) fn settle(&mut self, now: Now, id: &JobId) {
        let Some(tracked) = self.jobs.get_mut(id) else { return };
        if self.journal.has_noted(id) || tracked.is_to_be_written(now.mono, &self.settings.throttle) {
            tracked.written(now);
            self.journal.push(Change::Progress(Box::new(tracked.job.clone())));
        }
        let at = tracked.next_moment(now.mono, &self.settings, self.is_paused);
        self.schedule.set(id, at);
    }

    /// How late the fleet may be looked at before it must have been stopped itself (SIGSTOP, a frozen machine).
    fn longest_lag(&self) -> Duration {
        (5 * self.settings.backoff.interval).max(Duration::from_secs(10))
    }

    fn unpause(&mut self, now: Now) {
        if std::mem::take(&mut self.is_paused) {
            self.restart_windows(now);
        }
    }

    /// Jobs whose polls were slowed down while the link was away are polled within one interval, spread over it.
    fn link_up(&mut self, now: Now, vma: &VmaName) {
        let interval = self.settings.backoff.interval;
        for (id, tracked) in self.jobs.iter_mut().filter(|(_, tracked)| tracked.job.vma == *vma) {
            if tracked.hurry(now.mono + self.schedule.stagger(interval)) {
                let next = tracked.next_moment(now.mono, &self.settings, self.is_paused);
                self.schedule.set(id, next);
            }
        }
    }

    /// Nobody was asked for a while, so nobody's silence may be counted.
    fn restart_windows(&mut self, now: Now) {
        for (id, tracked) in &mut self.jobs {
            let next = tracked.restart_windows(now, self.settings.backoff.interval);
            self.schedule.set(id, next);
        }
    }

    fn ended_elsewhere(&mut self, now: Now, id: &JobId, status: JobStatus) {
        let Some(tracked) = self.jobs.get_mut(id) else { return };
        // Not a transition of this process: the row has it already, and SQLite held it to the table.
        tracked.job.status = status;
        let Some(tracked) = self.remove(id) else { return };
        let message = format!("another program set this job to {}; polling stops", status.stored_name());
        self.journal.note(now, &tracked.job, Event::EndedElsewhere, message, Vec::new());
        self.journal.ended_elsewhere(now, &tracked.job);
        self.record_history(now, &tracked);
        self.last_log(now, id);
    }

    /// Another program has ended the job while nobody saw it: its record is completed from its row.
    pub fn ended_unseen(&mut self, now: Now, job: Job) {
        let message = format!("another program set this job to {} while no daemon ran", job.status.stored_name());
        self.journal.note(now, &job, Event::EndedElsewhere, message, Vec::new());
        self.journal.ended_elsewhere(now, &job);
        self.record_history(now, &Tracked::new(job, now, now.mono));
    }

    /// The job is no longer tracked.
    pub(super) fn remove(&mut self, id: &JobId) -> Option<Tracked> {
        let tracked = self.jobs.remove(id)?;
        self.schedule.remove(id);
        if tracked.is_polling() {
            self.ended_in_flight.insert(id.clone(), tracked.job.clone());
        }
        Some(*tracked)
    }

    fn row_refused(&mut self, now: Now, id: &JobId, reason: String) {
        if let Some(tracked) = self.jobs.get_mut(id)
            && tracked.is_new_refusal(&format!("row {reason}"))
        {
            self.journal.note(now, &tracked.job, Event::RowRefused, reason, Vec::new());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::VmaName;
    use crate::model::percent::Percent;
    use crate::model::request::TrackRequest;
    use crate::model::time::Wall;
    use crate::policy::backoff::Backoff;
    use crate::policy::fleet::OnStall;
    use crate::policy::throttle::ThrottleSettings;

    fn now(seconds: u64) -> Now {
        Now { mono: Mono::from_millis(seconds * 1000), wall: Wall::from_unix_millis(0) }
    }

    #[test]
    fn f07_an_oma_that_was_stopped_itself_fails_nobody() {
        let vma = VmaName::parse("site-a").expect("a name");
        let seconds = Duration::from_secs;
        let settings = FleetSettings {
            backoff: Backoff {
                interval: seconds(2),
                failures_before_backoff: 3,
                longest: seconds(30),
                lost_after: seconds(300),
            },
            queued_timeout: seconds(3600),
            stall_after: seconds(300),
            on_stall: OnStall::Warn,
            throttle: ThrottleSettings {
                min_percent: Percent::DONE,
                min_interval: seconds(2),
                contact_refresh: seconds(30),
            },
            vmas: vec![vma.clone()],
            discover: false,
            seed: 1,
        };
        let mut fleet = Fleet::resume(settings, Vec::new(), now(0));
        let job = JobId::parse("j").expect("an id");
        let request = TrackRequest { job: job.clone(), vma, vm: None, disks: Vec::new(), disk_count: None };
        fleet.track(now(0), &request, None).expect("tracked");
        fleet.handle(now(900), Input::Elapsed);
        assert!(fleet.job(&job).is_some(), "nobody was asked for 15 minutes, so nobody was silent");
        let polls = std::iter::from_fn(|| fleet.next_action()).count();
        for second in (900..=1202).step_by(2) {
            fleet.handle(now(second), Input::Missed(job.clone(), Miss::Unreachable("refused".to_owned())));
        }
        assert!(polls <= 1 && fleet.job(&job).is_none(), "from then on silence counts again");
    }
}
