//! Sizes, rates and times in the words of people.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::model::id::ChangeId;
use crate::model::job::Contact;
use crate::model::text::is_invisible;
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

/// So many of something: `1 run`, `2 runs`.
pub fn count(number: usize, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

/// How the OMA hears of a job, for people: of all that is stored only the good case has a word of its own.
pub fn contact(contact: Contact) -> String {
    if contact == Contact::Fresh { "ok".to_owned() } else { contact.to_string() }
}

/// A change id in a few cells, `52dec0d9…/81`: the beginning of its uuid, and its counter; `-` for none. What is no change id
/// is cut.
pub fn change_id(id: Option<&ChangeId>) -> String {
    let Some(id) = id else { return "-".to_owned() };
    match id.point() {
        Some(point) => format!("{:08x}…/{}", point.uuid >> 96, point.counter),
        None => cut(&plain(id.as_str()), SUSPECT_CELLS),
    }
}

/// Cells for what is no change id.
const SUSPECT_CELLS: usize = 16;

/// The text without characters that steer a terminal, turn the direction of a line or leave no mark; they and line ends
/// become spaces.
pub fn plain(text: &str) -> String {
    let steers = |c: char| c.is_control() || is_invisible(c);
    text.chars().map(|c| if steers(c) { ' ' } else { c }).collect()
}

/// How many cells of a terminal the text takes: a CJK character takes two, a combining one none.
pub fn width(text: &str) -> usize {
    text.width()
}

/// The text in at most `cells` cells of a terminal; what is cut off shows as `…`.
pub fn cut(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let mut kept = beginning(text, cells.saturating_sub(1)).to_owned();
    kept.push('…');
    kept
}

/// As [`cut`], from the middle: ids of a kind often differ at their end only.
pub fn cut_middle(text: &str, cells: usize) -> String {
    if width(text) <= cells {
        return text.to_owned();
    }
    let (for_begin, for_end) = (cells / 2, cells.saturating_sub(1) - cells.saturating_sub(1).min(cells / 2));
    let reversed: String = text.chars().rev().collect();
    let end: String = beginning(&reversed, for_end).chars().rev().collect();
    format!("{}…{end}", beginning(text, for_begin))
}

/// As much of the text's beginning as takes at most so many cells.
pub(super) fn beginning(text: &str, cells: usize) -> &str {
    let mut used = 0;
    let end = text.char_indices().find(|(_, c)| {
        used += c.width().unwrap_or(0);
        used > cells
    });
    &text[..end.map_or(text.len(), |(at, _)| at)]
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
    fn a_change_id_is_told_from_its_neighbours_in_a_few_cells() {
        let short = |text: &str| change_id(ChangeId::from_text(text).as_ref());
        assert_eq!(short("52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81"), "52dec0d9…/81");
        assert_eq!(short("00DEC0D9-B943-9D10-61D5-4C1BE97B6563/7"), "00dec0d9…/7");
        assert_eq!((short("completed\n").as_str(), short("").as_str()), ("completed ", "-"));
        assert_eq!(short("a text that goes on and on"), "a text that goe…");
        assert_eq!([0, 1, 2].map(|runs| count(runs, "run")), ["0 runs", "1 run", "2 runs"]);
    }

    #[test]
    fn a_text_from_outside_cannot_steer_the_terminal() {
        assert_eq!(plain("disk\u{1b}[2Jfull\nretry\u{9b}"), "disk [2Jfull retry ");
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äö…");
        assert_eq!(cut("ab", 0), "…");
        assert_eq!(plain("a\u{202e}b\u{200b}c"), "a b c");
    }

    #[test]
    fn wide_characters_take_two_cells_and_combining_ones_none() {
        assert_eq!((width("磁盘"), width("é"), width("e\u{301}")), (4, 1, 1));
        assert_eq!((cut("磁盘一", 5).as_str(), cut("磁盘", 4).as_str()), ("磁盘…", "磁盘"));
        assert_eq!(cut_middle("migration-vol-123e4567", 12), "migrat…e4567");
        assert_eq!((cut_middle("abcdef", 1), cut_middle("abcdef", 6)), ("…".to_owned(), "abcdef".to_owned()));
    }
}
