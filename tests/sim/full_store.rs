//! Full store: the OMA's disk is full for eight minutes while one job runs, one ends and one is cancelled.
//!
//! Polls go on, nobody fails for it, and when there is room all records are there, in order, and each once (R-27, R-42).

use waybill::model::job::Job;
use waybill::policy::fleet::Input;

use crate::link::{Down, Link};
use crate::movers::{change_id, completed, failed, run, stage, start};
use crate::world::{World, job_id};

const MINUTE: u64 = 60_000;

/// Three jobs that stream, seen by the OMA.
fn streaming() -> World {
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
    world
}

fn world() -> World {
    let mut world = streaming();
    world.is_writable = false;
    world
}

/// The VMA's link is away for a while, one job is cancelled, and a mover sends what nobody knows; the database is away, or
/// not.
fn with_much_to_tell(is_away: bool) -> World {
    let mut world = streaming();
    world.is_writable = !is_away;
    world.vmas[0].link = Link::when(Down::Refuses, |ms| !(2 * MINUTE..3 * MINUTE).contains(&ms));
    world.at(MINUTE, |world| world.cancel("cancelled", "wrong VM").expect("cancelled"));
    for n in 0..20 {
        world.push_at(4 * MINUTE + n * 4000, "runs", stage(&format!("Stage {n}"), 3));
        world.push_at(4 * MINUTE + n * 4000 + 2000, "runs", failed(&format!("try {n}")));
    }
    world.run_until(20 * MINUTE);
    world.is_writable = true;
    world.tell_fleet(Input::Elapsed);
    world.run_until(21 * MINUTE);
    world
}

#[test]
fn f42_no_audit_line_is_lost_moved_or_doubled_while_the_database_takes_nothing_for_twenty_minutes() {
    let (away, undisturbed) = (with_much_to_tell(true), with_much_to_tell(false));
    for id in ["runs", "ends", "cancelled"] {
        let log = |world: &World| {
            let record = world.store.record(&job_id(id)).expect("readable").expect("a row");
            (record.log, record.source_log)
        };
        let ((here, there), (expected, expected_there)) = (log(&away), log(&undisturbed));
        assert!(here.len() > 5 && there.len() > 5, "{id}: {} {}", here.len(), there.len());
        assert_eq!(here, expected, "{id}");
        // A VMA is told of a cancellation only when that is written: then it has its entries of it, and only then.
        let is_told_later = id == "cancelled";
        assert!(there == expected_there || is_told_later, "{id}: {there:#?} {expected_there:#?}");
        assert!(away.vmas[0].store.events(&job_id(id)).expect("readable").starts_with(&there), "{id}");
    }
    let told = ["contact_lost", "contact_regained", "disk_failed", "milestone"].map(|event| away.count("runs", event));
    assert!(told.iter().all(|lines| *lines > 0), "{told:?}");
    let figures = |world: &World| (world.row("runs").status, world.row("runs").totals, world.row("runs").updated_at);
    assert_eq!(figures(&away), figures(&undisturbed));
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
    world.tell_fleet(Input::Elapsed);
    world.run_until(14 * MINUTE);
    assert_eq!(world.row("runs").totals.bytes_transferred, 4000);
    assert_eq!(world.count("runs", "job_failed") + world.count("cancelled", "job_failed"), 0);
}
