//! What a VMA says of its jobs: documents and lists of them. Nothing changes by reading.

use super::book::Source;
use super::entry::Entry;
use crate::limits;
use crate::model::id::{Epoch, JobId};
use crate::model::job::Job;
use crate::model::progress::Progress;
use crate::model::stage::Stage;
use crate::model::status::JobStatus;
use crate::model::time::Now;
use crate::policy::estimate::eta_seconds;
use crate::policy::tally::{is_total_known, plan_of};

/// Which run an id means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhichRun {
    /// The newest under the id.
    Newest,
    /// The one of that very id.
    Exactly,
}

/// The answer to a list request.
#[derive(Debug, Clone, PartialEq)]
pub struct Listing {
    /// The VMA's epoch.
    pub epoch: Epoch,
    /// The highest sequence that the answer covers.
    pub sequence: u64,
    /// True where more have changed than one answer holds; ask again from `sequence`.
    pub more: bool,
    /// The jobs that changed, in the order of their last change.
    pub jobs: Vec<Progress>,
}

impl Source {
    /// The document of a job as it is now: rates decay by themselves, nothing else changes by reading. An id
    /// or alias means the newest run under it; `exactly` the run of that very id.
    pub fn document(&self, now: Now, id: &JobId, run: WhichRun) -> Option<Progress> {
        let job = self.job(id)?;
        let meant = match run {
            WhichRun::Newest => self.names.latest_run(&job.id),
            WhichRun::Exactly => &job.id,
        };
        self.jobs.get(meant).map(|entry| self.progress(now, entry))
    }

    /// The jobs that changed after `since`; all of them where `since` is of another epoch or lies ahead.
    pub fn listing(&self, now: Now, since: u64, epoch: Option<&str>) -> Listing {
        let comparable = epoch.is_none_or(|epoch| epoch == self.settings.epoch.as_str()) && since <= self.sequence;
        let first = if comparable { since.saturating_add(1) } else { 0 };
        let mut changed = self.by_sequence.range(first..).filter_map(|(_, id)| self.jobs.get(id)).peekable();
        let (mut jobs, mut entries) = (Vec::new(), 0);
        while let Some(entry) = changed.next_if(|_| entries < limits::LISTED_ENTRIES) {
            entries += 1 + entry.job.disks.len();
            jobs.push(self.progress(now, entry));
        }
        let more = changed.peek().is_some();
        let last: Option<u64> = jobs.last().and_then(|last| last.sequence);
        let sequence = last.filter(|_| more).unwrap_or(self.sequence);
        Listing { epoch: self.settings.epoch.clone(), sequence, more, jobs }
    }

    /// The run that followed a run that has ended.
    fn next_run(&self, job: &Job) -> Option<JobId> {
        if !job.status.is_final() {
            return None;
        }
        let first_after = |base: &JobId, number: u32| {
            let runs =
                self.jobs.range(base..).map(|(id, _)| id).take_while(|id| id.as_str().starts_with(base.as_str()));
            let later = runs.filter_map(|id| Some((id.run_number(base)?, id))).filter(|(run, _)| *run > number);
            later.min_by_key(|(run, _)| *run).map(|(_, id)| id.clone())
        };
        // A job of its own may be spelled like a run of another, and then have runs of its own.
        let (base, number) = self.names.run_of(&job.id);
        first_after(&job.id, 1).or_else(|| first_after(base, number))
    }

    fn progress(&self, now: Now, entry: &Entry) -> Progress {
        let job = &entry.job;
        let mut disks = job.disks.clone();
        for (disk, watched) in disks.iter_mut().zip(&entry.watched) {
            disk.throughput_bps = if job.status.is_final() { 0 } else { watched.rate.per_second(now.mono) };
            disk.planned_bytes = plan_of(disk);
        }
        let mut totals = job.totals;
        totals.throughput_bps = disks.iter().map(|disk| disk.throughput_bps).fold(0, u64::saturating_add);
        let is_done = job.status == JobStatus::Succeeded;
        let flows = entry.watched.iter().any(|disk| disk.rate.is_flowing(now.mono));
        let flow = if flows { totals.throughput_bps } else { 0 };
        totals.eta_seconds = match is_done || is_total_known(job) {
            true => eta_seconds(is_done, totals.total_bytes, totals.bytes_transferred, flow),
            false => None,
        };
        let only = (disks.len() == 1).then(|| disks[0].clone());
        Progress {
            job: job.id.clone(),
            stage: job.stage.unwrap_or(Stage::Discover),
            status: job.status,
            started_at: job.started_at,
            updated_at: job.source_updated_at,
            totals,
            sync: job.sync,
            previous_change_id: only.as_ref().and_then(|disk| disk.previous_change_id.clone()),
            change_id: only.and_then(|disk| disk.change_id),
            exports: job.exports.clone(),
            aliases: job.aliases.clone(),
            disks,
            sequence: Some(job.source_sequence),
            epoch: Some(self.settings.epoch.clone()),
            correlation: job.correlation.clone(),
            disk_count: job.disk_count,
            next_run: self.next_run(job),
            mover_says: job.mover_says.clone(),
            warnings: job.warnings.clone(),
            error: job.error.clone(),
            vm: Some(job.vm.clone()),
            // Only the database counts its rows; the shell adds it.
            log: None,
        }
    }
}
