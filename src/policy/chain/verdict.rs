//! What can be said of a run in its disk's chain: a closed list, each with its weight, its sentence and its remedy.
//!
//! A wrong "fine" costs data, a wrong "fault" costs trust. So a fault is what may have left blocks uncopied, or leaves the
//! next incremental nowhere to start; what only cost time, or cannot be known from these rows, is a note.

use crate::model::id::{ChangeId, JobId};

/// How much a verdict matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Severity {
    /// The ordinary course of things.
    Sound,
    /// Worth knowing, and no reason to act.
    Note,
    /// Somebody has to act, unless a later run has made it good.
    Fault,
}

impl Severity {
    /// The word in JSON.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sound => "sound",
            Self::Note => "note",
            Self::Fault => "fault",
        }
    }
}

/// A change id and the run that left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// The run.
    pub job: JobId,
    /// What it left.
    pub id: ChangeId,
}

/// What can be said of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A full copy: a chain starts with it.
    Starts,
    /// An incremental that started where the last good run ended.
    Continues,
    /// It did not succeed, so that the chain stays where it was.
    Failed,
    /// An incremental that started where an earlier run ended than the last good one.
    Overlap {
        /// Where it started, and the run that ended there.
        from: Left,
    },
    /// An incremental before which no good run of this disk is known.
    Unrooted {
        /// Where it started.
        from: ChangeId,
    },
    /// The job has no VM path, so that no other run of this disk can be found.
    Unplaced,
    /// An incremental right after a full copy that failed.
    AfterFailedFull {
        /// The run that failed.
        job: JobId,
    },
    /// A full copy that left the change id of an earlier copy.
    Repeated(Left),
    /// An incremental that started neither where the last good run ended nor where an earlier one did.
    Gap {
        /// Where it started.
        from: ChangeId,
        /// The last good run.
        last: JobId,
        /// Where that ended; `None` where it left nothing to start from.
        ended: Option<ChangeId>,
    },
    /// An incremental that started where a failed run ended.
    BuiltOnFailed(Left),
    /// An incremental that says not where it started.
    NoPrevious,
    /// An incremental that started from what is no change id.
    SuspectPrevious {
        /// What it started from.
        from: ChangeId,
    },
    /// Tracking began anew during an incremental, or before it.
    Reset {
        /// The change id before.
        before: ChangeId,
        /// The one with another uuid.
        after: ChangeId,
    },
    /// An incremental over a disk that had another size at the run before it.
    Resized {
        /// Its size in bytes at the run before.
        then: u64,
        /// Its size in bytes at this run.
        now: u64,
    },
    /// The counter fell.
    Backwards {
        /// The change id before.
        before: ChangeId,
        /// The one with the lower counter.
        after: ChangeId,
    },
    /// An incremental copied blocks and left a change id that there had been before.
    Reused {
        /// The change id.
        id: ChangeId,
        /// The earlier run that left it; `None` where it is only known as the one from which this run started.
        job: Option<JobId>,
    },
    /// It left what is no change id.
    Suspect {
        /// What it left.
        left: ChangeId,
        /// The last good change id before it.
        resume: Option<Left>,
    },
    /// It succeeded and left no change id (F37).
    Missing {
        /// The last good change id before it.
        resume: Option<Left>,
    },
}

const COPY: &str = "copy this disk in full once";

impl Verdict {
    /// How much it matters.
    pub const fn severity(&self) -> Severity {
        match self {
            Self::Starts | Self::Continues | Self::Failed => Severity::Sound,
            Self::Overlap { .. } | Self::Unrooted { .. } | Self::Unplaced => Severity::Note,
            Self::AfterFailedFull { .. } | Self::Repeated(_) => Severity::Note,
            Self::Gap { .. } | Self::BuiltOnFailed(_) | Self::NoPrevious | Self::SuspectPrevious { .. } => {
                Severity::Fault
            }
            Self::Reset { .. } | Self::Backwards { .. } | Self::Reused { .. } | Self::Resized { .. } => Severity::Fault,
            Self::Suspect { .. } | Self::Missing { .. } => Severity::Fault,
        }
    }
    /// The word in tables and in JSON.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Starts => "starts",
            Self::Continues => "continues",
            Self::Failed => "failed",
            Self::Overlap { .. } => "overlap",
            Self::Unrooted { .. } => "unrooted",
            Self::Unplaced => "unplaced",
            Self::AfterFailedFull { .. } => "after_failed_full",
            Self::Repeated(_) => "repeated",
            Self::Gap { .. } => "gap",
            Self::BuiltOnFailed(_) => "built_on_failed",
            Self::NoPrevious => "no_previous",
            Self::SuspectPrevious { .. } => "suspect_previous",
            Self::Reset { .. } => "reset",
            Self::Resized { .. } => "resized",
            Self::Backwards { .. } => "backwards",
            Self::Reused { .. } => "reused",
            Self::Suspect { .. } => "suspect",
            Self::Missing { .. } => "missing",
        }
    }
    /// True for a fault that an incremental makes good which starts from before it: it copies all that may be missing. The
    /// others say that VMware's own account of the changes cannot be relied on, and only a full copy needs none.
    pub(super) const fn is_mended_by_overlap(&self) -> bool {
        match self {
            Self::Gap { .. } | Self::BuiltOnFailed(_) | Self::NoPrevious | Self::SuspectPrevious { .. } => true,
            Self::Suspect { .. } | Self::Missing { .. } => true,
            Self::Reset { .. } | Self::Backwards { .. } | Self::Reused { .. } | Self::Resized { .. } => false,
            Self::Starts | Self::Continues | Self::Failed => false,
            Self::Overlap { .. } | Self::Unrooted { .. } | Self::Unplaced => false,
            Self::AfterFailedFull { .. } | Self::Repeated(_) => false,
        }
    }
    /// What is the matter, in a sentence.
    pub fn message(&self) -> String {
        match self {
            Self::Starts => "a full copy: a chain starts".to_owned(),
            Self::Continues => "started where the last good run ended".to_owned(),
            Self::Failed => "failed: the chain stays where it was".to_owned(),
            Self::Overlap { from } => format!(
                "started where job {} had ended ({}), before the last good run: it copied more than was needed",
                from.job,
                from.id.as_str()
            ),
            Self::Unrooted { from } => format!(
                "started from {}, before which no good run of this disk is known: it is older than this history, in an \
                 archive, or under another VM path",
                from.as_str()
            ),
            Self::Unplaced => "its job has no VM path, so that no other run of this disk can be found".to_owned(),
            Self::AfterFailedFull { job } => {
                format!("the full copy of job {job} failed before it: where that had a new target, blocks are missing")
            }
            Self::Repeated(left) => {
                format!("left {}, as job {} had done, though it copied all blocks again", left.id.as_str(), left.job)
            }
            Self::Gap { from, last, ended } => {
                let ended = ended.as_ref().map(|id| format!("ended with {}", id.as_str()));
                let ended = ended.unwrap_or("left nothing to start from".to_owned());
                format!(
                    "started from {}, but the last good run, job {last}, {ended}: what was written between them may \
                     never have been copied",
                    from.as_str()
                )
            }
            Self::BuiltOnFailed(left) => format!(
                "started where job {} had ended ({}), which failed: what that did not copy is missing",
                left.job,
                left.id.as_str()
            ),
            Self::NoPrevious => {
                "an incremental that does not say from which change id it started: what it left out is unknown"
                    .to_owned()
            }
            Self::SuspectPrevious { from } => {
                format!("started from {}, which is not <uuid>/<counter>: what it left out is unknown", quoted(from))
            }
            Self::Reset { before, after } => format!(
                "change tracking was reset: {} after {} has another uuid, so that the blocks written between cannot be told",
                after.as_str(),
                before.as_str()
            ),
            Self::Resized { then, now } => format!(
                "the disk had {then} bytes at the run before and has {now}: what change tracking says across that cannot be \
                 relied on"
            ),
            Self::Backwards { before, after } => format!(
                "the counter went back to {} after {}, as where the VM has returned to an earlier snapshot: the blocks \
                 that this undid cannot be told",
                after.as_str(),
                before.as_str()
            ),
            Self::Reused { id, job } => {
                let before = job.as_ref().map_or("it had started from".to_owned(), |job| format!("job {job} had left"));
                format!(
                    "copied blocks and left {}, which {before}: the blocks written between cannot be told",
                    id.as_str()
                )
            }
            Self::Suspect { left, .. } => {
                format!("left {}, which is not <uuid>/<counter>: no incremental can start there", quoted(left))
            }
            Self::Missing { .. } => {
                "succeeded and left no change id: no incremental can start where it ended".to_owned()
            }
        }
    }
    /// What to do about it; `None` where there is nothing to do.
    pub fn remedy(&self) -> Option<String> {
        match self {
            Self::Starts | Self::Continues | Self::Failed => None,
            Self::Overlap { .. } | Self::Repeated(_) => None,
            Self::Unrooted { .. } => Some(format!("where no earlier run is known to be sound, {COPY}")),
            Self::Unplaced => Some("declare the VM's path with each job, as `waybill track --vm PATH` does".to_owned()),
            Self::AfterFailedFull { .. } => Some(format!("where the target was made anew for it, {COPY}")),
            Self::Gap { .. } | Self::BuiltOnFailed(_) | Self::NoPrevious | Self::SuspectPrevious { .. } => {
                Some(COPY.to_owned())
            }
            Self::Reset { .. } | Self::Backwards { .. } | Self::Reused { .. } => Some(COPY.to_owned()),
            Self::Resized { .. } => Some(COPY.to_owned()),
            Self::Suspect { resume, .. } | Self::Missing { resume } => Some(match resume {
                Some(left) => format!(
                    "see that its mover hands change ids to the OMA; let the next incremental start from {} of job {}, \
                     or {COPY}",
                    left.id.as_str(),
                    left.job
                ),
                None => format!("see that its mover hands change ids to the OMA; {COPY}"),
            }),
        }
    }
}

/// Characters that are shown of what is no change id; it may be anything.
const QUOTED: usize = 80;

fn quoted(id: &ChangeId) -> String {
    let shown: String = id.as_str().chars().take(QUOTED).collect();
    let more = if shown.len() < id.as_str().len() { " ..." } else { "" };
    format!("{shown:?}{more}")
}
