//! Entries of a job's log: a closed vocabulary of what can happen, so that rows can be counted and searched.

use super::id::{CorrelationId, JobId};
use super::time::Wall;

/// How much an entry matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// The ordinary course of things.
    Info,
    /// Somebody may want to look.
    Warning,
    /// Somebody has to act.
    Error,
}

impl Level {
    /// The spelling in SQLite.
    pub const fn stored_name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
    /// The level of that spelling.
    pub fn from_stored_name(name: &str) -> Option<Self> {
        [Self::Info, Self::Warning, Self::Error].into_iter().find(|level| level.stored_name() == name)
    }
}

macro_rules! events {
    ($($(#[$doc:meta])* $variant:ident = $name:literal $level:ident,)*) => {
        /// What happened.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Event { $($(#[$doc])* $variant,)* }

        impl Event {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The name in `job_events.event`.
            pub const fn stored_name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }
            /// How much it matters.
            pub const fn level(self) -> Level {
                match self { $(Self::$variant => Level::$level,)* }
            }
        }
    };
}

events! {
    /// The job was announced by name.
    JobDeclared = "job_declared" Info,
    /// A push was the first that was heard of the job.
    JobAutoInitialized = "job_auto_initialized" Info,
    /// The OMA began to poll the job.
    TrackingStarted = "tracking_started" Info,
    /// The OMA came back and went on polling the job.
    TrackingResumed = "tracking_resumed" Info,
    /// The OMA no longer polls the job.
    TrackingStopped = "tracking_stopped" Info,
    /// A finished id was started again and became a new run.
    RunOpened = "run_opened" Info,
    /// The run entered a later stage.
    StageChanged = "stage_changed" Info,
    /// The job's status changed.
    StatusChanged = "status_changed" Info,
    /// A disk's status changed.
    DiskStatusChanged = "disk_status_changed" Info,
    /// A quarter of the bytes arrived.
    Milestone = "milestone" Info,
    /// A total was replaced by another; the one thing that may let a percent fall.
    PlanRevised = "plan_revised" Info,
    /// vCenter told how much there is to copy, and what that rests on.
    PlanMade = "plan_made" Info,
    /// A better basis was not to be had; the next one serves.
    PlanWeaker = "plan_weaker" Warning,
    /// vCenter could not be asked how much there is to copy; it is asked again.
    PlanDelayed = "plan_delayed" Warning,
    /// The job and vCenter say different things of a VM's disks.
    PlanContradicted = "plan_contradicted" Warning,
    /// A change id from which an incremental was to start cannot be trusted.
    BaselineSuspect = "baseline_suspect" Warning,
    /// How much was planned and how much was moved, at the end.
    PlanAccuracy = "plan_accuracy" Info,
    /// Figures come from the operating system because the mover's own are coarse.
    ProgressRefined = "progress_refined" Info,
    /// Counters came back smaller; the larger stay.
    BytesRegressed = "bytes_regressed" Warning,
    /// Something asked for a status or stage that may not follow.
    TransitionRefused = "transition_refused" Warning,
    /// A stage or status text that nobody knows (`wire.md`).
    UnknownText = "unknown_text" Warning,
    /// The mover copies in full what was declared incremental, or the other way round.
    SyncContradicted = "sync_contradicted" Warning,
    /// A run that succeeded does not start where the last good run of its disk ended.
    ChainBroken = "chain_broken" Warning,
    /// A `completed` without an open disk: a client's retry (`wire.md`).
    DuplicateCompletion = "duplicate_completion" Info,
    /// A push that could belong to several disks, or to none that is left.
    PushUnassigned = "push_unassigned" Warning,
    /// A second job claimed a name that was declared for this one.
    AliasConflict = "alias_conflict" Warning,
    /// The VM's path of a job was given after the job had ended.
    VmPathGiven = "vm_path_given" Info,
    /// The VM has another path than at its last run, and the same instance UUID.
    VmRenamed = "vm_renamed" Info,
    /// A disk that had only a placeholder for a name got its own.
    DiskNamed = "disk_named" Info,
    /// A mover began to count again with another total: it copies the rest, and both passes count.
    PassStarted = "pass_started" Info,
    /// Something that an operator should know of a job that goes on; it stays with the job's row.
    WarningRaised = "warning_raised" Warning,
    /// A text had bytes that are no UTF-8; they were replaced.
    TextReplaced = "text_replaced" Warning,
    /// A disk that nobody had declared.
    DiskDiscovered = "disk_discovered" Info,
    /// A disk could not be taken in.
    DiskRefused = "disk_refused" Warning,
    /// A mover's or disk's failure, with its text (F19).
    DiskFailed = "disk_failed" Error,
    /// A change id arrived and is stored.
    ChangeIdReceived = "change_id_received" Info,
    /// A change id arrived that is not `<uuid>/<counter>`, or for something unknown; it is stored all the same.
    ChangeIdSuspect = "change_id_suspect" Warning,
    /// The OMA could not be given a change id yet; it waits on the VMA and is tried again.
    ChangeIdDelayed = "change_id_delayed" Warning,
    /// The OMA has a change id that arrived on the VMA.
    ChangeIdForwarded = "change_id_forwarded" Info,
    /// A mover asked for a disk's last change id, and the one that is known is not served: of another VM, or size.
    ChangeIdNotServed = "change_id_not_served" Warning,
    /// A mover asked for a disk's last change id, and the OMA could not be asked: its earlier answer was given (F38).
    ChangeIdRemembered = "change_id_remembered" Warning,
    /// The same, with no earlier answer: the mover copies everything (F38).
    ChangeIdNotAsked = "change_id_not_asked" Warning,
    /// Every declared disk is Completed and has its change id.
    CompletionJudged = "completion_judged" Info,
    /// The VMA was told of the end, or could not be.
    FinishTold = "finish_told" Info,
    /// The VMA would not take the end that it was told of.
    FinishRefused = "finish_refused" Warning,
    /// The source's correlation id took the place of the OMA's own.
    CorrelationAdopted = "correlation_adopted" Info,
    /// Three polls in a row brought nothing.
    ContactLost = "contact_lost" Warning,
    /// A poll brought a document again.
    ContactRegained = "contact_regained" Info,
    /// The polls of a job became fewer or returned to their pace.
    BackoffChanged = "backoff_changed" Info,
    /// The configuration has other rules for polls and writes.
    PaceReconfigured = "pace_reconfigured" Info,
    /// The mover is silent while streaming.
    JobStalled = "job_stalled" Warning,
    /// The mover was heard again.
    JobResumed = "job_resumed" Info,
    /// The source's database is another one, of another epoch, or was set back to an earlier state.
    SourceReplaced = "source_replaced" Warning,
    /// The VMA's log of a job that has ended could not be read to its end.
    SourceLogMissed = "source_log_missed" Warning,
    /// The job ended well.
    JobSucceeded = "job_succeeded" Info,
    /// The job ended badly.
    JobFailed = "job_failed" Error,
    /// Another program ended the job in the database.
    EndedElsewhere = "ended_elsewhere" Warning,
    /// waybill itself panicked while the job was handled.
    PanicCaught = "panic_caught" Error,
    /// A row could not be written while the rest of its job could.
    RowRefused = "row_refused" Error,
}

/// The value of one attribute of an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A text.
    Text(String),
    /// A whole number.
    Number(i64),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}
impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}
impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}
impl From<u64> for Value {
    fn from(number: u64) -> Self {
        Self::Number(i64::try_from(number).unwrap_or(i64::MAX))
    }
}

/// One entry of a job's log; a row of `job_events` and a line of the daemon's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The job that it is about.
    pub job: JobId,
    /// When it happened.
    pub at: Wall,
    /// What happened.
    pub event: Event,
    /// A sentence for people.
    pub message: String,
    /// The figures behind the sentence, for programs.
    pub attributes: Vec<(&'static str, Value)>,
    /// The job's correlation id.
    pub correlation: Option<CorrelationId>,
}

/// One entry of a job's log as it is read back, whoever wrote it; a row of `job_events`, or of `source_events`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// When it happened; `None` where the stored text is no time.
    pub at: Option<Wall>,
    /// How much it matters.
    pub level: Level,
    /// What happened: `Event::stored_name`.
    pub event: String,
    /// A sentence for people.
    pub message: String,
    /// The figures behind it: a JSON object.
    pub attributes: String,
    /// The job's correlation id at that time.
    pub correlation: Option<CorrelationId>,
}
