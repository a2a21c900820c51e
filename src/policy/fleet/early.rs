//! Change ids that came before what they belong to: before the job was tracked, or before its disk was known. They
//! are stored already; here they wait for their disk, so that a short copy or a restart between two polls costs none.

use super::board::Fleet;
use super::tracked::Tracked;
use crate::limits;
use crate::model::change::{Change, ReceivedChangeId};
use crate::model::event::Event;
use crate::model::id::{ChangeId, DiskId, JobId};
use crate::model::request::ChangeIdReport;
use crate::model::time::Now;

impl Fleet {
    /// A job that was taken in since the last call. Whoever holds the database then gives [`Fleet::recall`] what was
    /// received for it, once all that was decided is written.
    pub fn next_admitted(&mut self) -> Option<JobId> {
        self.admitted.pop()
    }

    /// Change ids that were received for a job so far, the oldest first: those whose disk has none yet are its.
    pub fn recall(&mut self, now: Now, id: &JobId, received: Vec<ReceivedChangeId>) {
        let Some(tracked) = self.jobs.get_mut(id) else { return };
        for ReceivedChangeId { disk, change_id, previous_change_id, .. } in received {
            tracked.await_disk(&ChangeIdReport { change_id, disk, previous_change_id });
        }
        let job = &tracked.job;
        // What a disk has stands: every later id reached it when it came.
        tracked.early.retain(|report| place(job, &report.disk).is_none_or(|at| job.disks[at].change_id.is_none()));
        if self.place_early(now, id) {
            self.judge(now, id);
            self.settle(now, id);
        }
    }

    /// Gives waiting change ids to the disks that are known by now. True where there was one.
    pub(super) fn place_early(&mut self, now: Now, id: &JobId) -> bool {
        let Some(tracked) = self.jobs.get_mut(id) else { return false };
        let mut is_placed = false;
        for report in std::mem::take(&mut tracked.early) {
            let Some(at) = place(&tracked.job, &report.disk) else {
                tracked.early.push(report);
                continue;
            };
            let disk = &mut tracked.job.disks[at];
            let previous = report.previous_change_id.as_deref().and_then(ChangeId::from_text);
            disk.change_id = ChangeId::from_text(&report.change_id);
            disk.previous_change_id = previous.or_else(|| disk.previous_change_id.take());
            let message = format!("change id of disk {}, which came before the disk: {}", disk.id, report.change_id);
            let attributes = vec![("disk", disk.id.as_str().into())];
            self.journal.note(now, &tracked.job, Event::ChangeIdReceived, message, attributes);
            is_placed = true;
        }
        if is_placed {
            tracked.written(now);
            self.journal.push(Change::Progress(Box::new(tracked.job.clone())));
        }
        is_placed
    }
}

impl Tracked {
    /// Keeps a sound change id until its disk is known; of one disk the newest.
    pub(super) fn await_disk(&mut self, report: &ChangeIdReport) {
        let is_sound = ChangeId::from_text(&report.change_id).is_some_and(|id| id.is_well_formed());
        if !is_sound || DiskId::parse(&report.disk).is_err() {
            return;
        }
        self.early.retain(|earlier| earlier.disk != report.disk);
        if self.early.len() < limits::DISKS_PER_JOB {
            self.early.push(report.clone());
        }
    }
}

fn place(job: &crate::model::job::Job, disk: &str) -> Option<usize> {
    DiskId::parse(disk).ok().and_then(|named| job.place_of(&named))
}
