//! Re-used ids: a mover runs three times under the id `job`, each run full to its end, with change ids, under the eyes of
//! an OMA that knows of the later runs only by the VMA's list.
//!
//! `job`, `job~2` and `job~3` are three jobs with a history each, and nobody's figures reach another (R-30, R-40, R-53).

use crate::movers::{change_id, completed, run, stage, start};
use crate::world::{World, default_settings};

const GB: u64 = 1_000_000_000;
const RUN: u64 = 60_000;
const RUNS: [&str; 3] = ["job", "job~2", "job~3"];

fn world() -> World {
    let mut settings = default_settings(71);
    settings.discover = true;
    let mut world = World::with(settings);
    let declared = r#"{"vm":{"path":"/DC0/vm/db"},"disks":[{"id":"a","export":{"name":"volume"}},{"id":"b"}]}"#;
    world.declare("job", declared).expect("declared");
    world
}

/// What a mover sends in one run of two disks; the first disk has `n` GB.
fn pushes(world: &mut World, n: u64) {
    let begin = (n - 1) * RUN;
    let bodies =
        [stage("Initializing", 5), stage("Creating Snapshot", 10), start(), run(GB, n * GB), completed(n * GB)];
    let more = [start(), completed(10 * GB)];
    for (at, body) in bodies.into_iter().chain(more).enumerate() {
        world.push_at(begin + 1000 + 3000 * at as u64, "job", body);
    }
}

#[test]
fn three_runs_under_one_id_are_three_jobs() {
    let mut world = world();
    for n in 1..=3_u64 {
        pushes(&mut world, n);
        world.run_until((n - 1) * RUN + 40_000);
        for (at, disk) in ["a", "b"].into_iter().enumerate() {
            // Movers know the id that they were started with.
            let id = change_id(10 * n as u32 + at as u32);
            world.change_id("job", &format!(r#"{{"change_id":"{id}","disk_id":"{disk}"}}"#));
        }
        world.run_until(n * RUN);
    }
    for (n, id) in RUNS.into_iter().enumerate() {
        let (row, n) = (world.row(id), n as u64 + 1);
        assert_eq!((row.status.stored_name(), row.totals.bytes_transferred), ("completed", (n + 10) * GB), "{id}");
        assert_eq!(row.vm.path, "/DC0/vm/db", "{id}");
        let ids: Vec<&str> =
            row.disks.iter().filter_map(|disk| disk.change_id.as_ref()).map(|id| id.as_str()).collect();
        assert_eq!(ids, [change_id(10 * n as u32), change_id(10 * n as u32 + 1)], "{id}");
        assert_eq!((world.count(id, "job_succeeded"), world.count(id, "job_failed")), (1, 0), "{id}");
    }
    let history = world.store.history(None).expect("readable");
    let rows: Vec<(&str, bool)> = history.iter().map(|row| (row.entry.job.as_str(), row.entry.sync_success)).collect();
    assert_eq!(rows.len(), 6, "{rows:?}");
    assert!(rows.iter().all(|(_, success)| *success), "{rows:?}");
}

#[test]
fn a_run_that_was_cancelled_is_followed_by_one_that_is_polled_anew() {
    let mut world = world();
    pushes(&mut world, 1);
    world.run_until(9000);
    world.cancel("job", "again").expect("cancelled");
    let ended = world.row("job");
    pushes(&mut world, 2);
    world.run_until(2 * RUN);
    assert_eq!(world.row("job"), ended);
    let row = world.row("job~2");
    assert_eq!((row.status.stored_name(), row.totals.bytes_transferred), ("streaming", 12 * GB));
    assert_eq!(
        world.count("job", "transition_refused"),
        0,
        "the OMA hears of the late pushes through the new run only"
    );
}

#[test]
fn a_restart_of_both_appliances_between_two_runs_gives_no_number_twice() {
    let mut world = world();
    for n in 1..=3 {
        pushes(&mut world, n);
        world.run_until(n * RUN - 5000);
        let now = world.vma_now(0);
        world.vmas[0].restart(now);
        world.restart_oma();
        world.finish("job", r#"{"status":"Succeeded"}"#).expect("ended");
        world.run_until(n * RUN);
    }
    for id in RUNS {
        assert_eq!(world.row(id).status.stored_name(), "completed", "{id}");
        assert_eq!(world.count(id, "tracking_started"), 1, "{id}");
    }
    assert_eq!(world.store.jobs().expect("readable").len(), 3);
}
