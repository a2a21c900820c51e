//! Which status may follow which.

use crate::model::status::{DiskStatus, JobStatus};

/// The edges of R-41 in stored spelling, as (`job` or `disk`, from, to): the rows of `status_transitions`.
pub fn stored_rows() -> Vec<(&'static str, &'static str, &'static str)> {
    let mut rows = Vec::new();
    for &from in JobStatus::ALL.iter().filter(|status| !status.is_final()) {
        for &to in JobStatus::ALL.iter().filter(|&&to| to > from) {
            rows.push(("job", from.stored_name(), to.stored_name()));
        }
    }
    rows.push(("job", JobStatus::Snapshotting.stored_name(), JobStatus::Preparing.stored_name()));
    for &from in &DiskStatus::ALL[..3] {
        for &to in DiskStatus::ALL.iter().filter(|&&to| to > from) {
            rows.push(("disk", from.stored_name(), to.stored_name()));
        }
    }
    rows.push(("disk", DiskStatus::Failed.stored_name(), DiskStatus::Streaming.stored_name()));
    rows
}
