//! Durations as people write them in the configuration: one whole number and one unit.

use std::time::Duration;

/// The units, shortest first, in milliseconds.
const UNITS: [(&str, u64); 5] = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

/// Reads `250ms`, `2s`, `5m`, `1h` or `7d`; `None` for anything else, fractions and several units included.
pub fn parse(text: &str) -> Option<Duration> {
    let split = text.find(|c: char| !c.is_ascii_digit())?;
    let (number, unit) = text.split_at(split);
    let (_, factor) = UNITS.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor).map(Duration::from_millis)
}

/// The duration in its longest whole unit, as [`parse`] reads it.
pub fn write(length: Duration) -> String {
    let millis = length.as_millis();
    let (name, factor) = UNITS
        .iter()
        .rev()
        .find(|(_, factor)| millis != 0 && millis.is_multiple_of(u128::from(*factor)))
        .unwrap_or(&("s", 1000));
    format!("{}{name}", millis / u128::from(*factor))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_a_number_and_a_unit() {
        for (text, millis) in
            [("250ms", 250), ("2s", 2000), ("5m", 300_000), ("1h", 3_600_000), ("7d", 604_800_000), ("0s", 0)]
        {
            assert_eq!(parse(text), Some(Duration::from_millis(millis)), "{text}");
            assert_eq!(write(Duration::from_millis(millis)), text);
        }
        assert_eq!(parse("120s").map(write), Some("2m".to_owned()));
        for bad in
            ["", "2", "s", "2 s", "-2s", "1.5s", "1h30m", "2S", "2sec", "99999999999999999999d", "999999999999999d"]
        {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
