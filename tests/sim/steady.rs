//! Steady: one job, one declared disk of 10 GB at 100 MB/s, pushes every 2 s, a link that never fails.
//!
//! Polled every 2 s; written no more often than every 1.8 s but for news; the bar only rises; the source's end is the end.

use crate::movers::{change_id, stage};
use crate::world::World;

const GB: u64 = 1_000_000_000;

#[test]
fn a_healthy_job_is_polled_every_two_seconds_and_ends_as_succeeded() {
    let mut world = World::new(1);
    world
        .declare("job-1", r#"{"vm":{"name":"web01","path":"/DC0/vm/web01"},"disks":[{"id":"disk-2000"}]}"#)
        .expect("declared");
    world.track_id("job-1");
    world.push_at(3000, "job-1", stage("Initializing", 5));
    world.push_at(5000, "job-1", stage("Creating Snapshot", 10));
    world.push_at(8000, "job-1", stage("Preparing Migration", 15));
    let end = world.copy(12_000, "job-1", Some("disk-2000"), 10 * GB, GB / 10);
    world.run_until(60_000);
    let row = world.row("job-1");
    assert_eq!(row.totals.percent.to_string(), "46.00");
    assert_eq!((row.totals.throughput_bps, row.totals.eta_seconds), (GB / 10, Some(54)));
    world.run_until(end + 3000);
    assert_eq!(world.row("job-1").totals.percent.to_string(), "99.99", "all is copied, the change id is missing");
    world.change_id("job-1", &format!(r#"{{"change_id":"{}","disk_id":"disk-2000"}}"#, change_id(81)));
    world.run_until(end + 4000);

    let row = world.row("job-1");
    assert_eq!((row.status.stored_name(), row.totals.percent.to_string().as_str()), ("completed", "100.00"));
    assert_eq!((row.totals.bytes_transferred, row.totals.eta_seconds), (10 * GB, Some(0)));
    assert_eq!(world.document("job-1").expect("a document")["status"], "Succeeded");
    let beats: Vec<u64> = world.polls.windows(2).map(|pair| pair[1].0 - pair[0].0).collect();
    assert!(beats.iter().all(|beat| *beat == 2000), "{beats:?}");
    let history = world.store.history(None).expect("readable");
    assert_eq!(history.len(), 1);
    assert_eq!(history[0].entry.change_id.as_ref().map(|id| id.as_str()), Some(change_id(81).as_str()));
    assert!(history[0].entry.sync_success);
    let steps: Vec<String> = world.store.steps(&row.id).expect("readable").into_iter().map(|s| s.stage).collect();
    assert_eq!(steps, ["Discover", "Snapshot", "PrepareVolumes", "Transfer"]);
    let milestones = world.messages("job-1", "milestone");
    let reached: Vec<&str> =
        milestones.iter().filter_map(|text| text.split_once(':')).map(|(share, _)| share).collect();
    assert_eq!(reached, ["25 % reached", "50 % reached", "75 % reached", "100 % reached"]);
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = || {
        let mut world = World::new(7);
        world.track_id("job-1");
        world.copy(1000, "job-1", None, GB, GB / 100);
        world.run_until(120_000);
        (world.polls.clone(), world.writes.clone(), world.row("job-1"))
    };
    assert_eq!(run(), run());
}
