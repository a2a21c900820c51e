//! A document and the job that is known: what of it is taken.
//!
//! Nothing goes back: stages and statuses follow the one table, bytes never fall, a percent falls only with a revised
//! plan. What is not taken is one entry in the job's log.

use super::tracked::Tracked;
use crate::limits;
use crate::model::change::Change;
use crate::model::disk::{Basis, Disk};
use crate::model::event::Event;
use crate::model::job::Job;
use crate::model::progress::Progress;
use crate::model::status::{DiskStatus, JobStatus};
use crate::model::time::Now;
use crate::model::warning::WarningKind;
use crate::policy::announce;
use crate::policy::journal::{Journal, Once};
use crate::policy::transition::{self, Moved};

/// What a document means for its job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Merged {
    /// The job goes on.
    GoesOn,
    /// The source says that it is over, and so it is.
    Over,
    /// The source says that it has succeeded, and a disk is missing that was declared here: why it has not.
    Missing(String),
}

/// Takes a document into a tracked job.
pub(super) fn merge(now: Now, tracked: &mut Tracked, said: &Progress, journal: &mut Journal) -> Merged {
    let missing = if said.status == JobStatus::Succeeded { missing_after(&tracked.job, said) } else { Vec::new() };
    let mut differs = adopt_facts(now, tracked, said, journal);
    let exports = said.exports.iter().map(|export| export.name.to_string());
    tracked.names = exports.chain(said.aliases.iter().map(ToString::to_string)).collect();
    // Before the job's own status, because a row that is finished is not written again.
    stream_again(now, &mut tracked.job, said, journal);
    if missing.is_empty() {
        differs |= merge_stage(now, &mut tracked.job, &mut tracked.refusals, said, journal);
    }
    for disk in &said.disks {
        differs |= merge_disk(now, tracked, disk, &said.disks, journal);
    }
    differs |= merge_totals(now, &mut tracked.job, &mut tracked.refusals, said, journal);
    if differs {
        tracked.note_difference();
    }
    if !missing.is_empty() {
        return Merged::Missing(format!(
            "the VMA ended the job as Succeeded, and not all that was declared here was copied: {}",
            missing.join(", ")
        ));
    }
    match said.status.is_final() && tracked.job.status == said.status {
        true => Merged::Over,
        false => Merged::GoesOn,
    }
}

/// What would be missing of the job if it ended with this document (R-45, F53).
fn missing_after(job: &Job, said: &Progress) -> Vec<String> {
    let mut after = job.clone();
    after.disk_count = said.disk_count.or(job.disk_count);
    for disk in &said.disks {
        match place_of(&after, disk, &said.disks) {
            // What has been copied stays copied, also if a new database of the VMA knows nothing of it.
            Some(at) if after.disks[at].status == DiskStatus::Completed => {}
            Some(at) => after.disks[at].status = disk.status,
            None => after.disks.push(disk.clone()),
        }
    }
    after.missing_disks()
}

/// The place of the disk that a document of these disks speaks of. A placeholder of the source's is the first declared disk
/// that nothing was heard of: undeclared copies fill the declared disks in order.
fn place_of(job: &Job, said: &Disk, all: &[Disk]) -> Option<usize> {
    let by = |is_it: &dyn Fn(&Disk) -> bool| job.disks.iter().position(is_it);
    let by_id = by(&|disk| disk.id == said.id);
    let by_placeholder = || by(&|disk| !disk.named && said.earlier_id.as_ref() == Some(&disk.id));
    // Two disks of one document are never one here.
    let is_said = |disk: &Disk| all.iter().any(|other| other.id == disk.id);
    let by_name = || by(&|disk| disk.earlier_id.as_ref() == Some(&said.id) && !is_said(disk));
    let by_order = || {
        let is_free = |disk: &Disk| disk.declared && disk.earlier_id.is_none();
        let is_next = |disk: &Disk| is_free(disk) && !disk.is_opened();
        // A source that lost its database has forgotten the name of the disk that is being copied.
        let is_forgotten = |disk: &Disk| is_free(disk) && disk.status == DiskStatus::Streaming && !is_said(disk);
        if said.named || !said.is_opened() { None } else { by(&is_forgotten).or_else(|| by(&is_next)) }
    };
    by_id.or_else(by_placeholder).or_else(by_name).or_else(by_order)
}

fn assign<T: PartialEq>(field: &mut T, value: T) -> bool {
    let differs = *field != value;
    if differs {
        *field = value;
    }
    differs
}

/// Takes over what has no rules: names, times, ids.
fn adopt_facts(now: Now, tracked: &mut Tracked, said: &Progress, journal: &mut Journal) -> bool {
    let job = &mut tracked.job;
    let mut differs = false;
    if let Some(theirs) = &said.correlation
        && job.correlation.as_ref() != Some(theirs)
    {
        // The entry carries the OMA's own id and names the source's: it links what both recorded.
        let message = format!("correlation id of the source adopted: {theirs}");
        journal.note(now, job, Event::CorrelationAdopted, message, vec![("adopted", theirs.as_str().into())]);
        job.correlation = Some(theirs.clone());
        differs = true;
    }
    if let (Some(known), Some(theirs)) = (&job.source_epoch, &said.epoch)
        && known != theirs
    {
        let message = "the VMA's database is another than before; its counters may begin anew";
        journal.note(now, job, Event::SourceReplaced, message, vec![("epoch", theirs.as_str().into())]);
    }
    differs |= said.epoch.is_some() && assign(&mut job.source_epoch, said.epoch.clone());
    if let Some(vm) = &said.vm {
        differs |= !vm.name.is_empty() && assign(&mut job.vm.name, vm.name.clone());
        differs |= !vm.path.is_empty() && assign(&mut job.vm.path, vm.path.clone());
        differs |= !vm.uuid.is_empty() && assign(&mut job.vm.uuid, vm.uuid.clone());
    }
    differs |= said.disk_count.is_some() && assign(&mut job.disk_count, said.disk_count);
    differs |= assign(&mut job.mover_says, said.mover_says.clone());
    differs |= adopt_warnings(job, said);
    differs |= said.sync.is_some() && assign(&mut job.sync, said.sync);
    differs |= said.started_at.is_some() && job.started_at.is_none() && assign(&mut job.started_at, said.started_at);
    differs |= assign(&mut job.source_updated_at, said.updated_at);
    differs |= said.sequence.is_some_and(|sequence| assign(&mut job.source_sequence, sequence));
    differs |= said.error.is_some() && assign(&mut job.error, said.error.clone());
    differs
}

/// The source's warnings are the job's, beside those that the OMA has raised itself.
fn adopt_warnings(job: &mut Job, said: &Progress) -> bool {
    let before = job.warnings.clone();
    let is_own = |kind| matches!(kind, WarningKind::DeclarationRefused | WarningKind::OtherVm);
    job.warnings.retain(|warning| is_own(warning.kind));
    for warning in &said.warnings {
        job.warn(warning.kind, warning.text.clone());
    }
    job.warnings != before
}

fn merge_stage(now: Now, job: &mut Job, refusals: &mut Once, said: &Progress, journal: &mut Journal) -> bool {
    let mut refuse = |job: &Job, what: &str, refused: String| {
        if refusals.is_first(&format!("{what} {refused}"), limits::REFUSALS_PER_JOB) {
            let message = format!("the source's {what} {refused} is refused; what was known stays");
            journal_refusal(now, job, journal, message);
        }
    };
    let stage = transition::set_stage(&mut job.stage, said.stage);
    if let Err(refused) = stage {
        refuse(job, "stage", refused.to_string());
    }
    let status = transition::set_job_status(&mut job.status, said.status);
    if let Err(refused) = status {
        refuse(job, "status", refused.to_string());
    }
    if let Ok(Moved::From(from)) = stage {
        journal.stage_moved(now, job, from, said.stage);
    }
    if let Ok(Moved::From(from)) = status {
        journal.status_moved(now, job, from);
    }
    matches!(stage, Ok(Moved::From(_))) || matches!(status, Ok(Moved::From(_)))
}

fn journal_refusal(now: Now, job: &Job, journal: &mut Journal, message: String) {
    journal.note(now, job, Event::TransitionRefused, message, Vec::new());
}

fn merge_disk(now: Now, tracked: &mut Tracked, said: &Disk, all: &[Disk], journal: &mut Journal) -> bool {
    let Some(at) = place_of(&tracked.job, said, all) else {
        return add_disk(now, tracked, said, all, journal);
    };
    let Tracked { job, refusals, copies, .. } = tracked;
    let mut disk = job.disks[at].clone();
    if !disk.named && said.named && said.id != disk.id {
        copies.named(&disk.id, &said.id);
        disk.name(said.id.clone());
        journal.disk_named(now, job, &disk, "the VMA says");
    } else if !said.named && said.id != disk.id {
        disk.earlier_id = Some(said.id.clone());
    }
    let moved = transition::set_disk_status(&mut disk.status, said.status);
    if let Err(refused) = moved
        && refusals.is_first(&format!("disk {} {refused}", disk.id), limits::REFUSALS_PER_JOB)
    {
        let message = format!("the source's status {refused} of disk {} is refused; what was known stays", disk.id);
        journal_refusal(now, job, journal, message);
    }
    adopt_disk_facts(&mut disk, said);
    let planned = disk.planned_bytes;
    let is_revised = (said.planned_bytes.is_some() && planned != said.planned_bytes) || holds_its_bar(job);
    disk.planned_bytes = said.planned_bytes.or(disk.planned_bytes);
    disk.basis = said.basis.or(disk.basis);
    let regressed = note_regression(refusals, said.id.as_str(), disk.bytes_transferred, said.bytes_transferred);
    let kept = disk.bytes_transferred;
    disk.bytes_transferred = kept.max(said.bytes_transferred);
    // A percent of 100 is kept for Completed whatever the source says.
    let percent = match disk.status {
        DiskStatus::Completed => crate::model::percent::Percent::DONE,
        _ => said.percent.min(crate::model::percent::Percent::ALMOST),
    };
    let before = disk.percent;
    // Of a source that counts anew neither the bytes nor the share are taken.
    let falls = is_revised && percent < before && said.bytes_transferred >= kept;
    disk.percent = if falls { percent } else { percent.max(before) };
    match moved {
        Ok(Moved::From(_)) if disk.status == DiskStatus::Completed || disk.status == DiskStatus::Failed => {
            disk.ended_at = Some(now.wall);
            copies.ends(now, &disk.id);
        }
        Ok(Moved::From(_)) => {
            // Also of a failed disk that streams again.
            disk.ended_at = None;
            if disk.started_at.is_none() {
                disk.started_at = Some(now.wall);
                copies.begins(now, &disk.id);
            }
        }
        Ok(Moved::Not) | Err(_) => {}
    }
    let differs = disk != job.disks[at];
    job.disks[at] = disk;
    let disk = &job.disks[at];
    if let Ok(Moved::From(from)) = moved {
        journal.disk_moved(now, job, disk, from);
        if let (DiskStatus::Failed, Some(error)) = (disk.status, &disk.error) {
            let attributes = vec![("disk", disk.id.as_str().into())];
            journal.note(now, job, Event::DiskFailed, format!("disk {} failed: {error}", disk.id), attributes);
        }
    }
    let whose = format!("disk {}", disk.id);
    if falls {
        let (from, to) = (planned.unwrap_or(0), disk.planned_bytes.unwrap_or(0));
        journal.plan_revised(now, job, &whose, from, to, (before, percent));
    }
    if regressed {
        journal.bytes_regressed(now, job, &whose, kept, said.bytes_transferred);
    }
    differs
}

/// Failed disks that are Completed by now have streamed in between, though no poll saw it. The row goes the same way,
/// because the database allows no other.
fn stream_again(now: Now, job: &mut Job, said: &Progress, journal: &mut Journal) {
    let completed = said.disks.iter().filter(|disk| disk.status == DiskStatus::Completed);
    let again: Vec<usize> = completed
        .filter_map(|disk| place_of(job, disk, &said.disks))
        .filter(|at| job.disks[*at].status == DiskStatus::Failed)
        .collect();
    for at in &again {
        let disk = &mut job.disks[*at];
        let from = std::mem::replace(&mut disk.status, DiskStatus::Streaming);
        disk.ended_at = None;
        journal.disk_moved(now, job, &job.disks[*at], from);
    }
    if !again.is_empty() {
        journal.push(Change::Progress(Box::new(job.clone())));
    }
}

fn adopt_disk_facts(disk: &mut Disk, said: &Disk) {
    if !said.label.is_empty() {
        disk.label.clone_from(&said.label);
    }
    disk.declared |= said.declared;
    disk.device_key = said.device_key.or(disk.device_key);
    disk.capacity_bytes = said.capacity_bytes.or(disk.capacity_bytes);
    disk.throughput_bps = said.throughput_bps;
    disk.mover_throughput_bps = said.mover_throughput_bps.or(disk.mover_throughput_bps);
    // A change id that a mover handed over to the OMA itself is never replaced by what a document says.
    disk.change_id = disk.change_id.take().or_else(|| said.change_id.clone());
    if let Some(previous) = &said.previous_change_id {
        (disk.previous_change_id, disk.previous_served) = (Some(previous.clone()), said.previous_served);
    }
    disk.blocks_changed = said.blocks_changed.or(disk.blocks_changed);
    disk.suspect.clone_from(&said.suspect);
    disk.error.clone_from(&said.error);
    disk.updated_at = said.updated_at.or(disk.updated_at);
}

fn add_disk(now: Now, tracked: &mut Tracked, said: &Disk, all: &[Disk], journal: &mut Journal) -> bool {
    let Tracked { job, refusals, .. } = &mut *tracked;
    // Until something is copied the declaration made here counts: the VMA's may be the one that it corrects.
    let is_declared_here = job.disks.iter().any(|disk| disk.declared) && announce::is_correctable(job);
    if is_declared_here && said.declared && !said.is_opened() {
        return false;
    }
    if job.disks.len() >= limits::DISKS_PER_JOB {
        if refusals.is_first("disks", limits::REFUSALS_PER_JOB) {
            let message =
                format!("disk {} is not taken in: a job has at most {} disks", said.id, limits::DISKS_PER_JOB);
            journal.note(now, job, Event::DiskRefused, message, Vec::new());
        }
        return false;
    }
    job.add_disk(Disk { named: said.named, earlier_id: said.earlier_id.clone(), ..Disk::new(said.id.clone()) });
    merge_disk(now, tracked, said, all, journal);
    true
}

fn merge_totals(now: Now, job: &mut Job, refusals: &mut Once, said: &Progress, journal: &mut Journal) -> bool {
    use crate::model::percent::Percent;
    let before = job.totals;
    let is_done = job.status == JobStatus::Succeeded;
    let percent = if is_done { Percent::DONE } else { said.totals.percent.min(Percent::ALMOST) };
    let regressed = note_regression(refusals, "job", before.bytes_transferred, said.totals.bytes_transferred);
    let mut totals = said.totals;
    totals.bytes_transferred = before.bytes_transferred.max(said.totals.bytes_transferred);
    totals.percent = percent.max(before.percent);
    // Zero is "unknown", but where every disk has been copied, or CBT says that nothing has changed, it is what there is to
    // move (F31).
    let is_copied = !said.disks.is_empty() && said.disks.iter().all(|disk| disk.status == DiskStatus::Completed);
    if totals.total_bytes == 0 && !is_copied && !totals.basis.is_some_and(Basis::is_of_cbt) {
        totals.total_bytes = before.total_bytes;
    }
    let is_revised = (before.total_bytes > 0 && totals.total_bytes != before.total_bytes) || holds_its_bar(job);
    let is_anew = said.totals.bytes_transferred < before.bytes_transferred;
    if percent < before.percent && is_revised && !is_anew {
        totals.percent = percent;
        journal.plan_revised(now, job, "job", before.total_bytes, totals.total_bytes, (before.percent, percent));
    }
    if regressed {
        journal.bytes_regressed(now, job, "job", before.bytes_transferred, said.totals.bytes_transferred);
    }
    if totals.bytes_transferred > before.bytes_transferred {
        job.bytes_moved_at = Some(now.wall);
    }
    job.totals = totals;
    if !is_done {
        journal.milestones(now, job, before);
    }
    before != totals
}

/// True where the source lets its bar fall for nothing but a revised plan, which may have been revised back before a poll
/// saw it. Older VMAs, which have no epoch, promise nothing.
fn holds_its_bar(job: &Job) -> bool {
    job.source_epoch.is_some()
}

/// True at the beginning of an episode in which the source's counter is below the known one.
fn note_regression(refusals: &mut Once, whose: &str, known: u64, said: u64) -> bool {
    let episode = format!("regressed {whose}");
    if said >= known {
        refusals.forget(&episode);
        return false;
    }
    refusals.is_first(&episode, limits::REFUSALS_PER_JOB)
}
