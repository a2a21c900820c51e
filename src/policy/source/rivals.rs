//! Two unfinished jobs that copy the same disk of the same VM: both may be sound by themselves and spoil each other's target,
//! so each of them is warned of the other.

use super::book::Source;
use crate::model::id::JobId;
use crate::model::job::Job;
use crate::model::time::Now;
use crate::model::warning::WarningKind;

impl Source {
    /// The job has just become known by its VM or its disks: looks for others that copy the same.
    pub(super) fn look_for_rivals(&mut self, now: Now, id: &JobId) {
        let Some(job) = self.jobs.get(id).map(|entry| &entry.job) else { return };
        if job.vm.path.is_empty() || job.status.is_final() {
            return;
        }
        let others = self.jobs.values().map(|entry| &*entry.job).filter(|other| are_rivals(job, other));
        let others: Vec<JobId> = others.map(|other| other.id.clone()).collect();
        let path = job.vm.path.clone();
        for other in others {
            let says = |rival: &JobId| format!("unfinished job {rival} copies the same VM {path} at the same time");
            self.warn(now, id, WarningKind::SameVm, says(&other));
            self.warn(now, &other, WarningKind::SameVm, says(id));
            self.keep_row(&other);
        }
    }

    /// A job has ended: those that it was a rival of are looked at again.
    pub(super) fn rival_ended(&mut self, now: Now, ended: &JobId) {
        let Some(job) = self.jobs.get(ended).map(|entry| &entry.job) else { return };
        if job.warning(WarningKind::SameVm).is_none() {
            return;
        }
        let is_warned = |other: &&Job| {
            other.vm.path == job.vm.path && !other.status.is_final() && other.warning(WarningKind::SameVm).is_some()
        };
        let warned = self.jobs.values().map(|entry| &*entry.job).filter(is_warned);
        let warned: Vec<JobId> = warned.map(|other| other.id.clone()).collect();
        for id in warned {
            if let Some(entry) = self.jobs.get_mut(&id) {
                entry.job.unwarn(WarningKind::SameVm);
            }
            self.look_for_rivals(now, &id);
            self.renew(now, &id, &[]);
            self.keep_row(&id);
        }
    }
}

/// True of two jobs that may write the same disk. A job whose disks are unknown may write any.
fn are_rivals(job: &Job, other: &Job) -> bool {
    let is_same_vm = job.vm.path == other.vm.path;
    let shares = |disk: &crate::model::disk::Disk| other.place_of(&disk.id).is_some();
    let is_unknown = |job: &Job| !job.disks.iter().any(|disk| disk.named);
    let may_share = is_unknown(job) || is_unknown(other) || job.disks.iter().any(shares);
    job.id != other.id && is_same_vm && !other.status.is_final() && may_share
}
