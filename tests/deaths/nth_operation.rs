//! The nth operation fails, for n = 1, 2, 3 and so on until a run is clean, as SQLite tests itself: once, so that the same
//! call works the next time, and from the nth on, until the fault is lifted from the running daemon.
//!
//! Numbers: a play has some 350 writes, 20 syncs and 10 reads a side, to the database's files. The short form takes a few,
//! `WAYBILL_EVERY=1` each. A daemon that answers never dies of it; one that cannot start says why and ends with 1, and
//! starts the next time. Callers are told success or an honest refusal, what was acknowledged is there, and when the fault
//! is gone the same process goes on.

use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::figures::{Figures, stride};
use crate::harness::{Daemon, Site};
use crate::play::{self, Cast, Outcome, Play};
use crate::tracer::{self, Fault};

/// How long a persistent fault stays after it was met: longer than a write is waited for.
const STAYS: Duration = Duration::from_millis(400);

/// What fails, how, and at every how many calls in the short form.
const FAULTS: [(&str, &str, usize); 6] = [
    ("pwrite64", "error=EIO", 230),
    ("pwrite64", "error=ENOSPC", 300),
    ("fsync", "error=EIO", 5),
    ("pread64", "error=EIO", 5),
    ("ftruncate", "error=EIO", 2),
    ("pwrite64", "error=EROFS", 320),
];

/// Lets go of a daemon a while after the first fault; says when.
fn lift(site: &Site, daemon: u32, is_over: &AtomicBool, lifted: &Mutex<Option<Instant>>) {
    while tracer::injected(site) == 0 {
        if is_over.load(Ordering::SeqCst) {
            return;
        }
        thread::sleep(Duration::from_millis(10));
    }
    thread::sleep(STAYS);
    tracer::let_go(daemon);
    *lifted.lock().unwrap() = Some(Instant::now());
}

/// One run with a fault; false where there are not so many calls.
fn survives(role: &'static str, fault: &Fault, figures: &mut Figures) -> bool {
    let site = play::site();
    let mut play = Play::new();
    let mut traced = tracer::start(&site, role, fault);
    let started = traced.ready();
    let stays = fault.when.ends_with('+');
    if let Err(status) = started {
        assert_eq!(status.code(), Some(1), "{fault:?}: {}", traced.log());
        assert!(tracer::injected(&site) > 0, "{}", traced.log());
        says_why(&traced);
        let restarted = Instant::now();
        traced = if role == "vma" { site.vma() } else { site.oma() };
        figures.fault(restarted.elapsed());
    }
    let rest = if role == "vma" { site.oma() } else { site.vma() };
    let (pid, lifted, is_over) = (traced.pid(), Mutex::new(None), AtomicBool::new(false));
    let mut cast = if role == "vma" { Cast { vma: traced, oma: rest } } else { Cast { vma: rest, oma: traced } };
    thread::scope(|scope| {
        if stays && started.is_ok() {
            scope.spawn(|| lift(&site, pid, &is_over, &lifted));
        }
        let played = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| play.on(&site, &mut cast)));
        is_over.store(true, Ordering::SeqCst);
        match played {
            Ok(outcome) => assert_eq!(outcome, Outcome::Over, "{fault:?}"),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    });
    assert_eq!(cast.of(role).pid(), pid);
    play.books.check_answers(&cast.vma);
    let was_met = tracer::injected(&site) > 0;
    if started.is_ok() && was_met {
        let lifted = lifted.lock().unwrap().take();
        figures.fault(lifted.map_or(play.slowest, |lifted| play.first_answer_after(lifted)));
    }
    tracer::let_go(pid);
    play.close(&site, cast);
    was_met
}

/// A daemon that did not start has told what, where and what to do.
fn says_why(daemon: &Daemon) {
    let log = daemon.log();
    let last = log.lines().rfind(|line| line.starts_with("waybill: ")).unwrap_or_default();
    let remedies = ["free space", "kernel log", "restore a backup", "try again", "run as the daemon's user"];
    assert!(last.starts_with("waybill: cannot open the database: "), "{log}");
    assert!(remedies.iter().any(|remedy| last.contains(remedy)), "{log}");
}

fn survives_each(role: &'static str, stays: bool) {
    for (call, what, every) in FAULTS {
        let (mut figures, every) = (Figures::default(), stride(every));
        let mut nth = 1;
        loop {
            let when = if stays { format!("{nth}+") } else { nth.to_string() };
            if !survives(role, &Fault { call, what, when }, &mut figures) {
                break;
            }
            nth += every;
        }
        assert!(figures.faults() > 0, "{role} calls {call}");
        let until = if stays { "for 0.4 s" } else { "once" };
        figures.tell(&format!("{role} {call} {what} {until}, at 1, {}.. below {nth}", 1 + every));
    }
}

#[test]
fn r27_an_oma_survives_an_operation_that_fails_once() {
    survives_each("oma", false);
}

#[test]
fn r27_an_oma_survives_operations_that_fail_until_the_fault_is_lifted() {
    survives_each("oma", true);
}

#[test]
fn a_vma_survives_an_operation_that_fails_once() {
    survives_each("vma", false);
}

#[test]
fn a_vma_survives_operations_that_fail_until_the_fault_is_lifted() {
    survives_each("vma", true);
}
