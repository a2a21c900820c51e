//! Wall clock: set a day forward or a day back, on the OMA or on the VMA, in mid-copy of two disks.
//!
//! Nobody fails, nobody stalls; a copy of 60 s took 60 s in the history and in the steps (R-23, R-51, R-53).

use crate::movers::{change_id, stage};
use crate::world::{World, job_id};

const DAY: i64 = 24 * 3600 * 1000;
const GB: u64 = 1_000_000_000;

/// Sets the clock of one appliance.
type Set = fn(&mut World, i64);
const CLOCKS: [(&str, Set); 2] =
    [("OMA", |world, ms| world.ahead_ms += ms), ("VMA", |world, ms| world.vmas[0].ahead_ms += ms)];

/// A job of two disks, 60 s each, and clocks that are set at the moments.
fn run(set: Set, steps: &[(u64, i64)]) -> World {
    let mut world = World::new(31);
    world.declare("job-1", r#"{"vm":{"path":"/DC0/vm/db"},"disks":[{"id":"a"},{"id":"b"}]}"#).expect("declared");
    world.track_id("job-1");
    world.push_at(1000, "job-1", stage("Creating Snapshot", 10));
    let first = world.copy(11_000, "job-1", Some("a"), 6 * GB, GB / 10);
    let second = world.copy(first + 1900, "job-1", Some("b"), 6 * GB, GB / 10);
    for (at, ms) in steps.iter().copied() {
        world.at(at, move |world| set(world, ms));
    }
    world.run_until(second + 1000);
    for disk in ["a", "b"] {
        world.change_id("job-1", &format!(r#"{{"change_id":"{}","disk_id":"{disk}"}}"#, change_id(1)));
    }
    world.run_until(second + 8000);
    world
}

fn check(world: &World, what: &str) {
    let row = world.row("job-1");
    assert_eq!(
        (row.status.stored_name(), row.totals.bytes_transferred),
        ("completed", 12 * GB),
        "{what}: {:?}",
        row.error
    );
    for event in ["job_failed", "job_stalled", "contact_lost", "bytes_regressed", "source_replaced", "backoff_changed"]
    {
        assert_eq!(world.count("job-1", event), 0, "{what}: {event}");
    }
    for entry in world.store.history(None).expect("readable") {
        let seconds = entry.entry.sync_duration_seconds;
        assert!((58..=62).contains(&seconds), "{what}: the copy of disk {} took {seconds} s", entry.entry.disk);
    }
    let on_the_vma = world.vmas[0].store.steps(&job_id("job-1")).expect("readable");
    let steps = world.store.steps(&job_id("job-1")).expect("readable");
    for (n, step) in steps.iter().chain(&on_the_vma).enumerate() {
        let ms = step.duration_ms.expect("a duration");
        let known = match step.stage.as_str() {
            "Snapshot" => 8000..=12_000,
            "Transfer" => 122_000..=130_000,
            _ => 0..=2000,
        };
        assert!(known.contains(&ms), "{what}: step {n} {} took {ms} ms", step.stage);
    }
}

#[test]
fn a_day_forward_or_back_at_any_moment_bends_nothing() {
    for (name, set) in CLOCKS {
        for day in [DAY, -DAY] {
            for at in [500, 5000, 30_000, 71_500, 72_500, 100_000, 134_500] {
                check(&run(set, &[(at, day)]), &format!("{name} {day} at {at}"));
            }
        }
    }
}

#[test]
fn a_clock_that_is_set_forth_and_back_again_and_again_bends_nothing() {
    let steps: Vec<(u64, i64)> = (0..60).map(|n| (2000 * n + 300, if n % 3 == 0 { -2 * DAY } else { DAY })).collect();
    for (name, set) in CLOCKS {
        check(&run(set, &steps), name);
    }
}

#[test]
fn silence_and_a_stall_are_counted_by_the_clock_that_nobody_sets() {
    for (name, set) in CLOCKS {
        for day in [DAY, -DAY] {
            let mut world = World::new(32);
            world.track_id("job-1");
            world.push_at(1000, "job-1", crate::movers::start());
            world.push_at(10_000, "job-1", crate::movers::run(1, 10));
            world.at(100_000, move |world| set(world, day));
            world.run_until(308_000);
            assert_eq!(world.count("job-1", "job_stalled"), 0, "{name} {day}");
            world.run_until(314_000);
            assert_eq!(world.count("job-1", "job_stalled"), 1, "{name} {day}: silent for 300 s");
            assert_eq!(world.row("job-1").status.stored_name(), "streaming", "{name} {day}");
        }
    }
}

#[test]
fn after_a_restart_of_the_oma_the_wall_clock_is_all_there_is() {
    let mut world = World::new(33);
    world.declare("job-1", r#"{"disks":[{"id":"a"}]}"#).expect("declared");
    world.track_id("job-1");
    let end = world.copy(1000, "job-1", None, 6 * GB, GB / 10);
    world.at(30_000, World::restart_oma);
    world.run_until(end + 3000);
    world.finish("job-1", r#"{"status":"Succeeded"}"#).expect("ended");
    world.run_until(end + 6000);
    let seconds = world.store.history(None).expect("readable")[0].entry.sync_duration_seconds;
    assert!((58..=62).contains(&seconds), "{seconds}");
}
