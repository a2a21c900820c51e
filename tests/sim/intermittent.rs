//! Intermittent: the link is up for 12 s in every 100 s, for a virtual day, and for four hours in other phases.
//!
//! The job never fails, and what the row says of contact is never older than 200 s (F7, R-22, R-23).

use crate::link::{Down, Link};
use crate::movers::{run, start};
use crate::world::World;

const HOUR: u64 = 3600 * 1000;
const GB: u64 = 1_000_000_000;

/// Some hours with a link that hangs or refuses; the up times begin at `phase` in every 100 s.
fn hours(hours: u64, down: Down, phase: u64, seed: u64) {
    let mut world = World::new(seed);
    world.vmas[0].link = Link::when(down, move |ms| (ms + 100_000 - phase) % 100_000 < 12_000);
    world.track_id("job-1");
    world.push_at(500, "job-1", start());
    for tick in 1..=hours * HOUR / 20_000 {
        world.push_at(tick * 20_000, "job-1", run(tick * GB, 5000 * GB));
    }
    for hour in 1..=hours {
        world.run_until(hour * HOUR);
        let row = world.row("job-1");
        assert!(!row.status.is_final(), "{down:?} {phase} {seed}: {:?}", row.error);
    }
    assert_eq!((world.count("job-1", "job_failed"), world.count("job-1", "job_stalled")), (0, 0));
    let regained = world.count("job-1", "contact_regained") as u64;
    assert!(regained > 17 * hours, "contact was lost and found again all the time: {regained}");
    let row = world.row("job-1");
    let age = world.now().wall.unix_millis() - row.last_contact_at.expect("contact").unix_millis();
    assert!(age <= 200_000, "{age}");
    assert!(row.totals.bytes_transferred > (180 * hours - 11) * GB, "{}", row.totals.bytes_transferred);
}

fn a_day_and_other_phases(down: Down) {
    hours(24, down, 0, 1);
    for (seed, phase) in [(2, 33_333), (3, 61_000), (4, 88_500)] {
        hours(4, down, phase, seed);
    }
}

#[test]
fn twelve_seconds_in_a_hundred_are_enough_where_the_link_refuses() {
    a_day_and_other_phases(Down::Refuses);
}

#[test]
fn twelve_seconds_in_a_hundred_are_enough_where_the_link_hangs() {
    a_day_and_other_phases(Down::Hangs);
}
