//! Numbers that look random, from a seed that the caller gives: the same seed, the same run. For jitter and for ids;
//! never for secrets.

use ulid::Ulid;

use crate::model::id::CorrelationId;
use crate::model::time::Wall;

/// The generator splitmix64: one word of state, every seed good.
#[derive(Debug, Clone)]
pub struct Dice(u64);

impl Dice {
    /// A generator of its own sequence for each seed.
    pub fn new(seed: u64) -> Self {
        Self(seed)
    }
    /// The next 64 bits.
    pub fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
    /// A number from 0 up to and without `end`; 0 where `end` is 0.
    pub fn below(&mut self, end: u64) -> u64 {
        self.bits().checked_rem(end).unwrap_or(0)
    }
    /// A new correlation id, a ULID.
    pub fn correlation(&mut self, at: Wall) -> CorrelationId {
        let random = (u128::from(self.bits()) << 64) | u128::from(self.bits());
        let ulid = Ulid::from_parts(u64::try_from(at.unix_millis()).unwrap_or(0), random);
        CorrelationId::parse(&ulid.to_string()).expect("a ULID is 26 letters and digits")
    }
}
