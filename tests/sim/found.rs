//! Found: what the random walk found, each in a few steps and named after what a user saw.

use waybill::model::status::JobStatus;
use waybill::policy::fleet::Input;

use crate::link::{Down, Link};
use crate::movers::{change_id, completed, of_disk, run, start};
use crate::world::World;

#[test]
fn f28_another_name_of_a_job_that_has_ended_does_not_revive_it() {
    let mut world = World::new(1);
    world.declare("job-1", r#"{"disks":[{"id":"a","export":{"name":"volume"}}]}"#).expect("declared");
    world.track_id("job-1");
    world.push_at(1000, "job-1", start());
    world.run_until(5000);
    // The VMA is never told: it goes on with the job.
    world.vmas[0].link = Link::when(Down::Refuses, |ms| ms > 10_000);
    world.cancel("job-1", "wrong VM").expect("cancelled");
    let ended = world.row("job-1");
    world.run_until(12_000);
    world.track_id("volume");
    world.run_until(60_000);
    let text = "volume is another name of job job-1, which is tracked under its own id instead";
    assert_eq!(world.row("volume").error.as_deref(), Some(text));
    assert_eq!((world.row("job-1"), world.count("job-1", "tracking_started")), (ended, 1));
}

#[test]
fn u05_a_plan_that_was_revised_and_revised_back_between_two_polls_leaves_no_bar_that_is_too_long() {
    let mut world = World::new(2);
    world.vmas[0].link = Link::when(Down::Refuses, |ms| !(7000..15_000).contains(&ms));
    world.track_id("job-1");
    // One per mille more is no revision, and the bar holds its place.
    let reports = [(1000, 990, 1000), (4000, 990, 1005), (8000, 990, 5000), (9000, 990, 1005)];
    world.push_at(100, "job-1", start());
    for (at, bytes, total) in reports {
        world.push_at(at, "job-1", run(bytes, total));
    }
    world.run_until(6500);
    assert_eq!(world.row("job-1").totals.percent.to_string(), "99.00");
    world.run_until(30_000);
    assert_eq!(world.document("job-1").expect("a document")["aggregate"]["percent"], 98.5);
    assert_eq!(world.row("job-1").totals.percent.to_string(), "98.50");
    let told = world.messages("job-1", "plan_revised");
    let of = |whose| format!("plan of {whose} was revised in between and is 1005 bytes again: 99.00 % is now 98.50 %");
    assert_eq!(told, [of("disk disk-0"), of("job")]);
}

#[test]
fn f28_a_job_that_ended_in_this_very_wake_up_is_not_begun_again_from_its_stored_row() {
    let mut world = World::new(3);
    world.track_id("job-1");
    world.push_at(1000, "job-1", start());
    world.run_until(5000);
    let stale = world.row("job-1");
    world.at_once(|world| {
        world.cancel("job-1", "wrong VM").expect("cancelled");
        world.tell_fleet(Input::Noticed(Box::new(stale)));
        let refused = world.track(r#"{"id":"job-1","vma":"site-a"}"#).expect_err("it has ended");
        assert_eq!(refused.to_string(), "job job-1 has ended as Failed");
    });
    world.run_until(60_000);
    assert_eq!(world.row("job-1").error.as_deref(), Some("cancelled: wrong VM"));
    assert_eq!((world.count("job-1", "tracking_started"), world.count("job-1", "tracking_resumed")), (1, 0));
}

#[test]
fn u02_a_job_that_has_ended_moves_nothing_in_the_vmas_own_row_either() {
    let mut world = World::new(4);
    for (at, bytes) in [(1000, 10), (3000, 30), (5000, 50)] {
        world.push_at(at, "job-1", run(bytes * 1000, 100_000));
    }
    world.run_until(5500);
    world.finish("job-1", r#"{"status":"Failed","error":"by hand"}"#).expect("ended");
    let rows = world.vmas[0].store.jobs().expect("readable");
    assert_eq!((rows[0].totals.throughput_bps, rows[0].totals.eta_seconds), (0, None));
}

/// A job of one declared disk that has all it needs to succeed, while the OMA's database takes nothing.
fn judged_and_unwritten() -> World {
    let mut world = World::new(5);
    world.declare("job-1", r#"{"disks":[{"id":"a"}]}"#).expect("declared");
    world.track_id("job-1");
    world.push_at(1000, "job-1", start());
    world.push_at(3000, "job-1", completed(100));
    world.run_until(6000);
    world.is_writable = false;
    world.change_id("job-1", &format!(r#"{{"change_id":"{}","disk_id":"a"}}"#, change_id(1)));
    world.run_until(10_000);
    world
}

#[test]
fn u04_a_job_that_is_cancelled_before_its_success_is_written_is_cancelled_on_both_sides() {
    let mut world = judged_and_unwritten();
    world.cancel("job-1", "wrong VM").expect("cancelled");
    world.run_until(20_000);
    world.is_writable = true;
    world.tell_fleet(Input::Elapsed);
    world.run_until(30_000);
    assert_eq!(world.row("job-1").error.as_deref(), Some("cancelled: wrong VM"));
    assert_eq!(world.document("job-1").expect("a document")["error"], "cancelled: wrong VM");
}

#[test]
fn f09_a_disk_that_comes_while_the_success_is_not_told_yet_keeps_the_job_open() {
    let mut world = judged_and_unwritten();
    world.push("job-1", &of_disk("late", &run(10, 100))).expect("taken");
    world.run_until(20_000);
    world.is_writable = true;
    world.tell_fleet(Input::Elapsed);
    world.run_until(30_000);
    let statuses =
        |world: &World| (world.row("job-1").status, world.document("job-1").expect("a document")["status"].clone());
    assert_eq!(statuses(&world), (JobStatus::Streaming, "Streaming".into()));
    world.push("job-1", &of_disk("late", &completed(100))).expect("taken");
    world.run_until(40_000);
    assert_eq!(statuses(&world), (JobStatus::Succeeded, "Succeeded".into()));
}

#[test]
fn f32_silence_while_the_success_is_not_told_yet_completes_no_job_with_an_open_disk() {
    let mut world = judged_and_unwritten();
    world.push("job-1", &of_disk("late", &run(10, 100))).expect("taken");
    world.run_until(20_000);
    world.vmas[0].link = Link::when(Down::Refuses, |_| false);
    world.run_until(400_000);
    world.is_writable = true;
    world.tell_fleet(Input::Elapsed);
    world.run_until(410_000);
    let text = world.row("job-1").error.expect("failed");
    assert!(text.starts_with("VMA communication timeout exceeded"), "{text}");
}
