//! Calls to the VMA that are insisted on: while the copy runs for as long as it takes, afterwards for a time of grace.
//!
//! Refusals while the copy runs are tried again, since the job may be declared yet; at the end they are final.

use std::sync::Arc;
use std::time::Duration;

use super::board::Board;
use super::message::say;
use super::vma::{Vma, VmaError};
use crate::runtime::clock::Clock;

/// Wait after a call that brought nothing: the first, and the longest.
const PAUSES: (Duration, Duration) = (Duration::from_millis(250), Duration::from_secs(5));

/// Calls that are tried again.
pub struct Retries {
    /// The VMA.
    pub vma: Vma,
    /// The copy.
    pub board: Arc<Board>,
    /// The time.
    pub clock: Clock,
    /// How long after the mover's end is insisted.
    pub grace: Duration,
    /// The last call brought nothing.
    pub away: bool,
}

impl Retries {
    /// Tries until it works. After the mover's end only for the time of grace, and never against a refusal.
    pub fn insist<T>(&mut self, call: impl Fn(&Vma) -> Result<T, VmaError>) -> Result<T, VmaError> {
        let mut pause = Duration::ZERO;
        loop {
            let ended_before = self.board.state().end.is_some();
            let trouble = match call(&self.vma) {
                Ok(answer) => {
                    self.is_back();
                    return Ok(answer);
                }
                Err(trouble) => trouble,
            };
            pause = longer(pause);
            if ended_before && (matches!(trouble, VmaError::Refused { .. }) || self.grace_is_over(pause)) {
                return Err(trouble);
            }
            self.is_away(&trouble);
            // The mover's end cuts a wait of before short, so that its grace is not slept away.
            self.board.wait(pause, |state| state.impatient || (!ended_before && state.end.is_some()));
        }
    }

    fn grace_is_over(&self, pause: Duration) -> bool {
        let state = self.board.state();
        let Some(end) = &state.end else { return false };
        state.impatient || (self.clock.now().mono + pause).since(end.at) > self.grace
    }
    /// Says once that a call brought nothing.
    pub fn is_away(&mut self, trouble: &VmaError) {
        if !std::mem::replace(&mut self.away, true) {
            say(&format!("no report to {} ({trouble}); the copy is not affected, trying again", self.vma.url()));
        }
    }
    /// Says once that calls work again.
    pub fn is_back(&mut self) {
        if std::mem::replace(&mut self.away, false) {
            say(&format!("{} takes reports again", self.vma.url()));
        }
    }
}

/// The wait after this one.
pub fn longer(pause: Duration) -> Duration {
    (pause * 2).clamp(PAUSES.0, PAUSES.1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_bound() {
        let pauses: Vec<u128> = std::iter::successors(Some(longer(Duration::ZERO)), |p| Some(longer(*p)))
            .take(7)
            .map(|p| p.as_millis())
            .collect();
        assert_eq!(pauses, [250, 500, 1000, 2000, 4000, 5000, 5000]);
    }
}
