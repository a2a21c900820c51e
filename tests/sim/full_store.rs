//! Full store: the OMA's disk is full for eight minutes while one job runs, one ends and one is cancelled.
//!
//! Polls go on, nobody fails for it, and when there is room all records are there, in order, and each once (R-27, R-42).

use waybill::model::job::Job;

use crate::movers::{change_id, completed, run, start};
use crate::world::World;

const MINUTE: u64 = 60_000;

fn world() -> World {
    let mut world = World::new(51);
    for id in ["runs", "ends", "cancelled"] {
        world.declare(id, r#"{"disks":[{"id":"a"}]}"#).expect("declared");
        world.track_id(id);
        world.push_at(1000, id, start());
        for tick in 1..=400 {
            let body = if id == "ends" && tick >= 60 { completed(600) } else { run(tick * 10, 4000) };
            world.push_at(1000 + tick * 2000, id, body);
        }
    }
    world.run_until(30_000);
    world.is_writable = false;
    world
}

#[test]
fn what_happens_while_the_disk_is_full_is_written_when_there_is_room() {
    let mut world = world();
    let rows = ["runs", "ends", "cancelled"].map(|id| world.row(id));
    world.run_until(3 * MINUTE);
    world.cancel("cancelled", "wrong VM").expect("cancelled");
    world.change_id("ends", &format!(r#"{{"change_id":"{}","disk_id":"a"}}"#, change_id(7)));
    let polls = world.polls.len();
    world.run_until(8 * MINUTE);
    assert!(world.polls.len() > polls + 140, "polls go on");
    assert_eq!(["runs", "ends", "cancelled"].map(|id| world.row(id)), rows, "nothing can be written");
    world.is_writable = true;
    world.run_until(8 * MINUTE + 3000);
    let [runs, ends, cancelled] = ["runs", "ends", "cancelled"].map(|id| world.row(id));
    assert_eq!((runs.status.stored_name(), runs.totals.bytes_transferred / 100), ("streaming", 24));
    assert_eq!((ends.status.stored_name(), ends.totals.bytes_transferred), ("completed", 600));
    assert_eq!(cancelled.error.as_deref(), Some("cancelled: wrong VM"));
    for (id, end) in [("ends", "job_succeeded"), ("cancelled", "job_failed")] {
        assert_eq!((world.count(id, end), world.count(id, "tracking_stopped")), (1, 1), "{id}");
        let events = world.events(id);
        assert!(events.windows(2).all(|pair| pair[0].at <= pair[1].at), "{id}: in order");
    }
    // A cancelled job ended when it was cancelled; the VMA is told of a success only when what it rests on is written.
    let ended = |row: &Job| world.now().wall.seconds_since(row.completed_at.expect("an end"));
    assert_eq!((ended(&cancelled) / 60, ended(&ends)), (5, 2));
    assert_eq!(world.store.history(None).expect("readable").len(), 2);
    assert_eq!(world.messages("ends", "milestone").len(), 4);
}

#[test]
fn a_full_disk_and_a_full_queue_pause_the_polls_and_fail_nobody() {
    let mut world = world();
    world.most_unwritten = 4;
    world.run_until(4 * MINUTE);
    let polls = world.polls.len();
    world.run_until(12 * MINUTE);
    assert_eq!(world.polls.len(), polls, "polling gives way, records do not");
    world.is_writable = true;
    world.tell_fleet(waybill::policy::fleet::Input::Elapsed);
    world.run_until(14 * MINUTE);
    assert_eq!(world.row("runs").totals.bytes_transferred, 4000);
    assert_eq!(world.count("runs", "job_failed") + world.count("cancelled", "job_failed"), 0);
}
