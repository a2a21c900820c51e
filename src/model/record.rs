//! What is remembered of a job, as it is read back: its row, its stages, its log, its history. Names are as stored, because
//! an older waybill shows what a newer one wrote.

use super::change::{CbtEntry, ReceivedChangeId};
pub use super::event::LogRecord;
use super::id::CorrelationId;
use super::job::Job;
use super::time::Wall;

/// The appliance that wrote an entry of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Side {
    /// The one beside the target storage.
    Oma,
    /// The one beside vCenter.
    Vma,
}

impl Side {
    /// The word for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Oma => "oma",
            Self::Vma => "vma",
        }
    }
    /// The word for people.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Oma => "OMA",
            Self::Vma => "VMA",
        }
    }
}

/// All that is remembered of one job.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRecord {
    /// The job with its disks.
    pub job: Job,
    /// Its stages, in the order in which they began.
    pub steps: Vec<StepRecord>,
    /// The appliance whose database it is.
    pub side: Side,
    /// Its log, oldest first.
    pub log: Vec<LogRecord>,
    /// What an OMA has of the VMA's log, in the VMA's order.
    pub source_log: Vec<LogRecord>,
    /// Change ids that arrived for it, oldest first.
    pub received: Vec<ReceivedChangeId>,
}

/// One stage of a job; a row of `job_steps`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepRecord {
    /// The stage: `Stage::wire_name`.
    pub stage: String,
    /// When it began; `None` where the stored text is no time.
    pub started_at: Option<Wall>,
    /// When it ended; `None` while it lasts.
    pub completed_at: Option<Wall>,
    /// How long it took, in milliseconds; `None` while it lasts.
    pub duration_ms: Option<u64>,
    /// True unless the job failed in it; `None` while it lasts.
    pub succeeded: Option<bool>,
    /// The job's correlation id.
    pub correlation: Option<CorrelationId>,
}

/// What one run left behind of one disk; a row of `cbt_history`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryRecord {
    /// The row's number in its database: rows of one database, archived ones too, are in order of time by it.
    pub id: i64,
    /// What it says.
    pub entry: CbtEntry,
    /// True where a later row of the same job and disk took its place.
    pub superseded: bool,
}

/// One rule that was looked after in a database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What must hold, as a sentence without its end.
    pub rule: &'static str,
    /// Where it does not.
    pub findings: Vec<Finding>,
}

/// One place where a rule does not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// What was found, with the row's key.
    pub text: String,
    /// What to do about it.
    pub remedy: &'static str,
}
