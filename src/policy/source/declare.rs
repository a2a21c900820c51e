//! What `PUT /api/v1/jobs/{id}` does: a job is announced with its VM, disks and names. Announcing the same again
//! is well; announcing something else is refused with the difference, and nothing of it is taken.

use super::book::Source;
use super::entry::Entry;
use super::names::names_of;
use crate::limits;
use crate::model::change::Change;
use crate::model::disk::{Basis, Disk};
use crate::model::event::Event;
use crate::model::id::{DiskId, JobId};
use crate::model::job::{Export, Job};
use crate::model::request::Declaration;
use crate::model::stage::Stage;
use crate::model::time::Now;
use crate::policy::announce;
use crate::policy::refusal::Refusal;

/// A declaration was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Declared {
    /// The job is new.
    New,
    /// The job was known, and what was said agrees with it.
    Known,
}

impl Source {
    /// Takes a declaration.
    pub fn declare(&mut self, now: Now, id: &JobId, declaration: &Declaration) -> Result<Declared, Refusal> {
        check_bounds(declaration)?;
        let newest = self.names.latest_run(id).clone();
        let claimed = claims(declaration);
        let (id, corrected) = match self.jobs.get(&newest).map(|entry| entry.job.status.is_final()) {
            None => (id, None),
            Some(true) => return self.declare_again(now, id, &newest, declaration),
            Some(false) => (&newest, self.contradictions(&newest, declaration)?),
        };
        for name in &claimed {
            self.check_name(now, name, id)?;
        }
        if let Some(differences) = corrected {
            self.correct(now, id, &differences, declaration);
        }
        let declared = if self.jobs.contains_key(id) { Declared::Known } else { Declared::New };
        if declared == Declared::New {
            self.insert(now, id)?;
        }
        let Some(entry) = self.jobs.get_mut(id) else { return Ok(declared) };
        let before = entry.job.clone();
        enrich(entry, declaration);
        if declared == Declared::New {
            let message = format!("declared with {} disks", entry.job.disks.len());
            self.journal.note(now, &entry.job, Event::JobDeclared, message, Vec::new());
            entry.job.stage = Some(Stage::Discover);
            self.journal.stage_moved(now, &entry.job, None, Stage::Discover);
        } else if entry.job == before {
            return Ok(declared);
        }
        self.journal.disks_named(now, &before, &entry.job);
        self.names.bind(&entry.job);
        self.name_shadowed(now, id, &claimed);
        self.claim_notes(now, id);
        self.place_waiting(now, id);
        self.look_for_rivals(now, id);
        self.want_plan(now, id);
        self.touch(now, id, &[]);
        if let Some(entry) = self.jobs.get(id) {
            self.journal.push(Change::Declared(entry.job.clone()));
        }
        Ok(declared)
    }

    /// A declaration of an id whose run has ended opens the next run if it asks for that.
    fn declare_again(
        &mut self,
        now: Now,
        id: &JobId,
        ended: &JobId,
        declaration: &Declaration,
    ) -> Result<Declared, Refusal> {
        let Some(job) = self.jobs.get(ended).map(|entry| &entry.job) else {
            return Err(Refusal::UnknownJob { id: id.to_string() });
        };
        if !declaration.again {
            return Err(Refusal::Finished { job: ended.clone(), status: job.status });
        }
        if announce::is_other_vm(job, declaration.vm.as_ref()) {
            let differences = differences(job, declaration).join("; ");
            return Err(Refusal::Contradiction { job: ended.clone(), differences });
        }
        for name in claims(declaration) {
            self.check_name(now, &name, ended)?;
        }
        let base = self.names.run_of(id).0.clone();
        let run = self.open_run(now, &base, ended)?;
        self.declare(now, &run, &Declaration { again: false, ..declaration.clone() })?;
        Ok(Declared::New)
    }

    /// What a declaration says otherwise than is known of an unfinished job, where it may correct that; a refusal where it may
    /// not: nothing that a mover has begun with is changed under it.
    fn contradictions(&self, id: &JobId, declaration: &Declaration) -> Result<Option<String>, Refusal> {
        let Some(job) = self.jobs.get(id).map(|entry| &entry.job) else { return Ok(None) };
        let differences = differences(job, declaration);
        let is_other_vm = announce::is_other_vm(job, declaration.vm.as_ref());
        let is_correctable = announce::is_correctable(job) && !is_other_vm && !declaration.only_adds;
        match differences.is_empty() {
            true => Ok(None),
            false if is_correctable => Ok(Some(differences.join("; "))),
            false => Err(Refusal::Contradiction { job: id.clone(), differences: differences.join("; ") }),
        }
    }

    /// The declaration of a job that nothing was reported of yet is replaced.
    fn correct(&mut self, now: Now, id: &JobId, differences: &str, declaration: &Declaration) {
        let Some(entry) = self.jobs.get_mut(id) else { return };
        self.names.release(&entry.job);
        let job = &mut entry.job;
        announce::correct(job, &declaration.disks);
        job.sync = declaration.sync.or(job.sync);
        let given = |disk: &Option<DiskId>| declaration.disks.iter().any(|given| Some(&given.id) == disk.as_ref());
        let is_kept = |export: &Export| export.disk.is_none() || declaration.disks.is_empty() || !given(&export.disk);
        job.exports.retain(is_kept);
        entry.watched = vec![Default::default(); entry.job.disks.len()];
        let message = format!("the declaration was corrected: {differences}");
        self.journal.note(now, &entry.job, Event::JobDeclared, message, Vec::new());
    }

    /// Says so where a name is the id of another unfinished job, which gets the pushes.
    fn name_shadowed(&mut self, now: Now, id: &JobId, claimed: &[String]) {
        let Some(entry) = self.jobs.get(id) else { return };
        for name in claimed.iter().filter(|name| name.as_str() != id.as_str()) {
            let shadow = JobId::parse(name).ok().and_then(|other| self.jobs.get(&other));
            if shadow.is_some_and(|other| !other.job.status.is_final()) {
                let message = format!("name {name:?} is also the id of a job that runs: pushes to it go to that job");
                self.journal.note(now, &entry.job, Event::AliasConflict, message, vec![("name", name.as_str().into())]);
            }
        }
    }

    fn check_name(&mut self, now: Now, name: &str, claimant: &JobId) -> Result<(), Refusal> {
        let by_name = self.names.holder(name).map(|(job, _)| job.clone());
        // A running job's own id is as taken as a declared name: pushes to it are that job's.
        let by_id =
            || JobId::parse(name).ok().filter(|id| self.jobs.get(id).is_some_and(|it| !it.job.status.is_final()));
        let Some(holder) = by_name.or_else(by_id).filter(|holder| holder != claimant) else { return Ok(()) };
        if let Some(entry) = self.jobs.get_mut(&holder)
            // A caller that insists says nothing new.
            && entry.told.list().conflicts.is_first(&format!("{name}\0{claimant}"), limits::REFUSALS_PER_JOB)
        {
            let message = format!("name {name:?} belongs to {holder} and was claimed by {claimant}: refused");
            let attributes = vec![("name", name.into()), ("claimant", claimant.as_str().into())];
            self.journal.note(now, &entry.job, Event::AliasConflict, message, attributes);
        }
        Err(Refusal::AliasTaken { name: name.to_owned(), holder, claimant: claimant.clone() })
    }
}

fn check_bounds(declaration: &Declaration) -> Result<(), Refusal> {
    if declaration.disks.len() > limits::DISKS_PER_JOB {
        return Err(Refusal::TooMany { what: "disks of a job", limit: limits::DISKS_PER_JOB });
    }
    if declaration.aliases.len() > limits::ALIASES_PER_JOB {
        return Err(Refusal::TooMany { what: "aliases of a job", limit: limits::ALIASES_PER_JOB });
    }
    Ok(())
}

fn claims(declaration: &Declaration) -> Vec<String> {
    let exports = declaration.disks.iter().filter_map(|disk| disk.export.as_ref());
    let exports = exports.map(|(name, _)| name.as_str().to_owned());
    declaration.aliases.iter().map(|alias| alias.as_str().to_owned()).chain(exports).collect()
}

/// What a declaration says otherwise than is known.
fn differences(job: &Job, declaration: &Declaration) -> Vec<String> {
    let mut found = announce::differences(job, declaration.vm.as_ref(), &declaration.disks);
    if let (Some(known), Some(given)) = (job.sync, declaration.sync)
        && known != given
    {
        found.push(format!("sync: known {}, given {}", known.wire_name(), given.wire_name()));
    }
    found
}

/// Adds what the job did not know yet; the declaration has been found to agree with it.
fn enrich(entry: &mut Entry, declaration: &Declaration) {
    let job = &mut entry.job;
    announce::enrich(job, declaration.vm.as_ref(), &declaration.disks);
    announce::count_disks(job, declaration.disk_count);
    entry.watched.reserve_exact(job.disks.len().saturating_sub(entry.watched.len()));
    entry.watched.resize_with(job.disks.len(), Default::default);
    job.clear_shadowed();
    job.disks.iter_mut().for_each(plan_by_capacity);
    job.sync = job.sync.or(declaration.sync);
    for given in &declaration.disks {
        if let Some((name, device)) = &given.export
            && !job.exports.iter().any(|export| export.name == *name)
        {
            let device = device.clone().unwrap_or_default();
            let disk = Some(given.id.clone());
            job.exports.reserve_exact(1);
            job.exports.push(Export { name: name.clone(), disk, device, connected: false, started_at: None });
        }
    }
    for alias in &declaration.aliases {
        let is_known = names_of(job).any(|(name, _)| *name == *alias.as_str());
        if !is_known && job.aliases.len() < limits::ALIASES_PER_JOB {
            job.aliases.push(alias.clone());
        }
    }
}

/// The last resort of R-5: nothing better than the disk's size is known.
pub(super) fn plan_by_capacity(disk: &mut Disk) {
    if disk.planned_bytes.is_none()
        && let Some(capacity) = disk.capacity_bytes.filter(|bytes| *bytes > 0)
    {
        disk.planned_bytes = Some(capacity);
        disk.basis = Some(Basis::Capacity);
    }
}
