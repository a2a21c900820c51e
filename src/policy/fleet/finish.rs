//! How jobs end on the OMA: the source says so, the OMA judges it by its own evidence, silence or somebody's wish.

use std::time::Duration;

use super::board::Fleet;
use super::copies::Copies;
use super::port::{Action, FinishAnswer, Sender};
use super::tracked::{Judgement, Tracked};
use crate::limits;
use crate::model::change::{CbtEntry, Change, ReceivedChangeId, ServedChangeId};
use crate::model::disk::Disk;
use crate::model::event::Event;
use crate::model::id::{ChangeId, CorrelationId, DiskId, JobId, VmaName};
use crate::model::job::{Job, SyncKind};
use crate::model::percent::Percent;
use crate::model::request::{ChangeIdReport, Outcome};
use crate::model::status::{DiskStatus, JobStatus};
use crate::model::time::Now;
use crate::model::warning::WarningKind;
use crate::policy::arrival::{self, Arrival};
use crate::policy::ending::{failure_text, stop_disks};
use crate::policy::journal::bounded;
use crate::policy::refusal::Refusal;
use crate::policy::transition::{Moved, set_job_status};

/// How long after a refusal the VMA is told again that a job has ended.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(30);

impl Fleet {
    /// Ends a job on an operator's word. The VMA is told, once and without waiting.
    pub fn cancel(&mut self, now: Now, id: &JobId, reason: &str) -> Result<(), Refusal> {
        self.take_in_hand(id);
        let tracked = self.jobs.get(id).ok_or_else(|| Refusal::NotTracked { id: id.to_string() })?;
        let reason = if reason.is_empty() { "no reason was given" } else { reason };
        let text = bounded(&format!("cancelled: {reason}"));
        self.actions.push_back(Action::TellFinish {
            job: id.clone(),
            vma: tracked.job.vma.clone(),
            outcome: Outcome::Failed(text.clone()),
            correlation: tracked.job.correlation.clone(),
        });
        self.logs.tells(id);
        self.fail(now, id, text);
        Ok(())
    }

    /// Takes a change id in every state, also for what is unknown: it is stored as it is. `ended` is the job's
    /// row if it is no longer tracked, `served` what a mover was served last of the disk.
    pub fn change_id(
        &mut self,
        now: Now,
        path: &str,
        report: &ChangeIdReport,
        sender: Sender<'_>,
        ended: Option<&Job>,
        served: Option<&ServedChangeId>,
    ) {
        let Sender { vma, correlation } = sender;
        let ended = ended.filter(|job| job.status.is_final());
        let is_of_ended = correlation.is_some() && ended.is_some_and(|job| job.correlation.as_ref() == correlation);
        let tracked = if is_of_ended { None } else { self.tracked_under(path, vma, correlation) };
        let job = tracked.as_ref().and_then(|id| self.jobs.get(id)).map(|tracked| &tracked.job).or(ended);
        let vm_path = job.map(|job| job.vm.path.clone());
        let received = ReceivedChangeId::new(path, report, vm_path, now.wall);
        self.journal.push(Change::ChangeIdReceived(ReceivedChangeId { vma: vma.cloned(), ..received }));
        let Some(mut job) = job.cloned() else { return };
        // What has just been kept stays kept, whatever happens from here on.
        self.take_in_hand(&job.id);
        // A change id that a VMA hands on has named its disk there, and the VMA's document says so.
        let is_of_mover = correlation.is_none() && vma.is_none();
        if let Some(id) = tracked.as_ref().filter(|_| is_of_mover) {
            self.name_disk(now, id, report);
            job = self.jobs.get(id).map_or(job, |tracked| tracked.job.clone());
        }
        let job = &job;
        let arrival = Arrival::of(job, report);
        arrival.note(now, job, report, &mut self.journal);
        let Arrival { named, disk, given, previous } = arrival;
        if let (None, Some(named), Some(id), Some(given)) = (&disk, named, &tracked, &given) {
            let early = (named, given.clone(), previous);
            self.keep_early(id, early);
            return self.warn_of_unplaced(now, id, report);
        }
        let (Some(disk), true) = (disk, given.is_some()) else { return };
        let served = served.filter(|served| served.is_of_run(job)).map(|served| served.change_id.clone());
        let Some(entry) = history_of(job, &disk, &Copies::default(), now) else { return };
        match (tracked, given) {
            (Some(id), Some(given)) => self.keep_change_id(now, &id, &disk, (given, previous, served)),
            (None, given) if entry.change_id.is_none() || entry.change_id == given => {
                self.journal.push(Change::History(superseding(entry, given, previous, served)));
            }
            (Some(_), None) => {}
            (None, _) => {
                // Another id than that of the run may be of a later run, which is not known here: it must not be served.
                let message = "the run has ended with another change id for this disk; this one is kept and not served";
                self.journal.note(now, job, Event::ChangeIdSuspect, message, vec![("disk", disk.as_str().into())]);
            }
        }
    }

    /// The tracked job that a caller means by a name: the run that the correlation id is of, else the newest run of that id
    /// else the one job that has it as another name.
    fn tracked_under(&self, name: &str, vma: Option<&VmaName>, correlation: Option<&CorrelationId>) -> Option<JobId> {
        let is_theirs =
            |id: &&JobId| vma.is_none_or(|vma| self.jobs.get(*id).is_some_and(|tracked| tracked.job.vma == *vma));
        let base = JobId::parse(name).ok()?;
        let is_of_run = |job: &Job| correlation.is_some() && job.correlation.as_ref() == correlation;
        if self.jobs.get(&base).is_some_and(|tracked| is_of_run(&tracked.job)) {
            return Some(base).filter(|base| is_theirs(&base));
        }
        if let Some(run) = self.newest_run_of(&base, vma) {
            return Some(run);
        }
        let is_named = |tracked: &Tracked| tracked.names.iter().any(|known| known == name);
        let mut named = self.jobs.iter().filter(|(_, tracked)| is_named(tracked)).map(|(id, _)| id).filter(is_theirs);
        let (only, None) = (named.next()?, named.next()) else { return None };
        Some(only.clone())
    }

    /// Change ids that the database has of a job that has just come under the OMA's eyes: they wait for their disks.
    /// What another VMA handed over under this job's name is not this job's.
    pub fn recall(&mut self, id: &JobId, received: Vec<ReceivedChangeId>) {
        let Some(vma) = self.jobs.get(id).map(|tracked| tracked.job.vma.clone()) else { return };
        for one in received.into_iter().filter(|one| one.vma.as_ref().is_none_or(|from| *from == vma)) {
            let (disk, given) = (DiskId::parse(&one.disk).ok(), ChangeId::from_text(&one.change_id));
            let previous = one.previous_change_id.as_deref().and_then(ChangeId::from_text);
            if let (Some(disk), Some(given)) = (disk, given.filter(ChangeId::is_well_formed)) {
                self.keep_early(id, (disk, given, previous));
            }
        }
    }

    /// A mover may be faster than the poll that brings its disks. The latest for a disk stands.
    fn keep_early(&mut self, id: &JobId, early: (DiskId, ChangeId, Option<ChangeId>)) {
        let Some(tracked) = self.jobs.get_mut(id) else { return };
        tracked.early_change_ids.retain(|(disk, _, _)| *disk != early.0);
        if tracked.early_change_ids.len() < limits::DISKS_PER_JOB {
            tracked.early_change_ids.push(early);
        }
    }

    /// Names the disk of a job that a mover's change id is of, if it has only a placeholder for a name.
    fn name_disk(&mut self, now: Now, id: &JobId, report: &ChangeIdReport) {
        let Some(tracked) = self.jobs.get_mut(id) else { return };
        if let Some(at) = arrival::name_disk(&mut tracked.job, report) {
            tracked.note_difference();
            self.journal.disk_named(now, &tracked.job, &tracked.job.disks[at], "its change id says");
            self.settle(now, id);
        }
    }

    /// A change id waits for its disk: that is in order while a disk is copied that no document has brought yet.
    fn warn_of_unplaced(&mut self, now: Now, id: &JobId, report: &ChangeIdReport) {
        let Some(tracked) = self.jobs.get_mut(id) else { return };
        let may_come = tracked.job.disks.is_empty() || tracked.job.disks.iter().any(|disk| !disk.named);
        if !may_come {
            tracked.warn(now, WarningKind::ChangeIdUnplaced, arrival::unplaced(report), &mut self.journal);
            self.settle(now, id);
        }
    }

    /// Gives the change ids that came early to the disks that a document has brought.
    pub(super) fn place_early_change_ids(&mut self, now: Now, id: &JobId) {
        let Some(tracked) = self.jobs.get_mut(id) else { return };
        for at in name_by_order(tracked) {
            self.journal.disk_named(now, &tracked.job, &tracked.job.disks[at], "the order of the change ids says");
        }
        let waiting = std::mem::take(&mut tracked.early_change_ids);
        for (named, given, previous) in waiting {
            let Some(at) = tracked.job.place_of(&named) else {
                tracked.early_change_ids.push((named, given, previous));
                continue;
            };
            let disk = &mut tracked.job.disks[at];
            if disk.change_id.is_none() {
                arrival::take(disk, given, previous, None);
                tracked.note_difference();
            }
        }
    }

    fn keep_change_id(
        &mut self,
        now: Now,
        id: &JobId,
        disk: &DiskId,
        (given, previous, served): (ChangeId, Option<ChangeId>, Option<ChangeId>),
    ) {
        let Some(tracked) = self.jobs.get_mut(id) else { return };
        if let Some(disk) = tracked.job.disk_mut(disk) {
            arrival::take(disk, given, previous, served);
        }
        tracked.note_difference();
        self.judge(now, id);
        self.settle(now, id);
    }

    /// Every declared disk is Completed and has its change id: the job has succeeded, and the VMA is told.
    pub(super) fn judge(&mut self, now: Now, id: &JobId) {
        let Some(tracked) = self.jobs.get_mut(id) else { return };
        match tracked.judgement {
            Judgement::Telling => {}
            _ if !tracked.is_proven() => tracked.judgement = Judgement::Open,
            Judgement::Open => {
                let message = "every declared disk is Completed and has its change id: telling the VMA";
                if tracked.is_new_refusal("judged") {
                    self.journal.note(now, &tracked.job, Event::CompletionJudged, message, Vec::new());
                }
                self.tell(id);
            }
            Judgement::Judged { tell_at, .. } if tell_at <= now.mono => self.tell(id),
            Judgement::Judged { .. } => {}
        }
    }

    /// True where an end that was to be told still holds after it has waited for the database. Otherwise the job has ended
    /// in another way, or a disk has come that is not copied: then it is told to nobody, and nobody answers.
    pub fn stands_by(&mut self, now: Now, action: &Action) -> bool {
        let Action::TellFinish { job, outcome: Outcome::Succeeded, .. } = action else { return true };
        let tracked = self.jobs.get_mut(job);
        let holds = tracked.as_ref().is_some_and(|tracked| tracked.is_proven());
        if let Some(tracked) = tracked.filter(|_| !holds) {
            tracked.judgement = Judgement::Open;
        }
        if !holds {
            self.was_told(now, job);
        }
        holds
    }

    fn tell(&mut self, id: &JobId) {
        let Some(tracked) = self.jobs.get_mut(id) else { return };
        tracked.judgement = Judgement::Telling;
        self.actions.push_back(Action::TellFinish {
            job: id.clone(),
            vma: tracked.job.vma.clone(),
            outcome: Outcome::Succeeded,
            correlation: tracked.job.correlation.clone(),
        });
        self.logs.tells(id);
    }

    pub(super) fn finish_answered(&mut self, now: Now, id: &JobId, answer: &FinishAnswer) {
        self.was_told(now, id);
        let Some(tracked) = self.jobs.get_mut(id) else { return };
        if tracked.judgement != Judgement::Telling {
            return;
        }
        match answer {
            // A disk has come while the VMA was asked.
            FinishAnswer::Unknown if !tracked.is_proven() => tracked.judgement = Judgement::Open,
            FinishAnswer::Taken => self.succeed(now, id, "the VMA was told that the job has succeeded"),
            FinishAnswer::Unknown => self.succeed(now, id, "the VMA no longer knows the job and could not be told"),
            FinishAnswer::Refused(why) => {
                let tell_at = now.mono + TELL_AGAIN_AFTER;
                tracked.judgement = Judgement::Judged { tell_at, was_refused: true };
                if tracked.is_new_refusal(&format!("finish {why}")) {
                    let message = format!("the VMA does not end the job: {why}");
                    self.journal.note(now, &tracked.job, Event::FinishRefused, message, Vec::new());
                }
                self.settle(now, id);
            }
            FinishAnswer::Unreachable(why) => {
                tracked.untold = tracked.untold.saturating_add(1);
                let delay = self.settings.backoff.delay(tracked.untold, Duration::ZERO, &mut self.dice);
                tracked.judgement = Judgement::Judged { tell_at: now.mono + delay, was_refused: false };
                if tracked.is_new_refusal(&format!("tell {why}")) {
                    let message = format!("the VMA could not be told of the end yet: {why}");
                    self.journal.note(now, &tracked.job, Event::FinishRefused, message, Vec::new());
                }
                self.settle(now, id);
            }
        }
    }

    /// The evidence for success is complete, and the VMA stays silent: the job has succeeded all the same.
    pub(super) fn succeed_untold(&mut self, now: Now, id: &JobId, silence: &str) {
        self.succeed(now, id, &format!("the VMA could not be told that the job has succeeded: {silence}"));
    }

    fn succeed(&mut self, now: Now, id: &JobId, message: &str) {
        let Some(tracked) = self.jobs.get_mut(id) else { return };
        self.journal.note(now, &tracked.job, Event::FinishTold, message, Vec::new());
        self.end_as(now, id, JobStatus::Succeeded);
    }

    pub(super) fn fail(&mut self, now: Now, id: &JobId, reason: String) {
        let Some(tracked) = self.jobs.get_mut(id) else { return };
        tracked.job.error = Some(reason);
        self.end_as(now, id, JobStatus::Failed);
    }

    fn end_as(&mut self, now: Now, id: &JobId, status: JobStatus) {
        let Some(tracked) = self.jobs.get_mut(id) else { return };
        if let Ok(Moved::From(before)) = set_job_status(&mut tracked.job.status, status) {
            self.journal.status_moved(now, &tracked.job, before);
        }
        self.end(now, id);
    }

    /// The job's status is final: its last rows and one history row for each disk; then it is no longer tracked.
    pub(super) fn end(&mut self, now: Now, id: &JobId) {
        let Some(mut tracked) = self.remove(id) else { return };
        let job = &mut tracked.job;
        if job.status == JobStatus::Succeeded {
            job.totals.percent = Percent::DONE;
            job.totals.eta_seconds = Some(0);
            job.error = None;
        } else {
            job.error = Some(failure_text(job, job.error.as_deref().unwrap_or("")));
            job.totals.eta_seconds = None;
            stop_disks(now, job, &mut self.journal);
        }
        job.totals.throughput_bps = 0;
        for disk in &mut job.disks {
            disk.throughput_bps = 0;
        }
        job.completed_at = Some(now.wall);
        job.updated_at = now.wall;
        job.stalled_since = None;
        self.journal.note(now, job, Event::TrackingStopped, "Stopped progress polling for job", Vec::new());
        self.journal.ended(now, job);
        self.record_history(now, &tracked);
        self.last_log(now, id);
    }

    /// One row for each disk of a job that has ended.
    pub(super) fn record_history(&mut self, now: Now, tracked: &Tracked) {
        for disk in &tracked.job.disks {
            if let Some(entry) = history_of(&tracked.job, &disk.id, &tracked.copies, now) {
                self.journal.push(Change::History(entry));
            }
        }
    }
}

/// The history row of one disk of an ended job. What this process did not see begin is measured by wall times.
fn history_of(job: &Job, disk: &DiskId, copies: &Copies, now: Now) -> Option<CbtEntry> {
    let disk = job.disk(disk)?;
    let implied = if disk.previous_change_id.is_some() { SyncKind::Incremental } else { SyncKind::Full };
    let by_wall = || disk.started_at.map(|started| disk.ended_at.unwrap_or(now.wall).seconds_since(started));
    let duration = copies.length(now, disk).map(|length| length.as_secs()).or_else(by_wall);
    Some(CbtEntry {
        job: job.id.clone(),
        vm_path: job.vm.path.clone(),
        disk: disk.id.clone(),
        change_id: disk.change_id.clone(),
        previous_change_id: disk.previous_change_id.clone(),
        previous_served: disk.previous_served,
        sync: job.sync.unwrap_or(implied),
        blocks_changed: disk.blocks_changed,
        bytes_transferred: disk.bytes_transferred,
        sync_duration_seconds: duration.unwrap_or(0),
        sync_success: disk.status == DiskStatus::Completed && !job.is_cancelled(),
        created_at: now.wall,
        device_key: disk.device_key,
        vma: Some(job.vma.clone()),
        vm_uuid: job.vm.uuid.clone(),
        capacity_bytes: disk.capacity_bytes,
    })
}

/// The row that a late change id appends to the history of a run that is over; it stands before the earlier one.
fn superseding(
    mut entry: CbtEntry,
    change_id: Option<ChangeId>,
    previous: Option<ChangeId>,
    served: Option<ChangeId>,
) -> CbtEntry {
    entry.change_id = change_id;
    if previous.is_some() {
        (entry.previous_change_id, entry.previous_served) = (previous, false);
    } else if entry.previous_change_id.is_none() {
        (entry.previous_change_id, entry.previous_served) = (served.clone(), served.is_some());
    }
    entry
}

/// Movers copy a disk, post its change id, and only then go on: as many change ids that wait as there are copied disks
/// without a name are of those disks, in the same order. The places of the disks that were named.
fn name_by_order(tracked: &mut Tracked) -> Vec<usize> {
    let is_unnamed = |disk: &Disk| !disk.named && disk.status == DiskStatus::Completed && disk.change_id.is_none();
    let job = &mut tracked.job;
    let waits: Vec<DiskId> = tracked.early_change_ids.iter().map(|(named, _, _)| named.clone()).collect();
    let waits: Vec<DiskId> = waits.into_iter().filter(|named| job.place_of(named).is_none()).collect();
    let unnamed: Vec<usize> = (0..job.disks.len()).filter(|at| is_unnamed(&job.disks[*at])).collect();
    if unnamed.len() != waits.len() {
        return Vec::new();
    }
    for (at, named) in unnamed.iter().zip(waits) {
        job.disks[*at].name(named);
    }
    unnamed
}
