//! Another program holds both databases in an exclusive transaction, longer than any caller waits; the shorter locks
//! are in `tests/appliances/locked.rs`.
//!
//! Numbers: 6 s, or `WAYBILL_LOCK` (20 in the long form). Polls go on throughout, every caller is refused honestly after
//! 4 s, nothing is stored meanwhile, and when the lock is gone all that waited is, in its order.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::books::{Ask, Books};
use crate::figures::{Figures, number};
use crate::harness::{Daemon, SOON, Site, until};
use crate::http::{Answer, Peer};
use crate::{mover, play};

fn lock(site: &Site, database: &str) -> Connection {
    let other = Connection::open(site.path(database)).unwrap();
    other.busy_timeout(SOON).unwrap();
    other.execute_batch("BEGIN EXCLUSIVE").unwrap();
    other
}

fn ask(site: &Site, asked: &Ask) -> Answer {
    let (method, target, body) = asked.request();
    Peer::new(site.address(asked.role())).call(method, &target, body.as_bytes()).expect("an answer within 5 s")
}
fn ask_well(site: &Site, books: &mut Books, asked: &Ask) {
    let answer = ask(site, asked);
    assert!([200, 201].contains(&answer.status), "{asked:?}: {answer:?}");
    books.acknowledged(asked);
}

/// Asks again and again until the time is over; each answer must be a refusal in time. Gives how many there were.
fn refused(site: &Site, until: Instant, refusals: &AtomicUsize, asked: impl Fn(u64) -> Ask) -> Vec<Ask> {
    let mut all = Vec::new();
    while Instant::now() + Duration::from_secs(5) < until {
        let (asked, began) = (asked(all.len() as u64), Instant::now());
        let answer = ask(site, &asked);
        assert_eq!((answer.status, answer.content_type.as_str()), (503, "application/problem+json"), "{answer:?}");
        assert!((3..5).contains(&began.elapsed().as_secs()), "{:?}", began.elapsed());
        refusals.fetch_add(1, Ordering::SeqCst);
        all.push(asked);
    }
    all
}

/// The bytes that the OMA knows, written or not.
fn polled(oma: &Daemon) -> u64 {
    oma.get("/api/v1/jobs").json()["jobs"][0]["bytes_transferred"].as_u64().expect("bytes")
}

#[test]
fn r27_databases_that_are_locked_for_long_stop_no_poll_and_lose_no_record() {
    let site = play::site();
    let (vma, oma) = (site.vma(), site.oma());
    let (mut books, mut figures) = (Books::default(), Figures::default());
    for asked in [
        Ask::Declare("job-1".to_owned()),
        Ask::Track("job-1".to_owned()),
        Ask::push("job-1", mover::DISK_STARTS, 0),
        Ask::push("job-1", &mover::running(100, 10_000), 100),
    ] {
        ask_well(&site, &mut books, &asked);
    }
    let stored = "SELECT bytes_transferred FROM replication_jobs";
    site.until_rows(stored, &["100"]);

    let locks = ["vma.db", "oma.db"].map(|database| lock(&site, database));
    let ends = Instant::now() + Duration::from_secs(number("WAYBILL_LOCK", 6) as u64);
    let refusals = AtomicUsize::new(0);
    let waiting = thread::scope(|scope| {
        let change_ids =
            scope.spawn(|| refused(&site, ends, &refusals, |count| Ask::change_id("job-1", "disk-2000", count + 1)));
        let pushes = scope.spawn(|| {
            refused(&site, ends, &refusals, |count| {
                let bytes = 200 + count;
                Ask::push("job-1", &mover::running(bytes, 10_000), bytes)
            })
        });
        let seen = until("polls go on", SOON, || Some(polled(&oma)).filter(|bytes| *bytes >= 200));
        let waiting = [change_ids.join().unwrap(), pushes.join().unwrap()];
        thread::sleep(ends.saturating_duration_since(Instant::now()));
        assert!(polled(&oma) >= seen && vma.is_healthy() && oma.is_healthy());
        waiting
    });
    assert_eq!(site.rows(stored), ["100"], "the lock is real");
    for other in locks {
        other.execute_batch("COMMIT").unwrap();
    }
    let lifted = Instant::now();
    let received = "SELECT change_id FROM received_change_ids ORDER BY id";
    let expected: Vec<String> = waiting[0]
        .iter()
        .map(|asked| match asked {
            Ask::ChangeId(_, _, id) => id.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    until("what waited is written, in its order", SOON, || (site.rows(received) == expected).then_some(()));
    let moved = (199 + waiting[1].len()).to_string();
    site.until_rows(stored, &[&moved]);
    figures.fault(lifted.elapsed());
    for asked in waiting.iter().flatten() {
        ask_well(&site, &mut books, asked);
    }
    books.check_files(&site);
    for log in [vma.log(), oma.log()] {
        assert!(log.contains("locked by another program") && log.contains("the database is written again"), "{log}");
    }
    let refused = refusals.into_inner();
    figures.tell(&format!("both databases locked for {} s, {refused} callers refused", number("WAYBILL_LOCK", 6)));
}

#[test]
fn r11_a_vma_that_is_killed_with_unwritten_pushes_is_followed_again() {
    let site = play::site();
    let (mut vma, oma) = (site.vma(), site.oma());
    let mut books = Books::default();
    for asked in [
        Ask::Declare("job-1".to_owned()),
        Ask::Track("job-1".to_owned()),
        Ask::push("job-1", mover::DISK_STARTS, 0),
        Ask::push("job-1", &mover::running(100, 1000), 100),
    ] {
        ask_well(&site, &mut books, &asked);
    }
    books.check_answers(&vma);
    let other = lock(&site, "vma.db");
    thread::scope(|scope| {
        for bytes in [200, 300, 400, 500, 600] {
            let asked = Ask::push("job-1", &mover::running(bytes, 1000), bytes);
            let (method, target, body) = asked.request();
            let address = vma.address();
            // Its VMA dies before it answers.
            scope.spawn(move || Peer::new(address).call(method, &target, body.as_bytes()).unwrap_err());
            site.until_rows("SELECT bytes_transferred FROM replication_jobs", &[&bytes.to_string()]);
        }
        vma.kill();
    });
    other.execute_batch("COMMIT").unwrap();
    vma = site.vma();
    books.check_answers(&vma);
    let row = "SELECT bytes_transferred, status, contact FROM replication_jobs";
    let killed = Instant::now();
    // The mover goes on. Sequences that were given out without being written are not given out again, so that the OMA
    // takes what is said now for news at once.
    ask_well(&site, &mut books, &Ask::push("job-1", &mover::running(700, 1000), 700));
    site.until_rows(row, &["700|streaming|fresh"]);
    let mut figures = Figures::default();
    figures.fault(killed.elapsed());
    assert_eq!(site.events("job-1", "source_replaced"), Vec::<String>::new());
    ask_well(&site, &mut books, &Ask::push("job-1", &mover::completed(1000), 1000));
    ask_well(&site, &mut books, &Ask::push("job-1", mover::DISK_STARTS, 1000));
    ask_well(&site, &mut books, &Ask::push("job-1", &mover::completed(1000), 2000));
    ask_well(&site, &mut books, &Ask::change_id("job-1", "disk-2000", 1));
    ask_well(&site, &mut books, &Ask::change_id("job-1", "disk-2001", 2));
    site.until_status("job-1", "completed");
    books.check_files(&site);
    assert!(oma.is_healthy());
    figures.tell("a VMA killed while its database was locked");
}
