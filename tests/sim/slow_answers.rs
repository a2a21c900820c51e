//! Slow answers: a link of 4 s each way; one of 6 s, whose answers miss the limit of 10 s; and one that is 0 to 12 s slow
//! at random.
//!
//! Slow is not silent: what comes within 10 s is contact. What never does fails the job after 5 min, and says so.

use crate::link::Link;
use crate::world::World;

const MINUTE: u64 = 60_000;
const GB: u64 = 1_000_000_000;

fn streaming(latency_ms: u64, jitter_ms: u64) -> World {
    let mut world = World::new(3);
    world.track_id("job-1");
    world.copy(1000, "job-1", None, 400 * GB, GB / 10);
    world.run_until(10_000);
    world.vmas[0].link = Link { latency_ms, jitter_ms, ..Link::good() };
    world
}

#[test]
fn eight_seconds_for_an_answer_are_contact_with_one_poll_on_the_way() {
    let mut world = streaming(4000, 0);
    world.run_until(30 * MINUTE);
    let row = world.row("job-1");
    assert_eq!((row.status.stored_name(), row.contact.stored_name()), ("streaming", "fresh"));
    assert_eq!((world.count("job-1", "contact_lost"), world.count("job-1", "backoff_changed")), (0, 0));
    let late: Vec<u64> = world.polls.windows(2).map(|pair| pair[1].0 - pair[0].0).filter(|gap| *gap > 2000).collect();
    assert!(late.iter().all(|gap| *gap == 10_000), "the job keeps its beat, one poll at a time: {late:?}");
    // An answer is 4 s old when it comes, the next one comes 10 s later, and the mover reports every 2 s.
    let behind = (30 * 60 - 1) * GB / 10 - row.totals.bytes_transferred;
    assert!(behind <= 16 * GB / 10, "{behind}");
}

#[test]
fn answers_that_miss_the_limit_are_silence_that_names_its_phase() {
    let mut world = streaming(6000, 0);
    world.run_until(4 * MINUTE);
    let row = world.row("job-1");
    assert_eq!((row.status.stored_name(), row.contact.stored_name()), ("streaming", "vma_unreachable"));
    let lost = world.messages("job-1", "contact_lost");
    let [begun] = &lost[..] else { panic!("once, not {lost:?}") };
    assert!(begun.starts_with("vma_unreachable since 2026-11-23T17:00:0"), "{begun}");
    assert!(begun.ends_with(", 3 polls in a row, the last: no first byte within 10 s"), "{begun}");
    world.run_until(6 * MINUTE);
    let text = world.row("job-1").error.expect("an error");
    assert!(text.starts_with("VMA communication timeout exceeded (vma_unreachable): no contact since 2026"), "{text}");
    assert!(text.contains("last error: no first byte within 10 s; see on the VMA"), "{text}");
}

#[test]
fn a_link_that_is_slow_at_random_fails_nobody() {
    let mut world = streaming(0, 6500);
    let mut seen = 0;
    for minute in 1..=60 {
        world.run_until(minute * MINUTE);
        let bytes = world.row("job-1").totals.bytes_transferred;
        assert!(bytes > seen, "minute {minute}: the bar stands at {bytes}");
        seen = bytes;
    }
    assert_eq!((world.count("job-1", "job_failed"), world.count("job-1", "bytes_regressed")), (0, 0));
    assert_eq!(world.row("job-1").status.stored_name(), "streaming");
}
