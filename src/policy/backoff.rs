//! How long to wait after a failed poll.
//!
//! The first failures keep the pace, then each doubles the wait up to a maximum, with jitter. In the second half of the
//! time that is left before the silence fails the job, the pace returns: a link that is up for 12 s in every 100 s would
//! otherwise be missed by polls 30 s apart, and a healthy job would be failed (F7).

use std::time::Duration;

use super::dice::Dice;

/// The figures of R-22, from the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The pace while all is well.
    pub interval: Duration,
    /// Failures in a row that keep the pace.
    pub failures_before_backoff: u32,
    /// The longest wait.
    pub longest: Duration,
    /// Silence of this length fails the job.
    pub lost_after: Duration,
}

impl Backoff {
    /// The wait after this many failures in a row (at least 1), when the contact is `silent_for` old.
    pub fn delay(&self, failures: u32, silent_for: Duration, dice: &mut Dice) -> Duration {
        if !self.is_slowed(failures) || silent_for >= self.lost_after / 2 {
            return self.interval;
        }
        let doublings = (failures - self.failures_before_backoff.max(1)).min(16) + 1;
        let full = self.interval.saturating_mul(1 << doublings).min(self.longest).max(self.interval);
        // A quarter of jitter, downwards, so that the longest wait stays the longest.
        let jitter = dice.below(u64::try_from(full.as_millis() / 4).unwrap_or(u64::MAX).saturating_add(1));
        full.saturating_sub(Duration::from_millis(jitter)).max(self.interval)
    }

    /// True where this many failures in a row lower the frequency.
    pub fn is_slowed(&self, failures: u32) -> bool {
        failures >= self.failures_before_backoff.max(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BACKOFF: Backoff = Backoff {
        interval: Duration::from_secs(2),
        failures_before_backoff: 3,
        longest: Duration::from_secs(30),
        lost_after: Duration::from_secs(300),
    };

    #[test]
    fn two_failures_keep_the_pace_then_the_wait_doubles_to_its_maximum() {
        let mut dice = Dice::new(1);
        let mut range = |failures| {
            let waits: Vec<Duration> = (0..1000).map(|_| BACKOFF.delay(failures, Duration::ZERO, &mut dice)).collect();
            (waits.iter().min().expect("some").as_millis(), waits.iter().max().expect("some").as_millis())
        };
        assert_eq!((range(1), range(2)), ((2000, 2000), (2000, 2000)));
        for (failures, longest) in [(3, 4000), (4, 8000), (5, 16_000), (6, 30_000), (7, 30_000), (u32::MAX, 30_000)] {
            let (min, max) = range(failures);
            assert!(max <= longest && max > longest * 95 / 100, "{failures}: {max}");
            assert!(min >= longest * 3 / 4 && min < longest * 80 / 100, "{failures}: {min}");
        }
    }

    #[test]
    fn the_pace_returns_before_silence_fails_the_job() {
        let mut dice = Dice::new(1);
        assert!(BACKOFF.delay(9, Duration::from_secs(149), &mut dice) > Duration::from_secs(20));
        assert_eq!(BACKOFF.delay(9, Duration::from_secs(150), &mut dice), Duration::from_secs(2));
    }
}
