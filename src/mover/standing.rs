//! The state of a job at the VMA, and what follows from it for one who copies a disk of it.

use crate::model::id::{DiskId, JobId};
use crate::model::job::CANCELLED;
use crate::model::status::{DiskStatus, JobStatus};
use crate::wire::progress::{self, BadDocument};

/// What the progress document says, as far as it decides how to go on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JobStanding {
    /// How far the job is.
    pub status: JobStatus,
    /// Why the job failed.
    pub error: Option<String>,
    /// The VM's inventory path; empty where it is not known.
    pub vm_path: String,
    /// The disks that it knows.
    pub disks: Vec<Known>,
    /// How many disks the job has, where that was declared.
    pub disk_count: Option<usize>,
}

/// A disk of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its id.
    pub id: DiskId,
    /// How far it is.
    pub status: DiskStatus,
    /// It was declared.
    pub declared: bool,
    /// A plan says that there is nothing to move.
    pub has_nothing_to_move: bool,
}

impl JobStanding {
    /// Reads the progress document.
    pub fn read(body: &[u8]) -> Result<Self, BadDocument> {
        let progress = progress::parse(body)?;
        let known = |disk: &crate::model::disk::Disk| Known {
            id: disk.id.clone(),
            status: disk.status,
            declared: disk.declared,
            has_nothing_to_move: disk.planned_bytes == Some(0) && disk.basis.is_some_and(|basis| basis.is_of_cbt()),
        };
        Ok(Self {
            status: progress.status,
            error: progress.error,
            vm_path: progress.vm.map(|vm| vm.path).unwrap_or_default(),
            disks: progress.disks.iter().map(known).collect(),
            disk_count: progress.disk_count.and_then(|count| usize::try_from(count).ok()),
        })
    }
    /// Why the job was cancelled; `None` where it was not.
    pub fn cancelled(&self) -> Option<&str> {
        let reason = self.error.as_deref()?.strip_prefix(CANCELLED)?;
        (self.status == JobStatus::Failed).then_some(reason)
    }
    /// The ids of the declared disks.
    pub fn declared(&self) -> impl Iterator<Item = &DiskId> {
        self.disks.iter().filter(|disk| disk.declared).map(|disk| &disk.id)
    }
    /// Why the job is not to be ended although a disk of it is done; `None` where it is. `last`: the user says that it was
    /// the last disk.
    pub fn how_it_goes_on(&self, run: &JobId, last: bool) -> Option<String> {
        if self.status.is_final() {
            return Some(self.already_ended(run));
        }
        if self.disks.is_empty() {
            return Some(format!("job {run} goes on: the VMA knows no disk of it"));
        }
        // A disk that a plan has brought and no mover has touched may be left out.
        let is_open = |disk: &&Known| {
            disk.status != DiskStatus::Completed && (disk.declared || disk.status != DiskStatus::Queued)
        };
        let open: Vec<&str> = self.disks.iter().filter(is_open).map(|disk| disk.id.as_str()).collect();
        if !open.is_empty() {
            return Some(format!("job {run} goes on, waiting for {}", open.join(", ")));
        }
        let declared = Some(self.declared().count()).filter(|count| *count > 0);
        let completed = self.disks.iter().filter(|disk| disk.status == DiskStatus::Completed).count();
        match self.disk_count.or(declared) {
            Some(count) if completed < count => {
                let are = if completed == 1 { "is" } else { "are" };
                Some(format!("job {run} goes on: {completed} of its {count} disks {are} completed"))
            }
            None if !last => Some(format!(
                "job {run} goes on: how many disks it has was never declared; end it with --last on its last disk, or: \
                 waybill finish {run}"
            )),
            Some(_) | None => None,
        }
    }
    /// That the job has ended already, and why.
    pub fn already_ended(&self, run: &JobId) -> String {
        let why = self.error.as_ref().map(|error| format!(": {error}")).unwrap_or_default();
        format!("job {run} is {} already{why}", self.status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn standing(status: &str, disks: &[(&str, &str, bool)], count: &str) -> JobStanding {
        let disk = |(id, status, declared): &(&str, &str, bool)| {
            format!(r#"{{"id":"{id}","status":"{status}","declared":{declared},"bytes_transferred":0}}"#)
        };
        let disks: Vec<String> = disks.iter().map(disk).collect();
        let body = format!(
            r#"{{"job_id":"j","stage":"Transfer","status":"{status}","error":"cancelled: wrong volume","disks":[{}],
                "aggregate":{{"total_bytes":0,"bytes_transferred":0}},"disk_count":{count}}}"#,
            disks.join(",")
        );
        JobStanding::read(body.as_bytes()).expect("a document")
    }
    fn goes_on(standing: &JobStanding, last: bool) -> String {
        standing.how_it_goes_on(&JobId::parse("j").expect("an id"), last).unwrap_or_default()
    }

    #[test]
    fn a_job_is_ended_only_when_all_its_disks_are_completed() {
        let declared = |second| standing("Streaming", &[("a", "Completed", true), ("b", second, true)], "null");
        assert_eq!(goes_on(&declared("Completed"), false), "");
        assert_eq!(goes_on(&declared("Queued"), true), "job j goes on, waiting for b");
        assert!(goes_on(&standing("Streaming", &[], "null"), true).contains("no disk"));
        assert!(goes_on(&standing("Failed", &[("a", "Completed", true)], "1"), true).contains("Failed already"));
    }

    #[test]
    fn a_job_whose_disks_were_never_counted_is_not_ended() {
        let one = |count| standing("Streaming", &[("a", "Completed", false)], count);
        assert!(goes_on(&one("null"), false).ends_with("end it with --last on its last disk, or: waybill finish j"));
        assert_eq!((goes_on(&one("null"), true), goes_on(&one("1"), false)), (String::new(), String::new()));
        assert_eq!(goes_on(&one("2"), true), "job j goes on: 1 of its 2 disks is completed");
    }

    #[test]
    fn a_disk_that_only_a_plan_has_brought_may_be_left_out() {
        let job = standing("Streaming", &[("a", "Completed", false), ("b", "Queued", false)], "null");
        assert_eq!(goes_on(&job, true), "");
        let job = standing("Streaming", &[("a", "Completed", false), ("b", "Streaming", false)], "null");
        assert_eq!(goes_on(&job, true), "job j goes on, waiting for b");
    }

    #[test]
    fn only_a_failed_job_is_cancelled() {
        assert_eq!(standing("Failed", &[], "null").cancelled(), Some("wrong volume"));
        assert_eq!(standing("Streaming", &[], "null").cancelled(), None);
    }
}
