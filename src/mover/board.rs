//! What the threads of `waybill run` tell each other: readers and the mover's end write here, the reporter reads.
//!
//! One lock, held for moments only and never across a system call that can wait.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::child::Reachable;
use super::course::Course;
use super::gauge::Gauge;
use super::proc_io::Counters;
use super::reading::Heard;
use crate::model::time::Mono;

/// How the mover ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct End {
    /// When.
    pub at: Mono,
    /// Why it failed; `None` after exit status 0.
    pub failure: Option<String>,
}

/// The state of the copy, as all threads share it.
#[derive(Debug)]
pub struct State {
    /// The byte count of the present disk.
    pub gauge: Gauge,
    /// Where the mover is on its way.
    pub course: Course,
    /// Where signals reach the mover.
    pub mover: Reachable,
    /// The kernel's counters, once the mover runs.
    pub counters: Option<Counters>,
    /// The mover has ended; what it wrote last is still being read.
    pub over: bool,
    /// Set once, when nothing more can come.
    pub end: Option<End>,
    /// The user does not want to wait for the last reports.
    pub impatient: bool,
}

/// The state with its bell.
#[derive(Debug)]
pub struct Board {
    state: Mutex<State>,
    bell: Condvar,
}

impl Board {
    /// Of a copy that has not begun.
    pub fn new(gauge: Gauge, is_of_whole_vm: bool) -> Self {
        let course = Course::of(is_of_whole_vm);
        let mover = Reachable::default();
        let state = State { gauge, course, mover, counters: None, over: false, end: None, impatient: false };
        Self { state: Mutex::new(state), bell: Condvar::new() }
    }
    /// The state; a thread that panicked while it held this leaves it readable.
    pub fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// The mover said something.
    pub fn hear(&self, reading: Heard) {
        let mut state = self.state();
        let first = !state.gauge.has_heard();
        let State { gauge, course, .. } = &mut *state;
        course.hear(reading, gauge);
        if first {
            self.bell.notify_all();
        }
    }
    /// Changes the state and wakes all who wait.
    pub fn change(&self, change: impl FnOnce(&mut State)) {
        change(&mut self.state());
        self.bell.notify_all();
    }
    /// Waits until `enough` or until the time is over.
    pub fn wait(&self, longest: Duration, enough: impl Fn(&State) -> bool) {
        let waited = self.bell.wait_timeout_while(self.state(), longest, |state| !enough(state));
        drop(waited.map_err(PoisonError::into_inner));
    }
}
