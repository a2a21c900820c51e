//! Under which names a job may be pushed to and which run of an id is the present one.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::model::id::{DiskId, JobId};
use crate::model::job::Job;

/// Who a name belongs to: the job, and the disk where the name is that of its export.
type Holder = (JobId, Option<DiskId>);

/// Declared names of unfinished jobs, names of finished ones, and the runs of re-used ids.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    held: BTreeMap<Arc<str>, Holder>,
    /// Names whose last holder has finished. They can be claimed again; until then they tell a late push from a new job.
    released: BTreeMap<Arc<str>, JobId>,
    /// The id that was started first -> its runs.
    runs: BTreeMap<JobId, Runs>,
}

/// The runs of one id.
#[derive(Debug, Clone)]
struct Runs {
    /// The present one; the id itself where its last run is no longer answered for.
    latest: JobId,
    /// The highest number that any run had, so that no number is given twice while the id is known.
    highest: u32,
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
            self.released.remove(&name);
            self.held.insert(name, (job.id.clone(), disk.cloned()));
        }
    }
    /// A job that had finished before this process started: its names are free, and may have a new holder already.
    pub(super) fn remember(&mut self, job: &Job) {
        for (name, _) in names_of(job) {
            if !self.held.contains_key(&name) {
                self.released.insert(name, job.id.clone());
            }
        }
    }
    /// The job has finished: its names are free.
    pub(super) fn release(&mut self, job: &Job) {
        for (name, _) in names_of(job) {
            if self.held.get(&name).is_some_and(|(holder, _)| *holder == job.id) {
                self.held.remove(&name);
                self.released.insert(name, job.id.clone());
            }
        }
    }
    /// The job is no longer answered for.
    pub(super) fn forget(&mut self, job: &Job) {
        self.release(job);
        self.released.retain(|_, holder| *holder != job.id);
        self.runs.remove(&job.id);
        for (base, runs) in self.runs.iter_mut().filter(|(_, runs)| runs.latest == job.id) {
            runs.latest.clone_from(base);
        }
    }
    /// The present run under an id: the id itself unless it was re-used.
    pub(super) fn latest_run<'a>(&'a self, id: &'a JobId) -> &'a JobId {
        self.runs.get(id).map_or(id, |runs| &runs.latest)
    }
    /// The id that was started first, and which of its runs an id is; an id without runs is its own first.
    pub(super) fn run_of<'a>(&'a self, id: &'a JobId) -> (&'a JobId, u32) {
        let base = id.as_str().rsplit_once('~').and_then(|(base, _)| JobId::parse(base).ok());
        let known = base.and_then(|base| self.runs.get_key_value(&base));
        known.and_then(|(base, _)| Some((base, id.run_number(base)?))).unwrap_or((id, 1))
    }
    /// A finished id was started again.
    pub(super) fn reused(&mut self, base: &JobId, run: &JobId) {
        if let Some(number) = run.run_number(base) {
            self.runs.insert(base.clone(), Runs { latest: run.clone(), highest: number });
        }
    }
    /// The id of the next run: the first after the highest one that is neither a job already nor a declared name.
    pub(super) fn next_run(&self, base: &JobId, is_job: impl Fn(&JobId) -> bool) -> Option<JobId> {
        let mut number = self.runs.get(base).map_or(1, |runs| runs.highest);
        loop {
            number = number.checked_add(1)?;
            let run = base.rerun(number).ok()?;
            if !is_job(&run) && self.holder(run.as_str()).is_none() {
                return Some(run);
            }
        }
    }
    /// After a restart: finds which ids are runs of which. Only an id that has ended can have a later run; beside one
    /// that goes on, an id that looks like a run of it is a job of its own.
    pub(super) fn find_runs<'a>(&mut self, ids: impl Iterator<Item = &'a JobId>, has_ended: impl Fn(&JobId) -> bool) {
        for run in ids {
            let base = run.as_str().rsplit_once('~').and_then(|(base, _)| JobId::parse(base).ok());
            let Some(base) = base.filter(&has_ended) else { continue };
            let highest = self.runs.get(&base).map_or(1, |runs| runs.highest);
            if run.run_number(&base).is_some_and(|number| number > highest) {
                self.reused(&base, run);
            }
        }
    }
}

/// The aliases and export names of a job.
pub(super) fn names_of(job: &Job) -> impl Iterator<Item = (Arc<str>, Option<&DiskId>)> {
    let aliases = job.aliases.iter().map(|alias| (alias.shared(), None));
    aliases.chain(job.exports.iter().map(|export| (export.name.shared(), export.disk.as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::VmaName;
    use crate::model::time::Wall;

    fn id(text: &str) -> JobId {
        JobId::parse(text).expect("an id")
    }

    fn job(text: &str) -> Job {
        Job::new(id(text), VmaName::parse("site-a").expect("a name"), Wall::from_unix_millis(0))
    }

    #[test]
    fn a_run_that_was_forgotten_leaves_its_number() {
        let mut names = Names::default();
        names.reused(&id("j"), &id("j~2"));
        names.reused(&id("j"), &id("j~3"));
        names.forget(&job("j~2"));
        assert_eq!(names.latest_run(&id("j")), &id("j~3"));
        names.forget(&job("j~3"));
        assert_eq!(names.latest_run(&id("j")), &id("j"));
        assert_eq!(names.next_run(&id("j"), |_| false), Some(id("j~4")));
        names.forget(&job("j"));
        assert_eq!(names.next_run(&id("j"), |_| false), Some(id("j~2")), "all of it is forgotten");
    }

    #[test]
    fn a_new_run_takes_nobodys_id() {
        let names = Names::default();
        assert_eq!(names.next_run(&id("j"), |taken| *taken == id("j~2")), Some(id("j~3")));
        assert_eq!(names.next_run(&id(&"j".repeat(254)), |_| false), None, "no room for a number");
    }

    #[test]
    fn after_a_restart_only_an_id_that_has_ended_has_runs() {
        let mut names = Names::default();
        let ids = ["j", "j~2", "j~10", "j~03", "j~x", "w", "w~2", "~2"].map(id);
        names.find_runs(ids.iter(), |base| *base == id("j"));
        assert_eq!((names.latest_run(&id("j")), names.latest_run(&id("w"))), (&id("j~10"), &id("w")));
    }
}
