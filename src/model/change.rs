//! What a decision asks the store to remember. The decisions of one wake-up come out as a list of changes in order, and
//! the store writes the list in one transaction.

use super::event::LogEntry;
use super::id::{ChangeId, CorrelationId, DiskId, JobId, VmaName};
use super::job::{Job, SyncKind};
use super::request::ChangeIdReport;
use super::source_log::SourceEntry;
use super::stage::Stage;
use super::time::Wall;

/// One thing to remember.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// The job's row and those of its disks. A later one of the same job replaces an earlier one that is unwritten.
    Progress(Box<Job>),
    /// As `Progress`, with the exports and aliases, which change only when a job is declared (VMA).
    Declared(Box<Job>),
    /// The job has ended: its last rows.
    Ended(Box<Job>),
    /// The job is too old to answer for and goes (VMA, R-10).
    Forgotten(JobId),
    /// An entry of the job's log.
    Entry(LogEntry),
    /// An entry of the other side's log of the job (OMA, R-51).
    SourceEntry(SourceEntry),
    /// The run entered a stage.
    StepBegan(Step),
    /// The run left the stage that it was in.
    StepEnded(StepEnd),
    /// A disk's run has ended.
    History(CbtEntry),
    /// A change id arrived; stored as it is.
    ChangeIdReceived(ReceivedChangeId),
    /// The same on the VMA: it is stored and waits for the OMA.
    ChangeIdSpooled(ReceivedChangeId),
    /// The OMA has confirmed the waiting change id of this number (VMA, R-31).
    ChangeIdSent(i64),
    /// What a mover was served of a disk.
    ChangeIdServed(ServedChangeId),
    /// What the OMA answered to the question for a disk's last change id (VMA, R-31).
    ChangeIdKnown(KnownChangeId),
    /// How large a disk is at the change id that it has now (VMA, R-6).
    CapacitySeen(SeenCapacity),
    /// The VMA's sequence reached this number.
    Sequence(u64),
}

impl Change {
    /// True for rows that cannot be had again from the source, which must be durable before anyone is told.
    pub fn is_irreplaceable(&self) -> bool {
        match self {
            Self::Ended(_) | Self::Entry(_) | Self::History(_) | Self::ChangeIdReceived(_) => true,
            // The VMA forgets a job some days after its end, and its log with it.
            Self::SourceEntry(_) => true,
            Self::Declared(_) | Self::StepBegan(_) | Self::StepEnded(_) => true,
            Self::ChangeIdSpooled(_) | Self::ChangeIdSent(_) | Self::ChangeIdKnown(_) => true,
            Self::ChangeIdServed(_) => true,
            Self::Progress(_) | Self::Forgotten(_) | Self::Sequence(_) | Self::CapacitySeen(_) => false,
        }
    }
    /// True for what must not be lost to a power cut on the VMA either, which else may lose a second.
    pub fn is_of_spool(&self) -> bool {
        match self {
            Self::ChangeIdSpooled(_) | Self::ChangeIdSent(_) | Self::ChangeIdKnown(_) => true,
            Self::ChangeIdServed(_) => true,
            Self::Progress(_) | Self::Declared(_) | Self::Ended(_) | Self::Forgotten(_) | Self::Entry(_) => false,
            Self::StepBegan(_) | Self::StepEnded(_) | Self::History(_) | Self::ChangeIdReceived(_) => false,
            Self::SourceEntry(_) | Self::Sequence(_) | Self::CapacitySeen(_) => false,
        }
    }
}

/// The beginning of a stage; a row of `job_steps`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Step {
    /// The job.
    pub job: JobId,
    /// The stage that began.
    pub stage: Stage,
    /// When.
    pub started_at: Wall,
    /// The job's correlation id.
    pub correlation: Option<CorrelationId>,
}

/// The end of a stage; completes the row of `job_steps` that is still open for this job and stage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepEnd {
    /// The job.
    pub job: JobId,
    /// The stage that ended.
    pub stage: Stage,
    /// When.
    pub completed_at: Wall,
    /// How long it took; `None` where it began before the appliance was started, then wall times tell.
    pub duration_ms: Option<u64>,
    /// True unless the job failed in this stage.
    pub succeeded: bool,
}

/// The end of one disk's run; a row of `cbt_history`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CbtEntry {
    /// The job.
    pub job: JobId,
    /// The VM's inventory path; with the disk id it names the disk for ever.
    pub vm_path: String,
    /// The disk.
    pub disk: DiskId,
    /// Where the next incremental starts.
    pub change_id: Option<ChangeId>,
    /// Where this run started.
    pub previous_change_id: Option<ChangeId>,
    /// True if the mover did not say so, and this is what it had been served.
    pub previous_served: bool,
    /// Full or incremental.
    pub sync: SyncKind,
    /// Areas that CBT reported.
    pub blocks_changed: Option<u64>,
    /// Bytes moved.
    pub bytes_transferred: u64,
    /// How long the copy of this disk took.
    pub sync_duration_seconds: u64,
    /// True if the disk is Completed and its run was not cancelled, whatever became of the other disks.
    pub sync_success: bool,
    /// When the run ended, or when the late change id arrived.
    pub created_at: Wall,
    /// VMware's key of the disk, by which older movers call it (`wire.md`).
    pub device_key: Option<i64>,
    /// The VMA that carried the run; `None` in rows of older versions.
    pub vma: Option<VmaName>,
    /// vCenter's instance UUID of the VM, "" if unknown.
    pub vm_uuid: String,
    /// The disk's size in bytes at this run.
    pub capacity_bytes: Option<u64>,
}

/// A change id as it arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReceivedChangeId {
    /// The job id of the path, as it was sent.
    pub job: String,
    /// The disk id of the body, as it was sent; "" where there was none.
    pub disk: String,
    /// The VM's path, where the job is known.
    pub vm_path: Option<String>,
    /// The change id, raw.
    pub change_id: String,
    /// The previous change id, raw; `None` where it was not sent.
    pub previous_change_id: Option<String>,
    /// When it arrived.
    pub received_at: Wall,
    /// The VMA that handed it over, as its certificate says; `None` where it came over loopback (OMA, R-61).
    pub vma: Option<VmaName>,
}

impl ReceivedChangeId {
    /// A report as it came under a job's name; `vm_path` is that of the job, where it is known.
    pub fn new(path: &str, report: &ChangeIdReport, vm_path: Option<String>, received_at: Wall) -> Self {
        let ChangeIdReport { change_id, disk, previous_change_id, replaced: _ } = report.clone();
        Self { job: path.to_owned(), disk, vm_path, change_id, previous_change_id, received_at, vma: None }
    }
}

/// What the OMA last said of a disk (VMA, R-31).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownChangeId {
    /// The VM's path, as it was asked for.
    pub vm_path: String,
    /// The disk, as it was asked for.
    pub disk: String,
    /// The change id; `None` where the OMA has none, which takes an earlier one back.
    pub change_id: Option<ChangeId>,
    /// When the OMA said so.
    pub answered_at: Wall,
    /// Which OMA, as host and port: another one has another target.
    pub oma: String,
}

/// What a mover was served of a disk.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServedChangeId {
    /// The VMA that asked for its mover, "" for a mover on this machine.
    pub vma: String,
    /// The VM's path, as it was asked for.
    pub vm_path: String,
    /// The disk, as it was asked for.
    pub disk: String,
    /// The change id.
    pub change_id: ChangeId,
    /// When.
    pub served_at: Wall,
}

impl ServedChangeId {
    /// How long before its run begins a mover asks, at most.
    const AHEAD_SECONDS: u64 = 3600;

    /// True if it was served for this run: a mover asks just before it copies. A full copy starts nowhere.
    pub fn is_of_run(&self, job: &Job) -> bool {
        let began = job.started_at.unwrap_or(job.created_at);
        job.sync != Some(SyncKind::Full) && began.seconds_since(self.served_at) <= Self::AHEAD_SECONDS
    }
}

/// How large a disk was at a change id (VMA, R-6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenCapacity {
    /// The VM, as its job calls it.
    pub vm_path: String,
    /// VMware's device key of the disk.
    pub device_key: i64,
    /// The change id.
    pub change_id: ChangeId,
    /// The disk's size in bytes.
    pub capacity_bytes: u64,
    /// When vCenter said so.
    pub seen_at: Wall,
}
