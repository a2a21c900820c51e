//! What a plan of vCenter's does to its job: totals with their basis, disks that nobody had named, and a word in
//! the log for everything that is in doubt. A plan never says where a disk's next incremental starts: the snapshot that it is
//! of may not be the one that the mover copies, and a wrong change id costs data.

use super::book::Source;
use super::entry::{Entry, Revision};
use super::push::revise_plan;
use crate::limits;
use crate::model::change::{Change, SeenCapacity};
use crate::model::disk::{Basis, Disk};
use crate::model::event::Event;
use crate::model::id::{DiskId, JobId};
use crate::model::job::Job;
use crate::model::plan::{DiskPlan, VmPlan};
use crate::model::status::DiskStatus;
use crate::model::time::Now;
use crate::policy::journal::Journal;
use crate::policy::tally::{disk_percent, tally};

impl Source {
    /// Takes over what a plan says of each disk. `tries` is how many it took.
    pub(super) fn take_plan(&mut self, now: Now, id: &JobId, plan: &VmPlan, tries: u32) {
        let Some(entry) = self.jobs.get_mut(id) else { return };
        entry.told.list().plan_faults = Default::default();
        let before = entry.job.clone();
        add_found_disks(now, entry, plan, &mut self.journal);
        let mut revisions = Vec::new();
        for planned in &plan.disks {
            if let Some(change_id) = &planned.change_id {
                self.journal.push(Change::CapacitySeen(SeenCapacity {
                    vm_path: entry.job.vm.path.clone(),
                    device_key: planned.key,
                    change_id: change_id.clone(),
                    capacity_bytes: planned.capacity_bytes,
                    seen_at: now.wall,
                }));
            }
            match place_of(&entry.job, planned) {
                Some(at) => revisions.extend(take_disk(now, entry, at, planned, &mut self.journal)),
                None => note_uncopied(now, entry, planned, &mut self.journal),
            }
        }
        let Entry { job, told, .. } = entry;
        for missing in &plan.missing {
            let message = format!("the VM has no disk {missing}: declare its device_key");
            if told.list().contradictions.is_first(&message, limits::DISKS_PER_JOB) {
                self.journal.note(now, job, Event::PlanContradicted, message, vec![("disk", missing.as_str().into())]);
            }
        }
        let is_taken = |planned: &DiskPlan| {
            let disk = place_of(&entry.job, planned).map(|at| &entry.job.disks[at]);
            disk.is_some_and(|disk| {
                (disk.planned_bytes, disk.basis) == (Some(planned.planned_bytes), Some(planned.basis))
            })
        };
        if plan.disks.iter().any(is_taken) {
            note_plan(now, entry, plan, tries, &mut self.journal);
        }
        if entry.job != before {
            self.revise_whole(now, id, &before, revisions);
            self.keep_row(id);
        }
    }

    /// Where no disk's total was replaced and the bar falls all the same, the whole plan was (R-44, U6).
    fn revise_whole(&mut self, now: Now, id: &JobId, before: &Job, mut revisions: Vec<Revision>) {
        if revisions.is_empty()
            && let Some(job) = self.jobs.get(id).map(|entry| &entry.job)
        {
            let after = tally(job, 0);
            if before.totals.total_bytes > 0 && after.percent < before.totals.percent {
                let (from, to) = (before.totals.total_bytes, after.total_bytes);
                revisions.push(Revision { whose: "the job".to_owned(), from, to });
            }
        }
        self.renew(now, id, &revisions);
    }
}

/// The job's disk that a plan is of: the one it was asked for, or the one that came in meanwhile by that key.
fn place_of(job: &Job, planned: &DiskPlan) -> Option<usize> {
    match &planned.disk {
        Some(id) => job.disks.iter().position(|disk| disk.id == *id),
        None => {
            let is_it = |disk: &Disk| disk.device_key == Some(planned.key) && !job.is_shadowed(disk);
            job.disks.iter().position(is_it)
        }
    }
}

/// A job of which nobody said which disks it copies gets those that the VM has, until a mover has opened one. They are not
/// declared: a mover that leaves one out may end the job all the same.
fn add_found_disks(now: Now, entry: &mut Entry, plan: &VmPlan, journal: &mut Journal) {
    let is_open = |disk: &Disk| disk.declared || disk.device_key.is_none() || disk.status != DiskStatus::Queued;
    if entry.job.disks.iter().any(is_open) {
        return;
    }
    for planned in plan.disks.iter().filter(|disk| disk.disk.is_none() && disk.excluded.is_none()) {
        let is_known = place_of(&entry.job, planned).is_some() || entry.job.disks.len() >= limits::DISKS_PER_JOB;
        let Some(id) = DiskId::parse(&format!("disk-{}", planned.key)).ok().filter(|_| !is_known) else { continue };
        let mut disk = Disk::new(id.clone());
        disk.device_key = Some(planned.key);
        entry.job.add_disk(disk);
        entry.watched.reserve_exact(1);
        entry.watched.push(Default::default());
        let message = format!("disk {id} is one of the VM's ({:?}): nobody had declared it", planned.label);
        journal.note(now, &entry.job, Event::DiskDiscovered, message, vec![("disk", id.as_str().into())]);
    }
}

/// A disk of the VM that the job does not copy.
fn note_uncopied(now: Now, Entry { job, told, .. }: &mut Entry, planned: &DiskPlan, journal: &mut Journal) {
    let why = match planned.excluded {
        Some(excluded) => format!("it is {excluded}, which VMware takes no snapshot of"),
        None => "nobody declared it".to_owned(),
    };
    let (key, label) = (planned.key, &planned.label);
    let message = format!("the VM has a disk that this job does not copy, disk-{key} ({label:?}): {why}");
    if told.list().contradictions.is_first(&message, limits::DISKS_PER_JOB) {
        journal.note(now, job, Event::PlanContradicted, message, vec![("device_key", key.into())]);
    }
}

/// Takes a disk's plan over; says where a total was replaced by another.
fn take_disk(
    now: Now,
    Entry { job, told, .. }: &mut Entry,
    at: usize,
    planned: &DiskPlan,
    journal: &mut Journal,
) -> Option<Revision> {
    let disk = &mut job.disks[at];
    if matches!(disk.status, DiskStatus::Completed | DiskStatus::Failed) {
        return None;
    }
    if disk.label.is_empty() {
        disk.label.clone_from(&planned.label);
    }
    disk.device_key = disk.device_key.or(Some(planned.key));
    // What was declared stays, so that declaring it again is well.
    let declared = *disk.capacity_bytes.get_or_insert(planned.capacity_bytes);
    let is_new_doubt = planned.suspect.is_some() && disk.suspect != planned.suspect;
    // What CBT told by a change id that is in doubt now is worth less than anything else.
    if planned.suspect.is_some() && disk.basis == Some(Basis::CbtDelta) {
        disk.basis = None;
    }
    // A doubt is lifted by CBT's own answer, and not by a plan for which nobody asked it.
    if planned.suspect.is_some() || planned.areas.is_some() || planned.previous.is_none() {
        disk.suspect.clone_from(&planned.suspect);
    }
    // Only the figures that the total is made of belong to it.
    let is_taken = disk.planned_bytes.is_none() || disk.basis.is_none_or(|known| trust(planned.basis) <= trust(known));
    if is_taken && disk.basis.is_some_and(Basis::is_of_cbt) {
        // Of two that are equally trusted the later one counts.
        disk.basis = Some(planned.basis);
    }
    let revision = revise_plan(disk, Some(planned.planned_bytes), planned.basis);
    if is_taken {
        disk.blocks_changed = planned.areas;
    }
    let percent = disk_percent(disk);
    disk.percent = if revision.is_some() { percent } else { percent.max(disk.percent) };
    let id = disk.id.clone();
    let of = || vec![("disk", id.as_str().into())];
    let (capacity, basis) = (planned.capacity_bytes, planned.basis.wire_name());
    if declared != capacity {
        let message = format!("disk {id} is known to have {declared} bytes, and vCenter says {capacity}");
        if told.list().contradictions.is_first(&message, limits::DISKS_PER_JOB) {
            journal.note(now, job, Event::PlanContradicted, message, of());
        }
    }
    if let Some(suspect) = planned.suspect.as_ref().filter(|_| is_new_doubt) {
        let message = format!("disk {id}: its change ids cannot be trusted: {suspect}");
        journal.note(now, job, Event::BaselineSuspect, message, of());
    }
    for reason in &planned.reasons {
        let message = match is_taken {
            true => format!("disk {id}: the total rests on {basis}: {reason}"),
            false => format!("disk {id}: vCenter tells no more than {basis} now, and the total stays: {reason}"),
        };
        if told.list().weaker.is_first(&message, limits::REFUSALS_PER_JOB) {
            journal.note(now, job, Event::PlanWeaker, message, of());
        }
    }
    revision
}

/// The order of trust; what CBT tells is equally good, whichever question it answers.
fn trust(basis: Basis) -> Basis {
    if basis.is_of_cbt() { Basis::CbtAllocated } else { basis }
}

fn count(number: u64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

fn note_plan(now: Now, Entry { job, told, .. }: &mut Entry, plan: &VmPlan, tries: u32, journal: &mut Journal) {
    let basis = plan.basis().map_or("unknown", Basis::wire_name);
    let areas = plan.disks.iter().filter_map(|disk| disk.areas).fold(0, u64::saturating_add);
    let since = plan.disks.iter().filter_map(|disk| {
        let from = disk.previous.as_ref().filter(|_| disk.basis == Basis::CbtDelta)?;
        Some(format!("; disk-{} since {}", disk.key, from.as_str()))
    });
    let since: String = since.collect();
    let snapshot = plan.snapshot.as_deref().unwrap_or("none");
    let bytes = plan.planned_bytes();
    let (disks, in_areas) = (count(plan.disks.len() as u64, "disk"), count(areas, "area"));
    let said = format!("{bytes} bytes to copy on {disks}, in {in_areas}, basis {basis}, snapshot {snapshot}{since}");
    if told.list().plan != said {
        let how = if tries > 1 { format!(", after {tries} tries") } else { String::new() };
        let attributes = vec![
            ("bytes", bytes.into()),
            ("areas", areas.into()),
            ("basis", basis.into()),
            ("tries", u64::from(tries).into()),
        ];
        journal.note(now, job, Event::PlanMade, format!("vCenter: {said}{how}"), attributes);
        told.list().plan = said;
    }
}
