//! A share of the work in hundredths of a percent, so that no float is ever compared, stored by accident or NaN.

use std::fmt;

/// 0.00 to 100.00 percent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Percent(u16);

impl Percent {
    /// Nothing yet.
    pub const ZERO: Self = Self(0);
    /// What an unfinished disk or job shows at most.
    pub const ALMOST: Self = Self(9999);
    /// Done; only for a disk that is Completed or a job that has Succeeded.
    pub const DONE: Self = Self(10_000);

    /// The share of `part` in `whole`, rounded down to hundredths and at most [`Percent::ALMOST`]; zero of nothing is zero.
    pub fn unfinished(part: u64, whole: u64) -> Self {
        match (u128::from(part) * 10_000).checked_div(u128::from(whole)) {
            Some(share) => Self(u16::try_from(share).unwrap_or(u16::MAX)).min(Self::ALMOST),
            None => Self::ZERO,
        }
    }
    /// From hundredths; anything above 10,000 is 10,000.
    pub fn from_hundredths(hundredths: u16) -> Self {
        Self(hundredths.min(10_000))
    }
    /// A figure that somebody else sent; `None` unless it is a number within 0 to 100.
    pub fn from_f64(percent: f64) -> Option<Self> {
        // The small addend brings 35.07, which is stored as 35.0699..., back to the hundredth that was meant.
        (0.0..=100.0).contains(&percent).then_some(Self((percent * 100.0 + 1e-6) as u16))
    }
    /// The figure that people and JSON see.
    pub fn as_f64(self) -> f64 {
        f64::from(self.0) / 100.0
    }
    /// Hundredths of a percent, 0 to 10,000.
    pub fn hundredths(self) -> u16 {
        self.0
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:02}", self.0 / 100, self.0 % 100)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unfinished_share_is_floored_and_never_a_hundred() {
        assert_eq!(Percent::unfinished(1, 3).to_string(), "33.33");
        assert_eq!(Percent::unfinished(0, 0), Percent::ZERO);
        assert_eq!(Percent::unfinished(5, 0), Percent::ZERO);
        assert_eq!(Percent::unfinished(7, 7), Percent::ALMOST);
        assert_eq!(Percent::unfinished(u64::MAX, 1), Percent::ALMOST);
        assert_eq!(Percent::unfinished(u64::MAX - 1, u64::MAX), Percent::ALMOST);
    }

    #[test]
    fn a_sent_figure_is_a_number_within_the_range() {
        assert_eq!(Percent::from_f64(37.0).map(Percent::hundredths), Some(3700));
        assert_eq!(Percent::from_f64(35.07).map(Percent::hundredths), Some(3507));
        for bad in [f64::NAN, f64::INFINITY, -0.01, 100.01] {
            assert_eq!(Percent::from_f64(bad), None);
        }
    }
}
