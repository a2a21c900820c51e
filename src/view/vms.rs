//! `waybill vms`: a line a VM: what runs now, when the last good run was, and whether the next may copy the changes alone.
//! The chains of its disks judge that; here it is only said.

use std::collections::{BTreeMap, BTreeSet};

use nanoserde::SerJson;

use crate::model::id::JobId;
use crate::model::job::Job;
use crate::model::record::HistoryRecord;
use crate::model::status::JobStatus;
use crate::model::time::Wall;
use crate::policy::chain::{self, DiskChain, Finding, Place};

use super::grid::{self, Column};
use super::paint::Tone;
use super::runs::NewestRuns;
use super::{Moment, units};

/// A VM as its jobs and their history show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmSummary {
    /// Its name; empty if unknown.
    pub name: String,
    /// Its inventory path.
    pub path: String,
    /// The unfinished run that began last.
    pub current: Option<(JobId, JobStatus)>,
    /// The last run that ended well, and when.
    pub last_good: Option<(JobId, Wall)>,
    /// Runs that have ended.
    pub runs: usize,
    /// Those of them that have failed.
    pub failures: usize,
    /// Its disks; empty if no run has left anything.
    pub disks: Vec<NextStart>,
}

/// From where the next run of a disk may start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextStart {
    disk: String,
    change_id: Option<String>,
    /// Why there is no change id to start from, and what mends that.
    why_not: Option<(String, Option<String>)>,
}

impl VmSummary {
    /// True if each disk has a change id from which the next run may start.
    pub fn is_incremental(&self) -> bool {
        !self.disks.is_empty() && self.disks.iter().all(|disk| disk.change_id.is_some())
    }
    fn why_not(&self) -> String {
        let mut faulty = self.disks.iter().filter(|disk| disk.change_id.is_none());
        match faulty.next() {
            Some(NextStart { disk, why_not: Some((why, _)), .. }) => {
                let others = faulty.count();
                let more =
                    if others > 0 { format!(" (and {})", units::count(others, "more disk")) } else { String::new() };
                format!("{}: {}{more}", units::plain(disk), units::plain(why))
            }
            Some(disk) => units::plain(&disk.disk),
            None if self.disks.is_empty() => "no run has left a change id".to_owned(),
            None => String::new(),
        }
    }
}

/// The VMs of these jobs and of this history, by their paths. A job without a path is of no VM that
/// could be recognised.
pub fn summaries(jobs: &[Job], history: Vec<HistoryRecord>) -> Vec<VmSummary> {
    let mut vms: BTreeMap<String, VmSummary> = BTreeMap::new();
    let mut seen: BTreeSet<JobId> = BTreeSet::new();
    let mut by_age: Vec<&Job> = jobs.iter().filter(|job| !job.vm.path.is_empty()).collect();
    by_age.sort_by_key(|job| job.created_at);
    for job in by_age.into_iter().filter(|job| seen.insert(job.id.clone())) {
        let vm = vms.entry(job.vm.path.clone()).or_insert_with(|| empty(&job.vm.path));
        if !job.vm.name.is_empty() {
            vm.name.clone_from(&job.vm.name);
        }
        match job.status {
            JobStatus::Succeeded | JobStatus::Failed => {
                vm.ended(&job.id, job.completed_at.unwrap_or(job.updated_at), job.status == JobStatus::Succeeded);
            }
            running => vm.current = Some((job.id.clone(), running)),
        }
    }
    // Rows of runs whose jobs are no longer there. A run is good if all of its disks are.
    let mut gone: BTreeMap<(&str, &JobId), (Wall, i64, bool)> = BTreeMap::new();
    for row in history.iter().filter(|row| !row.superseded && !row.entry.vm_path.is_empty()) {
        let entry = &row.entry;
        if !seen.contains(&entry.job) {
            let run = gone.entry((&entry.vm_path, &entry.job)).or_insert((entry.created_at, row.id, true));
            *run = (run.0.max(entry.created_at), run.1.max(row.id), run.2 && entry.sync_success);
        }
    }
    let mut gone: Vec<_> = gone.into_iter().collect();
    gone.sort_by_key(|(_, (at, id, _))| (*at, *id));
    for ((path, job), (at, _, is_good)) in gone {
        vms.entry(path.to_owned()).or_insert_with(|| empty(path)).ended(job, at, is_good);
    }
    for chain in chain::verify(history) {
        if let Place::Vm { path, disk, .. } = &chain.place {
            let next = next_start(disk.as_str(), &chain);
            vms.entry(path.clone()).or_insert_with(|| empty(path)).disks.push(next);
        }
    }
    vms.into_values().collect()
}

fn empty(path: &str) -> VmSummary {
    let (name, path) = (String::new(), path.to_owned());
    VmSummary { name, path, current: None, last_good: None, runs: 0, failures: 0, disks: Vec::new() }
}

impl VmSummary {
    fn ended(&mut self, job: &JobId, at: Wall, is_good: bool) {
        self.runs += 1;
        self.failures += usize::from(!is_good);
        if is_good && self.last_good.as_ref().is_none_or(|(_, known)| *known <= at) {
            self.last_good = Some((job.clone(), at));
        }
    }
}

fn next_start(disk: &str, chain: &DiskChain) -> NextStart {
    let change_id = chain.next.as_ref().map(|id| id.as_str().to_owned());
    let fault = chain.runs.iter().rev().flat_map(|run| run.findings.iter().rev()).find(|found| Finding::is_open(found));
    let why = || match fault {
        Some(fault) => (fault.verdict.message(), fault.verdict.remedy()),
        None => ("no good run has left a change id".to_owned(), None),
    };
    NextStart { disk: disk.to_owned(), why_not: change_id.is_none().then(why), change_id }
}

/// The table, in the order given. `width` is the terminal's; `None` gives every line the space that it needs.
pub fn table(vms: &[VmSummary], newest: &NewestRuns, now: Moment, width: Option<usize>, colour: bool) -> String {
    let current = |vm: &VmSummary| match &vm.current {
        Some((id, status)) => format!("{} {status}", newest.name(id)),
        None => "-".to_owned(),
    };
    let good = |vm: &VmSummary| match &vm.last_good {
        Some((id, at)) => format!("{}, {} ago", newest.name(id), units::age(*at, *now)),
        None => "never".to_owned(),
    };
    let next = |vm: &VmSummary| match vm.is_incremental() {
        true => ("incremental".to_owned(), Tone::Good),
        false => ("full".to_owned(), Tone::Warn),
    };
    let columns = [
        Column::words("VM", vms.iter().map(|vm| units::plain(&vm.path))),
        Column::words("NOW", vms.iter().map(current)),
        Column::words("LAST GOOD RUN", vms.iter().map(good)),
        Column::figures("RUNS", vms.iter().map(|vm| vm.runs.to_string())),
        Column::figures("FAILED", vms.iter().map(|vm| vm.failures.to_string())),
        Column::new("NEXT", vms.iter().map(next)),
        Column::words("WHY", vms.iter().map(VmSummary::why_not)),
    ];
    grid::render(&columns, width.unwrap_or(usize::MAX), colour)
}

#[derive(SerJson)]
#[nserde(serialize_none_as_null)]
struct VmRow {
    vm_name: String,
    vm_path: String,
    current_job: Option<String>,
    current_status: Option<String>,
    last_good_job: Option<String>,
    last_good_at: Option<String>,
    runs: u64,
    failures: u64,
    incremental: bool,
    disks: Vec<NextRow>,
}

#[derive(SerJson)]
#[nserde(serialize_none_as_null)]
struct NextRow {
    disk_id: String,
    next_change_id: Option<String>,
    why_not: Option<String>,
    remedy: Option<String>,
}

/// One VM for programs, without a line end.
pub fn json(vm: &VmSummary) -> String {
    let disk = |disk: &NextStart| {
        let (why_not, remedy) = disk.why_not.clone().map_or((None, None), |(why, remedy)| (Some(why), remedy));
        NextRow { disk_id: disk.disk.clone(), next_change_id: disk.change_id.clone(), why_not, remedy }
    };
    VmRow {
        vm_name: vm.name.clone(),
        vm_path: vm.path.clone(),
        current_job: vm.current.as_ref().map(|(id, _)| id.to_string()),
        current_status: vm.current.as_ref().map(|(_, status)| status.stored_name().to_owned()),
        last_good_job: vm.last_good.as_ref().map(|(id, _)| id.to_string()),
        last_good_at: vm.last_good.as_ref().map(|(_, at)| at.to_string()),
        runs: vm.runs as u64,
        failures: vm.failures as u64,
        incremental: vm.is_incremental(),
        disks: vm.disks.iter().map(disk).collect(),
    }
    .serialize_json()
}
