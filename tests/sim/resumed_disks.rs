//! Resumed disks: a disk fails at 40 %, streams again and completes, with a poll for each step and with none.
//!
//! Its error goes, its bytes stay, the log has the whole way, and it counts like any other disk (R-41, R-44, F19).

use crate::link::{Down, Link};
use crate::movers::{change_id, completed, failed, of_disk, run, start};
use crate::world::World;

fn world() -> World {
    let mut world = World::new(81);
    world.declare("job-1", r#"{"disks":[{"id":"a"},{"id":"b"}]}"#).expect("declared");
    world.track_id("job-1");
    world.push_at(1000, "job-1", of_disk("a", &start()));
    world.push_at(4000, "job-1", of_disk("a", &run(40, 100)));
    world.push_at(10_000, "job-1", of_disk("a", &failed("disk error")));
    world
}

fn moves(world: &World, disk: &str) -> Vec<String> {
    let moves = world.messages("job-1", "disk_status_changed").into_iter();
    moves.filter_map(|text| text.strip_prefix(&format!("disk {disk}: ")).map(str::to_owned)).collect()
}

fn complete_the_rest(world: &mut World, at: u64) {
    world.push_at(at, "job-1", of_disk("b", &start()));
    world.push_at(at + 3000, "job-1", of_disk("b", &completed(50)));
    world.run_until(at + 6000);
    for disk in ["a", "b"] {
        world.change_id("job-1", &format!(r#"{{"change_id":"{}","disk_id":"{disk}"}}"#, change_id(1)));
    }
    world.run_until(at + 9000);
    let row = world.row("job-1");
    assert_eq!((row.status.stored_name(), row.totals.bytes_transferred, row.error), ("completed", 150, None));
    assert!(world.store.history(None).expect("readable").iter().all(|row| row.entry.sync_success));
}

#[test]
fn f19_a_failed_disk_that_streams_again_and_completes_shows_each_step() {
    let mut world = world();
    world.run_until(13_000);
    let row = world.row("job-1");
    assert_eq!((row.status.stored_name(), row.disks[0].status.stored_name()), ("streaming", "failed"));
    assert_eq!((row.disks[0].error.as_deref(), row.disks[0].bytes_transferred), (Some("disk error"), 40));
    world.push_at(14_000, "job-1", of_disk("a", &start()));
    world.run_until(17_000);
    let row = world.row("job-1");
    assert_eq!((row.disks[0].status.stored_name(), row.disks[0].error.as_deref()), ("syncing", None));
    assert_eq!(row.disks[0].ended_at, None, "what streams has not ended");
    assert_eq!((row.disks[0].bytes_transferred, row.totals.percent.to_string()), (40, "20.00".to_owned()));
    world.push_at(18_000, "job-1", of_disk("a", &completed(100)));
    complete_the_rest(&mut world, 20_000);
    let way = ["Queued -> Streaming", "Streaming -> Failed", "Failed -> Streaming", "Streaming -> Completed"];
    assert_eq!(moves(&world, "a"), way);
    assert_eq!(world.messages("job-1", "disk_failed"), ["disk a failed: disk error"]);
}

#[test]
fn a_resumed_disk_that_no_poll_saw_streaming_goes_the_same_way() {
    let mut world = world();
    // From before it streams again until it is Completed nothing is heard.
    world.vmas[0].link = Link::when(Down::Refuses, |ms| !(13_000..19_000).contains(&ms));
    for (at, body) in [(14_000, start()), (15_000, run(60, 100)), (16_000, completed(100))] {
        world.push_at(at, "job-1", of_disk("a", &body));
    }
    world.run_until(30_000);
    complete_the_rest(&mut world, 30_000);
    let way = ["Queued -> Streaming", "Streaming -> Failed", "Failed -> Streaming", "Streaming -> Completed"];
    assert_eq!(moves(&world, "a"), way);
}

#[test]
fn f52_a_mover_that_says_failed_and_leaves_ends_its_job_with_its_words() {
    let mut world = world();
    for (at, body) in [(14_000, start()), (17_000, failed("disk error")), (18_000, failed("exit status 1"))] {
        world.push_at(at, "job-1", of_disk("a", &body));
    }
    // The grace is two minutes from the last word; within it a restart of the mover goes on.
    world.run_until(137_000);
    let row = world.row("job-1");
    assert_eq!((row.status.stored_name(), row.disks[0].status.stored_name()), ("streaming", "failed"));
    assert_eq!(row.disks[0].error.as_deref(), Some("disk error"));
    world.run_until(143_000);
    let row = world.row("job-1");
    assert_eq!((row.status.stored_name(), row.error.as_deref()), ("failed", Some("exit status 1")));
}
