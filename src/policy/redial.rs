//! How long to wait before a link is dialled again. The first wait is short and at random, so that a hundred VMAs
//! whose OMA was restarted come back within a second or two and not within the same millisecond; then it doubles.

use std::time::Duration;

use super::dice::Dice;

/// The first wait, at most.
const FIRST: Duration = Duration::from_secs(1);
/// The longest wait: a network that is back is found again within it, and what a dial needs that began before.
const LONGEST: Duration = Duration::from_secs(10);
/// A link that has lived for less than this counts as a failure: two appliances with one name would otherwise push each
/// other out without a pause.
const SHORT_LIFE: Duration = Duration::from_secs(2);

/// The waits of one link.
#[derive(Debug)]
pub struct Redial {
    failures: u32,
    dice: Dice,
}

impl Redial {
    /// The waits of a link that was never dialled.
    pub fn new(seed: u64) -> Self {
        Self { failures: 0, dice: Dice::new(seed) }
    }

    /// The wait after a link that stood for so long; `None`: it never did.
    pub fn wait_after(&mut self, lived: Option<Duration>) -> Duration {
        self.failures = match lived {
            Some(lived) if lived >= SHORT_LIFE => 0,
            _ => self.failures.saturating_add(1),
        };
        let full = FIRST.saturating_mul(1 << self.failures.min(10)).min(LONGEST);
        let millis = u64::try_from(full.as_millis()).unwrap_or(u64::MAX);
        // All of the first wait is left to chance, half of a longer one.
        let least = if self.failures == 0 { 0 } else { millis / 2 };
        Duration::from_millis(least + self.dice.below(millis - least + 1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_link_is_dialled_within_a_second_and_a_dead_one_at_least_every_ten() {
        let mut redial = Redial::new(7);
        let lived = Some(Duration::from_secs(5));
        let first: Vec<u128> = (0..1000).map(|_| redial.wait_after(lived).as_millis()).collect();
        assert!(first.iter().all(|wait| *wait <= 1000));
        // No herd: no tenth of the second has much more than its share.
        for tenth in 0..10 {
            let share = first.iter().filter(|wait| **wait / 100 == tenth).count();
            assert!((60..=140).contains(&share), "{tenth}: {share}");
        }
        for (failures, most) in [(1, 2000), (2, 4000), (3, 8000), (4, 10_000), (5, 10_000)] {
            let wait = redial.wait_after(None).as_millis();
            assert!(wait >= most / 2 && wait <= most, "{failures}: {wait}");
        }
        assert!(redial.wait_after(Some(Duration::from_millis(1999))).as_millis() >= 5000, "a short life is no success");
        assert!(redial.wait_after(lived).as_millis() <= 1000);
    }
}
