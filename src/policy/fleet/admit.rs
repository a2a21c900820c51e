//! How jobs come under the OMA's eyes: asked for, inserted by another program, or remembered.

use super::tracked::Tracked;
use super::{Fleet, Listed};
use std::time::Duration;

use crate::limits;
use crate::model::change::Change;
use crate::model::disk::Disk;
use crate::model::event::Event;
use crate::model::id::VmaName;
use crate::model::job::Job;
use crate::model::request::TrackRequest;
use crate::model::status::JobStatus;
use crate::model::time::Now;
use crate::policy::refusal::Refusal;

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
        if !self.settings.vmas.contains(&request.vma) {
            return Err(self.unknown_vma(request.vma.as_str()));
        }
        if request.disks.len() > limits::DISKS_PER_JOB {
            return Err(Refusal::Bound { what: "disks of a job", limit: limits::DISKS_PER_JOB });
        }
        if let Some(job) = self.job(&request.job) {
            let differences = differences(job, request);
            return match differences.is_empty() {
                true => Ok(Admitted::Known),
                false => Err(Refusal::Contradiction { job: request.job.clone(), differences: differences.join("; ") }),
            };
        }
        if let Some(job) = stored.filter(|job| job.status.is_final()) {
            return Err(Refusal::Finished { job: job.id.clone(), status: job.status });
        }
        if self.jobs.len() >= limits::UNFINISHED_JOBS {
            return Err(Refusal::Bound { what: "unfinished jobs", limit: limits::UNFINISHED_JOBS });
        }
        self.admit(now, requested(request, now), Event::TrackingStarted);
        Ok(Admitted::New)
    }

    /// A VMA listed its jobs: those that are new here are tracked.
    pub(super) fn listed(&mut self, now: Now, vma: &VmaName, listed: Listed) {
        let interval = self.settings.backoff.interval;
        for said in listed.jobs {
            let request = TrackRequest { job: said.job, vma: vma.clone(), vm: said.vm, disks: Vec::new() };
            // Another VMA's job of the same id stays with that VMA; both would be wrong together.
            if self.job(&request.job).is_none() && self.track(now, &request, None).is_err() {
                break;
            }
        }
        if let Some(known) = self.discoveries.iter_mut().find(|known| known.vma == *vma) {
            known.answered(now.mono, interval, listed.epoch, listed.sequence);
        }
    }

    pub(super) fn list_missed(&mut self, now: Now, vma: &VmaName) {
        let Some(known) = self.discoveries.iter_mut().find(|known| known.vma == *vma) else { return };
        let delay = self.settings.backoff.delay(known.missed(), Duration::ZERO, &mut self.dice);
        known.wait_until(now.mono + delay);
    }

    /// A row appeared that this process did not write.
    pub(super) fn noticed(&mut self, now: Now, mut job: Job) {
        if job.status.is_final() || self.jobs.contains_key(&job.id) {
            return;
        }
        if self.settings.vmas.contains(&job.vma) {
            let event = if job.correlation.is_none() { Event::TrackingStarted } else { Event::TrackingResumed };
            return self.admit(now, job, event);
        }
        let refusal = self.unknown_vma(job.vma.as_str());
        let before = job.status;
        job.status = JobStatus::Failed;
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
        self.journal.note(now, &job, event, message, vec![("vma", job.vma.as_str().into())]);
        let id = job.id.clone();
        let mut tracked = Tracked::new(job, now, first_poll);
        tracked.written(now);
        self.journal.push(Change::Progress(Box::new(tracked.job.clone())));
        self.jobs.insert(id.clone(), tracked);
        self.judge(now, &id);
        self.schedule.set(&id, first_poll);
    }

    fn unknown_vma(&self, vma: &str) -> Refusal {
        let known: Vec<&str> = self.settings.vmas.iter().map(|vma| vma.as_str()).collect();
        Refusal::UnknownVma { vma: vma.to_owned(), known: known.join(", ") }
    }
}

fn requested(request: &TrackRequest, now: Now) -> Job {
    let mut job = Job::new(request.job.clone(), request.vma.clone(), now.wall);
    job.vm = request.vm.clone().unwrap_or_default();
    for given in &request.disks {
        let mut disk = Disk::new(given.id.clone());
        disk.declared = true;
        disk.label = given.label.clone().unwrap_or_default();
        disk.capacity_bytes = given.capacity_bytes;
        disk.device_key = given.device_key;
        disk.previous_change_id.clone_from(&given.previous_change_id);
        job.disks.push(disk);
    }
    job
}

fn differences(job: &Job, request: &TrackRequest) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |key: &str, known: &str, given: &str| {
        if !known.is_empty() && !given.is_empty() && known != given {
            found.push(format!("{key}: known {known:?}, given {given:?}"));
        }
    };
    compare("vma", job.vma.as_str(), request.vma.as_str());
    if let Some(vm) = &request.vm {
        compare("vm.name", &job.vm.name, &vm.name);
        compare("vm.path", &job.vm.path, &vm.path);
    }
    let names = |ids: Vec<&str>| ids.join(" ");
    let known = names(job.disks.iter().filter(|disk| disk.declared).map(|disk| disk.id.as_str()).collect());
    let given = names(request.disks.iter().map(|disk| disk.id.as_str()).collect());
    compare("disks", &known, &given);
    found
}
