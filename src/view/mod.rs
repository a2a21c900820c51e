//! Renderers: nouns to text for people and to JSON for programs. Pure: `now`, width and colour are arguments.
//!
//! Nothing here fails. What is unknown is shown as unknown, never as zero (F2, F22), and texts from outside are stripped
//! of control characters, so that no error message can steer a terminal.

pub mod bar;
pub mod detail;
pub mod json;
pub mod note;
pub mod paint;
pub mod table;
pub mod units;

use crate::model::change::ReceivedChangeId;
use crate::model::event::Level;
use crate::model::id::CorrelationId;
use crate::model::job::Job;
use crate::model::time::Wall;

/// All that is remembered of one job, for `waybill show`.
#[derive(Debug, Clone, PartialEq)]
pub struct JobRecord {
    /// The job with its disks.
    pub job: Job,
    /// Its stages, in the order in which they began.
    pub steps: Vec<StepLine>,
    /// Its log, oldest first.
    pub events: Vec<EventLine>,
    /// Change ids that arrived for it, oldest first.
    pub received: Vec<ReceivedChangeId>,
}

/// One stage of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StepLine {
    /// The stage's name as stored.
    pub stage: String,
    /// When it began; `None` where the stored text is no time.
    pub started_at: Option<Wall>,
    /// When it ended.
    pub completed_at: Option<Wall>,
    /// How long it took, milliseconds.
    pub duration_ms: Option<u64>,
    /// True unless the job failed in it; `None` while it lasts.
    pub succeeded: Option<bool>,
    /// The job's correlation id.
    pub correlation: Option<CorrelationId>,
}

/// One entry of a job's log, its words as stored: an older waybill shows what a newer one wrote.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventLine {
    /// When it happened; `None` where the stored text is no time.
    pub at: Option<Wall>,
    /// How much it matters.
    pub level: Level,
    /// The event's name.
    pub event: String,
    /// A sentence for people.
    pub message: String,
    /// A JSON object with the figures behind it.
    pub attributes: String,
    /// The job's correlation id at that time.
    pub correlation: Option<CorrelationId>,
}
