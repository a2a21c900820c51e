//! Two kinds of time that cannot be mixed up. Decisions use [`Mono`], which never jumps; people read [`Wall`], which may.
//! Only `runtime::clock` makes a [`Now`]; everybody else is handed one.

use std::fmt;
use std::time::Duration;

use time::format_description::well_known::Rfc3339;
use time::{OffsetDateTime, UtcOffset};

/// Milliseconds on a clock that only goes forward; its zero is the start of the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Mono(u64);

impl Mono {
    /// A time by its milliseconds since the zero.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }
    /// Milliseconds since the zero.
    pub const fn as_millis(self) -> u64 {
        self.0
    }
    /// How long after `earlier`; zero where it is not after.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl std::ops::Add<Duration> for Mono {
    type Output = Self;
    fn add(self, length: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(length.as_millis()).unwrap_or(u64::MAX)))
    }
}

/// Milliseconds since 1970 in UTC. Shown and stored as `2026-11-23T17:14:01.123Z`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Wall(i64);

impl Wall {
    /// The last millisecond of the year 9999, which four digits can still show.
    const LATEST: i64 = 253_402_300_799_999;
    /// The first millisecond of the year 0.
    const EARLIEST: i64 = -62_167_219_200_000;

    /// A time by its milliseconds since 1970, brought within the years 0 to 9999.
    pub fn from_unix_millis(millis: i64) -> Self {
        Self(millis.clamp(Self::EARLIEST, Self::LATEST))
    }
    /// Milliseconds since 1970.
    pub const fn unix_millis(self) -> i64 {
        self.0
    }
    /// Reads any RFC 3339 time; finer digits than milliseconds are cut off. `None` where the text is no time.
    pub fn parse(text: &str) -> Option<Self> {
        let at = OffsetDateTime::parse(text, &Rfc3339).ok()?.to_offset(UtcOffset::UTC);
        i64::try_from(at.unix_timestamp_nanos().div_euclid(1_000_000)).ok().map(Self::from_unix_millis)
    }
    /// Whole seconds from `earlier` to this; 0 where a clock was set back in between.
    pub fn seconds_since(self, earlier: Self) -> u64 {
        u64::try_from(self.0.saturating_sub(earlier.0) / 1000).unwrap_or(0)
    }
}

impl fmt::Display for Wall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = OffsetDateTime::from_unix_timestamp_nanos(i128::from(self.0) * 1_000_000)
            .unwrap_or(OffsetDateTime::UNIX_EPOCH);
        let (date, time) = (at.date(), at.time());
        write!(
            f,
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
            date.year(),
            u8::from(date.month()),
            date.day(),
            time.hour(),
            time.minute(),
            time.second(),
            time.millisecond()
        )
    }
}

/// Both clocks, read once per wake-up and shared by all that it wakes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// For every decision.
    pub mono: Mono,
    /// For every row and log line.
    pub wall: Wall,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_time_reads_what_it_writes() {
        let at = Wall::parse("2026-11-23T17:14:01.123Z").expect("a time");
        assert_eq!(at.unix_millis(), 1_795_454_041_123);
        assert_eq!(at.to_string(), "2026-11-23T17:14:01.123Z");
        assert_eq!(Wall::parse("2026-11-23T19:14:01.123999+02:00"), Some(at));
        assert_eq!(Wall::parse("2025-09-04T12:00:00Z").expect("a time").to_string(), "2025-09-04T12:00:00.000Z");
        assert_eq!(Wall::parse("yesterday"), None);
    }

    #[test]
    fn wall_time_stays_printable_at_any_clock() {
        assert_eq!(Wall::from_unix_millis(i64::MAX).to_string(), "9999-12-31T23:59:59.999Z");
        assert_eq!(Wall::from_unix_millis(i64::MIN).to_string(), "0000-01-01T00:00:00.000Z");
    }

    #[test]
    fn mono_time_never_goes_below_zero() {
        let (early, late) = (Mono::from_millis(5), Mono::from_millis(9));
        assert_eq!(late.since(early), Duration::from_millis(4));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!((late + Duration::MAX).as_millis(), u64::MAX);
    }
}
