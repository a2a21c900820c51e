//! Silent: a job streams, then its VMA is never heard again.
//!
//! Failed exactly 300 s after the last contact, once; the contact column goes fresh, late, its kind, lost.

use crate::link::{Down, Link};
use crate::world::World;

const MB: u64 = 1_000_000;
const SILENT_FROM: u64 = 100_000;

fn silence(down: Down) -> (World, u64) {
    let mut world = World::new(3);
    world.vmas[0].link = Link::when(down, |ms| ms < SILENT_FROM);
    world.track_id("job-1");
    world.copy(1000, "job-1", None, 100_000 * MB, MB);
    world.run_until(SILENT_FROM);
    let contact = world.row("job-1").last_contact_at.expect("contact");
    let begun = world.now().wall.unix_millis() - SILENT_FROM as i64;
    // What the row says may be up to contact_refresh old; the last answer came 10 ms after the last poll.
    let last_poll = world.polls.iter().map(|(at, _)| *at).filter(|at| at + 10 < SILENT_FROM).max().expect("a poll");
    assert!(contact.unix_millis() - begun <= last_poll as i64 + 10);
    (world, last_poll + 10)
}

#[test]
fn five_minutes_of_silence_fail_a_job_exactly_once_and_say_why() {
    for (down, kind, error) in [
        (
            Down::Refuses,
            "tunnel_down",
            "connect: connection refused; see that this VMA dials, or that the stunnel or SSH forward",
        ),
        (Down::Hangs, "vma_unreachable", "no first byte within 10 s; see on the VMA whether"),
    ] {
        let (mut world, contact) = silence(down);
        let mut seen = vec![world.row("job-1").contact.stored_name()];
        for second in 1..=310 {
            world.run_until(contact + second * 1000 - 1);
            let (row, is_late) = (world.row("job-1"), second > 300);
            assert_eq!(row.status.is_final(), is_late, "after {second} s");
            if seen.last() != Some(&row.contact.stored_name()) {
                seen.push(row.contact.stored_name());
            }
        }
        assert_eq!(seen, ["fresh", "late", kind, "lost"]);
        let row = world.row("job-1");
        let text = row.error.as_deref().expect("an error");
        let begins = format!("VMA communication timeout exceeded ({kind}): no contact since 2026-11-23T17:01:3");
        assert!(text.starts_with(&begins), "{text}");
        let tries = world.polls.iter().filter(|(at, _)| *at > contact).count();
        // A request that hangs may still be on the way when the window closes.
        let counted = [format!("(300 s), {tries} tries"), format!("(300 s), {} tries", tries - 1)];
        assert!(counted.iter().any(|counted| text.contains(counted)), "{tries}: {text}");
        assert!(text.contains(&format!("last error: {error}")), "{text}");
        assert_eq!(row.completed_at.map(|at| at.unix_millis()), Some(1_795_453_200_000 + contact as i64 + 300_000));
        assert_eq!((world.count("job-1", "job_failed"), world.count("job-1", "contact_lost")), (1, 1));
        let polls = world.polls.len();
        world.run_until(contact + 900_000);
        assert_eq!(world.polls.len(), polls, "polling stops with the job");
        assert_eq!(world.row("job-1"), row);
    }
}

#[test]
fn silence_is_asked_less_often_and_near_its_end_at_full_pace_again() {
    let (mut world, contact) = silence(Down::Refuses);
    world.run_until(contact + 310_000);
    let polls = |from: u64, to: u64| {
        let within = |at: &&(u64, _)| (contact + from..contact + to).contains(&at.0);
        world.polls.iter().filter(within).count()
    };
    assert!((7..=12).contains(&polls(0, 150_000)), "{}", polls(0, 150_000));
    assert!(polls(180_000, 300_000) >= 55, "{}", polls(180_000, 300_000));
}

#[test]
fn a_silence_without_news_writes_nothing() {
    let (mut world, contact) = silence(Down::Refuses);
    world.run_until(contact + 20_000);
    let (rows, entries) = (world.writes.len(), world.events("job-1").len());
    world.run_until(contact + 290_000);
    let news = world.events("job-1").len() - entries;
    let written = world.writes.len() - rows;
    assert!(written <= news, "{written} rows for {news} entries: what equals the row is not written (R-25)");
}
