//! Why a request is refused: a closed list, each with what, where and the remedy. The appliances turn it into a status
//! and a `problem+json`.

use crate::model::id::JobId;
use crate::model::status::JobStatus;

/// Why a request is refused. Nothing has changed where one of these comes back.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Nobody has heard of the job.
    #[error("job {id:?} is not known here")]
    UnknownJob {
        /// As it was asked for.
        id: String,
    },
    /// The OMA does not track the job.
    #[error("job {id:?} is not tracked here")]
    NotTracked {
        /// As it was asked for.
        id: String,
    },
    /// The OMA's configuration has no such VMA.
    #[error("VMA {vma:?} is not configured; known: {known}")]
    UnknownVma {
        /// As it was asked for.
        vma: String,
        /// The configured names.
        known: String,
    },
    /// The job has ended and cannot be declared, tracked or ended again.
    #[error("job {job} has ended as {status}")]
    Finished {
        /// The job.
        job: JobId,
        /// How it ended.
        status: JobStatus,
    },
    /// The job has ended, and its row was moved to the archive.
    #[error("job {job} has ended and is in the archive")]
    Archived {
        /// The job.
        job: JobId,
    },
    /// What is announced differs from what is known.
    #[error("job {job} is known with other facts: {differences}")]
    Contradiction {
        /// The job.
        job: JobId,
        /// `key: known ..., given ...`, separated by semicolons.
        differences: String,
    },
    /// Two jobs claim one alias.
    #[error("name {name:?} belongs to unfinished job {holder} and is claimed by job {claimant}")]
    AliasTaken {
        /// The alias or export name.
        name: String,
        /// Who has it.
        holder: JobId,
        /// Who wants it.
        claimant: JobId,
    },
    /// A declared disk is not Completed, so the job cannot succeed.
    #[error("job {job} cannot succeed: {disks}")]
    DisksOpen {
        /// The job.
        job: JobId,
        /// `disk-1 is Streaming, ...`.
        disks: String,
    },
    /// The caller is known, and this is not theirs.
    #[error("{caller} asked for what is {whose}")]
    NotYours {
        /// Who asked.
        caller: String,
        /// Whose it is.
        whose: String,
    },
    /// There is no room now; there will be.
    #[error("{what}: at most {limit}, and that many there are")]
    Full {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// More is asked for than is ever possible.
    #[error("{what}: at most {limit}")]
    TooMany {
        /// What there is too much of.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
}

impl Refusal {
    /// What the caller can do about it.
    pub fn remedy(&self) -> String {
        match self {
            Self::UnknownJob { .. } => {
                "check the id, or declare the job with PUT /api/v1/jobs/{id} before its mover starts".to_owned()
            }
            Self::NotTracked { .. } => {
                "check the id with `waybill jobs`, or track the job first: `waybill track JOB --vma NAME`".to_owned()
            }
            Self::UnknownVma { .. } => "use one of the known names, or add a [[vma]] section and reload".to_owned(),
            Self::Finished { .. } => {
                "an ended job never changes: another run needs a new job id, or its mover starts again under the old one, \
                 which opens the run <id>~2, as a declaration with \"again\": true does"
                    .to_owned()
            }
            Self::Archived { .. } => "use another job id: the history goes by it".to_owned(),
            Self::Contradiction { .. } => {
                "repeat the known facts or leave them out; use a new id for another run".to_owned()
            }
            Self::AliasTaken { holder, .. } => format!("finish job {holder} first, or leave the name out"),
            Self::DisksOpen { .. } => {
                "wait until the disks are Completed, or end the job: `waybill finish JOB --failed TEXT`".to_owned()
            }
            Self::NotYours { .. } => {
                "ask on the appliance's own machine, or an OMA with an operator's certificate: `waybill pki issue --operator \
                 NAME`"
                    .to_owned()
            }
            Self::Full { .. } => "finish jobs that no longer run: `waybill finish JOB --failed TEXT`".to_owned(),
            Self::TooMany { .. } => "split the job, or give it a shorter id where that is too long".to_owned(),
        }
    }
}
