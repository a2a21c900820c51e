//! Each sync: both appliances are killed at the first `fsync` of a fixed play of requests, at the second, the third and so
//! on, until one run survives it all. The same at each `pwrite64` to the database's files.
//!
//! Numbers: an OMA has some 20 syncs and 350 writes in a play, a VMA some 10 and 400. The short form takes a few of them,
//! `WAYBILL_EVERY=1` each. Nothing that was acknowledged is lost, row and log agree before the restart and after it, and
//! the play comes to its end.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::figures::{Figures, stride};
use crate::harness::SOON;
use crate::play::{self, Cast, Outcome, Play};
use crate::tracer::{self, Fault};

/// Longer than the second after which a VMA makes durable what it was told.
const A_SECOND: Duration = Duration::from_millis(1100);

/// One run with a death at the nth call; false where there are not so many.
fn dies_at(role: &'static str, call: &'static str, nth: usize, figures: &mut Figures) -> bool {
    let site = play::site();
    let fault = Fault { call, what: "signal=SIGKILL", when: nth.to_string() };
    let other = if role == "vma" { "oma" } else { "vma" };
    let mut play = if role == "vma" { Play::with_pause(A_SECOND) } else { Play::new() };
    let mut traced = tracer::start(&site, role, &fault);
    let is_ready = traced.ready().is_ok();
    let rest = if other == "vma" { site.vma() } else { site.oma() };
    let mut cast = if role == "vma" { Cast { vma: traced, oma: rest } } else { Cast { vma: rest, oma: traced } };
    let mut outcome = if is_ready { play.on(&site, &mut cast) } else { Outcome::Died(role) };
    if outcome == Outcome::Over {
        // The last syncs are those of an orderly end.
        cast.of(role).signal(Signal::TERM);
        if !cast.of(role).ended(SOON).success() {
            outcome = Outcome::Died(role);
        }
    }
    if is_ready {
        play.books.check_files(&site);
    }
    let restarted = Instant::now();
    cast.restart(&site, role);
    if outcome == Outcome::Died(role) {
        figures.fault(restarted.elapsed());
    }
    play.books.check_files(&site);
    play.books.check_answers(&cast.vma);
    assert_eq!(play.on(&site, &mut cast), Outcome::Over);
    play.books.check_answers(&cast.vma);
    play.close(&site, cast);
    outcome != Outcome::Over
}

/// Deaths at every so many calls, until a run survives.
fn dies_at_each(role: &'static str, call: &'static str, every: usize) {
    let mut figures = Figures::default();
    let mut nth = 1;
    while dies_at(role, call, nth, &mut figures) {
        nth += every;
    }
    assert!(figures.faults() > 1, "{role} has more than {} {call}", figures.faults());
    figures.tell(&format!("{role} killed at {call} 1, {}.. below {nth}", 1 + every));
}

#[test]
fn r28_an_oma_that_is_killed_at_a_sync_has_lost_nothing() {
    dies_at_each("oma", "fsync", stride(7));
}

#[test]
fn r11_a_vma_that_is_killed_at_a_sync_has_lost_nothing() {
    dies_at_each("vma", "fsync", stride(4));
}

#[test]
fn r28_an_oma_that_is_killed_at_a_write_has_lost_nothing() {
    dies_at_each("oma", "pwrite64", stride(220));
}

#[test]
fn r11_a_vma_that_is_killed_at_a_write_has_lost_nothing() {
    dies_at_each("vma", "pwrite64", stride(240));
}
