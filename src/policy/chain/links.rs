//! A chain as it is given out: the disk, its runs, and what there is to say of each. Nothing here decides.

use super::verdict::{Severity, Verdict};
use crate::model::id::{ChangeId, DiskId, JobId};
use crate::model::job::SyncKind;
use crate::model::record::HistoryRecord;

/// Which disk of the world a run was about. `disk-2000` stands in every VM, so that a disk id alone names none (F34).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The disk of the VM at this path.
    Vm {
        /// The VM's inventory path, the last one if it was renamed.
        path: String,
        /// Which VM of this path, by its VMA or its instance UUID; "" if there was only one.
        which: String,
        /// The disk within the VM, by its device key where that is known: `disk-2000`.
        disk: DiskId,
    },
    /// A disk of this job and of no other, because the job has no VM path.
    Unplaced {
        /// The job.
        job: JobId,
        /// The disk within the job.
        disk: DiskId,
    },
}

/// All runs of one disk, in order of time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskChain {
    /// The disk.
    pub place: Place,
    /// Its runs; one at least.
    pub runs: Vec<Run>,
    /// From where an incremental may start now. `None` where a fault is open, or no run has left anything to start from.
    pub next: Option<ChangeId>,
}

/// One run of one disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// What it left behind.
    pub record: HistoryRecord,
    /// What there is to say of it, in the order in which it came about; one at least.
    pub findings: Vec<Finding>,
}

/// One thing to say of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What it is.
    pub verdict: Verdict,
    /// The later run that made it good, where it is a fault: the target has what it lacked.
    pub mended_by: Option<JobId>,
}

impl Finding {
    /// True for a fault that no later run has made good.
    pub fn is_open(&self) -> bool {
        self.verdict.severity() == Severity::Fault && self.mended_by.is_none()
    }
}

impl Run {
    /// True for a full copy that succeeded.
    pub fn starts_chain(&self) -> bool {
        self.record.entry.sync_success && self.record.entry.sync == SyncKind::Full
    }
    /// What weighs most; of equals the first.
    pub fn worst(&self) -> Option<&Finding> {
        let weight = |finding: &&Finding| (finding.is_open(), finding.verdict.severity());
        // `max_by_key` would answer the last of equals.
        self.findings.iter().rev().max_by_key(weight)
    }
}

impl DiskChain {
    /// True where the job has a run of this disk.
    pub fn has(&self, job: &JobId) -> bool {
        self.runs.iter().any(|run| run.record.entry.job == *job)
    }
    /// All that is to say of its runs.
    pub fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.runs.iter().flat_map(|run| &run.findings)
    }
    /// Faults that no later run has made good.
    pub fn open_faults(&self) -> usize {
        self.findings().filter(|finding| finding.is_open()).count()
    }
}
