//! The way from the OMA to one VMA: up or down by the clock, and slow as it is told.

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
    /// What happens while it is down.
    pub down: Down,
    is_up: Box<dyn Fn(u64) -> bool>,
}

impl Link {
    /// A link that is always up, 5 ms one way.
    pub fn good() -> Self {
        Self { latency_ms: 5, down: Down::Refuses, is_up: Box::new(|_| true) }
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
