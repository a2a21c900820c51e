//! What a scenario counts, and how long its form is.

use std::io::{Write, stderr};
use std::time::Duration;

/// The figures of one scenario.
#[derive(Debug, Default)]
pub struct Figures {
    faults: usize,
    slowest: Duration,
}

impl Figures {
    /// One fault more, and how long after it all was normal again.
    pub fn fault(&mut self, normal_after: Duration) {
        self.faults += 1;
        self.slowest = self.slowest.max(normal_after);
    }
    pub fn faults(&self) -> usize {
        self.faults
    }
    /// Prints the line. Nothing was lost, or the test would not have come so far.
    pub fn tell(&self, fault: &str) {
        println!("{fault} | {} | nothing | {} ms", self.faults, self.slowest.as_millis());
    }
}

/// How many of something the long form has; the short form without the variable.
pub fn number(variable: &str, short: usize) -> usize {
    std::env::var(variable).map_or(short, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}")))
}

/// At every which operation a fault is put: `WAYBILL_EVERY=1` for the long form.
pub fn stride(short: usize) -> usize {
    number("WAYBILL_EVERY", short)
}

/// Says that a test cannot run here. Not by `eprintln`, which a test that passes keeps for itself.
pub fn skipped(test: &str, why: &str) {
    stderr().write_all(format!("SKIPPED {test}: {why}\n").as_bytes()).unwrap();
}
