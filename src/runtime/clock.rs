//! The only place that reads a clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

use crate::model::time::{Mono, Now, Wall};

/// Both clocks of the machine; the monotonic one starts at zero when this is made.
#[derive(Debug, Clone, Copy)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// A clock whose monotonic zero is now.
    pub fn start() -> Self {
        Self { started: Instant::now() }
    }
    /// Reads both clocks, once per wake-up.
    pub fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
        Now {
            mono: Mono::from_millis(u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)),
            wall: Wall::from_unix_millis(i64::try_from(unix).unwrap_or(i64::MAX)),
        }
    }
    /// The instant of a monotonic time, for timers.
    pub fn instant(&self, at: Mono) -> Instant {
        self.started + at.since(Mono::default())
    }
}
