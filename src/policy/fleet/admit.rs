//! How jobs come under the OMA's eyes: asked for, inserted by another program, or remembered.

use super::board::Fleet;
use super::port::Listed;
use super::tracked::Tracked;
use std::time::Duration;

use crate::limits;
use crate::model::change::Change;
use crate::model::event::Event;
use crate::model::id::{JobId, VmaName};
use crate::model::job::Job;
use crate::model::request::TrackRequest;
use crate::model::status::JobStatus;
use crate::model::time::Now;
use crate::policy::announce;
use crate::policy::refusal::Refusal;
use crate::policy::transition::{Moved, set_job_status};

/// A request to track was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admitted {
    /// The job is new.
    New,
    /// It is tracked already, and what was said agrees with it.
    Known,
}

impl Fleet {
    /// Begins to track a job. `stored` is its row where it is not tracked any more.
    pub fn track(&mut self, now: Now, request: &TrackRequest, stored: Option<&Job>) -> Result<Admitted, Refusal> {
        self.take_in_hand(&request.job);
        if !self.settings.vmas.contains(&request.vma) {
            return Err(self.unknown_vma(request.vma.as_str()));
        }
        if request.disks.len() > limits::DISKS_PER_JOB {
            return Err(Refusal::TooMany { what: "disks of a job", limit: limits::DISKS_PER_JOB });
        }
        if let Some(job) = self.job(&request.job).or_else(|| self.journal.end_of(&request.job)).or(stored) {
            if job.status.is_final() {
                return self.complete_ended(now, &job.clone(), request);
            }
            let differences = differences(job, request);
            let is_correctable = announce::is_correctable(job)
                && job.vma == request.vma
                && !announce::is_other_vm(job, request.vm.as_ref());
            if !differences.is_empty() && !is_correctable {
                let differences = differences.join("; ");
                return Err(Refusal::Contradiction { job: request.job.clone(), differences });
            }
        }
        if let Some(tracked) = self.jobs.get_mut(&request.job) {
            let (corrects, before) = (!differences(&tracked.job, request).is_empty(), tracked.job.clone());
            if enrich(&mut tracked.job, request) {
                self.journal.disks_named(now, &before, &tracked.job);
                tracked.declaring.corrects |= corrects;
                tracked.written(now);
                // Disks that a correction has taken away go from the database too.
                self.journal.push(Change::Declared(Box::new(tracked.job.clone())));
                self.place_early_change_ids(now, &request.job);
                self.judge(now, &request.job);
            }
            return Ok(Admitted::Known);
        }
        if self.jobs.len() >= limits::UNFINISHED_JOBS {
            return Err(Refusal::Full { what: "unfinished jobs", limit: limits::UNFINISHED_JOBS });
        }
        let mut job = stored.cloned().unwrap_or_else(|| Job::new(request.job.clone(), request.vma.clone(), now.wall));
        enrich(&mut job, request);
        self.admit(now, job, Event::TrackingStarted);
        if let (Some(before), Some(tracked)) = (stored, self.jobs.get(&request.job)) {
            self.journal.disks_named(now, before, &tracked.job);
        }
        Ok(if stored.is_some() { Admitted::Known } else { Admitted::New })
    }

    /// A job has ended without its VM's path: given now, its history says so in rows that supersede those of before, and its
    /// change ids serve the next incremental. Anything else comes too late.
    fn complete_ended(&mut self, now: Now, job: &Job, request: &TrackRequest) -> Result<Admitted, Refusal> {
        let path = request.vm.as_ref().map(|vm| vm.path.as_str()).filter(|path| !path.is_empty());
        let is_named = path == Some(job.vm.path.as_str()) && job.vma == request.vma && request.disks.is_empty();
        if is_named {
            return Ok(Admitted::Known);
        }
        let (Some(path), true) = (path, job.vm.path.is_empty() && job.vma == request.vma) else {
            return Err(Refusal::Finished { job: job.id.clone(), status: job.status });
        };
        let mut placed = job.clone();
        path.clone_into(&mut placed.vm.path);
        self.record_history(now, &Tracked::new(placed, now, now.mono));
        let message = format!("the VM's path was given after the end: {path}; the history has it from now on");
        self.journal.note(now, job, Event::VmPathGiven, message, vec![("vm_path", path.into())]);
        Ok(Admitted::Known)
    }

    /// A VMA listed its jobs: those that are new here are tracked. A run whose predecessor has ended there and not yet
    /// here is listed again: runs enter the history in their order.
    pub(super) fn listed(&mut self, now: Now, vma: &VmaName, listed: Listed) {
        let interval = if listed.more { Duration::ZERO } else { self.settings.backoff.interval };
        let is_ending = |id: &JobId| self.jobs.get(id).is_some_and(|tracked| tracked.job.vma == *vma);
        let ending: Vec<JobId> = listed.ended.into_iter().filter(is_ending).collect();
        let is_early = |request: &TrackRequest| ending.iter().any(|id| id.run().0 == request.job.run().0);
        let (early, new): (Vec<TrackRequest>, Vec<_>) = listed.jobs.into_iter().partition(is_early);
        let mut all_taken = true;
        for request in new {
            // Another VMA's job of the same id stays with that VMA; both would be wrong together.
            all_taken &= self.job(&request.job).is_some() || self.track(now, &request, None).is_ok();
        }
        let Some(known) = self.discoveries.iter_mut().find(|known| known.vma == *vma) else { return };
        if !early.is_empty() {
            known.wait_until(now.mono + self.settings.backoff.interval);
        } else if all_taken {
            known.answered(now.mono, interval, listed.epoch, listed.sequence);
        } else {
            // What found no room is listed again.
            known.wait_until(now.mono + self.settings.backoff.longest);
        }
    }

    pub(super) fn list_missed(&mut self, now: Now, vma: &VmaName) {
        let Some(known) = self.discoveries.iter_mut().find(|known| known.vma == *vma) else { return };
        let delay = self.settings.backoff.delay(known.missed(), Duration::ZERO, &mut self.dice);
        known.wait_until(now.mono + delay);
    }

    /// A row appeared that this process did not write.
    pub(super) fn noticed(&mut self, now: Now, mut job: Job) {
        if job.status.is_final() || self.jobs.contains_key(&job.id) || self.journal.end_of(&job.id).is_some() {
            return;
        }
        let refusal = if !self.settings.vmas.contains(&job.vma) {
            self.unknown_vma(job.vma.as_str())
        } else if self.jobs.len() >= limits::UNFINISHED_JOBS {
            Refusal::Full { what: "unfinished jobs", limit: limits::UNFINISHED_JOBS }
        } else {
            let event = if job.correlation.is_none() { Event::TrackingStarted } else { Event::TrackingResumed };
            return self.admit(now, job, event);
        };
        let Ok(Moved::From(before)) = set_job_status(&mut job.status, JobStatus::Failed) else { return };
        job.error = Some(format!("{refusal}; {}", refusal.remedy()));
        job.completed_at = Some(now.wall);
        job.updated_at = now.wall;
        job.correlation = job.correlation.or_else(|| Some(self.dice.correlation(now.wall)));
        self.journal.status_moved(now, &job, before);
        self.journal.ended(now, &job);
    }

    /// Takes a job in and spreads its polls.
    pub(super) fn admit(&mut self, now: Now, mut job: Job, event: Event) {
        if !self.settings.vmas.contains(&job.vma) {
            return self.noticed(now, job);
        }
        job.correlation = job.correlation.or_else(|| Some(self.dice.correlation(now.wall)));
        let first_poll = now.mono + self.schedule.stagger(self.settings.backoff.interval);
        let message = match event {
            Event::TrackingStarted => format!("Starting progress polling for replication job at VMA {}", job.vma),
            _ => format!("Resuming progress polling for replication job at VMA {}", job.vma),
        };
        let id = job.id.clone();
        let mut tracked = Tracked::new(job, now, first_poll);
        tracked.written(now);
        // The row comes before the entries that point at it.
        self.journal.push(Change::Progress(Box::new(tracked.job.clone())));
        self.journal.note(now, &tracked.job, event, message, vec![("vma", tracked.job.vma.as_str().into())]);
        self.jobs.insert(id.clone(), Box::new(tracked));
        self.judge(now, &id);
        self.schedule.set(&id, first_poll);
    }

    fn unknown_vma(&self, vma: &str) -> Refusal {
        let known: Vec<&str> = self.settings.vmas.iter().map(|vma| vma.as_str()).collect();
        Refusal::UnknownVma { vma: vma.to_owned(), known: known.join(", ") }
    }
}

/// Adds what the job did not know yet. True where something was added.
fn enrich(job: &mut Job, request: &TrackRequest) -> bool {
    let before = job.clone();
    if announce::is_correctable(job) {
        announce::correct(job, &request.disks);
    }
    announce::enrich(job, request.vm.as_ref(), &request.disks);
    announce::count_disks(job, request.disk_count);
    *job != before
}

fn differences(job: &Job, request: &TrackRequest) -> Vec<String> {
    let mut found = announce::differences(job, request.vm.as_ref(), &request.disks);
    if job.vma != request.vma {
        found.push(format!("vma: known {:?}, given {:?}", job.vma.as_str(), request.vma.as_str()));
    }
    found
}
