//! The runs of one id on the OMA: the plain id means the newest, and the next run of a tracked job is tracked by
//! itself.

use std::cmp::Reverse;

use super::board::Fleet;
use super::tracked::Tracked;
use crate::model::event::Event;
use crate::model::id::{DiskId, JobId, VmaName};
use crate::model::job::{Job, Vm};
use crate::model::progress::Progress;
use crate::model::request::{DeclaredDisk, DiskQuestion, TrackRequest};
use crate::model::status::DiskStatus;
use crate::model::time::Now;
use crate::model::warning::WarningKind;
use crate::policy::journal::bounded;
use crate::policy::serving::{Candidate, NotServed};

impl Fleet {
    /// The newest tracked run under an id; `None` if none is tracked.
    pub fn newest_run(&self, id: &JobId) -> Option<JobId> {
        self.newest_run_of(id, None)
    }

    /// The same among the jobs of one VMA, if one is named.
    pub(super) fn newest_run_of(&self, id: &JobId, vma: Option<&VmaName>) -> Option<JobId> {
        let is_theirs = |tracked: &Tracked| vma.is_none_or(|vma| tracked.job.vma == *vma);
        let from = self.jobs.range(id..).take_while(|(run, _)| run.as_str().starts_with(id.as_str()));
        let theirs = from.filter(|(_, tracked)| is_theirs(tracked)).map(|(run, _)| run);
        let numbered = theirs.filter_map(|run| Some((if run == id { 1 } else { run.run_number(id)? }, run)));
        numbered.max_by_key(|(number, _)| *number).map(|(_, run)| run.clone())
    }

    /// The change ids of the disk in question that unfinished runs have left already: a disk's id counts as soon as it is
    /// Completed and has it. What the newest of these jobs knows of the VM completes the question.
    pub fn live_candidates(&self, question: &mut DiskQuestion) -> Vec<Candidate> {
        let is_of = |job: &Job, question: &DiskQuestion| {
            let is_theirs = question.vma.as_ref().is_none_or(|vma| job.vma == *vma);
            !question.vm_path.is_empty() && is_theirs && job.vm.path == question.vm_path
        };
        let jobs = self.jobs().filter(|job| is_of(job, question));
        let (mut jobs, named): (Vec<&Job>, _) = (jobs.collect(), DiskId::parse(&question.disk).ok());
        jobs.sort_by_key(|job| Reverse(job.created_at));
        let disk_of = |job: &Job| named.as_ref().and_then(|named| job.place_of(named));
        if let Some(job) = jobs.first() {
            if question.vm_uuid.is_empty() {
                question.vm_uuid.clone_from(&job.vm.uuid);
            }
            let known = disk_of(job).and_then(|at| job.disks[at].capacity_bytes);
            question.capacity_bytes = question.capacity_bytes.or(known);
        }
        let left = jobs.into_iter().filter_map(|job| {
            let disk = &job.disks[disk_of(job)?];
            let change_id = disk.change_id.clone().filter(|_| disk.status == DiskStatus::Completed)?;
            Some(Candidate {
                change_id,
                vma: Some(job.vma.clone()),
                vm_path: job.vm.path.clone(),
                vm_uuid: job.vm.uuid.clone(),
                capacity_bytes: disk.capacity_bytes,
                at: disk.ended_at.unwrap_or(job.updated_at),
            })
        });
        let mut left: Vec<Candidate> = left.collect();
        left.sort_by_key(|candidate| Reverse(candidate.at));
        left
    }

    /// A mover was served no change id, and not because there is none: the log of its job says why.
    pub fn note_not_served(&mut self, now: Now, question: &DiskQuestion, why: &NotServed) {
        if matches!(why, NotServed::Unknown) {
            return;
        }
        let is_meant = |tracked: &Tracked| tracked.job.vm.path == question.vm_path && !question.vm_path.is_empty();
        let meant = self.jobs.iter().filter(|(_, tracked)| is_meant(tracked)).map(|(id, _)| id.clone());
        for id in meant.collect::<Vec<JobId>>() {
            let Some(tracked) = self.jobs.get_mut(&id) else { continue };
            let message = format!("disk {}: no change id is served: {why}", bounded(&question.disk));
            if let NotServed::OtherVm { .. } = why {
                tracked.warn(now, WarningKind::OtherVm, message.clone(), &mut self.journal);
            }
            if tracked.is_new_refusal(&message) {
                let attributes = vec![("disk", bounded(&question.disk).into())];
                self.journal.note(now, &tracked.job, Event::ChangeIdNotServed, message, attributes);
            }
            self.settle(now, &id);
        }
    }

    /// The VM in question had another path at its last run: the log of its job says so, once.
    pub fn note_renamed(&mut self, now: Now, question: &DiskQuestion, before: &str) {
        let is_meant = |tracked: &Tracked| tracked.job.vm.path == question.vm_path;
        let meant = self.jobs.values_mut().filter(|tracked| is_meant(tracked));
        for tracked in meant {
            if tracked.is_new_refusal(&format!("renamed {before}")) {
                let message = format!("the VM was renamed: it was {before}, and its change ids go on to count");
                let attributes = vec![("before", before.into()), ("uuid", question.vm_uuid.as_str().into())];
                self.journal.note(now, &tracked.job, Event::VmRenamed, message, attributes);
            }
        }
    }

    /// The source says that another run followed this one, which has ended: it is tracked from now on.
    pub(super) fn follow_next_run(&mut self, now: Now, ended: &Job, said: &Progress) {
        let Some(next) = said.next_run.clone().filter(|next| !self.jobs.contains_key(next)) else { return };
        let message = format!("the job goes on as its next run {next}, which is tracked from now on");
        let attributes = vec![("run", next.as_str().into())];
        self.journal.note(now, ended, Event::RunOpened, message, attributes);
        self.redirected.push_back(next_of(ended, next));
    }
}

/// The request to track a listed job. The run that follows a job known here keeps what was declared of that job.
pub fn listed_request(vma: &VmaName, said: Progress, before: Option<&Job>) -> TrackRequest {
    let Some(before) = before else {
        return TrackRequest { job: said.job, vma: vma.clone(), vm: said.vm, disks: Vec::new(), disk_count: None };
    };
    let next = next_of(before, said.job);
    TrackRequest { vm: next.vm.or(said.vm), ..next }
}

/// The request to track the run that follows a job, with what was declared of that job here.
pub fn next_of(job: &Job, next: JobId) -> TrackRequest {
    let declared = job.disks.iter().filter(|disk| disk.declared).map(|disk| DeclaredDisk {
        id: disk.id.clone(),
        label: None,
        capacity_bytes: None,
        device_key: disk.device_key,
        previous_change_id: None,
        export: None,
    });
    let vm = (job.vm != Vm::default()).then(|| job.vm.clone());
    TrackRequest { job: next, vma: job.vma.clone(), vm, disks: declared.collect(), disk_count: job.disk_count }
}
