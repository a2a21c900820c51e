//! What goes into the fleet and what comes out of it: settings, what happened, what is to be sent.

use std::time::Duration;

use crate::model::id::{CorrelationId, Epoch, JobId, VmaName};
use crate::model::job::Job;
use crate::model::progress::Progress;
use crate::model::request::{Declaration, Outcome, TrackRequest};
use crate::model::source_log::LogPage;
use crate::model::status::JobStatus;
use crate::policy::backoff::Backoff;
use crate::policy::contact::Miss;
use crate::policy::throttle::ThrottleSettings;

/// What a stall does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnStall {
    /// An event and a mark.
    Warn,
    /// It fails the job.
    Fail,
}

/// How the OMA tracks, from its configuration.
#[derive(Debug, Clone)]
pub struct FleetSettings {
    /// Pace, backoff and the age of contact that fails a job.
    pub backoff: Backoff,
    /// How long a job may stay Queued or unseen.
    pub queued_timeout: Duration,
    /// How long a streaming mover may be silent.
    pub stall_after: Duration,
    /// What happens then.
    pub on_stall: OnStall,
    /// When rows are written.
    pub throttle: ThrottleSettings,
    /// The configured VMAs.
    pub vmas: Vec<VmaName>,
    /// Track every job that a VMA lists.
    pub discover: bool,
    /// Seed for jitter and correlation ids.
    pub seed: u64,
}

/// What happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Input {
    /// A poll brought a document.
    Answered(JobId, Box<Progress>),
    /// A poll brought none.
    Missed(JobId, Miss),
    /// The VMA answered that a job is to end, or could not be asked.
    FinishAnswered(JobId, FinishAnswer),
    /// The VMA answered to a declaration, or could not be asked.
    DeclareAnswered(JobId, Box<Declaration>, DeclareAnswer),
    /// The job's row says that it has ended, and it was not this process that wrote so.
    EndedElsewhere(JobId, JobStatus),
    /// A row that another program inserted.
    Noticed(Box<Job>),
    /// A VMA listed the jobs that changed.
    Listed(VmaName, Listed),
    /// A VMA did not answer with a list.
    ListMissed(VmaName),
    /// A part of the VMA's log of a job.
    LogRead(JobId, LogPage),
    /// That part could not be read; the text says why.
    LogMissed(JobId, String),
    /// A row that could not be written.
    RowRefused(JobId, String),
    /// A VMA's link stands again, so that whoever was slowed down need not wait any longer.
    LinkUp(VmaName),
    /// The database takes records again, or does not.
    Writable(bool),
    /// Nothing but time.
    Elapsed,
}

impl Input {
    /// The one job that it is about.
    pub(super) fn job(&self) -> Option<&JobId> {
        match self {
            Self::Answered(id, _) | Self::Missed(id, _) | Self::FinishAnswered(id, _) => Some(id),
            Self::EndedElsewhere(id, _) | Self::RowRefused(id, _) | Self::DeclareAnswered(id, ..) => Some(id),
            Self::LogRead(id, _) | Self::LogMissed(id, _) => Some(id),
            Self::Noticed(job) => Some(&job.id),
            Self::Listed(..) | Self::ListMissed(_) | Self::LinkUp(_) | Self::Writable(_) | Self::Elapsed => None,
        }
    }
}

/// Who hands a change id over: a VMA, or a mover, which says neither and means the present run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sender<'s> {
    /// The VMA.
    pub vma: Option<&'s VmaName>,
    /// The run, of a VMA that may have kept the change id for long.
    pub correlation: Option<&'s CorrelationId>,
}

/// A VMA's list, without the jobs that have a row here already.
#[derive(Debug, Clone, PartialEq)]
pub struct Listed {
    /// The VMA's epoch.
    pub epoch: Option<Epoch>,
    /// The sequence up to which the list goes.
    pub sequence: u64,
    /// True where the VMA has more to list.
    pub more: bool,
    /// Jobs that have ended at the VMA.
    pub ended: Vec<JobId>,
    /// Jobs that are new here, each with what was declared of it here.
    pub jobs: Vec<TrackRequest>,
}

/// How a VMA took a declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeclareAnswer {
    /// It knows all of it now.
    Taken,
    /// It refuses, with its reason.
    Refused(String),
    /// It could not be asked.
    Unreachable,
}

/// How a VMA took the news that a job is to end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FinishAnswer {
    /// It ended the job.
    Taken,
    /// It does not know the job.
    Unknown,
    /// It refuses, with its reason.
    Refused(String),
    /// It could not be asked.
    Unreachable(String),
}

/// What is to be sent.
#[derive(Debug, Clone, PartialEq)]
pub enum Action {
    /// Ask the VMA for the job's document; answer with `Answered` or `Missed`, exactly once.
    Poll {
        /// The job.
        job: JobId,
        /// Who to ask.
        vma: VmaName,
        /// For the `X-Correlation-ID` header.
        correlation: Option<CorrelationId>,
    },
    /// Tell the VMA that the job ends; answer with `FinishAnswered`, exactly once.
    TellFinish {
        /// The job.
        job: JobId,
        /// Who to tell.
        vma: VmaName,
        /// How it ends.
        outcome: Outcome,
        /// For the `X-Correlation-ID` header.
        correlation: Option<CorrelationId>,
    },
    /// Declare to the VMA what was declared here of a job; answer with `DeclareAnswered`, exactly once.
    Declare {
        /// The job.
        job: JobId,
        /// Who to tell.
        vma: VmaName,
        /// What the VMA lacks.
        declaration: Box<Declaration>,
        /// For the `X-Correlation-ID` header.
        correlation: Option<CorrelationId>,
    },
    /// Ask the VMA for its log of a job; answer with `LogRead` or `LogMissed`, exactly once.
    ReadLog {
        /// The job.
        job: JobId,
        /// Who to ask.
        vma: VmaName,
        /// The last entry that is known here, by its id there; 0 for none.
        after: u64,
        /// For the `X-Correlation-ID` header.
        correlation: Option<CorrelationId>,
    },
    /// Ask a VMA for the jobs that changed; answer with `Listed` or `ListMissed`, exactly once.
    List {
        /// Who to ask.
        vma: VmaName,
        /// The sequence up to which its list is known here.
        since: u64,
        /// The epoch of that sequence.
        epoch: Option<Epoch>,
    },
}
