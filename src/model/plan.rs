//! How much there is to do, by vCenter's account: one plan of a VM, with one of each of its disks.

use super::disk::Basis;
use super::id::{ChangeId, DiskId, JobId};
use super::job::SyncKind;
use super::vmware::{Exclusion, Fault};

/// From where a disk is copied.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Baseline {
    /// Everything that is allocated; change id `*` in `QueryChangedDiskAreas`.
    Whole,
    /// What changed since this change id.
    Since(ChangeId),
}

/// What is to be planned: the disks of a job as they are known before vCenter is asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanRequest {
    /// The job.
    pub job: JobId,
    /// Inventory path or managed object id of its VM.
    pub vm_path: String,
    /// Full or incremental, where that is known.
    pub sync: Option<SyncKind>,
    /// Tells a request of before a reload from those after it.
    pub generation: u64,
    /// True where its mover has taken the snapshot that it copies.
    pub is_after_snapshot: bool,
    /// The job's disks; none where the VM's own are to be found.
    pub disks: Vec<WantedDisk>,
}

/// A disk to be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WantedDisk {
    /// What the job calls it.
    pub id: DiskId,
    /// VMware's device key, where it was declared.
    pub device_key: Option<i64>,
    /// VMware's label, "" where it was not declared.
    pub label: String,
    /// Where the incremental is to start.
    pub previous: Option<ChangeId>,
    /// How large the VM's disks were that had that change id: device key and bytes, as far as that is remembered.
    pub capacities_then: Vec<(i64, u64)>,
}

/// The plan of a VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmPlan {
    /// The VM's display name.
    pub name: String,
    /// Its managed object id.
    pub vm: String,
    /// The snapshot that was asked about, by its managed object id.
    pub snapshot: Option<String>,
    /// A plan for each disk, in the order of their keys.
    pub disks: Vec<DiskPlan>,
    /// The job's disks that the VM does not have.
    pub missing: Vec<DiskId>,
}

impl VmPlan {
    /// The bytes of all disks together that can be copied.
    pub fn planned_bytes(&self) -> u64 {
        self.copied().map(|disk| disk.planned_bytes).fold(0, u64::saturating_add)
    }
    /// The weakest basis among them.
    pub fn basis(&self) -> Option<Basis> {
        self.copied().map(|disk| disk.basis).max()
    }
    fn copied(&self) -> impl Iterator<Item = &DiskPlan> {
        self.disks.iter().filter(|disk| disk.excluded.is_none())
    }
    /// True where a change id cannot be trusted.
    pub fn is_suspect(&self) -> bool {
        self.disks.iter().any(|disk| disk.suspect.is_some())
    }
}

impl DiskPlan {
    /// What is to be said of it in a word.
    pub fn verdict(&self) -> Verdict {
        match (&self.suspect, self.excluded, self.areas) {
            (Some(_), ..) => Verdict::Suspect,
            (None, Some(_), _) => Verdict::LeftOut,
            (None, None, None) => Verdict::Estimated,
            (None, None, Some(_)) => Verdict::Sound,
        }
    }
}

/// A plan in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// CBT told, and nothing speaks against it.
    Sound,
    /// CBT did not tell; the files or the capacity serve.
    Estimated,
    /// The change id, or change tracking itself, cannot be trusted.
    Suspect,
    /// VMware takes no snapshot of it.
    LeftOut,
}

impl Verdict {
    /// The word in tables and in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Estimated => "estimated",
            Self::Suspect => "suspect",
            Self::LeftOut => "left out",
        }
    }
}

/// The plan of one disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskPlan {
    /// What the job calls it; `None` where the job does not know it yet.
    pub disk: Option<DiskId>,
    /// VMware's device key.
    pub key: i64,
    /// VMware's label.
    pub label: String,
    /// Its size.
    pub capacity_bytes: u64,
    /// How much is to be moved.
    pub planned_bytes: u64,
    /// What that rests on.
    pub basis: Basis,
    /// The areas that CBT named; `None` where it was not CBT that told.
    pub areas: Option<u64>,
    /// Where the incremental was to start.
    pub previous: Option<ChangeId>,
    /// The disk's change id in the snapshot.
    pub change_id: Option<ChangeId>,
    /// Why `previous` cannot be trusted, with what to do.
    pub suspect: Option<String>,
    /// Why a better basis was not to be had, each with its remedy; empty where CBT told.
    pub reasons: Vec<String>,
    /// Why VMware leaves it out, where it does.
    pub excluded: Option<Exclusion>,
    /// True where asking again may bring a better basis.
    pub may_improve: bool,
}

/// What came of asking vCenter.
pub type Planned = Result<VmPlan, Fault>;
