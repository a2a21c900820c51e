//! Restart: the OMA's process, then the VMA's, ends in mid-transfer and starts again from its database (R-11, R-29).
//!
//! `started_at` stays, no step is there twice, bytes and sequence do not go back, a stall is not resumed by a restart.

use crate::movers::{run, start};
use crate::world::{World, job_id};

const GB: u64 = 1_000_000_000;
const MINUTE: u64 = 60_000;

#[test]
fn an_oma_that_starts_again_goes_on_where_it_was() {
    let mut world = World::new(1);
    world.declare("job-1", r#"{"disks":[{"id":"disk-0"}]}"#).expect("declared");
    world.track_id("job-1");
    let end = world.copy(5000, "job-1", None, 10 * GB, GB / 10);
    for at in [20_013, 40_000, 61_111] {
        world.at(at, World::restart_oma);
    }
    world.run_until(19_000);
    let before = world.row("job-1");
    world.run_until(end + 5000);
    let row = world.row("job-1");
    assert_eq!((row.started_at, row.created_at), (before.started_at, before.created_at));
    assert_eq!(row.correlation, before.correlation);
    assert_eq!((row.status.stored_name(), row.totals.bytes_transferred), ("streaming", 10 * GB));
    assert_eq!(row.disks[0].started_at, before.disks[0].started_at);
    assert_eq!(world.count("job-1", "tracking_resumed"), 3);
    world.finish("job-1", r#"{"status":"Succeeded"}"#).expect("ended");
    world.run_until(end + 10_000);
    let steps = world.store.steps(&job_id("job-1")).expect("readable");
    let stages: Vec<&str> = steps.iter().map(|step| step.stage.as_str()).collect();
    assert_eq!(stages, ["Discover", "Transfer"]);
    assert!(steps.iter().all(|step| step.succeeded == Some(true) && step.duration_ms.is_some()), "{steps:?}");
    let transfer = steps[1].duration_ms.expect("a duration");
    assert!((90_000..130_000).contains(&transfer), "a step's duration spans the restarts: {transfer}");
}

#[test]
fn silence_counts_afresh_after_a_restart() {
    let mut world = World::new(2);
    world.vmas[0].link = crate::link::Link::when(crate::link::Down::Refuses, |ms| ms < 30_000);
    world.track_id("job-1");
    world.copy(1000, "job-1", None, 100 * GB, GB / 10);
    world.at(4 * MINUTE, World::restart_oma);
    world.run_until(9 * MINUTE - 1);
    assert!(!world.row("job-1").status.is_final());
    world.run_until(9 * MINUTE);
    assert_eq!(world.row("job-1").status.stored_name(), "failed");
}

#[test]
fn a_restart_of_the_oma_does_not_wake_a_silent_mover() {
    let mut world = World::new(3);
    world.track_id("job-1");
    world.push_at(1000, "job-1", start());
    world.push_at(3000, "job-1", run(5, 10));
    world.run_until(6 * MINUTE);
    let since = world.row("job-1").stalled_since;
    assert!(since.is_some());
    world.restart_oma();
    world.run_until(14 * MINUTE);
    assert_eq!(world.row("job-1").stalled_since, since, "still the same silence");
    assert_eq!((world.count("job-1", "job_stalled"), world.count("job-1", "job_resumed")), (1, 0));
    world.push_at(14 * MINUTE + 1000, "job-1", run(6, 10));
    world.run_until(15 * MINUTE);
    assert_eq!((world.row("job-1").stalled_since, world.count("job-1", "job_resumed")), (None, 1));
}

#[test]
fn a_vma_that_starts_again_tells_the_same_story() {
    let mut world = World::new(4);
    let body = r#"{"disks":[{"id":"disk-0","export":{"name":"migration-vol-1"}},{"id":"disk-1"}],"aliases":["web"]}"#;
    world.declare("job-1", body).expect("declared");
    world.track_id("job-1");
    let end = world.copy(5000, "migration-vol-1", None, 4 * GB, GB / 10);
    world.run_until(20_000);
    let before = world.document("job-1").expect("a document");
    let now = world.now();
    world.vmas[0].restart(now);
    let after = world.document("job-1").expect("a document");
    for key in ["started_at", "updated_at", "sequence", "epoch", "correlation_id", "nbd", "status", "stage"] {
        assert_eq!(before[key], after[key], "{key}");
    }
    assert_eq!(before["aggregate"]["bytes_transferred"], after["aggregate"]["bytes_transferred"]);
    world.run_until(end + 3000);
    let row = world.row("job-1");
    assert_eq!((row.disks[0].status.stored_name(), row.disks[1].status.stored_name()), ("completed", "pending"));
    assert_eq!(row.disks[0].bytes_transferred, 4 * GB);
    assert_eq!(world.count("job-1", "source_replaced"), 0);
}

#[test]
fn a_restart_keeps_the_names_of_the_running_job_though_a_finished_one_had_them_before() {
    let mut world = World::new(5);
    // The later job's id sorts first, and the earlier one ends last: no order of rows may decide.
    world.declare("z-old", r#"{"aliases":["volume"]}"#).expect("declared");
    world.finish("z-old", r#"{"status":"Failed","error":"x"}"#).expect("ended");
    world.run_until(1000);
    world.declare("a-new", r#"{"aliases":["volume"]}"#).expect("declared");
    for order in [false, true] {
        let mut jobs = world.vmas[0].store.jobs().expect("readable");
        if order {
            jobs.reverse();
        }
        let now = world.now();
        world.vmas[0].restart_with(now, jobs);
        let pushed = world.push("volume", &start()).expect("taken");
        assert_eq!(pushed.job.as_str(), "a-new");
    }
}
