//! What `PUT /api/v1/jobs/{id}` does: a job is announced with its VM, disks and names. Announcing the same again
//! is well; announcing something else is refused with the difference, and nothing of it is taken.

use super::book::{Entry, Source};
use super::names::names_of;
use crate::limits;
use crate::model::change::Change;
use crate::model::disk::{Basis, Disk};
use crate::model::event::Event;
use crate::model::id::JobId;
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
        if let Some(entry) = self.jobs.get(id) {
            if entry.job.status.is_final() {
                return Err(Refusal::Finished { job: id.clone(), status: entry.job.status });
            }
            let differences = differences(&entry.job, declaration);
            if !differences.is_empty() {
                return Err(Refusal::Contradiction { job: id.clone(), differences: differences.join("; ") });
            }
        }
        let claimed = claims(declaration);
        for name in &claimed {
            self.check_name(now, name, id)?;
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
        self.names.bind(&entry.job);
        self.name_shadowed(now, id, &claimed);
        self.claim_notes(now, id);
        self.want_plan(now, id);
        self.touch(now, id, &[]);
        if let Some(entry) = self.jobs.get(id) {
            self.journal.push(Change::Declared(entry.job.clone()));
        }
        Ok(declared)
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
