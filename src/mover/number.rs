//! Numbers as movers write them.

use crate::model::percent::Percent;

/// A share written as `12`, `12.5`, `12.34` or `12,5`; `None` outside 0 to 100. Further digits are cut off.
pub fn share(text: &[u8]) -> Option<Percent> {
    let mut parts = text.splitn(2, |byte| matches!(byte, b'.' | b','));
    let whole = digits(parts.next()?)?;
    let hundredths = match parts.next() {
        None => 0,
        Some([tenths]) => digits(&[*tenths])? * 10,
        Some(fraction) => digits(fraction).and(digits(fraction.get(..2)?))?,
    };
    let sum = whole.checked_mul(100)?.checked_add(hundredths)?;
    (sum <= 10_000).then(|| u16::try_from(sum).map(Percent::from_hundredths).ok())?
}

/// A number of digits alone.
pub fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_read_to_the_hundredth_and_not_beyond_the_whole() {
        let hundredths = |text: &str| share(text.as_bytes()).map(Percent::hundredths);
        for (text, read) in [("12", 1200), ("12.5", 1250), ("12,34", 1234), ("0.009", 0), ("100.00", 10_000)] {
            assert_eq!(hundredths(text), Some(read), "{text}");
        }
        for text in ["", "101", "12.", ".5", "1.2.3", "-1", "100.01", "99999999999999999999"] {
            assert_eq!(hundredths(text), None, "{text}");
        }
    }
}
