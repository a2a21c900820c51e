//! The way from the OMA to one VMA: up or down by the clock, and as slow, uneven and talkative as it is told.

use std::time::Duration;

/// What a link that is down does to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// The connection is refused at once.
    Refuses,
    /// Nothing comes back until the time limit of the request.
    Hangs,
}

/// The time limit of a request.
pub const TIMEOUT: Duration = Duration::from_secs(10);

/// A link by its schedule.
pub struct Link {
    /// One way, in milliseconds.
    pub latency_ms: u64,
    /// Up to so much more, each time another.
    pub jitter_ms: u64,
    /// Of a hundred answers so many arrive a second time, within 5 s.
    pub doubled: u64,
    /// True where an answer that has missed its limit arrives all the same, after the miss.
    pub is_late: bool,
    /// What happens while it is down.
    pub down: Down,
    /// True at the moments at which it carries.
    pub is_up: Box<dyn Fn(u64) -> bool>,
}

impl Link {
    /// A link that is always up, 5 ms one way.
    pub fn good() -> Self {
        let (jitter_ms, doubled, is_late) = (0, 0, false);
        Self { latency_ms: 5, jitter_ms, doubled, is_late, down: Down::Refuses, is_up: Box::new(|_| true) }
    }
    /// A link that is up when the function of the world's milliseconds says so.
    pub fn when(down: Down, is_up: impl Fn(u64) -> bool + 'static) -> Self {
        Self { is_up: Box::new(is_up), down, ..Self::good() }
    }
    /// True where what is sent now arrives.
    pub fn is_up(&self, at_ms: u64) -> bool {
        (self.is_up)(at_ms)
    }
}
