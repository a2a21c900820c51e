//! What a change id says of the job that it came for: which disk is meant, whether it can be trusted, and how the job's log
//! has it, worded once for both appliances.

use super::journal::{Journal, bounded};
use crate::model::disk::Disk;
use crate::model::event::Event;
use crate::model::id::{ChangeId, DiskId};
use crate::model::job::Job;
use crate::model::request::ChangeIdReport;
use crate::model::status::DiskStatus;
use crate::model::time::Now;

/// A change id that came for a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arrival {
    /// The disk as it was called.
    pub named: Option<DiskId>,
    /// The job's disk that is meant; `None` where the job does not have it.
    pub disk: Option<DiskId>,
    /// The change id; `None` where it is not well-formed and must not be used.
    pub given: Option<ChangeId>,
    /// Where the run started, as the mover says.
    pub previous: Option<ChangeId>,
}

impl Arrival {
    /// Reads a report as one for this job.
    pub fn of(job: &Job, report: &ChangeIdReport) -> Self {
        let named = DiskId::parse(&report.disk).ok();
        let disk = named.as_ref().and_then(|named| job.place_of(named)).map(|at| job.disks[at].id.clone());
        let given = ChangeId::from_text(&report.change_id).filter(ChangeId::is_well_formed);
        let previous = report.previous_change_id.as_deref().and_then(ChangeId::from_text);
        Self { named, disk, given, previous }
    }

    /// The entry of the job's log.
    pub fn note(&self, now: Now, job: &Job, report: &ChangeIdReport, journal: &mut Journal) {
        let (event, message) = match (&self.disk, &self.given) {
            (Some(disk), Some(given)) => {
                (Event::ChangeIdReceived, format!("change id of disk {disk}: {}", given.as_str()))
            }
            (Some(disk), None) => {
                let text =
                    format!("change id of disk {disk} is not <uuid>/<counter>: {:?}", bounded(&report.change_id));
                (Event::ChangeIdSuspect, text)
            }
            (None, _) => {
                let text = format!("change id for disk {:?}, which this job does not have yet", bounded(&report.disk));
                (Event::ChangeIdSuspect, text)
            }
        };
        journal.note(now, job, event, message, vec![("disk", report.disk.as_str().into())]);
    }
}

/// Names the disk that a mover means whose job knows it by a placeholder only: movers copy a disk, post its change id, and
/// only then go on, so that the one copied disk without a name and a change id is the one that the id is of. The place of
/// the disk, if one was named.
pub fn name_disk(job: &mut Job, report: &ChangeIdReport) -> Option<usize> {
    let named = DiskId::parse(&report.disk).ok().filter(|named| job.place_of(named).is_none())?;
    let waits = |disk: &Disk| !disk.named && disk.status == DiskStatus::Completed && disk.change_id.is_none();
    let mut waiting = (0..job.disks.len()).filter(|at| waits(&job.disks[*at]));
    let (Some(at), None) = (waiting.next(), waiting.next()) else { return None };
    job.disks[at].name(named);
    Some(at)
}

/// Gives a disk its change id and the one where its run started: what the mover says, else what was known, else what the
/// mover had been served.
pub fn take(disk: &mut Disk, given: ChangeId, previous: Option<ChangeId>, served: Option<ChangeId>) {
    disk.change_id = Some(given);
    if let Some(previous) = previous {
        (disk.previous_change_id, disk.previous_served) = (Some(previous), false);
    } else if disk.previous_change_id.is_none() {
        disk.previous_served = served.is_some();
        disk.previous_change_id = served;
    }
}

/// The warning of a change id whose disk the job does not have.
pub fn unplaced(report: &ChangeIdReport) -> String {
    format!("a change id came for disk {:?}, which this job does not have", bounded(&report.disk))
}
