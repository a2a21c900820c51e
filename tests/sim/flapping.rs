//! Flapping: the link is up for 3 s and down for 4, or for 25, for two hours; and down for a moment every half minute.
//!
//! Nobody fails and the bar goes on; the log has lines for what lasted, not for each flap.

use crate::link::{Down, Link};
use crate::movers::{run, start};
use crate::world::World;

const HOUR: u64 = 3600 * 1000;
const GB: u64 = 1_000_000_000;

fn streaming(link: Link, seed: u64, until: u64) -> World {
    let mut world = World::new(seed);
    world.vmas[0].link = link;
    world.track_id("job-1");
    world.push_at(100, "job-1", start());
    for tick in 1..=until / 10_000 {
        world.push_at(tick * 10_000, "job-1", run(tick * GB, 10_000 * GB));
    }
    world
}

#[test]
fn three_seconds_up_and_more_down_keep_the_bar_moving() {
    // Three polls in a row fail in long flaps only, and where each takes its 10 s hardly ever.
    for (down, period, losses) in [
        (Down::Refuses, 7000, 0..=0),
        (Down::Hangs, 7000, 0..=0),
        (Down::Refuses, 28_000, 60..=100),
        (Down::Hangs, 28_000, 0..=3),
    ] {
        let mut world = streaming(Link::when(down, move |ms| ms % period < 3000), period, 2 * HOUR);
        let mut oldest = 0;
        for minute in 1..=120 {
            world.run_until(minute * HOUR / 60);
            let (row, now) = (world.row("job-1"), world.now().wall.unix_millis());
            oldest = oldest.max(now - row.last_contact_at.expect("contact").unix_millis());
            assert!(!row.status.is_final() && row.stalled_since.is_none(), "{down:?} minute {minute}: {:?}", row.error);
        }
        assert!(oldest <= 200_000, "{down:?} {period}: the row's last contact was {oldest} ms ago");
        let behind = 720 * GB - world.row("job-1").totals.bytes_transferred;
        assert!(behind <= 20 * GB, "{down:?} {period}: {behind}");
        let (lost, regained) = (world.count("job-1", "contact_lost"), world.count("job-1", "contact_regained"));
        assert!(
            losses.contains(&lost) && (regained..=regained + 1).contains(&lost),
            "{down:?} {period}: {lost} {regained}"
        );
        let lines = world.events("job-1").len();
        assert!(lines <= 5 + 8 * lost, "{down:?} {period}: {lines} lines for {lost} losses");
    }
}

#[test]
fn one_miss_now_and_then_is_no_line_in_the_log() {
    // 100 ms in every 30.1 s meet one poll in ten or so.
    let mut world = streaming(Link::when(Down::Refuses, |ms| ms % 30_100 >= 1200), 3, HOUR);
    world.run_until(HOUR);
    let row = world.row("job-1");
    assert_eq!((row.status.stored_name(), row.totals.bytes_transferred), ("streaming", 359 * GB));
    for event in ["contact_lost", "contact_regained", "backoff_changed", "job_stalled"] {
        assert_eq!(world.count("job-1", event), 0, "{event}");
    }
}
