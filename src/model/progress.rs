//! The progress document as a noun: what a VMA says of one job at one moment. `wire::progress` has its JSON.

use super::disk::Disk;
use super::id::{Alias, ChangeId, CorrelationId, Epoch, JobId};
use super::job::{Export, SyncKind, Totals, Vm};
use super::stage::Stage;
use super::status::JobStatus;
use super::time::Wall;
use super::warning::Warning;

/// What a VMA says of one job. What an older VMA leaves out is `None`.
#[derive(Debug, Clone, PartialEq)]
pub struct Progress {
    /// The job.
    pub job: JobId,
    /// What it is doing.
    pub stage: Stage,
    /// How far it is.
    pub status: JobStatus,
    /// When it was declared; `None` where the text was no time.
    pub started_at: Option<Wall>,
    /// When the source last reported, never the moment of reading.
    pub updated_at: Option<Wall>,
    /// The figures of all disks together.
    pub totals: Totals,
    /// Full or incremental.
    pub sync: Option<SyncKind>,
    /// The only disk's previous change id; `None` with several disks.
    pub previous_change_id: Option<ChangeId>,
    /// The only disk's change id; `None` with several disks.
    pub change_id: Option<ChangeId>,
    /// NBD exports.
    pub exports: Vec<Export>,
    /// Other names that were declared for it, export names not counted.
    pub aliases: Vec<Alias>,
    /// Every disk that the VMA knows of.
    pub disks: Vec<Disk>,
    /// The VMA's sequence at the job's last change.
    pub sequence: Option<u64>,
    /// The database that the sequence belongs to.
    pub epoch: Option<Epoch>,
    /// What joins both appliances' records.
    pub correlation: Option<CorrelationId>,
    /// How many disks the job has, where their number was declared.
    pub disk_count: Option<u32>,
    /// The run that followed this one under the same id.
    pub next_run: Option<JobId>,
    /// The mover's own name for what it does, where it is no stage that waybill knows.
    pub mover_says: Option<String>,
    /// What an operator should know of the job.
    pub warnings: Vec<Warning>,
    /// Why the job failed.
    pub error: Option<String>,
    /// The VM.
    pub vm: Option<Vm>,
    /// The id of the newest entry of the job's log that the VMA's database holds.
    pub log: Option<u64>,
}
