//! The one transition table (R-41) and the only functions that apply it.
//!
//! ```text
//!   Queued --> Preparing <--> Snapshotting --> Streaming --> Finalizing --> Succeeded
//!      any of the first five may skip ahead to any later one, or end as --> Failed
//!
//!   Queued --> Snapshotting --> Streaming --> Completed
//!      any of the first three may skip ahead, or --> Failed --> Streaming (a resumed copy, while the job is unfinished)
//! ```
//!
//! The setters never panic and never change anything when they refuse: the caller learns from and to, and logs it once.
//! The same table fills `status_transitions` in SQLite, and a test compares it with the rules written out by hand.

use std::fmt;

use crate::model::stage::Stage;
use crate::model::status::{DiskStatus, JobStatus};

/// What a transition did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moved<T> {
    /// It was already there.
    Not,
    /// It went on from this.
    From(T),
}

/// A transition that the table does not have (R-42).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Refused<T> {
    /// Where it is, and stays.
    pub from: T,
    /// Where it was asked to go.
    pub to: T,
}

impl<T: fmt::Display> fmt::Display for Refused<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} -> {}", self.from, self.to)
    }
}

/// True where a job may go from one status to the other.
pub fn job_may(from: JobStatus, to: JobStatus) -> bool {
    use JobStatus::{Failed, Finalizing, Preparing, Queued, Snapshotting, Streaming, Succeeded};
    match from {
        Queued => matches!(to, Preparing | Snapshotting | Streaming | Finalizing | Succeeded | Failed),
        Preparing => matches!(to, Snapshotting | Streaming | Finalizing | Succeeded | Failed),
        // Back to Preparing: the stage PrepareVolumes comes after Snapshot.
        Snapshotting => matches!(to, Preparing | Streaming | Finalizing | Succeeded | Failed),
        Streaming => matches!(to, Finalizing | Succeeded | Failed),
        Finalizing => matches!(to, Succeeded | Failed),
        Succeeded | Failed => false,
    }
}

/// True where a disk of an unfinished job may go from one status to the other.
pub fn disk_may(from: DiskStatus, to: DiskStatus) -> bool {
    use DiskStatus::{Completed, Failed, Queued, Snapshotting, Streaming};
    match from {
        Queued => matches!(to, Snapshotting | Streaming | Completed | Failed),
        Snapshotting => matches!(to, Streaming | Completed | Failed),
        Streaming => matches!(to, Completed | Failed),
        Failed => matches!(to, Streaming),
        Completed => false,
    }
}

/// Sets a job's status where the table allows it.
pub fn set_job_status(status: &mut JobStatus, to: JobStatus) -> Result<Moved<JobStatus>, Refused<JobStatus>> {
    set(status, to, job_may)
}

/// Sets a disk's status where the table allows it.
pub fn set_disk_status(status: &mut DiskStatus, to: DiskStatus) -> Result<Moved<DiskStatus>, Refused<DiskStatus>> {
    set(status, to, disk_may)
}

/// Sets a stage: forward only, skipping allowed (R-40).
pub fn set_stage(stage: &mut Option<Stage>, to: Stage) -> Result<Moved<Option<Stage>>, Refused<Stage>> {
    match *stage {
        Some(from) if from == to => Ok(Moved::Not),
        Some(from) if from > to => Err(Refused { from, to }),
        from => {
            *stage = Some(to);
            Ok(Moved::From(from))
        }
    }
}

fn set<T: Copy + PartialEq>(status: &mut T, to: T, may: fn(T, T) -> bool) -> Result<Moved<T>, Refused<T>> {
    let from = *status;
    if from == to {
        return Ok(Moved::Not);
    }
    if !may(from, to) {
        return Err(Refused { from, to });
    }
    *status = to;
    Ok(Moved::From(from))
}

/// The table as the rows of `status_transitions`: subject (`job` or `disk`), from, to, in their stored names.
pub fn stored_rows() -> Vec<(&'static str, &'static str, &'static str)> {
    let jobs = JobStatus::ALL.iter().flat_map(|from| JobStatus::ALL.iter().map(move |to| (*from, *to)));
    let disks = DiskStatus::ALL.iter().flat_map(|from| DiskStatus::ALL.iter().map(move |to| (*from, *to)));
    let job_rows =
        jobs.filter(|(from, to)| job_may(*from, *to)).map(|(from, to)| ("job", from.stored_name(), to.stored_name()));
    let disk_rows = disks
        .filter(|(from, to)| disk_may(*from, *to))
        .map(|(from, to)| ("disk", from.stored_name(), to.stored_name()));
    job_rows.chain(disk_rows).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sentence of R-41, written a second time in its own words: not final -> any later one or Failed; besides,
    /// Snapshotting -> Preparing and, for disks, Failed -> Streaming.
    #[test]
    fn the_table_is_the_sentence_of_r41() {
        for (i, from) in JobStatus::ALL.iter().enumerate() {
            for (j, to) in JobStatus::ALL.iter().enumerate() {
                let last = [JobStatus::Succeeded, JobStatus::Failed];
                let back = (*from, *to) == (JobStatus::Snapshotting, JobStatus::Preparing);
                assert_eq!(job_may(*from, *to), !last.contains(from) && j > i || back, "{from} -> {to}");
            }
        }
        for (i, from) in DiskStatus::ALL.iter().enumerate() {
            for (j, to) in DiskStatus::ALL.iter().enumerate() {
                let last = [DiskStatus::Completed, DiskStatus::Failed];
                let resumed = (*from, *to) == (DiskStatus::Failed, DiskStatus::Streaming);
                assert_eq!(disk_may(*from, *to), !last.contains(from) && j > i || resumed, "{from} -> {to}");
            }
        }
    }

    #[test]
    fn the_diagram_names_every_status() {
        let diagram = include_str!("transition.rs").split("```").nth(1).expect("the diagram at the head");
        for name in JobStatus::ALL.iter().map(|s| s.wire_name()).chain(DiskStatus::ALL.iter().map(|s| s.wire_name())) {
            assert!(diagram.contains(name), "{name} is missing from the diagram");
        }
    }

    #[test]
    fn stages_only_go_forward_and_may_skip() {
        for from in Stage::ALL {
            for to in Stage::ALL {
                let mut stage = Some(from);
                let moved = set_stage(&mut stage, to);
                assert_eq!(stage, Some(from.max(to)), "{from} -> {to}");
                assert_eq!(moved.is_err(), to < from, "{from} -> {to}");
            }
        }
    }

    #[test]
    fn a_refused_transition_changes_nothing_and_says_what_it_was() {
        let mut status = JobStatus::Succeeded;
        let refused = set_job_status(&mut status, JobStatus::Streaming).expect_err("final");
        assert_eq!((status, refused.to_string().as_str()), (JobStatus::Succeeded, "Succeeded -> Streaming"));
    }

    #[test]
    fn the_stored_rows_are_the_edges_in_stored_names() {
        let rows = stored_rows();
        assert_eq!(rows.iter().filter(|row| row.0 == "job").count(), 21);
        assert_eq!(rows.iter().filter(|row| row.0 == "disk").count(), 10);
        assert!(rows.contains(&("disk", "failed", "syncing")) && rows.contains(&("job", "pending", "completed")));
    }
}
