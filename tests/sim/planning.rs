//! Plans (R-5): twenty jobs whose VMs are known, and a vCenter that is there, comes after two minutes, is up for 10 s in every
//! minute, or never comes. All jobs end alike and in the same time; what differs is the label, and what the log says.

use waybill::model::disk::Basis;
use waybill::model::job::Totals;
use waybill::model::plan::{DiskPlan, PlanRequest, Planned, VmPlan};
use waybill::model::status::JobStatus;
use waybill::model::vmware::{Fault, FaultKind};
use waybill::policy::dice::Dice;

use crate::movers::{change_id, stage};
use crate::world::World;

const JOBS: u64 = 20;
/// What each job copies; vCenter knows it, the mover says twice as much until it is done.
const BYTES: u64 = 3000;
const RATE: u64 = 10;

fn plan(request: &PlanRequest) -> Planned {
    let disk = DiskPlan {
        disk: request.disks.first().map(|disk| disk.id.clone()),
        key: 2000,
        label: "Hard disk 1".to_owned(),
        capacity_bytes: 10 * BYTES,
        planned_bytes: BYTES,
        basis: Basis::CbtAllocated,
        areas: Some(7),
        previous: None,
        change_id: None,
        suspect: None,
        reasons: Vec::new(),
        excluded: None,
        may_improve: false,
    };
    Ok(VmPlan { name: "web".to_owned(), vm: "vm-1".to_owned(), snapshot: None, disks: vec![disk], missing: Vec::new() })
}

/// The world after all jobs should have ended; the totals of the first one in its middle.
fn played(is_up: impl Fn(u64) -> bool) -> (World, Totals) {
    let (mut world, mut dice) = (World::new(5), Dice::new(5));
    for n in 0..JOBS {
        let (id, path) = (format!("job-{n}"), format!("/DC0/vm/{n}"));
        let disks = format!(r#"[{{"id":"disk-2000","capacity_bytes":{}}}]"#, 10 * BYTES);
        world.declare(&id, &format!(r#"{{"vm":{{"path":"{path}"}},"disks":{disks}}}"#)).expect("declared");
        world.track_id(&id);
        world.push_at(2000, &id, stage("Initializing", 5));
        let end = world.copy(4000, &id, Some("disk-2000"), BYTES, RATE);
        let body = format!(r#"{{"change_id":"{}","disk_id":"disk-2000"}}"#, change_id(5));
        world.at(end + 1000, move |world| world.change_id(&id, &body));
    }
    let mut middle = Totals::default();
    for second in 0..400 {
        let now = world.now_ms();
        let answer = |request: &PlanRequest, _: &mut Dice| match is_up(now) {
            true => plan(request),
            false => Err(Fault { kind: FaultKind::Unreachable, message: "connection refused".to_owned() }),
        };
        world.ask_vcenter(0, 500, &mut dice, answer);
        world.run_until(1000 * (second + 1));
        if second == 254 {
            middle = world.row("job-0").totals;
        }
    }
    for n in 0..JOBS {
        let row = world.row(&format!("job-{n}"));
        assert_eq!((row.status, row.totals.bytes_transferred), (JobStatus::Succeeded, BYTES), "{}", row.id);
    }
    (world, middle)
}

/// Messages of a kind in the VMA's log of the first job.
fn said(world: &World, event: &str) -> Vec<String> {
    let log = world.vmas[0].store.events(&crate::world::job_id("job-0")).expect("readable");
    log.into_iter().filter(|row| row.event == event).map(|row| row.message).collect()
}

#[test]
fn with_a_vcenter_the_total_is_its_own_from_the_beginning() {
    let (world, middle) = played(|_| true);
    assert_eq!((middle.total_bytes, middle.basis), (BYTES, Some(Basis::CbtAllocated)));
    assert_eq!(said(&world, "plan_made").len(), 1, "planned again after the snapshot, with nothing new to say");
    assert_eq!(said(&world, "plan_delayed"), [""; 0]);
    let accuracy = ["planned 3000 bytes, moved 3000: 100.00 % of the plan (disk-2000 3000/3000 cbt-allocated)"];
    assert_eq!(said(&world, "plan_accuracy"), accuracy);
}

#[test]
fn u06_a_vcenter_that_comes_in_the_middle_revises_the_total_once_and_says_so_on_both_sides() {
    let (world, middle) = played(|ms| ms > 120_000);
    assert_eq!((middle.total_bytes, middle.basis), (BYTES, Some(Basis::CbtAllocated)));
    assert_eq!(said(&world, "plan_delayed").len(), 1, "however often it was asked");
    assert_eq!(said(&world, "plan_revised").len(), 1, "{:?}", said(&world, "plan_revised"));
    assert!(said(&world, "plan_made")[0].contains("tries"), "{:?}", said(&world, "plan_made"));
}

#[test]
fn a_vcenter_that_flaps_is_caught_and_one_that_never_comes_changes_the_label_only() {
    let (_, middle) = played(|ms| ms % 60_000 > 50_000);
    assert_eq!((middle.total_bytes, middle.basis), (BYTES, Some(Basis::CbtAllocated)));
    let (world, middle) = played(|_| false);
    assert_eq!(middle.basis, Some(Basis::Mover));
    assert_eq!(
        (said(&world, "plan_delayed").len(), said(&world, "plan_revised").len()),
        (1, 1),
        "capacity, then mover"
    );
}
