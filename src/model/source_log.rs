//! The log of the other side of the tunnel, as a VMA gives it out and an OMA keeps it. Names are as stored,
//! because an older waybill shows what a newer one wrote.

use super::event::LogRecord;
use super::id::{Epoch, JobId};

/// One entry of a VMA's log of one job; a row of `job_events` there and of `source_events` on the OMA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceEntry {
    /// The job.
    pub job: JobId,
    /// The VMA's database, within which the id counts.
    pub epoch: Epoch,
    /// The entry's id there.
    pub id: u64,
    /// What it says, at a time of the VMA's clock.
    pub record: LogRecord,
}

/// A part of a VMA's log of one job, the oldest entry first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The job, by its own id.
    pub job: JobId,
    /// The VMA's database.
    pub epoch: Epoch,
    /// The entries after the one that was asked for.
    pub entries: Vec<SourceEntry>,
    /// True where there are more, or will be as soon as the VMA has written them.
    pub more: bool,
}
