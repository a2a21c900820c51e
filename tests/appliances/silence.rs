//! A VMA that falls silent in the midst of a copy, by real signals and in real time (R-22, R-23, R-24, F7, F43).

use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::harness::{Daemon, Site, until};
use crate::mover::{self, Mover};

/// The default pace of 2 s, with a short patience.
const RULES: &str = "[poll]\ntimeout = \"1s\"\ncontact_lost_after = \"20s\"\n";

/// A site with these rules and a job that streams and that the OMA has seen so.
pub fn streaming(rules: &str) -> (Site, Daemon, Daemon) {
    let site = Site::new(rules);
    let (vma, oma) = (site.vma(), site.oma());
    Mover::new(&vma, "job-1").push(&mover::running(250, 1000));
    oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 201);
    site.until_status("job-1", "streaming");
    (site, vma, oma)
}

/// The contacts that the row shows one after another, until there is no other for `limit` or the last is met.
fn contacts(site: &Site, last: &str, limit: Duration) -> Vec<String> {
    let mut seen: Vec<String> = Vec::new();
    until(last, limit, || {
        let contact = site.rows("SELECT contact FROM replication_jobs").remove(0);
        if seen.last() != Some(&contact) {
            seen.push(contact);
        }
        (seen.last().map(String::as_str) == Some(last)).then(|| seen.clone())
    })
}

fn a_silent_vma_is_named_and_fails_the_job() {
    let (site, vma, oma) = streaming(RULES);
    vma.signal(Signal::STOP);
    let stopped = Instant::now();
    let seen = contacts(&site, "lost", Duration::from_secs(40));
    let took = stopped.elapsed();
    assert_eq!(seen, ["fresh", "late", "vma_unreachable", "lost"]);
    // The last contact was up to one interval before the signal.
    assert!(took > Duration::from_secs(17) && took < Duration::from_secs(25), "{took:?}");
    let row =
        site.rows("SELECT status, error_message, completed_at IS NOT NULL, bytes_transferred FROM replication_jobs");
    let cells: Vec<&str> = row[0].split('|').collect();
    assert_eq!((cells[0], cells[2], cells[3]), ("failed", "1", "250"));
    let error = cells[1];
    let (since, rest) = error
        .strip_prefix("VMA communication timeout exceeded (vma_unreachable): no contact since ")
        .and_then(|rest| rest.split_once(" (20 s), "))
        .unwrap_or_else(|| panic!("{error}"));
    let since_then =
        site.rows(&format!("SELECT round((julianday('now') - julianday('{since}')) * 86400) BETWEEN 18 AND 30"));
    assert_eq!(since_then, ["1"], "{since} is when the silence began");
    let (tries, last) = rest.split_once(" tries, last error: ").unwrap_or_else(|| panic!("{error}"));
    assert!((5..=9).contains(&tries.parse::<u32>().unwrap()), "{error}");
    assert!(last.contains("no first byte within 1"), "{error}");
    assert_eq!(site.events("job-1", "contact_lost").len(), 1);
    assert!(!site.events("job-1", "backoff_changed").is_empty());
    let log = oma.log();
    for line in
        ["contact_lost: vma_unreachable", "backoff_changed: 3 polls in a row failed", "VMA communication timeout"]
    {
        assert!(log.contains(line), "{line} is missing in\n{log}");
    }
    vma.signal(Signal::CONT);
    // Late news changes nothing (R-42).
    Mover::new(&vma, "job-1").push(&mover::running(500, 1000));
    assert_eq!(site.rows("SELECT status, bytes_transferred FROM replication_jobs"), ["failed|250"]);
}

fn f07_a_silence_of_15_s_costs_nothing() {
    let (site, vma, oma) = streaming(RULES);
    vma.signal(Signal::STOP);
    let stopped = Instant::now();
    let seen = contacts(&site, "vma_unreachable", Duration::from_secs(14));
    assert_eq!(seen, ["fresh", "late", "vma_unreachable"]);
    until("15 s", Duration::from_secs(16), || (stopped.elapsed() >= Duration::from_secs(15)).then_some(()));
    vma.signal(Signal::CONT);
    assert_eq!(contacts(&site, "fresh", Duration::from_secs(5)), ["vma_unreachable", "fresh"]);
    let regained = site.events("job-1", "contact_regained");
    assert!(regained.len() == 1 && regained[0].contains("vma_unreachable"), "{regained:?}");
    assert!(site.events("job-1", "backoff_changed").last().expect("two").contains("every 2000 ms again"));
    Mover::new(&vma, "job-1").push(&mover::running(750, 1000));
    site.until_rows("SELECT status, bytes_transferred, error_message FROM replication_jobs", &["streaming|750|"]);
    assert!(oma.is_healthy());
}

/// Both in one test, so that their waits fall together whatever the number of test threads.
#[test]
fn a_vma_that_stops_answering_is_lost_after_its_time_and_not_before() {
    thread::scope(|scope| {
        scope.spawn(a_silent_vma_is_named_and_fails_the_job);
        scope.spawn(f07_a_silence_of_15_s_costs_nothing);
    });
}
