//! Which jobs of a VMA vCenter is asked about, and what comes back where it does not answer. When is
//! `policy::planning`'s to say, what a plan does is `planned`'s.

use super::book::Source;
use super::entry::Entry;
use crate::limits;
use crate::model::change::Change;
use crate::model::disk::Basis;
use crate::model::event::Event;
use crate::model::id::{DiskId, JobId};
use crate::model::job::Job;
use crate::model::plan::{PlanRequest, Planned, WantedDisk};
use crate::model::stage::Stage;
use crate::model::status::JobStatus;
use crate::model::time::Now;
use crate::model::vmware::{Fault, FaultKind};
use crate::policy::planning::{Pace, Planning};
use crate::policy::transition::{self, Moved};

impl Source {
    /// The next job that vCenter is to be asked about; what comes of it goes to [`Source::planned`].
    pub fn next_plan(&mut self) -> Option<PlanRequest> {
        let planning = self.planning.as_mut()?;
        loop {
            let id = planning.next_job()?;
            match self.jobs.get(&id) {
                Some(entry) if is_plannable(&entry.job) => return Some(request(&entry.job, self.generation)),
                Some(_) | None => {
                    planning.forget(&id);
                    planning.answered(&id);
                }
            }
        }
    }

    /// True while a job waits for vCenter.
    pub fn is_planning(&self) -> bool {
        self.planning.as_ref().is_some_and(Planning::is_busy)
    }

    /// The plan of a job has got to this stage, which shows as long as the mover has not begun. The status stays Queued: a
    /// mover that never begins must be found out.
    pub fn planning_reached(&mut self, now: Now, id: &JobId, stage: Stage) {
        if let Some(planning) = &mut self.planning {
            planning.heard();
        }
        let Some(Entry { job, is_staged_by_plan, .. }) = self.jobs.get_mut(id) else { return };
        if job.status != JobStatus::Queued {
            return;
        }
        if let Ok(Moved::From(from)) = transition::set_stage(&mut job.stage, stage) {
            *is_staged_by_plan = true;
            self.journal.stage_moved(now, job, from, stage);
            self.renew(now, id, &[]);
            self.keep_row(id);
        }
    }

    /// What came of asking vCenter.
    pub fn planned(&mut self, now: Now, request: &PlanRequest, planned: &Planned) {
        let id = &request.job;
        let is_awaited = request.generation == self.generation;
        let Some(planning) = self.planning.as_mut().filter(|_| is_awaited) else { return };
        let tries = planning.tries(id);
        if !planning.answered(id) {
            return;
        }
        if !self.jobs.get(id).is_some_and(|entry| is_plannable(&entry.job)) {
            return planning.forget(id);
        }
        let is_outdated = self.jobs.get(id).is_some_and(|entry| is_outdated(request, &entry.job));
        let pace = match planned {
            Ok(plan) => {
                self.take_plan(now, id, plan, tries);
                let may_improve = plan.disks.iter().any(|disk| disk.may_improve);
                if may_improve { Pace::Later } else { Pace::Settled }
            }
            Err(fault) => {
                self.note_fault(now, id, fault);
                pace_of(fault.kind)
            }
        };
        if let (Pace::Halt, Err(fault)) = (pace, planned) {
            self.note_halt(now, fault);
        }
        if let Some(planning) = &mut self.planning {
            planning.paced(now.mono, id, pace);
            if is_outdated {
                planning.want(id);
            }
        }
    }

    /// A refused login holds up every job, and each says so.
    fn note_halt(&mut self, now: Now, fault: &Fault) {
        let waiting = self.planning.iter().flat_map(Planning::waiting).cloned();
        let waiting: Vec<JobId> = waiting.collect();
        waiting.iter().for_each(|id| self.note_fault(now, id, fault));
        self.halt = Some(fault.clone());
    }

    /// The job is planned where its VM is known; once more where that is new.
    pub(super) fn want_plan(&mut self, now: Now, id: &JobId) {
        let Some(planning) = &mut self.planning else { return };
        let is_plannable = self.jobs.get(id).is_some_and(|entry| is_plannable(&entry.job));
        if is_plannable {
            planning.want(id);
        }
        if is_plannable
            && planning.is_halted()
            && let Some(fault) = self.halt.clone()
        {
            self.note_fault(now, id, &fault);
        }
        self.plan_at_stage(id);
    }

    /// The job may be in a stage in which its plan is made once more, or in which none is needed.
    pub(super) fn plan_at_stage(&mut self, id: &JobId) {
        let (Some(planning), Some(entry)) = (&mut self.planning, self.jobs.get(id)) else { return };
        match entry.job.stage {
            Some(stage) if stage > Stage::Transfer => planning.forget(id),
            Some(stage) if stage > Stage::Snapshot => planning.passed_snapshot(id),
            Some(_) | None => {}
        }
    }

    /// After a start or a reload every unfinished job is planned: nobody remembers which snapshot its plan was of.
    pub(super) fn plan_unfinished(&mut self, now: Now) {
        if self.planning.is_none() {
            return;
        }
        let jobs = self.jobs.values().filter(|entry| is_plannable(&entry.job));
        let ids: Vec<JobId> = jobs.map(|entry| entry.job.id.clone()).collect();
        ids.iter().for_each(|id| self.want_plan(now, id));
    }

    /// The disk that a mover means who calls it by a name of its own, where the VM has one disk and the job got it from
    /// vCenter: a second entry would double the total.
    pub(super) fn the_only_disk(&mut self, now: Now, id: &JobId, named: &DiskId) -> Option<usize> {
        let Entry { job, told, .. } = self.jobs.get_mut(id)?;
        let [only] = job.disks.as_slice() else { return None };
        if !only.is_found() || named.device_key().is_some() {
            return None;
        }
        let own_name = &mut told.list().own_name;
        if own_name.is_none() {
            let message = format!("the mover calls disk {} {named}: the VM has no other", only.id);
            self.journal.note(now, job, Event::DiskDiscovered, message, vec![("disk", only.id.as_str().into())]);
        }
        // A second name is a second disk.
        (own_name.get_or_insert_with(|| named.clone()) == named).then_some(0)
    }

    fn note_fault(&mut self, now: Now, id: &JobId, fault: &Fault) {
        let Some(Entry { job, told, .. }) = self.jobs.get_mut(id) else { return };
        if told.list().plan_faults.is_first(&format!("{:?}", fault.kind), limits::REFUSALS_PER_JOB) {
            let basis = job.totals.basis.map_or("unknown", Basis::wire_name);
            let again = match pace_of(fault.kind) {
                Pace::Rarely | Pace::Halt => "it is asked again in 10 minutes, or at once after a reload (SIGHUP)",
                Pace::Soon | Pace::Later | Pace::Settled => "it is asked again",
            };
            let message = format!(
                "vCenter could not be asked how much there is to copy: {fault}; {}; the basis stays {basis}; {again}",
                fault.kind.remedy()
            );
            self.journal.note(now, job, Event::PlanDelayed, message, Vec::new());
        }
    }

    pub(super) fn keep_row(&mut self, id: &JobId) {
        if let Some(entry) = self.jobs.get(id) {
            self.journal.push(Change::Progress(entry.job.clone()));
        }
    }
}

/// True of a job whose VM is known and whose copy is still to come or going on.
fn is_plannable(job: &Job) -> bool {
    !job.status.is_final() && !job.vm.path.is_empty() && job.stage.is_none_or(|stage| stage <= Stage::Transfer)
}

/// True where the job has other disks by now than when it was asked about.
fn is_outdated(asked: &PlanRequest, job: &Job) -> bool {
    let ids = |request: &PlanRequest| request.disks.iter().map(|disk| disk.id.clone()).collect::<Vec<_>>();
    ids(asked) != ids(&request(job, asked.generation)) || asked.sync != job.sync
}

fn request(job: &Job, generation: u64) -> PlanRequest {
    let is_after_snapshot = job.stage.is_some_and(|stage| stage > Stage::Snapshot);
    let disks = job.disks.iter().filter(|disk| !job.is_shadowed(disk)).map(|disk| WantedDisk {
        id: disk.id.clone(),
        device_key: disk.device_key,
        label: disk.label.clone(),
        previous: disk.previous_change_id.clone(),
        capacities_then: Vec::new(),
    });
    PlanRequest {
        job: job.id.clone(),
        vm_path: job.vm.path.clone(),
        sync: job.sync,
        generation,
        is_after_snapshot,
        disks: disks.collect(),
    }
}

fn pace_of(kind: FaultKind) -> Pace {
    match kind {
        FaultKind::LoginRefused | FaultKind::Secrets => Pace::Halt,
        FaultKind::NoSuchVm | FaultKind::NoPermission | FaultKind::NotSupported => Pace::Rarely,
        FaultKind::Unreachable | FaultKind::Untrusted | FaultKind::NotAuthenticated | FaultKind::SnapshotGone => {
            Pace::Soon
        }
        FaultKind::ChangeIdRefused | FaultKind::InvalidArgument | FaultKind::Other | FaultKind::Broken => Pace::Soon,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::model::id::{ChangeId, Epoch, VmaName};
    use crate::model::plan::{DiskPlan, VmPlan};
    use crate::model::request::{Declaration, DeclaredDisk, Outcome, Push};
    use crate::model::time::{Mono, Wall};
    use crate::model::vmware::Exclusion;
    use crate::policy::source::{SourceSettings, WhichRun};
    use crate::{model::job::Vm, model::progress::Progress};

    const JOB: &str = "web01";

    fn at(seconds: u64) -> Now {
        let wall = Wall::from_unix_millis(i64::try_from(seconds * 1000).expect("small"));
        Now { mono: Mono::from_millis(seconds * 1000), wall }
    }
    fn id(text: &str) -> JobId {
        JobId::parse(text).expect("an id")
    }
    /// A source with a declared job of these disks.
    fn source(disks: &[&str]) -> Source {
        let settings = SourceSettings {
            name: VmaName::parse("site-a").expect("a name"),
            epoch: Epoch::parse("epoch-1").expect("an epoch"),
            auto_initialize: true,
            keep_finished: Duration::from_secs(3600),
            failed_grace: Duration::from_secs(120),
            plans: true,
            seed: 1,
        };
        let mut source = Source::resume(settings, 0, Vec::new(), at(0));
        let disks: Vec<(&str, Option<i64>)> = disks.iter().map(|disk| (*disk, None)).collect();
        declare(&mut source, 1, &disks);
        source.changes();
        source
    }
    fn declare(source: &mut Source, second: u64, disks: &[(&str, Option<i64>)]) {
        declare_as(source, second, JOB, disks);
    }
    fn declare_as(source: &mut Source, second: u64, job: &str, disks: &[(&str, Option<i64>)]) {
        let disks = disks.iter().map(|(disk, device_key)| DeclaredDisk {
            id: DiskId::parse(disk).expect("an id"),
            label: None,
            capacity_bytes: Some(1000),
            device_key: *device_key,
            previous_change_id: None,
            export: None,
        });
        let vm = Some(Vm { name: String::new(), path: "/vm/a".to_owned(), uuid: String::new() });
        let declaration = Declaration { vm, disks: disks.collect(), ..Declaration::default() };
        source.declare(at(second), &id(job), &declaration).expect("declared");
    }
    fn disk(named: Option<&str>, key: i64, bytes: u64, basis: Basis) -> DiskPlan {
        DiskPlan {
            disk: named.map(|named| DiskId::parse(named).expect("an id")),
            key,
            label: format!("Hard disk {}", key - 1999),
            capacity_bytes: 1000,
            planned_bytes: bytes,
            basis,
            areas: basis.is_of_cbt().then_some(3),
            previous: None,
            change_id: ChangeId::from_text("52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81"),
            suspect: None,
            reasons: Vec::new(),
            excluded: None,
            may_improve: false,
        }
    }
    /// What is asked comes back with this plan; messages of the log by their events.
    fn plan(source: &mut Source, second: u64, disks: Vec<DiskPlan>) -> Vec<(Event, String)> {
        source.planning.as_mut().expect("it plans").want(&id(JOB));
        let request = source.next_plan().expect("a job is due");
        let (name, vm, snapshot, missing) = ("a".to_owned(), "vm-1".to_owned(), None, Vec::new());
        source.planned(at(second), &request, &Ok(VmPlan { name, vm, snapshot, disks, missing }));
        entries(source)
    }
    fn entries(source: &mut Source) -> Vec<(Event, String)> {
        let entries = source.changes().into_iter().filter_map(|change| match change {
            Change::Entry(entry) => Some((entry.event, entry.message)),
            _ => None,
        });
        entries.collect()
    }
    fn document(source: &Source) -> Progress {
        source.document(at(100), &id(JOB), WhichRun::Newest).expect("known")
    }
    fn push(source: &mut Source, second: u64, stage: &str, disk: Option<&str>, bytes: u64) {
        let disk = disk.map(|disk| DiskId::parse(disk).expect("an id"));
        let push = Push { stage: stage.to_owned(), disk, bytes_transferred: bytes, ..Push::default() };
        source.push(at(second), &id(JOB), &push).expect("taken");
    }
    fn total(source: &Source) -> (u64, Option<Basis>) {
        let totals = document(source).totals;
        (totals.total_bytes, totals.basis)
    }

    #[test]
    fn a_plan_renews_the_document_and_not_the_movers_last_word() {
        let mut source = source(&["disk-2000"]);
        let before = document(&source);
        plan(&mut source, 50, vec![disk(Some("disk-2000"), 2000, 300, Basis::CbtAllocated)]);
        let after = document(&source);
        assert_eq!((after.totals.total_bytes, after.totals.basis), (300, Some(Basis::CbtAllocated)));
        assert_eq!(after.updated_at, before.updated_at, "a dead mover must not look alive (R-8)");
        assert!(after.sequence > before.sequence, "the OMA sees it (R-9)");
        let planned = &after.disks[0];
        assert_eq!((&planned.change_id, &planned.previous_change_id), (&None, &None), "those are the mover's to say");
        assert_eq!((planned.device_key, planned.blocks_changed, &*planned.label), (Some(2000), Some(3), "Hard disk 1"));
    }

    #[test]
    fn r05_a_better_basis_replaces_a_weaker_one_and_never_the_other_way() {
        let mut source = source(&["disk-2000"]);
        let named = || Some("disk-2000");
        assert_eq!(total(&source), (1000, Some(Basis::Capacity)));
        for (bytes, basis, expected) in [
            (700, Basis::Layout, (700, Basis::Layout)),
            (1000, Basis::Capacity, (700, Basis::Layout)),
            (300, Basis::CbtAllocated, (300, Basis::CbtAllocated)),
            (20, Basis::CbtDelta, (20, Basis::CbtDelta)),
            (700, Basis::Layout, (20, Basis::CbtDelta)),
            (310, Basis::CbtAllocated, (310, Basis::CbtAllocated)),
            (0, Basis::CbtDelta, (0, Basis::CbtDelta)),
        ] {
            plan(&mut source, 2, vec![disk(named(), 2000, bytes, basis)]);
            assert_eq!(total(&source), (expected.0, Some(expected.1)), "{bytes} {basis:?}");
        }
        // Unless the delta was asked for by a change id that is in doubt now.
        let doubt = Some("change tracking was reset".to_owned());
        let said =
            plan(&mut source, 3, vec![DiskPlan { suspect: doubt.clone(), ..disk(named(), 2000, 700, Basis::Layout) }]);
        assert_eq!((total(&source), &document(&source).disks[0].suspect), ((700, Some(Basis::Layout)), &doubt));
        assert_eq!(said[0].0, Event::BaselineSuspect, "{said:?}");
    }

    #[test]
    fn u06_the_bar_falls_only_with_a_word() {
        let mut source = source(&["disk-2000"]);
        push(&mut source, 2, "Transfer", Some("disk-2000"), 500);
        assert_eq!(document(&source).totals.percent.to_string(), "50.00");
        entries(&mut source);
        let said = plan(&mut source, 3, vec![disk(Some("disk-2000"), 2000, 800, Basis::CbtAllocated)]);
        assert_eq!(document(&source).totals.percent.to_string(), "62.50");
        let revised = (
            Event::PlanRevised,
            "plan of disk disk-2000 revised from 1000 to 800 bytes: 50.00 % is now 62.50 %".to_owned(),
        );
        assert!(said.contains(&revised), "{said:?}");
    }

    #[test]
    fn the_vms_own_disks_are_the_jobs_where_nobody_declared_any() {
        let mut source = source(&[]);
        let out = DiskPlan { excluded: Some(Exclusion::Independent), ..disk(None, 2002, 9, Basis::Capacity) };
        let two = || vec![disk(None, 2000, 300, Basis::CbtAllocated), disk(None, 2001, 100, Basis::CbtAllocated)];
        let said = plan(&mut source, 2, [two(), vec![out.clone()]].concat());
        assert_eq!(total(&source), (400, Some(Basis::CbtAllocated)));
        let document = document(&source);
        let ids: Vec<&str> = document.disks.iter().map(|disk| disk.id.as_str()).collect();
        assert_eq!(ids, ["disk-2000", "disk-2001"]);
        assert!(document.disks.iter().all(|disk| !disk.declared), "they hold up no end (R-45)");
        let named = |said: &[(Event, String)]| {
            said.iter().filter(|(_, text)| text.contains("does not copy, disk-2002")).count()
        };
        assert_eq!(named(&said), 1, "{said:?}");
        assert_eq!(named(&plan(&mut source, 3, [two(), vec![out]].concat())), 0, "once");
        // A mover without disk ids copies them one after another.
        push(&mut source, 4, "Transfer", None, 0);
        push(&mut source, 5, "Transfer", None, 150);
        assert_eq!(source.job(&id(JOB)).expect("known").disks[0].bytes_transferred, 150);
    }

    #[test]
    fn a_movers_own_name_for_the_only_disk_makes_no_second_one() {
        let mut source = source(&[]);
        plan(&mut source, 2, vec![disk(None, 2000, 300, Basis::CbtAllocated)]);
        push(&mut source, 3, "Transfer", Some("root"), 150);
        assert_eq!((total(&source).0, document(&source).totals.percent.to_string()), (300, "50.00".to_owned()));
        let said = entries(&mut source);
        assert!(
            said.iter().any(|(_, text)| text == "the mover calls disk disk-2000 root: the VM has no other"),
            "{said:?}"
        );
        push(&mut source, 4, "Transfer", Some("disk-2001"), 10);
        assert_eq!(document(&source).disks.len(), 2, "another key is another disk");

        let mut source = self::source(&[]);
        plan(&mut source, 2, vec![disk(None, 2000, 300, Basis::CbtAllocated)]);
        push(&mut source, 3, "Transfer", Some("root"), 150);
        push(&mut source, 4, "Transfer", Some("data"), 10);
        assert_eq!(document(&source).disks.len(), 2, "and so is another name");
    }

    #[test]
    fn a_movers_own_names_for_several_disks_take_the_place_of_those_that_were_found() {
        let mut source = source(&[]);
        plan(
            &mut source,
            2,
            vec![disk(None, 2000, 300, Basis::CbtAllocated), disk(None, 2001, 500, Basis::CbtAllocated)],
        );
        assert_eq!(total(&source).0, 800);
        for (second, name) in [(3, "root"), (4, "data")] {
            let disk = DiskId::parse(name).ok();
            let push = Push {
                stage: "Transfer".to_owned(),
                disk,
                bytes_transferred: 100,
                total_bytes: Some(400),
                ..Push::default()
            };
            source.push(at(second), &id(JOB), &push).expect("taken");
        }
        assert_eq!((total(&source).0, document(&source).totals.percent.to_string()), (800, "25.00".to_owned()));
        let again = vec![disk(None, 2000, 300, Basis::CbtAllocated), disk(None, 2001, 500, Basis::CbtAllocated)];
        plan(&mut source, 5, again);
        assert_eq!(total(&source).0, 800, "each disk counts once");
    }

    #[test]
    fn r05_after_a_restart_the_plan_is_made_again_when_the_snapshot_is_there() {
        let mut source = source(&["disk-2000"]);
        plan(&mut source, 2, vec![disk(Some("disk-2000"), 2000, 300, Basis::CbtDelta)]);
        let job = source.job(&id(JOB)).expect("known").clone();
        let mut source = Source::resume(source.settings.clone(), 9, vec![job], at(3));
        plan(&mut source, 4, vec![disk(Some("disk-2000"), 2000, 300, Basis::CbtDelta)]);
        push(&mut source, 5, "Preparing Migration", None, 0);
        assert_eq!(source.next_plan().map(|request| request.is_after_snapshot), Some(true));
    }

    #[test]
    fn a_disk_that_is_declared_after_it_was_found_counts_once() {
        let mut source = source(&[]);
        plan(&mut source, 2, vec![disk(None, 2000, 300, Basis::CbtAllocated)]);
        declare(&mut source, 3, &[("root", Some(2000))]);
        let both = || vec![disk(Some("root"), 2000, 300, Basis::CbtAllocated)];
        let request = source.next_plan().expect("another disk is another plan");
        let asked: Vec<&str> = request.disks.iter().map(|disk| disk.id.as_str()).collect();
        assert_eq!(asked, ["root"]);
        source.planning.as_mut().expect("it plans").answered(&id(JOB));
        plan(&mut source, 4, both());
        assert_eq!(total(&source), (300, Some(Basis::CbtAllocated)));
        push(&mut source, 5, "Transfer", Some("root"), 300);
        assert_eq!(document(&source).totals.percent.to_string(), "99.99");
    }

    #[test]
    fn f53_a_disk_that_only_vcenter_lists_keeps_its_job_from_succeeding() {
        let mut source = source(&[]);
        plan(
            &mut source,
            2,
            vec![disk(None, 2000, 300, Basis::CbtAllocated), disk(None, 2001, 1, Basis::CbtAllocated)],
        );
        push(&mut source, 3, "Transfer", Some("disk-2000"), 300);
        let push = |source: &mut Source, stage: &str, status: &str| {
            let disk = DiskId::parse("disk-2000").ok();
            let (stage, status) = (stage.to_owned(), Some(status.to_owned()));
            source.push(at(4), &id(JOB), &Push { stage, status, disk, ..Push::default() }).expect("taken");
        };
        push(&mut source, "Transfer", "completed");
        push(&mut source, "PersistChangeIDs", "Succeeded");
        assert_eq!(document(&source).status, JobStatus::Finalizing);
        let refused = source.finish(at(5), &id(JOB), &Outcome::Succeeded).expect_err("a disk is missing");
        assert!(refused.to_string().ends_with("disk disk-2001 is Queued"), "{refused}");
        // Who declares the disks that are copied says that the others are not.
        declare(&mut source, 6, &[("disk-2000", Some(2000))]);
        source.finish(at(7), &id(JOB), &Outcome::Succeeded).expect("all that is declared is there");
        let said = entries(&mut source);
        assert!(said.iter().any(|(_, text)| text.starts_with("the job ends without disk-2001: ")), "{said:?}");
    }

    #[test]
    fn r06_a_doubt_is_lifted_by_cbts_own_answer_only() {
        let mut source = source(&["disk-2000"]);
        let previous = ChangeId::from_text("52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/80");
        let named = |basis| DiskPlan { previous: previous.clone(), ..disk(Some("disk-2000"), 2000, 300, basis) };
        let doubt = Some("change tracking was reset".to_owned());
        plan(&mut source, 2, vec![DiskPlan { suspect: doubt.clone(), ..named(Basis::CbtAllocated) }]);
        plan(&mut source, 3, vec![named(Basis::Layout)]);
        assert_eq!(document(&source).disks[0].suspect, doubt, "nobody asked CBT");
        plan(&mut source, 4, vec![named(Basis::CbtDelta)]);
        assert_eq!(document(&source).disks[0].suspect, None);
    }

    #[test]
    fn what_came_in_while_vcenter_was_asked_is_asked_for_once_more() {
        let mut source = source(&[]);
        let request = source.next_plan().expect("due");
        push(&mut source, 2, "Transfer", Some("root"), 10);
        let (name, vm, snapshot, missing) = ("a".to_owned(), "vm-1".to_owned(), None, Vec::new());
        let disks = vec![disk(None, 2000, 300, Basis::CbtAllocated)];
        source.planned(at(3), &request, &Ok(VmPlan { name, vm, snapshot, disks, missing }));
        let asked: Vec<String> = source.next_plan().expect("again").disks.iter().map(|it| it.id.to_string()).collect();
        assert_eq!(asked, ["root"]);
    }

    #[test]
    fn a_refused_login_is_told_to_every_job_that_waits_and_to_the_next() {
        let mut source = source(&["disk-2000"]);
        declare_as(&mut source, 2, "web02", &[("disk-2000", None)]);
        let request = source.next_plan().expect("due");
        assert_eq!(source.next_plan(), None, "one tries for all");
        entries(&mut source);
        let message = "Login failed with InvalidLogin".to_owned();
        source.planned(at(3), &request, &Err(Fault { kind: FaultKind::LoginRefused, message }));
        declare_as(&mut source, 4, "web03", &[("disk-2000", None)]);
        let told: Vec<String> = entries(&mut source)
            .into_iter()
            .filter_map(|(event, text)| (event == Event::PlanDelayed).then_some(text))
            .collect();
        assert_eq!(told.len(), 3, "{told:?}");
        assert!(
            told.iter().all(|text| text.contains("InvalidLogin") && text.ends_with("after a reload (SIGHUP)")),
            "{told:?}"
        );
    }

    #[test]
    fn a_mover_that_begins_after_the_plan_is_not_refused() {
        let mut source = source(&["disk-2000"]);
        source.planning_reached(at(2), &id(JOB), Stage::QueryCbt);
        let shown = |source: &Source| (document(source).stage, document(source).status);
        assert_eq!(shown(&source), (Stage::QueryCbt, JobStatus::Queued), "who never begins is found out (R-24)");
        push(&mut source, 3, "Initializing", None, 0);
        push(&mut source, 4, "EnableCBT", None, 0);
        assert_eq!(shown(&source), (Stage::QueryCbt, JobStatus::Preparing));
        source.planning_reached(at(5), &id(JOB), Stage::QueryCbt);
        push(&mut source, 6, "Creating Snapshot", None, 0);
        push(&mut source, 7, "Initializing", None, 0);
        let refused: Vec<String> = entries(&mut source)
            .into_iter()
            .filter(|(event, _)| *event == Event::TransitionRefused)
            .map(|(_, text)| text)
            .collect();
        assert_eq!(refused.len(), 1, "only the step back from where the mover has been itself: {refused:?}");
    }

    #[test]
    fn a_plan_that_comes_after_the_copy_changes_nothing() {
        let mut source = source(&["disk-2000"]);
        let request = source.next_plan().expect("due");
        push(&mut source, 2, "Finalize", None, 0);
        entries(&mut source);
        let (name, vm, snapshot, missing) = ("a".to_owned(), "vm-1".to_owned(), None, Vec::new());
        let disks = vec![disk(Some("disk-2000"), 2000, 300, Basis::CbtAllocated)];
        source.planned(at(3), &request, &Ok(VmPlan { name, vm, snapshot, disks, missing }));
        assert_eq!((entries(&mut source), total(&source).0, source.is_planning()), (Vec::new(), 1000, false));
    }

    #[test]
    fn a_fault_is_told_once_until_vcenter_answers() {
        let mut source = source(&["disk-2000"]);
        let fail = |source: &mut Source, second: u64| {
            source.elapse(at(second));
            let request = source.next_plan().expect("due");
            let message = "connection refused".to_owned();
            source.planned(at(second), &request, &Err(Fault { kind: FaultKind::Unreachable, message }));
            entries(source).len()
        };
        assert_eq!((fail(&mut source, 10), fail(&mut source, 100), fail(&mut source, 200)), (1, 0, 0));
        source.elapse(at(300));
        plan(&mut source, 300, vec![DiskPlan { may_improve: true, ..disk(Some("disk-2000"), 2000, 3, Basis::Layout) }]);
        assert_eq!(fail(&mut source, 1000), 1, "it is away again");
        assert!(source.is_planning());
    }
}
