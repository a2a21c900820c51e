//! Sizes, rates and times in the words of people.

use crate::model::time::Wall;

const SIZES: [&str; 7] = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"];

/// The power of 1024 that leaves one to three digits before the point, after rounding to tenths.
fn power(bytes: u64) -> usize {
    (0..SIZES.len() - 1)
        .find(|power| *power == 0 && bytes < 1024 || *power > 0 && scaled(bytes, *power) < 1023.95)
        .unwrap_or(SIZES.len() - 1)
}

fn scaled(bytes: u64, power: usize) -> f64 {
    bytes as f64 / 1024f64.powi(i32::try_from(power).unwrap_or(0))
}

fn number(bytes: u64, power: usize) -> String {
    if power == 0 { bytes.to_string() } else { format!("{:.1}", scaled(bytes, power)) }
}

/// Bytes with one decimal: `512 B`, `1.5 KiB`, `40.0 GiB`.
pub fn size(bytes: u64) -> String {
    let power = power(bytes);
    format!("{} {}", number(bytes, power), SIZES[power])
}

/// Moved of planned: `16.9/40.0 GiB`, `10.0 MiB/40.0 GiB`; `16.9 GiB/?` where the plan is unknown.
pub fn moved(bytes: u64, planned: Option<u64>) -> String {
    let Some(planned) = planned else { return format!("{}/?", size(bytes)) };
    let (of_bytes, of_planned) = (power(bytes), power(planned));
    if bytes == 0 || of_bytes == of_planned {
        format!("{}/{}", number(bytes, of_planned), size(planned))
    } else {
        format!("{}/{}", size(bytes), size(planned))
    }
}

/// Bytes per second: `112.4 MiB/s`.
pub fn rate(bytes_per_second: u64) -> String {
    format!("{}/s", size(bytes_per_second))
}

/// A length of time in its two largest units: `45s`, `3m 20s`, `1h 03m`, `2d 04h`.
pub fn length(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{minutes}m {:02}s", seconds % 60),
        3600..86_400 => format!("{hours}h {:02}m", minutes % 60),
        _ => format!("{days}d {:02}h", hours % 24),
    }
}

/// As [`length`], with the fractions that short steps have: `840ms`, `1.2s`.
pub fn length_ms(millis: u64) -> String {
    match millis {
        0..1000 => format!("{millis}ms"),
        1000..60_000 => format!("{}.{}s", millis / 1000, millis % 1000 / 100),
        _ => length(millis / 1000),
    }
}

/// How long ago, in the words of [`length`]; `0s` where a clock was set back in between.
pub fn age(at: Wall, now: Wall) -> String {
    length(now.seconds_since(at))
}

/// The text without characters that steer a terminal; line ends become spaces.
pub fn plain(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// The text in at most `width` characters; what is cut off shows as `…`.
pub fn cut(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(std::iter::once('…')).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_at_most_three_digits_before_the_point() {
        for (bytes, text) in [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (1_048_575, "1.0 MiB"),
            (42_949_672_960, "40.0 GiB"),
            (u64::MAX, "16.0 EiB"),
        ] {
            assert_eq!(size(bytes), text);
        }
        assert_eq!(rate(117_859_942), "112.4 MiB/s");
    }

    #[test]
    fn moved_shares_the_unit_where_it_can_and_admits_an_unknown_plan() {
        const GIB: u64 = 1 << 30;
        assert_eq!(moved(17 * GIB, Some(40 * GIB)), "17.0/40.0 GiB");
        assert_eq!(moved(10 << 20, Some(40 * GIB)), "10.0 MiB/40.0 GiB");
        assert_eq!(moved(0, Some(40 * GIB)), "0.0/40.0 GiB");
        assert_eq!(moved(5 * GIB, None), "5.0 GiB/?");
        assert_eq!(moved(41 * GIB, Some(40 * GIB)), "41.0/40.0 GiB");
    }

    #[test]
    fn lengths_have_two_units() {
        for (seconds, text) in
            [(0, "0s"), (59, "59s"), (60, "1m 00s"), (200, "3m 20s"), (3780, "1h 03m"), (187_200, "2d 04h")]
        {
            assert_eq!(length(seconds), text);
        }
        for (millis, text) in [(840, "840ms"), (1299, "1.2s"), (200_000, "3m 20s")] {
            assert_eq!(length_ms(millis), text);
        }
    }

    #[test]
    fn a_text_from_outside_cannot_steer_the_terminal() {
        assert_eq!(plain("disk\u{1b}[2Jfull\nretry\u{9b}"), "disk [2Jfull retry ");
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
        assert_eq!(cut("ab", 0), "…");
    }
}
