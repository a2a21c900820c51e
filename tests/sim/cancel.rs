//! Cancel: a job of two disks, from its declaration to its last change id, is cancelled at every moment of its life: just
//! before and just after each thing that happened in a run that nobody disturbed.
//!
//! Each time one `job_failed` that says so, the VMA is told, and nothing changes or is polled from then on (R-20, R-42, U4).

use std::collections::BTreeSet;

use crate::link::{Down, Link};
use crate::movers::{change_id, completed, run, stage, start};
use crate::world::{World, job_id};

const END: u64 = 40_000;

/// The life of the job: every push, poll, answer and write of it lies in these 40 s.
fn life(link: Link) -> World {
    let mut world = World::new(61);
    world.vmas[0].link = link;
    world.declare("job-1", r#"{"vm":{"path":"/DC0/vm/db"},"disks":[{"id":"a"},{"id":"b"}]}"#).expect("declared");
    world.track_id("job-1");
    let bodies = [stage("Initializing", 5), stage("Creating Snapshot", 10), start(), run(40, 100), run(80, 100)];
    let more = [completed(100), start(), run(100, 200), completed(200)];
    for (n, body) in bodies.into_iter().chain(more).enumerate() {
        world.push_at(1700 + 3100 * n as u64, "job-1", body);
    }
    for (n, disk) in ["a", "b"].iter().enumerate() {
        let body = format!(r#"{{"change_id":"{}","disk_id":"{disk}"}}"#, change_id(n as u32));
        world.at(30_300 + 1000 * n as u64, move |world| world.change_id("job-1", &body));
    }
    world
}

/// The moments at which something happened in the undisturbed life.
fn moments(link: Link) -> BTreeSet<u64> {
    let mut world = life(link);
    let mut moments = BTreeSet::new();
    while world.now_ms() < END {
        let (steps, before) = (world.steps, world.now_ms());
        world.run_until(before + 1);
        if world.steps > steps {
            moments.insert(world.now_ms());
        }
    }
    assert_eq!(world.row("job-1").status.stored_name(), "completed");
    moments
}

fn cancelled_at(link: Link, at: u64) {
    let mut world = life(link);
    world.run_until(at);
    if world.fleet.job(&job_id("job-1")).is_none() {
        // It has ended by itself: there is nothing to cancel, and it stays as it is.
        let row = world.row("job-1");
        assert!(world.cancel("job-1", "late").is_err() && at > 31_000, "{at}");
        assert_eq!((row.status.stored_name(), world.row("job-1")), ("completed", row));
        return;
    }
    world.cancel("job-1", "wrong VM").expect("cancelled");
    // A mover that starts after the cancel opens the next run, which is polled on its own account.
    let polls_of = |world: &World| world.polls.iter().filter(|(_, id)| id.as_str() == "job-1").count();
    let (row, polls) = (world.row("job-1"), polls_of(&world));
    assert_eq!((row.status.stored_name(), row.error.as_deref()), ("failed", Some("cancelled: wrong VM")), "{at}");
    world.run_until(END + 30_000);
    assert_eq!((world.row("job-1"), polls_of(&world)), (row, polls), "{at}: nothing changes, nothing is asked");
    assert_eq!((world.count("job-1", "job_failed"), world.count("job-1", "job_succeeded")), (1, 0), "{at}");
    let history = world.store.history(None).expect("readable");
    assert!(
        history.iter().filter(|row| row.entry.job.as_str() == "job-1").all(|row| !row.entry.sync_success),
        "{at}: what was cancelled is no base for an incremental"
    );
    let document = world.document("job-1").expect("a document");
    let told = (document["status"].as_str(), document["error"].as_str());
    // The VMA may have been told of the success an instant before.
    let was_told = told == (Some("Failed"), Some("cancelled: wrong VM"));
    assert!(was_told || (at > 31_000 && told.0 == Some("Succeeded")), "{at}: {told:?}");
}

#[test]
fn u04_a_job_can_be_cancelled_at_every_moment_of_its_life() {
    let moments = moments(Link::good());
    assert!(moments.len() > 60, "{}", moments.len());
    for at in moments.iter().flat_map(|at| [at - 1, *at, at + 1]) {
        cancelled_at(Link::good(), at);
    }
}

#[test]
fn u04_also_where_answers_take_three_seconds() {
    let slow = || Link { latency_ms: 1500, ..Link::good() };
    for at in moments(slow()).iter().flat_map(|at| [at - 1, *at, at + 1]) {
        cancelled_at(slow(), at);
    }
}

#[test]
fn u04_a_job_whose_vma_cannot_be_told_ends_all_the_same_and_the_mover_ends_nothing() {
    let mut world = life(Link::when(Down::Hangs, |ms| ms < 10_000));
    world.run_until(15_000);
    world.cancel("job-1", "").expect("cancelled");
    world.run_until(END + 600_000);
    let row = world.row("job-1");
    assert_eq!(row.error.as_deref(), Some("cancelled: no reason was given"));
    assert_eq!((world.count("job-1", "job_failed"), world.count("job-1", "contact_lost")), (1, 0));
}
