//! Failures on the OMA's side: silence that was misread, jobs that were ended by guess or never, rows that were wrong.

use waybill::policy::fleet::Input;

use crate::link::{Down, Link};
use crate::movers::{completed, run, start};
use crate::world::{World, default_settings, job_id};

const MINUTE: u64 = 60_000;

/// A job that streams, seen by the OMA.
fn streaming() -> World {
    let mut world = World::new(1);
    world.track_id("job-1");
    world.push("job-1", &start()).expect("taken");
    world.push("job-1", &run(95, 100)).expect("taken");
    world.run_until(5000);
    assert_eq!(world.row("job-1").totals.percent.to_string(), "95.00");
    world
}

#[test]
fn f04_a_404_before_the_movers_first_push_stops_nothing_and_completes_nothing() {
    let mut world = World::new(1);
    world.track_id("job-1");
    world.run_until(20 * MINUTE);
    let row = world.row("job-1");
    assert_eq!((row.status.stored_name(), row.contact.stored_name()), ("pending", "job_unknown"));
    world.copy(20 * MINUTE, "job-1", None, 100, 10);
    world.run_until(21 * MINUTE);
    world.finish("job-1", r#"{"status":"Succeeded"}"#).expect("ended");
    world.run_until(21 * MINUTE + 3000);
    let row = world.row("job-1");
    assert_eq!((row.status.stored_name(), row.completed_at.is_some()), ("completed", true), "the row is closed");
}

#[test]
fn f05_a_queued_job_that_is_answered_for_is_not_failed_at_five_minutes() {
    let mut world = World::new(1);
    world.declare("job-1", "{}").expect("declared");
    world.track_id("job-1");
    world.run_until(30 * MINUTE);
    let row = world.row("job-1");
    assert_eq!((row.status.stored_name(), row.contact.stored_name()), ("pending", "fresh"));
}

#[test]
fn f06_two_hundred_with_a_text_is_a_failed_poll_and_never_a_state() {
    for body in ["job not found", "", "{}", r#"{"status":"Succeeded"}"#, "<html>gateway</html>", "null", "[]"] {
        let mut world = streaming();
        let before = world.row("job-1");
        world.vmas[0].stub = Some(match body {
            "job not found" => |_| (200, "job not found".to_owned()),
            "" => |_| (200, String::new()),
            "{}" => |_| (200, "{}".to_owned()),
            "null" => |_| (200, "null".to_owned()),
            "[]" => |_| (200, "[]".to_owned()),
            "<html>gateway</html>" => |_| (200, "<html>gateway</html>".to_owned()),
            _ => |_| (200, r#"{"status":"Succeeded"}"#.to_owned()),
        });
        world.run_until(2 * MINUTE);
        let row = world.row("job-1");
        assert_eq!((row.status, row.totals.percent), (before.status, before.totals.percent), "{body}");
        assert_eq!(row.contact.stored_name(), "vma_unreachable", "{body}");
        world.run_until(6 * MINUTE);
        let text = world.row("job-1").error.expect("rubbish is no contact");
        assert!(text.contains("the answer is not a progress document"), "{body}: {text}");
    }
}

#[test]
fn f07_an_outage_of_25_seconds_fails_nobody() {
    for down in [Down::Refuses, Down::Hangs] {
        let mut world = streaming();
        world.vmas[0].link = Link::when(down, |ms| !(10_000..35_000).contains(&ms));
        world.run_until(35_000);
        let row = world.row("job-1");
        assert!(!row.status.is_final() && row.contact.stored_name() != "fresh", "{:?}", row.contact);
        world.run_until(68_000);
        let row = world.row("job-1");
        assert_eq!((row.status.stored_name(), row.contact.stored_name()), ("streaming", "fresh"), "{down:?}");
        assert_eq!(world.count("job-1", "job_failed"), 0);
    }
}

#[test]
fn f28_a_late_answer_does_not_rewrite_a_finished_job() {
    let mut world = streaming();
    world.vmas[0].link.latency_ms = 900;
    let sent = world.polls.len();
    while world.polls.len() == sent {
        world.run_until(world.now_ms() + 10);
    }
    world.cancel("job-1", "wrong VM").expect("cancelled");
    let ended = world.row("job-1");
    assert_eq!((ended.status.stored_name(), ended.error.as_deref()), ("failed", Some("cancelled: wrong VM")));
    world.run_until(world.now_ms() + MINUTE);
    assert_eq!(world.row("job-1"), ended);
    let refused = world.messages("job-1", "transition_refused");
    assert_eq!(refused, ["a document came after the end and changes nothing: Failed -> Streaming"]);
    assert_eq!(world.document("job-1").expect("a document")["error"], "cancelled: wrong VM", "the VMA was told");
    // And on the VMA: a mover that goes on is answered, and changes nothing.
    let before = world.document("job-1").expect("a document");
    for _ in 0..3 {
        world.push("job-1", &run(99, 100)).expect("answered 200");
        world.push("job-1", &completed(100)).expect("answered 200");
    }
    let mut after = world.document("job-1").expect("a document");
    // The log says that they came, and is the only thing that grows.
    assert!(after["log"].as_u64() > before["log"].as_u64(), "{after}");
    after["log"] = before["log"].clone();
    assert_eq!(after, before);
}

#[test]
fn f28_an_end_that_was_set_by_hand_is_obeyed_and_closes_everything() {
    let mut world = streaming();
    world.vmas[0].link.latency_ms = 900;
    let sent = world.polls.len();
    while world.polls.len() == sent {
        world.run_until(world.now_ms() + 10);
    }
    world.tell_fleet(Input::EndedElsewhere(job_id("job-1"), waybill::model::status::JobStatus::Failed));
    let polls = world.polls.len();
    world.run_until(world.now_ms() + MINUTE);
    assert_eq!((world.polls.len(), world.fleet.len()), (polls, 0));
    let steps = world.store.steps(&job_id("job-1")).expect("readable");
    assert!(steps.iter().all(|step| step.completed_at.is_some()), "{steps:?}");
    let history = world.store.history(Some(&job_id("job-1"))).expect("readable");
    assert_eq!(history.iter().map(|row| row.entry.sync_success).collect::<Vec<_>>(), [false]);
    assert_eq!((world.count("job-1", "ended_elsewhere"), world.count("job-1", "transition_refused")), (1, 1));
}

#[test]
fn f29_every_poll_with_news_is_written_and_none_without() {
    let mut world = World::new(1);
    world.track_id("job-1");
    for tick in 0..300_u64 {
        world.push_at(500 + tick * 2000, "job-1", run(tick, 1_000_000));
    }
    world.run_until(10 * MINUTE);
    let polls = world.polls.iter().filter(|(at, _)| (5000..595_000).contains(at)).count();
    let writes = world.writes.iter().filter(|(at, _)| (5000..595_000).contains(at)).count();
    assert_eq!(writes, polls, "less than a percent a poll is news all the same, and is written every 2 s");
    world.run_until(11 * MINUTE);
    let before = world.writes.len();
    world.run_until(14 * MINUTE);
    assert_eq!(world.writes.len() - before, 6, "a contact without news is written every 30 s, nothing else");
}

#[test]
fn f31_a_reset_is_shown_and_explained_and_a_real_zero_is_a_zero() {
    let mut world = streaming();
    world.push("job-1", &run(3, 100)).expect("taken");
    world.push("job-1", &run(4, 100)).expect("taken");
    world.run_until(10_000);
    let row = world.row("job-1");
    assert_eq!((row.totals.bytes_transferred, row.totals.percent.to_string().as_str()), (95, "95.00"));
    let log = world.vmas[0].store.events(&job_id("job-1")).expect("readable");
    let told: Vec<&str> =
        log.iter().filter(|row| row.event == "bytes_regressed").map(|row| row.message.as_str()).collect();
    assert_eq!(
        told,
        ["disk disk-0: the source says 3 bytes after 95; it has probably started again, the larger count stays"]
    );
    world.push("job-1", &run(3, 100)).expect("taken");
    let mut zero = World::new(1);
    zero.track_id("job-1");
    zero.push("job-1", &run(0, 100)).expect("taken");
    zero.run_until(3000);
    let row = zero.row("job-1");
    assert_eq!((row.totals.bytes_transferred, row.totals.total_bytes, row.status.stored_name()), (0, 100, "streaming"));
}

#[test]
fn f31_a_vma_that_lost_its_database_is_told_apart_and_takes_nothing_away() {
    let mut world = streaming();
    world.vmas[0].stub = Some(|_| {
        let text = r#"{"job_id":"job-1","stage":"Transfer","status":"Streaming","started_at":"2026-11-23T18:00:00Z",
            "updated_at":"2026-11-23T18:00:01Z","aggregate":{"total_bytes":200,"bytes_transferred":10,"throughput_bps":0,
            "percent":5.0},"cbt":{"type":"full","previous_change_id":"","change_id":""},"nbd":{"exports":[]},"disks":[
            {"id":"disk-0","label":"","planned_bytes":200,"bytes_transferred":10,"throughput_bps":0,"percent":5.0,
            "status":"Streaming"}],"sequence":1,"epoch":"another"}"#;
        (200, text.to_owned())
    });
    world.run_until(20_000);
    let row = world.row("job-1");
    assert_eq!((row.totals.bytes_transferred, row.totals.percent.to_string().as_str()), (95, "95.00"));
    assert_eq!((world.count("job-1", "source_replaced"), world.count("job-1", "bytes_regressed")), (1, 2));
}

#[test]
fn f32_not_found_and_over_90_percent_is_not_complete() {
    let mut world = streaming();
    world.vmas[0].stub = Some(|_| (404, "404 page not found".to_owned()));
    world.run_until(4 * MINUTE);
    let row = world.row("job-1");
    assert_eq!((row.status.stored_name(), row.totals.percent.to_string().as_str()), ("streaming", "95.00"));
    world.vmas[0].stub = None;
    world.run_until(4 * MINUTE + 3000);
    assert_eq!(world.row("job-1").contact.stored_name(), "fresh", "the VMA is back, and so is the job");
    world.vmas[0].stub = Some(|_| (404, "404 page not found".to_owned()));
    world.run_until(10 * MINUTE);
    let row = world.row("job-1");
    assert_eq!(row.status.stored_name(), "failed", "unknown for five minutes, and never Succeeded");
}

#[test]
fn u02_no_disk_of_a_failed_job_is_shown_as_being_copied_however_it_failed() {
    type Fail = fn(&mut World);
    let ways: [(Fail, &str); 3] = [
        (|world| world.finish("job-1", r#"{"status":"Failed","error":"given up"}"#).expect("ended"), "given up"),
        (|world| world.cancel("job-1", "wrong VM").expect("cancelled"), "cancelled: wrong VM"),
        (|world| world.vmas[0].link = Link::when(Down::Refuses, |_| false), "VMA communication timeout exceeded"),
    ];
    for (fail, reason) in ways {
        let mut world = streaming();
        fail(&mut world);
        world.run_until(10 * MINUTE);
        let (row, disk) = (world.row("job-1"), &world.row("job-1").disks[0]);
        assert_eq!((row.status.stored_name(), disk.status.stored_name()), ("failed", "failed"), "{reason}");
        assert!(disk.error.as_deref().is_some_and(|error| error.starts_with(reason)), "{:?}", disk.error);
        assert_eq!((&disk.error, disk.ended_at), (&row.error, row.completed_at));
        let moves = world.messages("job-1", "disk_status_changed");
        assert_eq!(moves.last().map(String::as_str), Some("disk disk-0: Streaming -> Failed"));
    }
    let mut world = streaming();
    world.cancel("job-1", "wrong VM").expect("cancelled");
    world.run_until(MINUTE);
    let document = world.document("job-1").expect("a document");
    assert_eq!((&document["status"], &document["disks"][0]["status"]), (&"Failed".into(), &"Failed".into()));
}

#[test]
fn f43_a_job_that_never_reports_fails_in_time_and_says_whether_its_vma_knew_it() {
    for (is_declared, contact, why) in [
        (false, "job_unknown", "the VMA does not know it: no mover has reported for it"),
        (true, "fresh", "the VMA knows it and it has not begun"),
    ] {
        let mut world = World::new(43);
        if is_declared {
            world.declare("job-1", "{}").expect("declared");
        }
        world.track_id("job-1");
        world.run_until(59 * MINUTE);
        let row = world.row("job-1");
        assert_eq!((row.status.stored_name(), row.contact.stored_name()), ("pending", contact), "{why}");
        world.run_until(61 * MINUTE);
        let row = world.row("job-1");
        let text = format!("queued for 3600 s without a start; {why}; start its mover and track it anew");
        assert_eq!((row.status.stored_name(), row.error, world.fleet.len()), ("failed", Some(text), 0));
    }
}

#[test]
fn f43_a_mover_that_falls_silent_is_named_and_fails_its_job_where_that_is_wanted() {
    use waybill::policy::fleet::OnStall;
    for (on_stall, status) in [(OnStall::Warn, "streaming"), (OnStall::Fail, "failed")] {
        let mut world = World::with(waybill::policy::fleet::FleetSettings { on_stall, ..default_settings(43) });
        world.track_id("job-1");
        world.push("job-1", &run(95, 100)).expect("taken");
        world.run_until(4 * MINUTE);
        assert_eq!(world.row("job-1").stalled_since, None);
        world.run_until(30 * MINUTE);
        let row = world.row("job-1");
        let is_stalled = row.stalled_since.is_some();
        assert_eq!((row.status.stored_name(), is_stalled), (status, on_stall == OnStall::Warn));
        let told = world.messages("job-1", "job_stalled");
        assert!(told.len() == 1 && told[0].contains("the mover has been silent for 300 s while streaming"), "{told:?}");
        assert_eq!(row.error.is_some_and(|error| error.starts_with("stalled since ")), on_stall == OnStall::Fail);
    }
}

#[test]
fn a_failed_disk_that_was_copied_again_between_two_polls_is_completed() {
    let mut world = streaming();
    world.push("job-1", &crate::movers::failed("broken pipe")).expect("taken");
    world.run_until(10_000);
    assert_eq!(world.row("job-1").disks[0].status.stored_name(), "failed");
    for body in [start(), run(100, 100), completed(100)] {
        world.push("job-1", &body).expect("taken");
    }
    world.run_until(13_000);
    let row = world.row("job-1");
    assert_eq!((row.disks[0].status.stored_name(), row.disks[0].error.as_deref()), ("completed", None));
    let moves = world.messages("job-1", "disk_status_changed");
    assert_eq!(moves[moves.len() - 2..], ["disk disk-0: Failed -> Streaming", "disk disk-0: Streaming -> Completed"]);
}
