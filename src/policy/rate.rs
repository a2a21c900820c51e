//! A windowed rate: how fast bytes arrived within the last seconds, as a function of the samples and of now. It
//! falls to 0 by itself when bytes stop, without any input.
//!
//! A mover reports every 2 s, and nobody knows of the bytes since: for as long as its last two reports were apart, the
//! window ends at its last report. Otherwise a steady flow would be shown up to a fifth too slow, by the moment of reading.

use std::collections::VecDeque;
use std::time::Duration;

use crate::model::time::Mono;

/// How far back the rate looks. Movers report every 2 s or 1 % (`wire.md`), so that several reports lie within it.
pub const WINDOW: Duration = Duration::from_secs(10);
/// Samples closer together than this share one place, which bounds a disk's samples to 12 (192 bytes).
const SPACING: Duration = Duration::from_secs(1);
/// The shortest time that a rate is computed over, so that the first bytes are no spike.
const SHORTEST: Duration = Duration::from_secs(1);
/// The longest wait for a next report that counts as no stop.
const PATIENCE: Duration = Duration::from_secs(3);

/// Bytes that arrived this long ago still count as a flow: three reports of a mover.
const FLOWING: Duration = Duration::from_secs(6);

/// The recent past of one byte counter.
#[derive(Debug, Clone, Default)]
pub struct Rate {
    samples: VecDeque<(Mono, u64)>,
}

impl Rate {
    /// Takes a reading of the counter in bytes. A counter that went down starts anew.
    pub fn observe(&mut self, now: Mono, bytes: u64) {
        if self.samples.back().is_some_and(|&(_, last)| bytes < last) {
            self.samples.clear();
        }
        // Only a place that has an older neighbour may move forward in time: the first one is where the count began.
        let crowded = self.samples.len() >= 2 && {
            let (before, last) = (self.samples[self.samples.len() - 2].0, self.samples[self.samples.len() - 1].0);
            last.since(before) < SPACING
        };
        if crowded {
            self.samples.pop_back();
        }
        self.samples.push_back((now, bytes));
        while self.samples.len() > 2 && now.since(self.samples[1].0) >= WINDOW {
            self.samples.pop_front();
        }
    }

    /// Bytes per second over the window that ends now, or with the last report while the next one is not overdue.
    pub fn per_second(&self, now: Mono) -> u64 {
        let (Some(&(first_at, first)), Some(&(_, last))) = (self.samples.front(), self.samples.back()) else {
            return 0;
        };
        let end = self.window_end(now);
        let age = end.since(first_at);
        let (start, length) =
            if age > WINDOW { (self.bytes_at(before(end, WINDOW)), WINDOW) } else { (first, age.max(SHORTEST)) };
        let rate = u128::from(last.saturating_sub(start)) * 1000 / length.as_millis();
        u64::try_from(rate).unwrap_or(u64::MAX)
    }

    /// True where bytes have arrived lately. A rate that only empties itself foretells nothing: for some seconds the remaining
    /// time would grow to days.
    pub fn is_flowing(&self, now: Mono) -> bool {
        let mut arrivals =
            self.samples.iter().zip(self.samples.iter().skip(1)).filter(|(before, after)| after.1 > before.1);
        arrivals.next_back().is_some_and(|(_, &(at, _))| now.since(at) <= FLOWING)
    }

    fn window_end(&self, now: Mono) -> Mono {
        let mut newest = self.samples.iter().rev().map(|&(at, _)| at);
        match (newest.next(), newest.next()) {
            (Some(last), Some(previous)) => last.max(before(now, last.since(previous).min(PATIENCE))),
            _ => now,
        }
    }

    /// The counter at a moment within the samples, on the straight line between its neighbours.
    fn bytes_at(&self, at: Mono) -> u64 {
        let after = self.samples.partition_point(|&(sampled, _)| sampled <= at);
        match (after.checked_sub(1).map(|i| self.samples[i]), self.samples.get(after)) {
            (Some((t0, b0)), Some(&(t1, b1))) => {
                let share = u128::from(b1 - b0) * at.since(t0).as_millis() / t1.since(t0).as_millis();
                b0 + u64::try_from(share).unwrap_or(0)
            }
            (Some((_, bytes)), None) | (None, Some(&(_, bytes))) => bytes,
            (None, None) => 0,
        }
    }
}

fn before(at: Mono, length: Duration) -> Mono {
    Mono::from_millis(at.since(Mono::default()).saturating_sub(length).as_millis() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::from_millis(seconds * 1000)
    }

    #[test]
    fn a_steady_flow_shows_its_rate() {
        let mut rate = Rate::default();
        for second in 0..60 {
            rate.observe(at(second), second * 1_000_000);
        }
        assert_eq!(rate.per_second(at(59)), 1_000_000);
    }

    #[test]
    fn the_rate_falls_to_zero_when_bytes_stop() {
        let mut rate = Rate::default();
        rate.observe(at(0), 0);
        rate.observe(at(10), 100);
        let fall: Vec<u64> = [10, 13, 15, 18, 22, 23, 1000].iter().map(|&s| rate.per_second(at(s))).collect();
        assert_eq!(fall, [10, 10, 8, 5, 1, 0, 0]);
    }

    #[test]
    fn a_rate_that_only_empties_itself_is_no_flow() {
        let mut rate = Rate::default();
        assert!(!rate.is_flowing(at(0)));
        (0..10).for_each(|second| rate.observe(at(second), second * 100));
        assert!(rate.is_flowing(at(9)) && rate.is_flowing(at(15)) && !rate.is_flowing(at(16)));
        // Reports without bytes are no flow either.
        (10..18).for_each(|second| rate.observe(at(second), 900));
        assert!(!rate.is_flowing(at(17)) && rate.per_second(at(17)) > 0);
        rate.observe(at(18), 901);
        assert!(rate.is_flowing(at(18)));
    }

    #[test]
    fn a_steady_flow_shows_its_rate_between_its_reports_too() {
        let mut rate = Rate::default();
        for second in (0..60).step_by(2) {
            rate.observe(at(second), second * 1_000_000);
        }
        let shown: Vec<u64> = (58_000..60_000).step_by(100).map(|ms| rate.per_second(Mono::from_millis(ms))).collect();
        assert_eq!(shown, vec![1_000_000; 20]);
    }

    #[test]
    fn the_first_bytes_are_no_spike_and_a_restart_is_no_burst() {
        let mut rate = Rate::default();
        rate.observe(at(5), 4000);
        assert_eq!(rate.per_second(at(5)), 0);
        rate.observe(Mono::from_millis(5001), 5000);
        assert_eq!(rate.per_second(Mono::from_millis(5001)), 1000);
        rate.observe(at(7), 10);
        assert_eq!(rate.per_second(at(7)), 0);
    }

    #[test]
    fn many_reports_a_second_cost_no_memory_and_no_accuracy() {
        for apart in [1, 7, 550, 700, 999, 1000, 1001] {
            let mut rate = Rate::default();
            for millis in (0..60_000_u64).step_by(apart) {
                rate.observe(Mono::from_millis(millis), millis * 1000);
                assert!(rate.samples.len() <= 13, "{apart}: {}", rate.samples.len());
                assert!(millis < 1000 || rate.per_second(Mono::from_millis(millis)) == 1_000_000, "{apart}: {millis}");
            }
        }
    }
}
