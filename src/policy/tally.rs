//! The figures of a whole job out of those of its disks.
//!
//! A Completed disk counts with what it moved. A disk whose plan is not known yet counts, in the percent only, with the
//! mean of the plans that are known: so one disk of two cannot fill the whole bar.

use super::estimate::eta_seconds;
use crate::model::disk::{Basis, Disk};
use crate::model::job::{Job, Totals};
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
pub fn tally(job: &Job, rate: u64) -> Totals {
    let disks = &job.disks;
    let moved = sum(disks.iter().map(|disk| disk.bytes_transferred));
    let total = sum(disks.iter().filter_map(plan_of));
    let is_done = job.status == JobStatus::Succeeded;
    let percent = if is_done { Percent::DONE } else { percent_of(job, moved, total) };
    let flow = if is_done || is_total_known(job) { rate } else { 0 };
    Totals {
        total_bytes: total,
        bytes_transferred: moved,
        throughput_bps: rate,
        percent,
        eta_seconds: eta_seconds(is_done, total, moved, flow),
        basis: disks.iter().filter_map(|disk| disk.basis).max(),
    }
}

/// How many disks of the job have no known size: those that were met, and those that were only counted.
pub fn unknown_sizes(job: &Job) -> usize {
    let met = job.disks.iter().filter(|disk| plan_of(disk).is_none() && !job.is_shadowed(disk)).count();
    let counted = job.disk_count.map_or(0, |count| usize::try_from(count).unwrap_or(0));
    met + counted.saturating_sub(job.disks.iter().filter(|disk| !job.is_shadowed(disk)).count())
}

/// True if the total covers every disk that is known of.
pub fn is_total_known(job: &Job) -> bool {
    unknown_sizes(job) == 0
}

fn percent_of(job: &Job, moved: u64, total: u64) -> Percent {
    let disks = &job.disks;
    let known = disks.iter().filter(|disk| plan_of(disk).is_some()).count() as u64;
    let unknown = unknown_sizes(job) as u64;
    if unknown == 0 && !disks.is_empty() && disks.iter().all(|disk| disk.status == DiskStatus::Completed) {
        // Also if nothing had changed and there was nothing to move (F39).
        return Percent::ALMOST;
    }
    let Some(mean) = total.checked_div(known) else { return by_the_mover(job, unknown) };
    Percent::unfinished(moved, total.saturating_add(mean.saturating_mul(unknown)))
}

/// Without any plan the movers' own shares are all there is: their mean over the disks that are known of.
fn by_the_mover(job: &Job, disks: u64) -> Percent {
    let shares = job.disks.iter().map(|disk| u64::from(disk.percent.hundredths()));
    let mean = sum(shares).checked_div(disks.max(1)).and_then(|mean| u16::try_from(mean).ok());
    mean.map_or(Percent::ZERO, |mean| Percent::from_hundredths(mean).min(Percent::ALMOST))
}

fn sum(bytes: impl Iterator<Item = u64>) -> u64 {
    bytes.fold(0, u64::saturating_add)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{DiskId, JobId, VmaName};
    use crate::model::time::Wall;

    fn disk(status: DiskStatus, planned: Option<u64>, moved: u64) -> Disk {
        let mut disk = Disk::new(DiskId::parse("d").expect("an id"));
        disk.status = status;
        disk.planned_bytes = planned;
        disk.bytes_transferred = moved;
        disk
    }

    fn job(status: JobStatus, disks: &[Disk]) -> Job {
        let id = JobId::parse("j").expect("an id");
        let mut job = Job::new(id, VmaName::parse("v").expect("a name"), Wall::from_unix_millis(0));
        (job.status, job.disks) = (status, disks.to_vec());
        job
    }

    fn percent(disks: &[Disk]) -> String {
        tally(&job(JobStatus::Streaming, disks), 0).percent.to_string()
    }

    #[test]
    fn f11_every_disk_counts() {
        let disks = [disk(DiskStatus::Streaming, Some(300), 30), disk(DiskStatus::Streaming, Some(100), 70)];
        let totals = tally(&job(JobStatus::Streaming, &disks), 10);
        assert_eq!((totals.total_bytes, totals.bytes_transferred, totals.eta_seconds), (400, 100, Some(30)));
        assert_eq!(totals.percent.to_string(), "25.00");
    }

    #[test]
    fn a_completed_disk_counts_with_what_it_moved() {
        let disks = [disk(DiskStatus::Completed, Some(1000), 100), disk(DiskStatus::Streaming, Some(100), 0)];
        assert_eq!(tally(&job(JobStatus::Streaming, &disks), 0).total_bytes, 200);
        assert_eq!(percent(&disks), "50.00");
    }

    #[test]
    fn a_disk_without_a_plan_keeps_its_share_of_the_bar() {
        assert_eq!(percent(&[disk(DiskStatus::Completed, None, 100), disk(DiskStatus::Queued, None, 0)]), "50.00");
        assert_eq!(percent(&[disk(DiskStatus::Queued, None, 0)]), "0.00");
        assert_eq!(percent(&[]), "0.00");
    }

    #[test]
    fn a_disk_that_is_only_counted_keeps_its_share_and_has_no_eta() {
        let mut counted = job(JobStatus::Streaming, &[disk(DiskStatus::Completed, Some(50), 50)]);
        counted.disk_count = Some(2);
        assert_eq!(tally(&counted, 0).percent.to_string(), "50.00");
        counted.disks.push(disk(DiskStatus::Streaming, Some(90), 0));
        assert_eq!(tally(&counted, 9).percent.to_string(), "35.71");
        assert_eq!(tally(&counted, 9).eta_seconds, Some(10));
        counted.disks[1].planned_bytes = None;
        assert_eq!((unknown_sizes(&counted), tally(&counted, 9).eta_seconds), (1, None));
    }

    #[test]
    fn without_a_plan_the_movers_own_share_is_the_percent() {
        let mut disks = [disk(DiskStatus::Streaming, None, 0), disk(DiskStatus::Queued, None, 0)];
        disks[0].percent = Percent::from_hundredths(4200);
        assert_eq!((percent(&disks[..1]), percent(&disks)), ("42.00".to_owned(), "21.00".to_owned()));
    }

    #[test]
    fn a_hundred_is_only_for_a_job_that_has_succeeded() {
        let disks = [disk(DiskStatus::Completed, Some(0), 0), disk(DiskStatus::Completed, Some(5), 5)];
        assert_eq!(percent(&disks), "99.99");
        assert_eq!(tally(&job(JobStatus::Succeeded, &disks), 0).percent, Percent::DONE);
        assert_eq!(percent(&[disk(DiskStatus::Streaming, Some(10), 15)]), "99.99");
    }

    #[test]
    fn the_weakest_basis_names_the_whole() {
        let mut disks = [disk(DiskStatus::Queued, Some(1), 0), disk(DiskStatus::Queued, Some(1), 0)];
        disks[0].basis = Some(Basis::CbtAllocated);
        disks[1].basis = Some(Basis::Mover);
        assert_eq!(tally(&job(JobStatus::Queued, &disks), 0).basis, Some(Basis::Mover));
    }
}
