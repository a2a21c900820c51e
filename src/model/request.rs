//! What movers and operators ask for, after it has been read and before it has been decided.

use super::id::{Alias, ChangeId, DiskId, ExportName, JobId, VmaName};
use super::job::{SyncKind, Vm};
use super::percent::Percent;

/// A mover's push, its numbers and texts as sent; what they mean is for `policy::source` to say.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Push {
    /// The mover's stage text.
    pub stage: String,
    /// The mover's status text.
    pub status: Option<String>,
    /// Bytes moved so far; 0 also stands for "not set".
    pub bytes_transferred: u64,
    /// Bytes to move.
    pub total_bytes: Option<u64>,
    /// The mover's mean rate since its start, bytes per second.
    pub throughput_bps: Option<u64>,
    /// The disk, where the mover names one.
    pub disk: Option<DiskId>,
    /// `initial`, `full` or `incremental`.
    pub sync: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// Where the byte count comes from, if not from the mover itself.
    pub bytes_source: Option<String>,
    /// The mover's percent, if it is one: of the stages before Transfer, of the data in it (F14).
    pub percent: Option<Percent>,
    /// True if texts had bytes that are no UTF-8, which were replaced.
    pub replaced: bool,
}

/// A disk that is announced.
#[derive(Debug, Clone, PartialEq)]
pub struct DeclaredDisk {
    /// Its id within the job.
    pub id: DiskId,
    /// VMware's label.
    pub label: Option<String>,
    /// Its size in bytes.
    pub capacity_bytes: Option<u64>,
    /// VMware's device key.
    pub device_key: Option<i64>,
    /// Where the incremental starts.
    pub previous_change_id: Option<ChangeId>,
    /// Its NBD export: name, and device where known.
    pub export: Option<(ExportName, Option<String>)>,
}

/// A job that is announced to the VMA.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Declaration {
    /// The VM, where named.
    pub vm: Option<Vm>,
    /// Full or incremental.
    pub sync: Option<SyncKind>,
    /// Its disks; may be empty.
    pub disks: Vec<DeclaredDisk>,
    /// How many disks it has, for those who know no ids.
    pub disk_count: Option<u32>,
    /// Other names that movers use for it.
    pub aliases: Vec<Alias>,
    /// True if a job that has ended may be started again by this: the declaration opens its next run.
    pub again: bool,
    /// True if it only adds to what is known, and corrects nothing: so an OMA declares, because its VMA knows better.
    pub only_adds: bool,
}

/// A job that the OMA is asked to track.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackRequest {
    /// The job.
    pub job: JobId,
    /// The VMA that carries it.
    pub vma: VmaName,
    /// The VM, where named.
    pub vm: Option<Vm>,
    /// Its disks; may be empty.
    pub disks: Vec<DeclaredDisk>,
    /// How many disks it has, for those who know no ids.
    pub disk_count: Option<u32>,
}

/// How a job is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// All is well.
    Succeeded,
    /// It failed, with the reason.
    Failed(String),
}

/// A change id as a mover hands it over; texts are raw.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangeIdReport {
    /// The change id.
    pub change_id: String,
    /// The disk, "" where missing.
    pub disk: String,
    /// The previous change id, where sent.
    pub previous_change_id: Option<String>,
    /// True if texts had bytes that are no UTF-8, which were replaced.
    pub replaced: bool,
}

/// The question of a mover, with what is known of its VM beside it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DiskQuestion {
    /// The VMA whose mover asks; `None` for one on the OMA's own machine.
    pub vma: Option<VmaName>,
    /// The VM's path.
    pub vm_path: String,
    /// vCenter's instance UUID of the VM, "" if unknown.
    pub vm_uuid: String,
    /// The disk, as the mover calls it.
    pub disk: String,
    /// The disk's size now in bytes.
    pub capacity_bytes: Option<u64>,
}
