//! Intermittent: the link is up for 12 s in every 100 s, for a virtual day, in every phase against the polls.
//!
//! The job never fails, and what the row says of contact is never older than 200 s (F7, R-22, R-23).

use crate::link::{Down, Link};
use crate::movers::{run, start};
use crate::world::World;

const DAY: u64 = 24 * 3600 * 1000;
const GB: u64 = 1_000_000_000;

/// One day with a link that hangs or refuses; the up times begin at `phase` in every 100 s.
fn a_day(down: Down, phase: u64, seed: u64) {
    let mut world = World::new(seed);
    world.vmas[0].link = Link::when(down, move |ms| (ms + 100_000 - phase) % 100_000 < 12_000);
    world.track_id("job-1");
    world.push_at(500, "job-1", start());
    for tick in 1..=DAY / 20_000 {
        world.push_at(tick * 20_000, "job-1", run(tick * GB, 5000 * GB));
    }
    for hour in 1..=24 {
        world.run_until(hour * DAY / 24);
        let row = world.row("job-1");
        assert!(!row.status.is_final(), "{down:?} {phase} {seed}: {:?}", row.error);
    }
    assert_eq!((world.count("job-1", "job_failed"), world.count("job-1", "job_stalled")), (0, 0));
    assert!(world.count("job-1", "contact_regained") > 400, "{}", world.count("job-1", "contact_regained"));
    let row = world.row("job-1");
    let age = world.now().wall.unix_millis() - row.last_contact_at.expect("contact").unix_millis();
    assert!(age <= 200_000, "{age}");
    assert!(row.totals.bytes_transferred > 4300 * GB, "{}", row.totals.bytes_transferred);
}

#[test]
fn twelve_seconds_in_a_hundred_are_enough_where_the_link_refuses() {
    for (seed, phase) in [(1, 0), (2, 33_333), (3, 61_000), (4, 88_500)] {
        a_day(Down::Refuses, phase, seed);
    }
}

#[test]
fn twelve_seconds_in_a_hundred_are_enough_where_the_link_hangs() {
    for (seed, phase) in [(1, 0), (2, 33_333), (3, 61_000), (4, 88_500)] {
        a_day(Down::Hangs, phase, seed);
    }
}
