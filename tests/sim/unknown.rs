//! 404: the VMA answers that it does not know the job, before its mover has begun, in mid-job, and on and off.
//!
//! Before the start it is no failure for an hour; in mid-job it fails the job 5 min after the last document (R-23, R-24).

use crate::movers::{run, start};
use crate::world::World;

const MINUTE: u64 = 60_000;

#[test]
fn a_404_before_the_first_push_stops_nothing_and_ends_nothing() {
    let mut world = World::new(1);
    world.track_id("job-1");
    world.run_until(50 * MINUTE);
    let row = world.row("job-1");
    assert_eq!((row.status.stored_name(), row.contact.stored_name()), ("pending", "job_unknown"));
    assert_eq!(world.polls.len(), 1500, "a 404 keeps the pace");
    let refreshed = world.now().wall.unix_millis() - row.last_contact_at.expect("contact").unix_millis();
    assert!(refreshed <= 32_000, "a 404 is contact: {refreshed}");
    assert!(world.writes.len() <= 50 * 2 + 5, "{} rows of nothing new", world.writes.len());
    world.copy(50 * MINUTE + 500, "job-1", None, 1000, 100);
    world.run_until(51 * MINUTE);
    let row = world.row("job-1");
    assert_eq!((row.status.stored_name(), row.contact.stored_name()), ("streaming", "fresh"));
    assert_eq!(world.count("job-1", "contact_lost"), 0, "a job that waits for its mover has lost nothing");
}

#[test]
fn a_job_that_never_begins_fails_after_an_hour() {
    let mut world = World::new(2);
    world.track_id("job-1");
    world.run_until(60 * MINUTE - 1);
    assert!(!world.row("job-1").status.is_final());
    world.run_until(60 * MINUTE);
    let row = world.row("job-1");
    let text = row.error.expect("an error");
    assert_eq!(row.status.stored_name(), "failed");
    assert!(text.starts_with("queued for 3600 s without a start; the VMA does not know it"), "{text}");
}

#[test]
fn a_declared_job_that_is_answered_for_stays_pending_beyond_five_minutes() {
    let mut world = World::new(3);
    world.declare("job-1", r#"{"disks":[{"id":"disk-0"}]}"#).expect("declared");
    world.track_id("job-1");
    world.run_until(59 * MINUTE);
    let row = world.row("job-1");
    assert_eq!((row.status.stored_name(), row.contact.stored_name()), ("pending", "fresh"));
    world.run_until(61 * MINUTE);
    let text = world.row("job-1").error.expect("an error");
    assert!(text.contains("the VMA knows it and it has not begun"), "{text}");
}

#[test]
fn a_404_in_mid_job_fails_it_five_minutes_after_the_last_document_and_not_before() {
    let mut world = World::new(4);
    world.track_id("job-1");
    world.push_at(1000, "job-1", start());
    world.push_at(9000, "job-1", run(95, 100));
    world.at(20_000, |world| world.vmas[0].stub = Some(|_| (404, "404 page not found".to_owned())));
    world.run_until(5 * MINUTE);
    let row = world.row("job-1");
    assert_eq!((row.status.stored_name(), row.contact.stored_name()), ("streaming", "job_unknown"));
    assert_eq!(row.totals.percent.to_string(), "95.00", "not found and over 90 % is not complete");
    world.run_until(5 * MINUTE + 22_000);
    let row = world.row("job-1");
    assert_eq!(row.status.stored_name(), "failed");
    assert!(row.error.as_deref().is_some_and(|text| text.starts_with("job_unknown")), "{:?}", row.error);
    assert_eq!(row.contact.stored_name(), "lost");
}

#[test]
fn the_count_of_tries_is_of_those_since_the_last_contact() {
    let mut world = World::new(5);
    world.vmas[0].link = crate::link::Link::when(crate::link::Down::Refuses, |ms| ms < 10 * MINUTE);
    world.track_id("job-1");
    world.run_until(16 * MINUTE);
    let text = world.row("job-1").error.expect("an error");
    let tries = world.polls.iter().filter(|(at, _)| *at >= 10 * MINUTE).count();
    assert!(text.contains(&format!(", {tries} tries, ")), "{tries} tries since contact, but: {text}");
}
