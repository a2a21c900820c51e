//! What the end of a job means for the rest of it, on both appliances alike.

use crate::model::job::Job;
use crate::model::status::DiskStatus;
use crate::model::text::bounded;
use crate::model::time::Now;
use crate::policy::journal::Journal;
use crate::policy::transition::{Moved, set_disk_status};

/// The job has failed: its disks that were being copied are no longer, whatever a mover that nobody asks still does (U2).
pub fn stop_disks(now: Now, job: &mut Job, journal: &mut Journal) {
    for at in 0..job.disks.len() {
        let disk = &mut job.disks[at];
        if !matches!(disk.status, DiskStatus::Snapshotting | DiskStatus::Streaming) {
            continue;
        }
        if let Ok(Moved::From(before)) = set_disk_status(&mut disk.status, DiskStatus::Failed) {
            disk.ended_at = Some(now.wall);
            disk.error.clone_from(&job.error);
            journal.disk_moved(now, job, &job.disks[at], before);
        }
    }
}

/// The reason of a failure in words: what was given, else what the disks said, never nothing (F19, U3).
pub fn failure_text(job: &Job, reason: &str) -> String {
    if !reason.is_empty() {
        return bounded(reason);
    }
    let said: Vec<String> = job
        .disks
        .iter()
        .filter_map(|disk| disk.error.as_ref().map(|error| format!("disk {}: {error}", disk.id)))
        .collect();
    if said.is_empty() {
        return "ended as Failed, and whoever ended it gave no reason".to_owned();
    }
    bounded(&said.join("; "))
}
