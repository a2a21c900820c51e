//! `waybill watch` where nobody looks at a terminal: one line that can be searched for each change of a job, with its figures
//! and its reason.

use crate::model::job::{Contact, Job};
use crate::model::stage::Stage;
use crate::model::status::{DiskStatus, JobStatus};

use super::note::Standing;
use super::{Moment, note, table, units};

/// What of a job is worth a line when it is another than before: status, stage, contact, stall, a daemon that has gone, each
/// whole percent, and the status of each disk. A rate alone is not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    status: JobStatus,
    stage: Option<Stage>,
    contact: Contact,
    is_stalled: bool,
    standing: Standing,
    is_polled: bool,
    percent: u16,
    disks: Vec<DiskStatus>,
}

impl Shown {
    /// What a line of the job would show.
    pub fn of(job: &Job, now: Moment) -> Self {
        let is_stalled = job.stalled_since.is_some();
        Self {
            status: job.status,
            stage: job.stage,
            // Beside a stall a poll or two that were missed are no news.
            contact: if is_stalled && job.contact == Contact::Late { Contact::Fresh } else { job.contact },
            is_stalled,
            standing: note::standing(job, now),
            is_polled: note::not_polled_since(now).is_none(),
            percent: job.totals.percent.hundredths() / 100,
            disks: job.disks.iter().map(|disk| disk.status).collect(),
        }
    }
}

/// `TIME JOB STATUS STAGE PERCENT MOVED RATE REMAINING | disks | what is done or waited for`, without a line end.
pub fn job(job: &Job, now: Moment) -> String {
    let stage = job.stage.map_or("-", Stage::wire_name);
    let moved = table::moved(job);
    let rate = table::rate(job, now).unwrap_or_else(|| "-".to_owned());
    let disks =
        job.disks.iter().map(|disk| format!("{} {} {}%", units::plain(disk.id.as_str()), disk.status, disk.percent));
    format!(
        "{} {} {} {stage} {}% {moved} {rate} {} | {} | {}",
        now.wall,
        units::plain(job.id.as_str()),
        job.status,
        job.totals.percent,
        table::remaining(job, now),
        disks.collect::<Vec<_>>().join(", "),
        note::activity(job, now).text
    )
}
