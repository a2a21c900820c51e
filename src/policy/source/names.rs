//! Under which names a job may be pushed to and which run of an id is the present one.

use std::collections::BTreeMap;

use crate::model::id::{DiskId, JobId};
use crate::model::job::Job;

/// Who a name belongs to: the job, and the disk where the name is that of its export.
type Holder = (JobId, Option<DiskId>);

/// Declared names of unfinished jobs, names of finished ones, and the runs of re-used ids.
#[derive(Debug, Default)]
pub(super) struct Names {
    held: BTreeMap<String, Holder>,
    /// Names whose last holder has finished. They can be claimed again; until then they tell a late push from a new job.
    released: BTreeMap<String, JobId>,
    /// The id that was declared first -> its latest run.
    runs: BTreeMap<JobId, JobId>,
}

impl Names {
    /// Who a declared name belongs to, among unfinished jobs.
    pub(super) fn holder(&self, name: &str) -> Option<(&JobId, Option<&DiskId>)> {
        self.held.get(name).map(|(job, disk)| (job, disk.as_ref()))
    }
    /// The finished job that a name belonged to last.
    pub(super) fn last_holder(&self, name: &str) -> Option<&JobId> {
        self.released.get(name)
    }
    /// Takes all names of a job; the caller has made sure that nobody else holds them.
    pub(super) fn bind(&mut self, job: &Job) {
        for (name, disk) in names_of(job) {
            self.released.remove(name);
            self.held.insert(name.to_owned(), (job.id.clone(), disk.cloned()));
        }
    }
    /// A job that had finished before this process started: its names are free, and may have a new holder already.
    pub(super) fn remember(&mut self, job: &Job) {
        for (name, _) in names_of(job) {
            if !self.held.contains_key(name) {
                self.released.insert(name.to_owned(), job.id.clone());
            }
        }
    }
    /// The job has finished: its names are free.
    pub(super) fn release(&mut self, job: &Job) {
        for (name, _) in names_of(job) {
            if self.held.get(name).is_some_and(|(holder, _)| *holder == job.id) {
                self.held.remove(name);
                self.released.insert(name.to_owned(), job.id.clone());
            }
        }
    }
    /// The job is no longer answered for.
    pub(super) fn forget(&mut self, job: &Job) {
        self.release(job);
        self.released.retain(|_, holder| *holder != job.id);
        self.runs.retain(|base, run| *base != job.id && *run != job.id);
    }
    /// The present run under an id: the id itself unless it was re-used.
    pub(super) fn latest_run<'a>(&'a self, id: &'a JobId) -> &'a JobId {
        self.runs.get(id).unwrap_or(id)
    }
    /// A finished id was started again.
    pub(super) fn reused(&mut self, base: &JobId, run: &JobId) {
        self.runs.insert(base.clone(), run.clone());
    }
    /// The id and the number of the run that comes after the present one.
    pub(super) fn next_run(&self, base: &JobId) -> Option<JobId> {
        let present = self.runs.get(base).and_then(|run| run_number(base, run)).unwrap_or(1);
        base.rerun(present.checked_add(1)?).ok()
    }
    /// After a restart: finds which ids are runs of which.
    pub(super) fn find_runs(&mut self, ids: &[JobId]) {
        for run in ids {
            let Some((base, _)) = run.as_str().rsplit_once('~') else { continue };
            let Some(base) = ids.iter().find(|id| id.as_str() == base) else { continue };
            let latest = self.runs.get(base).and_then(|known| run_number(base, known)).unwrap_or(1);
            if run_number(base, run).is_some_and(|number| number > latest) {
                self.runs.insert(base.clone(), run.clone());
            }
        }
    }
}

fn run_number(base: &JobId, run: &JobId) -> Option<u32> {
    run.as_str().strip_prefix(base.as_str())?.strip_prefix('~')?.parse().ok()
}

/// The aliases and export names of a job.
pub(super) fn names_of(job: &Job) -> impl Iterator<Item = (&str, Option<&DiskId>)> {
    let aliases = job.aliases.iter().map(|alias| (alias.as_str(), None));
    aliases.chain(job.exports.iter().map(|export| (export.name.as_str(), export.disk.as_ref())))
}
