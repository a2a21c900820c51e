//! The figures of a whole job out of those of its disks.
//!
//! A Completed disk counts with what it moved. A disk whose plan is not known yet counts, in the percent only, with the
//! mean of the plans that are known: so one disk of two cannot fill the whole bar.

use super::estimate::eta_seconds;
use crate::model::disk::{Basis, Disk};
use crate::model::job::Totals;
use crate::model::percent::Percent;
use crate::model::status::{DiskStatus, JobStatus};

/// What the plan of a disk counts as: bytes, or `None` while unknown.
pub fn plan_of(disk: &Disk) -> Option<u64> {
    match disk.status {
        DiskStatus::Completed => Some(disk.bytes_transferred),
        DiskStatus::Queued | DiskStatus::Snapshotting | DiskStatus::Streaming | DiskStatus::Failed => {
            disk.planned_bytes.filter(|bytes| *bytes > 0 || disk.basis.is_some_and(Basis::is_of_cbt))
        }
    }
}

/// The percent of one disk by its bytes and status.
pub fn disk_percent(disk: &Disk) -> Percent {
    match disk.status {
        DiskStatus::Completed => Percent::DONE,
        DiskStatus::Queued | DiskStatus::Snapshotting | DiskStatus::Streaming | DiskStatus::Failed => {
            Percent::unfinished(disk.bytes_transferred, disk.planned_bytes.unwrap_or(0))
        }
    }
}

/// The figures of the job. `rate` is that of all disks together in bytes per second.
pub fn tally(status: JobStatus, disks: &[Disk], rate: u64) -> Totals {
    let moved = sum(disks.iter().map(|disk| disk.bytes_transferred));
    let total = sum(disks.iter().filter_map(plan_of));
    let is_done = status == JobStatus::Succeeded;
    let percent = if is_done { Percent::DONE } else { percent_of(disks, moved, total) };
    Totals {
        total_bytes: total,
        bytes_transferred: moved,
        throughput_bps: rate,
        percent,
        eta_seconds: eta_seconds(is_done, total, moved, rate),
        basis: disks.iter().filter_map(|disk| disk.basis).max(),
    }
}

fn percent_of(disks: &[Disk], moved: u64, total: u64) -> Percent {
    let known = disks.iter().filter(|disk| plan_of(disk).is_some()).count() as u64;
    let unknown = disks.len() as u64 - known;
    if !disks.is_empty() && disks.iter().all(|disk| disk.status == DiskStatus::Completed) {
        // Also where nothing had changed and there was nothing to move (F39).
        return Percent::ALMOST;
    }
    let whole = match total.checked_div(known) {
        Some(mean) => total.saturating_add(mean.saturating_mul(unknown)),
        None => 0,
    };
    Percent::unfinished(moved, whole)
}

fn sum(bytes: impl Iterator<Item = u64>) -> u64 {
    bytes.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::DiskId;

    fn disk(status: DiskStatus, planned: Option<u64>, moved: u64) -> Disk {
        let mut disk = Disk::new(DiskId::parse("d").expect("an id"));
        disk.status = status;
        disk.planned_bytes = planned;
        disk.bytes_transferred = moved;
        disk
    }

    fn percent(disks: &[Disk]) -> String {
        tally(JobStatus::Streaming, disks, 0).percent.to_string()
    }

    #[test]
    fn f11_every_disk_counts() {
        let disks = [disk(DiskStatus::Streaming, Some(300), 30), disk(DiskStatus::Streaming, Some(100), 70)];
        let totals = tally(JobStatus::Streaming, &disks, 10);
        assert_eq!((totals.total_bytes, totals.bytes_transferred, totals.eta_seconds), (400, 100, Some(30)));
        assert_eq!(totals.percent.to_string(), "25.00");
    }

    #[test]
    fn a_completed_disk_counts_with_what_it_moved() {
        let disks = [disk(DiskStatus::Completed, Some(1000), 100), disk(DiskStatus::Streaming, Some(100), 0)];
        assert_eq!(tally(JobStatus::Streaming, &disks, 0).total_bytes, 200);
        assert_eq!(percent(&disks), "50.00");
    }

    #[test]
    fn a_disk_without_a_plan_keeps_its_share_of_the_bar() {
        assert_eq!(percent(&[disk(DiskStatus::Completed, None, 100), disk(DiskStatus::Queued, None, 0)]), "50.00");
        assert_eq!(percent(&[disk(DiskStatus::Queued, None, 0)]), "0.00");
        assert_eq!(percent(&[]), "0.00");
    }

    #[test]
    fn a_hundred_is_only_for_a_job_that_has_succeeded() {
        let disks = [disk(DiskStatus::Completed, Some(0), 0), disk(DiskStatus::Completed, Some(5), 5)];
        assert_eq!(percent(&disks), "99.99");
        assert_eq!(tally(JobStatus::Succeeded, &disks, 0).percent, Percent::DONE);
        assert_eq!(percent(&[disk(DiskStatus::Streaming, Some(10), 15)]), "99.99");
    }

    #[test]
    fn the_weakest_basis_names_the_whole() {
        let mut disks = [disk(DiskStatus::Queued, Some(1), 0), disk(DiskStatus::Queued, Some(1), 0)];
        disks[0].basis = Some(Basis::CbtAllocated);
        disks[1].basis = Some(Basis::Mover);
        assert_eq!(tally(JobStatus::Queued, &disks, 0).basis, Some(Basis::Mover));
    }
}
