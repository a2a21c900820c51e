//! What vCenter is asked for a VM, question by question, and what follows for each disk: the best basis that is to be had
//! and whether the change id can be trusted. It asks nobody itself: facts, questions and answers pass through.

mod disk;
mod matching;
mod suspect;

use self::disk::DiskPlanning;
use self::matching::matched;
use crate::model::id::DiskId;
use crate::model::plan::{Baseline, PlanRequest, VmPlan};
use crate::model::vmware::{Areas, Fault, FaultKind, VmFacts};

/// The areas of a disk that are to be asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// VMware's device key.
    pub key: i64,
    /// The disk's size in bytes, at which the last page ends.
    pub capacity_bytes: u64,
    /// Changed since what.
    pub baseline: Baseline,
}

/// The plan of a VM on its way.
#[derive(Debug, Clone)]
pub struct VmPlanning {
    facts: VmFacts,
    disks: Vec<DiskPlanning>,
    missing: Vec<DiskId>,
}

impl VmPlanning {
    /// A VM as vCenter described it, and the job's disks.
    pub fn new(facts: VmFacts, request: &PlanRequest) -> Self {
        let given = matched(&facts.disks, &request.disks);
        let disks = facts.disks.iter().zip(&given).map(|(disk, place)| {
            let wanted = place.map(|place| &request.disks[place]);
            DiskPlanning::new(&facts, disk, request.sync, wanted, request.is_after_snapshot)
        });
        let disks = disks.collect();
        let is_missing = |place: &usize| !given.contains(&Some(*place));
        let missing =
            (0..request.disks.len()).filter(is_missing).map(|place| request.disks[place].id.clone()).collect();
        Self { facts, disks, missing }
    }

    /// What to ask next; the answer goes to [`VmPlanning::answered`].
    pub fn question(&self) -> Option<Question> {
        self.disks.iter().find_map(|disk| {
            let baseline = disk.question()?.clone();
            Some(Question { key: disk.facts().key, capacity_bytes: disk.facts().capacity_bytes, baseline })
        })
    }

    /// CBT has answered the question. A vCenter that is out of reach is not asked about the other disks either.
    pub fn answered(&mut self, answer: Result<Areas, Fault>) {
        let mut waiting = self.disks.iter_mut().filter(|disk| disk.question().is_some());
        let Some(asked) = waiting.next() else { return };
        asked.answered(answer.as_ref().copied());
        let is_away = |fault: &Fault| match fault.kind {
            FaultKind::Unreachable | FaultKind::Untrusted | FaultKind::Secrets | FaultKind::LoginRefused => true,
            FaultKind::NotAuthenticated | FaultKind::NoPermission | FaultKind::NoSuchVm => true,
            FaultKind::SnapshotGone | FaultKind::NotSupported => true,
            FaultKind::ChangeIdRefused | FaultKind::InvalidArgument | FaultKind::Other | FaultKind::Broken => false,
        };
        if let Err(fault) = answer
            && is_away(&fault)
        {
            waiting.for_each(|disk| disk.fail(&fault));
        }
    }

    /// The plan, with what is known by now.
    pub fn plan(self) -> VmPlan {
        VmPlan {
            name: self.facts.name,
            vm: self.facts.id,
            snapshot: self.facts.snapshot,
            disks: self.disks.into_iter().map(DiskPlanning::plan).collect(),
            missing: self.missing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::disk::Basis;
    use crate::model::id::{ChangeId, JobId};
    use crate::model::job::SyncKind;
    use crate::model::plan::{DiskPlan, WantedDisk};
    use crate::model::vmware::{DiskFacts, Exclusion};

    const UUID: &str = "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63";
    const OTHER: &str = "52 11 11 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63";
    const GIB: u64 = 1 << 30;

    fn change_id(uuid: &str, counter: u32) -> ChangeId {
        ChangeId::from_text(&format!("{uuid}/{counter}")).expect("a text")
    }
    /// A VM with CBT, a snapshot, and one disk of 10 GiB whose files have 4 GiB.
    fn vm() -> VmFacts {
        VmFacts {
            name: "web01".to_owned(),
            id: "vm-57".to_owned(),
            is_powered_off: false,
            tracks_changes: true,
            can_track_changes: true,
            hardware_version: "vmx-13".to_owned(),
            snapshot: Some("snapshot-3".to_owned()),
            untracked_snapshots: Vec::new(),
            disks: vec![DiskFacts {
                key: 2000,
                label: "Hard disk 1".to_owned(),
                node: Some("scsi0:0".to_owned()),
                capacity_bytes: 10 * GIB,
                change_id: Some(change_id(UUID, 81)),
                layout_bytes: Some(4 * GIB),
                excluded: None,
            }],
        }
    }
    fn request(sync: Option<SyncKind>, previous: Option<ChangeId>) -> PlanRequest {
        let id = DiskId::parse("disk-2000").expect("an id");
        PlanRequest {
            job: JobId::parse("j").expect("an id"),
            vm_path: "/DC0/vm/web01".to_owned(),
            sync,
            generation: 0,
            is_after_snapshot: true,
            disks: vec![WantedDisk {
                id,
                device_key: None,
                label: String::new(),
                previous,
                capacities_then: Vec::new(),
            }],
        }
    }
    fn since(previous: ChangeId) -> PlanRequest {
        request(Some(SyncKind::Incremental), Some(previous))
    }
    fn areas(bytes: u64, count: u64) -> Result<Areas, Fault> {
        Ok(Areas { bytes, count, pages: 1 })
    }
    fn fault(kind: FaultKind) -> Result<Areas, Fault> {
        Err(Fault { kind, message: format!("it failed with {kind:?}") })
    }
    /// The plan of the only disk, with these answers to what is asked; and what was asked.
    fn planned(vm: VmFacts, request: &PlanRequest, answers: &[Result<Areas, Fault>]) -> (DiskPlan, Vec<Baseline>) {
        let mut planning = VmPlanning::new(vm, request);
        let (mut asked, mut answers) = (Vec::new(), answers.iter());
        while let Some(question) = planning.question() {
            asked.push(question.baseline);
            planning.answered(answers.next().expect("no further question").clone());
        }
        assert!(answers.next().is_none(), "a question less: {asked:?}");
        let mut plan = planning.plan();
        assert_eq!(plan.disks.len(), 1);
        (plan.disks.remove(0), asked)
    }
    fn told(plan: &DiskPlan) -> (u64, Basis, Option<u64>) {
        (plan.planned_bytes, plan.basis, plan.areas)
    }

    #[test]
    fn a_full_copy_is_what_cbt_reports_as_allocated() {
        for sync in [Some(SyncKind::Full), None] {
            let (plan, asked) = planned(vm(), &request(sync, None), &[areas(3 * GIB + 1, 7)]);
            assert_eq!((told(&plan), asked), ((3 * GIB + 1, Basis::CbtAllocated, Some(7)), vec![Baseline::Whole]));
            assert_eq!((plan.suspect, plan.reasons, plan.may_improve), (None, Vec::new(), false));
        }
        // Whatever is known of earlier runs, a full copy does not start from there.
        let (plan, _) = planned(vm(), &request(Some(SyncKind::Full), Some(change_id(OTHER, 1))), &[areas(1, 1)]);
        assert_eq!((plan.previous, plan.suspect), (None, None));
    }

    #[test]
    fn an_incremental_is_what_changed_since_its_own_previous_change_id() {
        for sync in [Some(SyncKind::Incremental), None] {
            let (plan, asked) = planned(vm(), &request(sync, Some(change_id(UUID, 80))), &[areas(0, 0)]);
            assert_eq!(told(&plan), (0, Basis::CbtDelta, Some(0)), "nothing changed is a plan of its own");
            assert_eq!(asked, [Baseline::Since(change_id(UUID, 80))]);
            assert_eq!((plan.suspect, plan.previous), (None, Some(change_id(UUID, 80))));
        }
    }

    #[test]
    fn f36_r06_each_change_id_in_doubt_is_named_and_the_next_best_basis_serves() {
        let malformed = ChangeId::from_text("completed").expect("a text");
        let mut resized = since(change_id(UUID, 80));
        resized.disks[0].capacities_then = vec![(2001, 1), (2000, 8 * GIB)];
        let before_asking = [
            (since(malformed), "the previous change id \"completed\" is not <uuid>/<counter>"),
            (since(change_id(OTHER, 80)), "change tracking was reset: the disk is at 52 de c0"),
            (since(change_id(UUID, 82)), "as where the VM went back to an earlier snapshot"),
            (resized, "the disk had 8589934592 bytes at the previous change id and has 10737418240 bytes now"),
        ];
        for (request, reason) in before_asking {
            let (plan, asked) = planned(vm(), &request, &[areas(GIB, 5)]);
            assert_eq!(asked, [Baseline::Whole], "an id in doubt is never asked with");
            assert_eq!(told(&plan), (GIB, Basis::CbtAllocated, Some(5)));
            let suspect = plan.suspect.expect("named");
            assert!(suspect.contains(reason) && suspect.ends_with(": copy this disk in full once"), "{suspect}");
        }
        let request = since(change_id(UUID, 80));
        let refused = [fault(FaultKind::ChangeIdRefused), areas(GIB, 5)];
        let all_of_it = [areas(10 * GIB, 1), areas(GIB, 5)];
        for (answers, reason) in
            [(refused, "vCenter has no answer"), (all_of_it, "all of the disk is said to have changed")]
        {
            let (plan, asked) = planned(vm(), &request, &answers);
            assert_eq!(asked, [Baseline::Since(change_id(UUID, 80)), Baseline::Whole]);
            assert_eq!(told(&plan), (GIB, Basis::CbtAllocated, Some(5)));
            assert!(plan.suspect.as_ref().is_some_and(|suspect| suspect.contains(reason)), "{:?}", plan.suspect);
        }
    }

    #[test]
    fn r06_doubts_that_need_no_question_are_named_before_there_is_a_snapshot() {
        let running = VmFacts { snapshot: None, ..vm() };
        let (plan, asked) = planned(running, &since(ChangeId::from_text("completed").expect("a text")), &[]);
        assert!(plan.suspect.is_some_and(|suspect| suspect.contains("is not <uuid>/<counter>")), "{:?}", plan.reasons);
        assert!(asked.is_empty() && plan.may_improve);
    }

    #[test]
    fn r06_somebodys_old_snapshot_makes_no_change_id_suspect_until_the_mover_has_its_own() {
        let request = PlanRequest { is_after_snapshot: false, ..since(change_id(UUID, 82)) };
        let (plan, asked) = planned(vm(), &request, &[]);
        assert_eq!((&plan.suspect, asked, plan.may_improve), (&None, Vec::new(), true));
        assert!(plan.reasons[0].contains("older than the previous change id"), "{:?}", plan.reasons);
    }

    #[test]
    fn r06_an_argument_that_vcenter_does_not_name_was_the_change_id_where_all_else_is_well() {
        let answers = [fault(FaultKind::InvalidArgument), areas(GIB, 5)];
        let (plan, _) = planned(vm(), &since(change_id(UUID, 80)), &answers);
        assert!(plan.suspect.is_some_and(|suspect| suspect.contains("vCenter has no answer")), "{:?}", plan.reasons);
        let answers = [fault(FaultKind::InvalidArgument), fault(FaultKind::InvalidArgument)];
        let (plan, _) = planned(vm(), &since(change_id(UUID, 80)), &answers);
        assert_eq!((plan.suspect, plan.basis), (None, Basis::Layout));
    }

    #[test]
    fn r06_tracking_that_began_under_snapshots_is_not_asked_at_all() {
        let under = VmFacts { untracked_snapshots: vec!["before upgrade".to_owned()], ..vm() };
        for request in [request(None, None), since(change_id(UUID, 80))] {
            let (plan, asked) = planned(under.clone(), &request, &[]);
            assert_eq!((told(&plan), asked), ((4 * GIB, Basis::Layout, None), Vec::new()));
            assert!(plan.suspect.is_some_and(|suspect| suspect.contains("(before upgrade)")));
            assert!(plan.reasons[0].contains("remove them"), "{:?}", plan.reasons);
        }
    }

    #[test]
    fn r05_where_cbt_does_not_tell_the_files_do_and_where_they_do_not_the_capacity_each_with_its_reason() {
        let off = VmFacts { tracks_changes: false, ..vm() };
        let old = VmFacts { can_track_changes: false, hardware_version: "vmx-04".to_owned(), ..off.clone() };
        let running = VmFacts { snapshot: None, ..vm() };
        let cases =
            [(off, "change tracking is off"), (old, "hardware version \"vmx-04\""), (running, "no snapshot yet")];
        for (facts, reason) in cases {
            let (plan, _) = planned(facts, &request(None, None), &[]);
            assert_eq!((told(&plan), plan.suspect), ((4 * GIB, Basis::Layout, None), None));
            assert!(plan.reasons[0].contains(reason) && plan.may_improve, "{:?}", plan.reasons);
        }
        let mut silent = vm();
        silent.disks[0].layout_bytes = None;
        let (plan, _) = planned(silent, &request(None, None), &[fault(FaultKind::Unreachable)]);
        assert_eq!((told(&plan), plan.may_improve), ((10 * GIB, Basis::Capacity, None), true));
        assert_eq!(plan.reasons.len(), 2, "{:?}", plan.reasons);
        assert!(plan.reasons[0].starts_with("it failed with Unreachable: see that vCenter runs"), "{:?}", plan.reasons);
        // A powered-off VM answers without a snapshot.
        let (plan, _) =
            planned(VmFacts { snapshot: None, is_powered_off: true, ..vm() }, &request(None, None), &[areas(1, 1)]);
        assert_eq!(told(&plan), (1, Basis::CbtAllocated, Some(1)));
        let (plan, _) = planned(vm(), &request(Some(SyncKind::Incremental), None), &[areas(1, 1)]);
        assert_eq!((told(&plan).1, plan.suspect), (Basis::CbtAllocated, None));
        assert!(plan.reasons[0].contains("declare previous_change_id"), "{:?}", plan.reasons);
    }

    #[test]
    fn f15_files_that_are_larger_than_their_disk_do_not_make_it_larger() {
        let mut padded = VmFacts { tracks_changes: false, ..vm() };
        padded.disks[0].layout_bytes = Some(11 * GIB);
        let (plan, _) = planned(padded, &request(None, None), &[]);
        assert_eq!(told(&plan), (10 * GIB, Basis::Layout, None));
    }

    #[test]
    fn what_vmware_leaves_out_is_planned_and_said() {
        let mut out = vm();
        out.disks[0].excluded = Some(Exclusion::PhysicalRdm);
        let (plan, _) = planned(out, &request(None, None), &[]);
        assert!(
            plan.reasons[0].contains("a raw device mapping in physical mode") && !plan.may_improve,
            "{:?}",
            plan.reasons
        );
    }

    #[test]
    fn one_disk_that_fails_leaves_the_others_their_plan_unless_vcenter_is_away() {
        let two = || {
            let mut facts = vm();
            facts.disks.push(DiskFacts { key: 2001, node: None, label: String::new(), ..facts.disks[0].clone() });
            facts
        };
        let basis_after = |kind: FaultKind| {
            let mut planning = VmPlanning::new(two(), &request(None, None));
            planning.answered(fault(kind));
            if planning.question().is_some() {
                planning.answered(areas(5, 1));
            }
            planning.plan().disks.iter().map(|disk| disk.basis).collect::<Vec<_>>()
        };
        assert_eq!(basis_after(FaultKind::ChangeIdRefused), [Basis::Layout, Basis::CbtAllocated]);
        assert_eq!(basis_after(FaultKind::Unreachable), [Basis::Layout, Basis::Layout]);
        let plan = VmPlanning::new(two(), &since(change_id(UUID, 80))).plan();
        let named: Vec<Option<&str>> = plan.disks.iter().map(|disk| disk.disk.as_ref().map(DiskId::as_str)).collect();
        assert_eq!(named, [Some("disk-2000"), None]);
        let mut request = request(None, None);
        request.disks[0].id = DiskId::parse("disk-2007").expect("an id");
        assert_eq!(VmPlanning::new(two(), &request).plan().missing, [DiskId::parse("disk-2007").expect("an id")]);
    }
}
