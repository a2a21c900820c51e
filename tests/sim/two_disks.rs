//! Two disks without ids: the bodies of `wire.md` in their order, 4 GB and 1 GB, one after the other.
//!
//! The bar never exceeds 100 and never runs backwards; disk 1's end ends nothing; the job ends when both disks have
//! ended and both change ids have arrived (R-44, R-45, F9, F10).

use crate::movers::{change_id, completed, completed_with_zeros, run, stage, start};
use crate::world::World;

const GB: u64 = 1_000_000_000;

/// The bar as a user sees it on the VMA and in SQLite, every half second.
fn watch(world: &mut World, until: u64, seen: &mut Vec<(f64, f64)>) {
    while world.now_ms() < until {
        let next = (world.now_ms() + 500).min(until);
        world.run_until(next);
        let document = world.document("job-1").expect("a document");
        let shown = document["aggregate"]["percent"].as_f64().expect("a number");
        seen.push((shown, world.row("job-1").totals.percent.as_f64()));
    }
}

fn world(declaration: &str) -> World {
    let mut world = World::new(5);
    world.declare("job-1", declaration).expect("declared");
    world.track_id("job-1");
    for (n, (name, percent)) in
        [("Initializing", 5), ("Creating Snapshot", 10), ("Preparing Migration", 15), ("Setting up NBD", 20)]
            .into_iter()
            .enumerate()
    {
        world.push_at(1000 + 1500 * n as u64, "job-1", stage(name, percent));
    }
    world
}

const DECLARED: &str = r#"{"vm":{"path":"/DC0/vm/db"},"disks":[{"id":"disk-2000","device_key":2000},{"id":"disk-2001","device_key":2001}]}"#;

#[test]
fn two_disks_without_ids_fill_one_bar_that_never_falls() {
    let mut world = world(DECLARED);
    let first = world.copy(8000, "job-1", None, 4 * GB, GB / 10);
    let second = world.copy(first + 2000, "job-1", None, GB, GB / 10);
    let mut seen = Vec::new();
    watch(&mut world, first + 1900, &mut seen);
    let row = world.row("job-1");
    let disks: Vec<&str> = row.disks.iter().map(|disk| disk.status.stored_name()).collect();
    assert_eq!((row.status.stored_name(), disks), ("streaming", vec!["completed", "pending"]));
    watch(&mut world, second + 5000, &mut seen);
    let row = world.row("job-1");
    assert_eq!((row.status.stored_name(), row.totals.percent.to_string().as_str()), ("streaming", "99.99"));
    for (n, disk) in ["disk-2000", "disk-2001"].iter().enumerate() {
        let body = format!(r#"{{"change_id":"{}","disk_id":"{disk}"}}"#, change_id(n as u32));
        world.change_id("job-1", &body);
        watch(&mut world, second + 8000 + 3000 * n as u64, &mut seen);
        assert_eq!(world.row("job-1").status.is_final(), n == 1, "the last change id ends the job, no earlier one");
    }
    let row = world.row("job-1");
    assert_eq!((row.status.stored_name(), row.totals.bytes_transferred), ("completed", 5 * GB));
    assert!(seen.iter().all(|(vma, oma)| (0.0..=100.0).contains(vma) && (0.0..=100.0).contains(oma)));
    assert!(seen.windows(2).all(|pair| pair[0].0 <= pair[1].0 && pair[0].1 <= pair[1].1), "{seen:?}");
    assert!(seen.iter().any(|(_, oma)| (20.0..60.0).contains(oma)), "the bar moves while data moves: {seen:?}");
    assert_eq!(world.store.history(None).expect("readable").len(), 2);
    assert_eq!(world.document("job-1").expect("a document")["status"], "Succeeded");
}

#[test]
fn nobody_declared_the_disks_and_the_job_waits_for_its_finish() {
    let mut world = world("{}");
    let first = world.copy(8000, "job-1", None, GB, GB / 10);
    let second = world.copy(first + 2000, "job-1", None, GB, GB / 10);
    let mut seen = Vec::new();
    watch(&mut world, second + 600_000, &mut seen);
    let row = world.row("job-1");
    assert_eq!(row.status.stored_name(), "streaming", "nothing is ever completed by guess");
    let disks: Vec<&str> = row.disks.iter().map(|disk| disk.id.as_str()).collect();
    assert_eq!((disks, row.totals.bytes_transferred), (vec!["disk-0", "disk-1"], 2 * GB));
    assert_eq!(row.stalled_since, None, "all known disks are done: nothing is late");
    world.finish("job-1", r#"{"status":"Succeeded"}"#).expect("ended");
    watch(&mut world, second + 605_000, &mut seen);
    assert_eq!(world.row("job-1").status.stored_name(), "completed");
    // The second disk revises the plan: the bar falls once on each side, and the log says so (F49, R-44).
    let falls =
        |side: &dyn Fn(&(f64, f64)) -> f64| seen.windows(2).filter(|pair| side(&pair[0]) > side(&pair[1])).count();
    assert_eq!((falls(&|seen| seen.0), falls(&|seen| seen.1)), (1, 1));
    assert_eq!(world.messages("job-1", "plan_revised").len(), 1);
}

#[test]
fn a_retry_of_completed_is_recorded_and_ends_no_second_disk() {
    let mut world = world(DECLARED);
    for (n, body) in [start(), run(5, 10), completed(10), completed(10), completed_with_zeros()].into_iter().enumerate()
    {
        world.push_at(8000 + 100 * n as u64, "job-1", body);
    }
    world.run_until(12_000);
    let statuses: Vec<&str> = world.row("job-1").disks.iter().map(|disk| disk.status.stored_name()).collect();
    assert_eq!(statuses, ["completed", "pending"]);
    let log = world.vmas[0].store.events(&crate::world::job_id("job-1")).expect("readable");
    assert_eq!(log.iter().filter(|row| row.event == "duplicate_completion").count(), 1);
}

#[test]
fn a_change_id_under_the_device_key_reaches_the_disk_of_that_key() {
    let mut world = world(r#"{"disks":[{"id":"disk-0","device_key":2000},{"id":"disk-1","device_key":2001}]}"#);
    let first = world.copy(8000, "job-1", None, GB, GB / 10);
    let second = world.copy(first + 2000, "job-1", None, GB, GB / 10);
    world.run_until(second + 3000);
    for key in [2000, 2001] {
        world.change_id("job-1", &format!(r#"{{"change_id":"{}","disk_id":"disk-{key}"}}"#, change_id(key)));
    }
    world.run_until(second + 6000);
    let row = world.row("job-1");
    assert_eq!(row.status.stored_name(), "completed");
    let ids: Vec<Option<&str>> = row.disks.iter().map(|disk| disk.change_id.as_ref().map(|id| id.as_str())).collect();
    assert_eq!(ids, [Some(change_id(2000).as_str()), Some(change_id(2001).as_str())]);
}
