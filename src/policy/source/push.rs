//! What a mover's push does to its job (R-3, `wire.md`).
//!
//! Without a disk id the order of the messages tells the disks apart: a start opens the next disk, what follows belongs
//! to the open one, `completed` closes it. Nothing is ever completed by guess.

use super::book::Source;
use super::entry::{Entry, Revision};
use crate::limits;
use crate::model::change::Change;
use crate::model::disk::{Basis, Disk};
use crate::model::event::Event;
use crate::model::id::{DiskId, JobId};
use crate::model::job::{Export, Job, SyncKind};
use crate::model::percent::Percent;
use crate::model::request::{Outcome, Push};
use crate::model::stage::Stage;
use crate::model::status::{DiskStatus, JobStatus};
use crate::model::text::bounded;
use crate::model::time::Now;
use crate::model::warning::WarningKind;
use crate::policy::reading::{self, Meaning, Reading};
use crate::policy::refusal::Refusal;
use crate::policy::tally::disk_percent;
use crate::policy::transition::{self, Moved};

/// A push was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pushed {
    /// The job that it went to, which may be a run of the id that was pushed to.
    pub job: JobId,
    /// True where it was the first that was heard of the job.
    pub auto_initialized: bool,
}

impl Source {
    /// Takes a push to an id or an alias.
    pub fn push(&mut self, now: Now, id: &JobId, push: &Push) -> Result<Pushed, Refusal> {
        let read = reading::read(&push.stage, push.status.as_deref());
        let (target, hint, auto_initialized) = self.target(now, id, Start::of(read.meaning, push))?;
        self.name_unknown_texts(now, &target, read.unknown);
        let Some(entry) = self.jobs.get(&target) else { return Err(Refusal::UnknownJob { id: id.to_string() }) };
        if entry.job.status.is_final() {
            self.refuse_late(now, &target, push);
            return Ok(Pushed { job: target, auto_initialized });
        }
        self.note_sync(now, &target, push.sync.as_deref());
        self.keep_movers_words(&target, &read, push);
        self.note_replaced(now, &target, push.replaced);
        let revision = match read.meaning {
            Meaning::Stage(stage, status) => {
                self.advance(now, &target, stage, status);
                None
            }
            Meaning::Copying | Meaning::Copied => {
                self.advance(now, &target, Stage::Transfer, JobStatus::Streaming);
                self.copied(now, &target, push, hint.as_ref(), read.meaning == Meaning::Copied)
            }
            Meaning::Failed(stage) => {
                self.failed(now, &target, push, hint.as_ref(), stage);
                None
            }
            Meaning::Succeeded(stage) => {
                self.succeeded(now, &target, stage);
                None
            }
            Meaning::Nothing => None,
        };
        #[cfg(test)]
        assert!(self.trap.as_ref() != Some(&target), "the trap of job {target}");
        if self.jobs.get(&target).is_some_and(|entry| !entry.job.status.is_final()) {
            self.touch(now, &target, revision.as_slice());
            self.keep_row(&target);
        }
        self.watch_failure(now, &target);
        Ok(Pushed { job: target, auto_initialized })
    }

    /// A phase of the mover's own shows under its own name until it is in a known one. What it said last of a failure counts
    /// until it goes on.
    fn keep_movers_words(&mut self, id: &JobId, read: &Reading<'_>, push: &Push) {
        let Some(Entry { job, mover_failed, .. }) = self.jobs.get_mut(id) else { return };
        let [unknown_stage, _] = read.unknown;
        match read.meaning {
            Meaning::Failed(_) => *mover_failed = Some(bounded(push.error.as_deref().unwrap_or_default())),
            Meaning::Stage(..) | Meaning::Copying | Meaning::Copied | Meaning::Succeeded(_) => {
                (*mover_failed, job.mover_says) = (None, None);
            }
            Meaning::Nothing => {
                *mover_failed = None;
                job.mover_says = unknown_stage.map(bounded).or_else(|| job.mover_says.take());
            }
        }
    }

    /// The job that a push belongs to, and the disk where the id was that of its export.
    fn target(&mut self, now: Now, id: &JobId, start: Start) -> Result<(JobId, Option<DiskId>, bool), Refusal> {
        let has_ended = |job: &JobId| self.jobs.get(job).is_some_and(|entry| entry.job.status.is_final());
        let is_start = start != Start::None;
        // A start goes to the newest run, also by the id of an earlier one.
        let base = if self.jobs.contains_key(id) { self.names.run_of(id).0 } else { id }.clone();
        let name = if is_start { &base } else { id };
        match self.meant_by(name.as_str()) {
            Some((job, None)) if self.jobs.contains_key(id) && self.is_started_again(&job, start) => {
                self.end_restarted(now, &job);
                self.open_run(now, &base, &job).map(|opened| (opened, None, false))
            }
            Some((job, _)) if is_start && has_ended(&job) && self.jobs.contains_key(id) => {
                self.open_run(now, &base, &job).map(|opened| (opened, None, false))
            }
            Some((job, disk)) if !is_start || !has_ended(&job) => Ok((job, disk, false)),
            Some(_) | None => {
                self.auto_initialize(now, id)?;
                Ok((id.clone(), None, true))
            }
        }
    }

    /// A mover that begins at the beginning while its run was copying already was started again (R-40, F50). One that is
    /// known by the name of an export or an alias may be one of several movers of the job, and is not taken for that.
    fn is_started_again(&self, job: &JobId, start: Start) -> bool {
        let Some(entry) = self.jobs.get(job) else { return false };
        let was_copying = entry.job.stage.is_some_and(|stage| stage >= Stage::Transfer);
        start == Start::OfRun && was_copying && !entry.job.status.is_final()
    }

    /// The run of a mover that was started again is over. If all its disks have their change ids only its end was missing.
    fn end_restarted(&mut self, now: Now, id: &JobId) {
        let Some(job) = self.jobs.get(id).map(|entry| &entry.job) else { return };
        let is_whole = |disk: &&Disk| disk.status == DiskStatus::Completed && disk.change_id.is_some();
        let mut opened = job.disks.iter().filter(|disk| disk.is_opened()).peekable();
        let is_over = opened.peek().is_some() && opened.all(|disk| is_whole(&disk));
        let reason = if is_over {
            "its end was never reported: its mover was started again, and every disk that it had copied has its change id"
        } else {
            "its mover was started again"
        };
        self.end(now, id, &Outcome::Failed(reason.to_owned()));
    }

    /// The job that a name means: of that id or its present run, else of that declared name, else the one that
    /// had the name last; and the disk where the name is that of its export.
    pub(super) fn meant_by(&self, name: &str) -> Option<(JobId, Option<DiskId>)> {
        let id = JobId::parse(name).ok()?;
        let holder = || self.names.holder(name).map(|(job, disk)| (job.clone(), disk.cloned()));
        if self.jobs.contains_key(&id) {
            let run = self.names.latest_run(&id).clone();
            let has_ended = self.jobs.get(&run).is_some_and(|entry| entry.job.status.is_final());
            // Declared for a job that runs: a finished job of that id can take nothing anyway.
            return holder().filter(|_| has_ended).or(Some((run, None)));
        }
        holder().or_else(|| self.names.last_holder(name).map(|job| (job.clone(), None)))
    }

    /// A finished id is started again: a new run with the same facts and no progress.
    pub(super) fn open_run(&mut self, now: Now, base: &JobId, ended: &JobId) -> Result<JobId, Refusal> {
        let bound = Refusal::TooMany { what: "bytes of a job id with its run number", limit: limits::ID_BYTES };
        let id = self.names.next_run(base, |id| self.jobs.contains_key(id)).ok_or(bound)?;
        self.insert(now, &id)?;
        let Some(previous) = self.jobs.get(ended).map(|entry| entry.job.clone()) else { return Ok(id) };
        let Some(entry) = self.jobs.get_mut(&id) else { return Ok(id) };
        entry.job.vm = previous.vm.clone();
        entry.job.disk_count = previous.disk_count;
        for known in previous.disks.iter().filter(|disk| disk.declared) {
            let mut disk = Disk::new(known.id.clone());
            disk.label.clone_from(&known.label);
            disk.declared = true;
            disk.device_key = known.device_key;
            disk.capacity_bytes = known.capacity_bytes;
            super::declare::plan_by_capacity(&mut disk);
            entry.job.add_disk(disk);
        }
        // Movers go on under the names that were declared for the id, unless another job has claimed them since.
        let is_free = |name: &str| self.names.holder(name).is_none();
        entry.job.aliases = previous.aliases.iter().filter(|alias| is_free(alias.as_str())).cloned().collect();
        let exports = previous.exports.iter().filter(|export| is_free(export.name.as_str())).cloned();
        entry.job.exports = exports.map(|export| Export { connected: false, started_at: None, ..export }).collect();
        *entry = Entry::new(*entry.job.clone(), None);
        self.names.bind(&entry.job);
        self.names.reused(base, &id);
        let attributes = || vec![("run", id.as_str().into()), ("ended", ended.as_str().into())];
        let message = format!("{ended} has ended and was started again: its new run is {id}");
        self.journal.note(now, &previous, Event::RunOpened, message.clone(), attributes());
        self.journal.note(now, &entry.job, Event::RunOpened, message, attributes());
        self.journal.push(Change::Declared(entry.job.clone()));
        self.claim_notes(now, &id);
        if previous.is_cancelled() {
            let why = previous.error.as_deref().unwrap_or_default();
            let text = format!("the run before it, {ended}, was {why}; its mover started again");
            self.warn(now, &id, WarningKind::AfterCancel, text);
        }
        self.look_for_rivals(now, &id);
        self.want_plan(now, &id);
        self.renew(now, &id, &[]);
        Ok(id)
    }

    fn refuse_late(&mut self, now: Now, id: &JobId, push: &Push) {
        let Some(entry) = self.jobs.get_mut(id) else { return };
        let asked = format!("{} {}", push.stage, push.status.as_deref().unwrap_or(""));
        let text = format!("{} -> {}", entry.job.status, bounded(asked.trim_end()));
        if entry.told.list().transitions.is_first(&text, limits::REFUSALS_PER_JOB) {
            let message = format!("a push came after the end and changes nothing: {text}");
            self.journal.note(now, &entry.job, Event::TransitionRefused, message, Vec::new());
        }
    }

    /// Bytes that are no UTF-8 cost no report, and the log says that its text is not as it came (F67).
    pub(super) fn note_replaced(&mut self, now: Now, id: &JobId, is_replaced: bool) {
        let Some(Entry { job, told, .. }) = self.jobs.get_mut(id) else { return };
        if is_replaced && told.list().unknown.is_first("replaced", limits::UNKNOWN_TEXTS_PER_JOB) {
            let message = "a text of the mover had bytes that are no UTF-8: they are shown as U+FFFD";
            self.journal.note(now, job, Event::TextReplaced, message, Vec::new());
        }
    }

    fn name_unknown_texts(&mut self, now: Now, id: &JobId, texts: [Option<&str>; 2]) {
        let Some(entry) = self.jobs.get_mut(id) else { return };
        for (kind, text) in ["stage", "status"].into_iter().zip(texts) {
            let Some(text) = text.map(bounded) else { continue };
            if entry.told.list().unknown.is_first(&format!("{kind} {text}"), limits::UNKNOWN_TEXTS_PER_JOB) {
                let attributes = vec![(kind, text.as_str().into())];
                let message = format!("unknown {kind} {text:?}: neither stage nor status follow it");
                self.journal.note(now, &entry.job, Event::UnknownText, message, attributes);
            }
        }
    }

    /// The mover knows what it copies, whatever was declared: an incremental that passes for a full copy would hide a gap
    /// in the chain of change ids.
    fn note_sync(&mut self, now: Now, id: &JobId, text: Option<&str>) {
        let (Some(entry), Some(text)) = (self.jobs.get_mut(id), text) else { return };
        let Some(kind) = SyncKind::from_wire_name(text) else { return self.name_unknown_sync(now, id, text) };
        let before = entry.job.sync.replace(kind);
        if before != Some(kind) {
            self.want_plan(now, id);
        }
        let Some(known) = before.filter(|known| *known != kind) else { return };
        let Some(entry) = self.jobs.get_mut(id) else { return };
        if entry.told.list().unknown.is_first(&format!("sync {}", kind.wire_name()), limits::UNKNOWN_TEXTS_PER_JOB) {
            let message =
                format!("the mover makes a copy of kind {}, and {} was known", kind.wire_name(), known.wire_name());
            self.journal.note(now, &entry.job, Event::SyncContradicted, message, Vec::new());
        }
    }

    fn name_unknown_sync(&mut self, now: Now, id: &JobId, text: &str) {
        let Some(entry) = self.jobs.get_mut(id) else { return };
        let text = bounded(text);
        if entry.told.list().unknown.is_first(&format!("sync_type {text}"), limits::UNKNOWN_TEXTS_PER_JOB) {
            let message = format!("unknown sync_type {text:?}: full, initial or incremental are known");
            self.journal.note(now, &entry.job, Event::UnknownText, message, Vec::new());
        }
    }

    /// Moves stage and status on, as far as the table allows; what it does not allow is noted once.
    fn advance(&mut self, now: Now, id: &JobId, stage: Stage, status: JobStatus) {
        let Some(Entry { job, told, is_staged_by_plan, .. }) = self.jobs.get_mut(id) else { return };
        match transition::set_stage(&mut job.stage, stage) {
            Ok(Moved::From(from)) => {
                *is_staged_by_plan = false;
                self.journal.stage_moved(now, job, from, stage);
            }
            Ok(Moved::Not) => {}
            // The mover is where the plan has been already.
            Err(_) if *is_staged_by_plan => {}
            Err(refused) => {
                if told.list().transitions.is_first(&refused.to_string(), limits::REFUSALS_PER_JOB) {
                    let message = format!("stage {refused} is refused: stages only go forward; status stays as well");
                    self.journal.note(now, job, Event::TransitionRefused, message, Vec::new());
                }
                return;
            }
        }
        match transition::set_job_status(&mut job.status, status) {
            Ok(Moved::From(from)) => self.journal.status_moved(now, job, from),
            Ok(Moved::Not) => {}
            Err(refused) => {
                if told.list().transitions.is_first(&refused.to_string(), limits::REFUSALS_PER_JOB) {
                    let message = format!("status {refused} is refused");
                    self.journal.note(now, job, Event::TransitionRefused, message, Vec::new());
                }
            }
        }
        self.plan_at_stage(id);
    }

    /// A push of the Transfer stage: finds its disk and moves the disk's figures.
    fn copied(&mut self, now: Now, id: &JobId, push: &Push, hint: Option<&DiskId>, ends: bool) -> Option<Revision> {
        let at = self.disk_of(now, id, push, hint, if ends { Kind::End } else { Kind::Progress })?;
        let Entry { job, watched, .. } = self.jobs.get_mut(id)?;
        let watched = &mut watched[at];
        if job.disks[at].status == DiskStatus::Completed {
            if !ends && !std::mem::replace(&mut watched.late, true) {
                let message = format!("disk {} is Completed; a later push changes nothing", job.disks[at].id);
                self.journal.note(now, job, Event::TransitionRefused, message, Vec::new());
            }
            return None;
        }
        let target = if ends { DiskStatus::Completed } else { DiskStatus::Streaming };
        let has_failed = job.disks[at].status == DiskStatus::Failed;
        if has_failed && ends && transition::set_disk_status(&mut job.disks[at].status, DiskStatus::Streaming).is_ok() {
            // A copy that failed and then completed has streamed in between, even if no push said so. The row goes the
            // same way, because the database allows no other.
            (job.disks[at].error, job.disks[at].ended_at) = (None, None);
            self.journal.disk_moved(now, job, &job.disks[at], DiskStatus::Failed);
            self.journal.push(Change::Progress(job.clone()));
        }
        let before = job.disks[at].status;
        let (rate, disk) = (&mut watched.rate, &mut job.disks[at]);
        if !matches!(transition::set_disk_status(&mut disk.status, target), Ok(Moved::From(_))) && before != target {
            return None;
        }
        let opened = before != DiskStatus::Streaming;
        if opened {
            disk.started_at = disk.started_at.or(Some(now.wall));
            disk.ended_at = None;
            disk.error = None;
            rate.observe(now.mono, disk.bytes_transferred);
        }
        let has_figures = push.bytes_transferred > 0 || (push.total_bytes.is_some() && !ends);
        let before_pass = disk.earlier_passes_bytes;
        begin_pass(disk, watched.mover_total, push);
        let is_new_pass = disk.earlier_passes_bytes > before_pass;
        watched.mover_total = push.total_bytes.or(watched.mover_total);
        let said = disk.earlier_passes_bytes.saturating_add(push.bytes_transferred);
        let total = push.total_bytes.filter(|total| *total > 0);
        let total = total.map(|total| total.saturating_add(disk.earlier_passes_bytes));
        let regressed = has_figures && said < disk.bytes_transferred;
        let kept = disk.bytes_transferred;
        disk.bytes_transferred = kept.max(said);
        disk.mover_throughput_bps = push.throughput_bps.or(disk.mover_throughput_bps);
        disk.updated_at = Some(now.wall);
        rate.observe(now.mono, disk.bytes_transferred);
        let revision = revise_plan(disk, total, Basis::Mover);
        if ends {
            disk.ended_at = Some(now.wall);
            disk.throughput_bps = 0;
            *rate = Default::default();
        }
        // Without any plan the mover's own share is the only one.
        let own = push.percent.filter(|_| disk.planned_bytes.is_none()).map(|own| own.min(Percent::ALMOST));
        let percent = disk_percent(disk).max(own.unwrap_or_default());
        disk.percent = if revision.is_some() { percent } else { percent.max(disk.percent) };
        let disk = disk.clone();
        connect_export(job, &disk, now);
        if is_new_pass {
            self.journal.pass_started(now, job, &disk, push);
        }
        if before != disk.status {
            self.journal.disk_moved(now, job, &disk, before);
        }
        // Once until the counter has caught up; a push without figures says nothing about it.
        if has_figures {
            let is_known = std::mem::replace(&mut watched.regressed, regressed);
            if regressed && !is_known {
                let whose = format!("disk {}", disk.id);
                self.journal.bytes_regressed(now, job, &whose, kept, said);
            }
        }
        if let Some(source) = push.bytes_source.as_deref()
            && !std::mem::replace(&mut watched.refined, true)
        {
            let message = format!("bytes of disk {} are refined by {}", disk.id, bounded(source));
            self.journal.note(now, job, Event::ProgressRefined, message, Vec::new());
        }
        revision
    }

    /// A `failed` push: in Transfer it fails the disk, before and after it the job (`wire.md`).
    fn failed(&mut self, now: Now, id: &JobId, push: &Push, hint: Option<&DiskId>, stage: Option<Stage>) {
        let Some(entry) = self.jobs.get(id) else { return };
        let stage = stage.or(entry.job.stage).unwrap_or(Stage::Discover);
        let reason = bounded(push.error.as_deref().unwrap_or(""));
        if stage != Stage::Transfer {
            let outcome = Outcome::Failed(match reason.is_empty() {
                true => format!("the mover reported a failure at stage {:?} without a reason", bounded(&push.stage)),
                false => reason,
            });
            self.end(now, id, &outcome);
            return;
        }
        self.advance(now, id, Stage::Transfer, JobStatus::Streaming);
        let text = if reason.is_empty() { "the mover gave no reason".to_owned() } else { reason };
        let Some(at) = self.disk_of(now, id, push, hint, Kind::Failure) else {
            return self.note_failure(now, id, "a disk that is not open", &text);
        };
        let Some(Entry { job, watched, .. }) = self.jobs.get_mut(id) else { return };
        let disk = &mut job.disks[at];
        let Ok(Moved::From(before)) = transition::set_disk_status(&mut disk.status, DiskStatus::Failed) else {
            let which = format!("disk {}, which is {} and stays so,", disk.id, disk.status);
            return self.note_failure(now, id, &which, &text);
        };
        disk.bytes_transferred = disk.bytes_transferred.max(push.bytes_transferred);
        disk.percent = disk_percent(disk).max(disk.percent);
        disk.error = Some(text.clone());
        disk.started_at = disk.started_at.or(Some(now.wall));
        disk.ended_at = Some(now.wall);
        disk.updated_at = Some(now.wall);
        watched[at].rate = Default::default();
        let disk = disk.clone();
        connect_export(job, &disk, now);
        self.journal.disk_moved(now, job, &disk, before);
        let message = format!("disk {} failed: {text}", disk.id);
        self.journal.note(now, job, Event::DiskFailed, message, vec![("disk", disk.id.as_str().into())]);
    }

    /// A failure that changes no disk: a mover's retry, or an outer layer that says the same again. Its text is kept, once.
    fn note_failure(&mut self, now: Now, id: &JobId, which: &str, text: &str) {
        let Some(Entry { job, told, .. }) = self.jobs.get_mut(id) else { return };
        let is_known = job.disks.iter().any(|disk| disk.error.as_deref() == Some(text));
        if !is_known && told.list().failures.is_first(text, limits::REFUSALS_PER_JOB) {
            let message = format!("the mover reports a failure of {which}: {text}");
            self.journal.note(now, job, Event::DiskFailed, message, Vec::new());
        }
    }

    /// The specification's own last word, which ends a job only where every disk that is known is Completed.
    fn succeeded(&mut self, now: Now, id: &JobId, stage: Stage) {
        self.advance(now, id, stage, JobStatus::Finalizing);
        let Some(Entry { job, told, .. }) = self.jobs.get_mut(id) else { return };
        if !job.disks.is_empty() && job.missing_disks().is_empty() {
            self.end(now, id, &Outcome::Succeeded);
        } else if told.list().transitions.is_first("Succeeded", limits::REFUSALS_PER_JOB) {
            let message = "the mover says Succeeded while not every disk is Completed: waiting for finish";
            self.journal.note(now, job, Event::TransitionRefused, message, Vec::new());
        }
    }

    /// The place of the disk that a Transfer push belongs to; `None`, and an entry, where that cannot be known.
    fn disk_of(&mut self, now: Now, id: &JobId, push: &Push, hint: Option<&DiskId>, kind: Kind) -> Option<usize> {
        let job = &self.jobs.get(id)?.job;
        if let Some(named) = push.disk.as_ref().or(hint) {
            let known = job.place_of(named).or_else(|| self.the_only_disk(now, id, named));
            return known.or_else(|| self.add_disk(now, id, Disk::new(named.clone())));
        }
        let streaming: Vec<usize> = places(job, |disk| disk.status == DiskStatus::Streaming);
        match (streaming.as_slice(), kind) {
            ([open], _) => Some(*open),
            ([], Kind::End) => {
                let message = "completed without an open disk: a repeated message, which ends nothing";
                self.note_push(now, id, Event::DuplicateCompletion, message);
                None
            }
            ([], Kind::Progress) => self.next_disk(now, id, |disk| disk.status != DiskStatus::Completed),
            // Said again: the next disk has not failed because this one has.
            ([], Kind::Failure) if job.disks.iter().any(|disk| disk.status == DiskStatus::Failed) => None,
            ([], Kind::Failure) => {
                self.next_disk(now, id, |disk| matches!(disk.status, DiskStatus::Queued | DiskStatus::Snapshotting))
            }
            (_, _) => {
                let message = "a push without a disk id while several disks stream: it cannot be told whose it is";
                self.note_push(now, id, Event::PushUnassigned, message);
                None
            }
        }
    }

    /// The disk that a start without a disk id opens: the first declared one that waits, or a new one where none is
    /// declared.
    fn next_disk(&mut self, now: Now, id: &JobId, waits: impl Fn(&Disk) -> bool) -> Option<usize> {
        let job = &self.jobs.get(id)?.job;
        let is_declared = job.disks.iter().any(|disk| disk.declared);
        if let Some(next) = places(job, waits).into_iter().find(|at| job.disks[*at].declared || !is_declared) {
            return Some(next);
        }
        let is_counted = job.disk_count.is_some_and(|count| u64::from(count) > job.disks.len() as u64);
        if is_declared && !is_counted {
            let message = "a push without a disk id after every declared disk has ended: it belongs to none of them";
            self.note_push(now, id, Event::PushUnassigned, message);
            return None;
        }
        let taken = |name: &str| job.disks.iter().any(|disk| disk.id.as_str() == name);
        let name = (job.disks.len()..).map(|n| format!("disk-{n}")).find(|name| !taken(name))?;
        let placeholder = Disk { named: false, ..Disk::new(DiskId::parse(&name).ok()?) };
        self.add_disk(now, id, placeholder)
    }

    fn add_disk(&mut self, now: Now, id: &JobId, added: Disk) -> Option<usize> {
        let Entry { job, watched, told, .. } = self.jobs.get_mut(id)?;
        let disk = added.id.clone();
        if job.disks.len() >= limits::DISKS_PER_JOB {
            if !std::mem::replace(&mut told.list().is_full, true) {
                let message = format!("disk {disk} is not taken in: a job has at most {} disks", limits::DISKS_PER_JOB);
                self.journal.note(now, job, Event::DiskRefused, message, Vec::new());
            }
            return None;
        }
        let declared: Vec<&str> = job.disks.iter().filter(|disk| disk.declared).map(|disk| disk.id.as_str()).collect();
        let undeclared = (added.named && !declared.is_empty())
            .then(|| format!("disk {disk} is copied, and the job was declared with {}", declared.join(", ")));
        job.add_disk(added);
        job.clear_shadowed();
        watched.reserve_exact(1);
        watched.push(Default::default());
        let message = format!("disk {disk} is new: nobody had declared it");
        self.journal.note(now, job, Event::DiskDiscovered, message, vec![("disk", disk.as_str().into())]);
        let at = job.disks.len() - 1;
        let counted = job.disk_count.and_then(|count| usize::try_from(count).ok()).unwrap_or(usize::MAX);
        if let Some(undeclared) = undeclared {
            self.warn(now, id, WarningKind::DiskUndeclared, undeclared);
        } else if at >= counted {
            let text = format!("disk {disk} is copied, and the job was declared to have {counted} disks");
            self.warn(now, id, WarningKind::TooManyDisks, text);
        }
        self.look_for_rivals(now, id);
        Some(at)
    }

    fn note_push(&mut self, now: Now, id: &JobId, event: Event, message: &str) {
        let Some(Entry { job, told, .. }) = self.jobs.get_mut(id) else { return };
        // Once for each state of the disks, so that a retry after the next disk is told as well.
        let ended = job.disks.iter().filter(|disk| disk.ended_at.is_some()).count();
        if told.list().strays.is_first(&format!("{} {ended}", event.stored_name()), limits::REFUSALS_PER_JOB) {
            self.journal.note(now, job, event, message, Vec::new());
        }
    }
}

/// How a push begins a run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// It does not: it belongs to the transfer, or to what comes after it.
    None,
    /// A stage before Transfer, which opens the next run of an id that has ended.
    Stage,
    /// One of the first stages, without bytes: what a mover says when it has just been started.
    OfRun,
}

impl Start {
    fn of(meaning: Meaning, push: &Push) -> Self {
        match meaning {
            Meaning::Stage(stage, _) if stage <= Stage::Snapshot && push.bytes_transferred == 0 => Self::OfRun,
            Meaning::Stage(stage, _) if stage < Stage::Transfer => Self::Stage,
            _ => Self::None,
        }
    }
}

/// What a Transfer push without a disk id does to its disk.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Progress,
    End,
    Failure,
}

fn places(job: &Job, is_meant: impl Fn(&Disk) -> bool) -> Vec<usize> {
    job.disks.iter().enumerate().filter(|(_, disk)| is_meant(disk)).map(|(at, _)| at).collect()
}

/// A mover that counts again towards another, smaller total copies what its earlier pass has left: what that moved stays
/// counted, and the new pass comes on top. With the total of before it copies the same once more, which is no new pass.
fn begin_pass(disk: &mut Disk, last_total: Option<u64>, push: &Push) {
    let moved = disk.bytes_transferred - disk.earlier_passes_bytes;
    let by_plan = disk.planned_bytes.filter(|_| disk.basis == Some(Basis::Mover));
    let last_total = last_total.or_else(|| by_plan?.checked_sub(disk.earlier_passes_bytes));
    let (Some(last_total), Some(total)) = (last_total, push.total_bytes) else { return };
    let is_smaller = (1..last_total).contains(&total) && push.bytes_transferred <= total;
    if is_smaller && push.bytes_transferred < moved {
        disk.earlier_passes_bytes = disk.bytes_transferred;
    }
}

/// Takes a total where it is at least as trusted as the present one; says so where it replaced another.
pub(super) fn revise_plan(disk: &mut Disk, total: Option<u64>, basis: Basis) -> Option<Revision> {
    let total = total?;
    let is_better = disk.planned_bytes.is_none() || disk.basis.is_none_or(|present| basis <= present);
    if !is_better {
        return None;
    }
    let (before, known_basis) = (disk.planned_bytes.replace(total), disk.basis.replace(basis));
    let from = before.filter(|from| *from != total)?;
    let is_small = known_basis == Some(basis) && from.abs_diff(total) < from / 100;
    (!is_small).then(|| Revision { whose: format!("disk {}", disk.id), from, to: total })
}

fn connect_export(job: &mut Job, disk: &Disk, now: Now) {
    for export in job.exports.iter_mut().filter(|export| export.disk.as_ref() == Some(&disk.id)) {
        export.connected = disk.status == DiskStatus::Streaming;
        export.started_at = export.started_at.or(Some(now.wall));
    }
}
