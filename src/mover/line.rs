//! What one line of a mover's text says of its progress: percent figures, counts of bytes, the title of a bar.
//!
//! A percent is progress only where the line looks so: it is alone or at the line's start, beside a bar, in brackets,
//! beside a count of bytes, or is followed by nothing but figures such as a rate. `filesystem 97% full` says nothing. A
//! wrong figure is worse than none.

use super::amount::moved;
use super::number::{digits, share};
use super::reading::{Bar, TITLE_CHARACTERS};
use crate::model::percent::Percent;

/// What a line says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A share, and the bytes moved, rounded for people, where they are shown.
    Share(Percent, Option<u64>),
    /// The share of a bar that has a title.
    Bar(Bar),
    /// dd's count.
    Copied(u64),
    /// rsync's count, its share, and whether a file ends with it.
    Rsync {
        /// Bytes of the present file, or of all.
        bytes: u64,
        /// Of the present file, or of all.
        share: Percent,
        /// The line is the file's last.
        ends_file: bool,
    },
}

/// Reads a line without terminal sequences; `None` where it says nothing of progress.
pub fn read(line: &str) -> Option<Said> {
    let line = line.trim_matches(|c: char| c.is_whitespace() || is_block(c));
    if let Some(bytes) = copied_by_dd(line) {
        return Some(Said::Copied(bytes));
    }
    if let Some(number) = line.strip_suffix("/100") {
        return share(number.as_bytes()).map(|share| Said::Share(share, None));
    }
    rsync(line).or_else(|| figure(line))
}

/// Blocks and quadrants: bars and spinners are made of them.
fn is_block(c: char) -> bool {
    ('\u{2580}'..='\u{259f}').contains(&c)
}

/// The count in `123456 bytes (123 kB, 121 KiB) copied, 1 s`, and in what busybox writes without the bracket.
fn copied_by_dd(line: &str) -> Option<u64> {
    let (count, rest) = line.split_once(" bytes (")?;
    let (inside, after) = rest.split_once(')')?;
    let is_size = inside.starts_with(|c: char| c.is_ascii_digit());
    (is_size && after.starts_with(" copied")).then(|| digits(count.as_bytes()))?
}

/// `  5,242,880 100%  709.82MB/s    0:00:00 (xfr#1, to-chk=1/3)`
fn rsync(line: &str) -> Option<Said> {
    let mut words = line.split_whitespace();
    let (count, percent, rate, time) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let is_time = time.contains(':') && time.chars().all(|c| c.is_ascii_digit() || "?:".contains(c));
    if !rate.ends_with("B/s") || !is_time {
        return None;
    }
    // The separator follows the language: `5,242,880`, `5.242.880`. With -h it is rounded, as `5.24M`: no count.
    let plain: String = count.chars().filter(|c| !",.'".contains(*c)).collect();
    let bytes = digits(plain.as_bytes())?;
    let share = share(percent.strip_suffix('%')?.as_bytes())?;
    let ends_file = words.next().is_some_and(|word| word.starts_with("(xfr") || word.starts_with("(xfer"));
    Some(Said::Rsync { bytes, share, ends_file })
}

/// The first percent of the line that is progress.
fn figure(line: &str) -> Option<Said> {
    // rclone on a pipe puts its next summary behind the last file's line.
    let line = line.rfind("Transferred:").map_or(line, |at| &line[at..]);
    line.match_indices('%').find_map(|(at, _)| {
        let (start, share) = number_at_end(&line[..at])?;
        let (head, tail) = (line[..start].trim_end(), line[at + 1..].trim_start());
        is_progress(head, tail)
            .then(|| bar(head, tail, share).map_or_else(|| Said::Share(share, moved(line)), Said::Bar))
    })
}

/// Where the number begins that the text ends with, one space allowed after it, and what it says. Of `12.34/100` it is
/// the number before the stroke. No number is the end of a word, of a version, or negative.
fn number_at_end(text: &str) -> Option<(usize, Percent)> {
    let text = text.strip_suffix(' ').unwrap_or(text);
    let text =
        text.strip_suffix("/100").filter(|before| before.ends_with(|c: char| c.is_ascii_digit())).unwrap_or(text);
    let number = text.trim_end_matches(|c: char| c.is_ascii_digit() || ".,".contains(c));
    let before = number.chars().next_back();
    if before.is_some_and(|c| c.is_alphanumeric() || "-_/".contains(c)) {
        return None;
    }
    share(&text.as_bytes()[number.len()..]).map(|share| (number.len(), share))
}

/// Whether a percent is progress, by what is before and after it.
fn is_progress(head: &str, tail: &str) -> bool {
    if tail.starts_with('/') || ends_with_things(head) {
        // rclone's share of one file among several, and shares of things that are no bytes.
        return false;
    }
    if tail.starts_with(['[', '|']) || ends_with_bar(head) {
        return true;
    }
    let is_in_brackets = head.ends_with(['(', '[']);
    let after = if is_in_brackets { tail.trim_start_matches([')', ']']) } else { tail };
    if head.trim_end_matches(['(', '[']).trim_end_matches(is_block).trim().is_empty() {
        return !begins_as_prose(after);
    }
    let before = head.trim_end_matches(['(', '[', ' ', ',', ':']);
    if has_bytes(before) {
        return is_of_figures(after);
    }
    is_of_figures(after) && !is_of_a_state(head)
}

/// A count of bytes is near: `3.14M/5.24M`, `25.7 GiB of 32.0 GiB`, `(1.2/2.6 GB, 95 MB/s)`.
fn has_bytes(text: &str) -> bool {
    let words = text.split(|c: char| c.is_whitespace() || "()[]|/,<".contains(c));
    let mut after_number = false;
    words.filter(|word| !word.is_empty()).any(|word| {
        let unit = word.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        let has_number = unit.len() < word.len();
        let found = is_unit(unit) && (has_number || after_number);
        after_number = has_number && unit.is_empty();
        found
    })
}

fn is_unit(text: &str) -> bool {
    let rest = text.strip_prefix(['k', 'K', 'M', 'G', 'T', 'P']).unwrap_or(text);
    matches!(rest, "B" | "iB" | "bytes" | "i" | "b") || rest.is_empty() && !text.is_empty()
}

/// `[====>   ]` or `|####|` before the percent; a time in brackets is none.
fn ends_with_bar(head: &str) -> bool {
    let (open, close) = match head.chars().next_back() {
        Some(']') => ('[', ']'),
        Some('|') => ('|', '|'),
        _ => return false,
    };
    let inside = head.trim_end_matches(close);
    inside.rfind(open).is_some_and(|at| !inside[at..].contains(|c: char| c.is_alphanumeric()))
}

/// `Checks: 1 / 1,` counts things.
fn ends_with_things(head: &str) -> bool {
    let Some(head) = head.strip_suffix(',') else { return false };
    let whole = head.trim_end_matches(|c: char| c.is_ascii_digit());
    let Some(part) = whole.trim_end().strip_suffix('/').filter(|_| whole.len() < head.len()) else { return false };
    part.trim_end().ends_with(|c: char| c.is_ascii_digit())
}

/// Words after a percent that is of a state: `97% full`, `0% packet loss`.
fn begins_as_prose(tail: &str) -> bool {
    let word: String = tail.chars().take_while(|c| c.is_alphabetic()).collect::<String>().to_lowercase();
    [
        "full", "used", "of", "free", "packet", "loss", "busy", "idle", "cpu", "usage", "off", "more", "less", "in",
        "left",
    ]
    .contains(&word.as_str())
        && !is_of_figures(tail)
}

/// Words before a percent that is of a state: `disk usage: 97%`.
fn is_of_a_state(head: &str) -> bool {
    let words = head.split(|c: char| !c.is_alphabetic()).map(str::to_lowercase);
    let states = [
        "usage",
        "used",
        "free",
        "full",
        "space",
        "cpu",
        "load",
        "memory",
        "filesystem",
        "threshold",
        "above",
        "below",
        "ratio",
        "than",
        "least",
        "most",
        "loss",
        "quota",
        "compression",
        "savings",
    ];
    words.into_iter().any(|word| states.contains(&word.as_str()))
}

/// Nothing, or nothing but rates, times, counts and the words that go with them.
fn is_of_figures(tail: &str) -> bool {
    let words = tail.split(|c: char| c.is_whitespace() || ",;()[]|/<>=#~".contains(c)).filter(|word| !word.is_empty());
    words.into_iter().all(|word| {
        let word = word.trim_matches([':', '-', '.', '?']).to_lowercase();
        let rest = word.trim_start_matches(|c: char| c.is_ascii_digit() || ".:".contains(c));
        let known = [
            "",
            "eta",
            "s",
            "sec",
            "secs",
            "seconds",
            "m",
            "min",
            "mins",
            "minutes",
            "h",
            "hours",
            "d",
            "in",
            "at",
            "of",
            "left",
            "remaining",
            "elapsed",
            "it",
            "its",
            "done",
            "complete",
            "completed",
            "copied",
            "transferred",
            "xfr",
            "xfer",
            "to",
            "chk",
            "check",
            "ir",
            "per",
            "k",
            "kb",
            "kib",
            "mb",
            "mib",
            "gb",
            "gib",
            "tb",
            "tib",
            "b",
            "bytes",
            "kbps",
            "mbps",
            "gbps",
            "bps",
            "g",
            "t",
            "ms",
            "rate",
            "speed",
            "avg",
            "time",
            "file",
            "files",
            "blocks",
        ];
        rest.split(|c: char| c == '-' || c.is_ascii_digit()).all(|part| known.contains(&part.trim_matches([':', '.'])))
    })
}

/// The title of a bar: the words before its percent or bar, up to the first figure with a unit.
fn bar(head: &str, tail: &str, share: Percent) -> Option<Bar> {
    let head = head.trim_start_matches(|c: char| c.is_whitespace() || is_block(c));
    let text = if ends_with_bar(head) { head.rsplit_once(['[', '|']).map_or(head, |(before, _)| before) } else { head };
    let text = text.split_once(": ").map_or(text, |(before, _)| before);
    let text = text.trim_end_matches(['(', '[', ' ', ':', '-', ',']).trim_end_matches('|').trim_end();
    // What begins with a figure is a count, and the name of the tool's own summary no title.
    let is_title =
        text.starts_with(|c: char| c.is_alphabetic()) && text != "Transferred" && !text.starts_with("transferred ");
    is_title.then(|| Bar {
        title: text.chars().take(TITLE_CHARACTERS).collect(),
        share,
        has_bytes: has_bytes(tail) || has_bytes(head),
        about: moved(head).or_else(|| moved(tail)),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(line: &str) -> Option<String> {
        Some(match read(line)? {
            Said::Share(share, _) => share.to_string(),
            Said::Bar(bar) => format!("{} {}{}", bar.share, bar.title, if bar.has_bytes { " bytes" } else { "" }),
            Said::Copied(bytes) => format!("{bytes} bytes"),
            Said::Rsync { bytes, share, ends_file } => format!("{bytes} {share} {ends_file}"),
        })
    }

    #[test]
    fn lines_that_are_progress_are_read() {
        for (line, said) in [
            ("12%", "12.00"),
            ("12.5 %", "12.50"),
            ("[55%] copying", "55.00"),
            ("[ 10% ]", "10.00"),
            ("45% copying", "45.00"),
            ("    (12.34/100%)", "12.34"),
            ("42/100", "42.00"),
            ("\u{2588}     42% [***-----]", "42.00"),
            ("\u{2588}  \u{258b} 7% [*------]", "7.00"),
            ("Creating snapshot 100% [=====] (100/100)", "100.00 Creating snapshot"),
            ("Full copy  45% [====>     ] (1.2/2.6 GB, 95 MB/s)", "45.00 Full copy bytes"),
            ("Full copy  45% |\u{2588}\u{2588}   | (1.2/2.6 GB, 95 MB/s) [3s:5s]", "45.00 Full copy bytes"),
            (
                "saving disk hda:  42%|\u{2588}\u{2588}  | 225G/537G [10:01<13:00, 400MB/s]",
                "42.00 saving disk hda bytes",
            ),
            ("transferred 25.7 GiB of 32.0 GiB (80.26%) in 6m 14s", "80.26"),
            ("2.0MiB 0:00:00 [22.0MiB/s] [=======>  ] 80%", "80.00"),
            ("5.00MiB 0:00:02 [2.50MiB/s] [=>        ] 25% ETA 0:00:06", "25.00"),
            ("Transferred:   \t    4.055 MiB / 10 MiB, 41%, 0 B/s, ETA -", "41.00"),
            ("10 MiB / 10 MiB, 99%, 8.081 MiB/s, ETA 0s", "99.00"),
            (" *   b: 39% /5Mi, 0/s, -Transferred:   \t 8.055 MiB / 10 MiB, 81%, 0 B/s, ETA -", "81.00"),
            ("Copying disk 1/2: 45%", "45.00 Copying disk 1/2"),
            ("Progress: 45%, 95 MB/s, ETA 0:10", "45.00 Progress bytes"),
            ("copied 45% in 10s", "45.00 copied"),
            ("524288000 bytes (524 MB, 500 MiB) copied, 3 s, 175 MB/s", "524288000 bytes"),
            ("      5,242,880 100%  709.82MB/s    0:00:00 (xfr#1, to-chk=1/3)", "5242880 100.00 true"),
            ("         32,768   0%    0.00kB/s    0:00:00", "32768 0.00 false"),
        ] {
            assert_eq!(told(line).as_deref(), Some(said), "{line:?}");
        }
    }

    #[test]
    fn f60_a_percent_in_prose_is_no_progress() {
        for line in [
            "filesystem 97% full",
            "warning: /dev/sda1 is 97% full",
            "97% full",
            "97% of the space is used",
            "disk usage: 97%",
            "disk usage at 97% (limit 95%)",
            "3 packets transmitted, 0% packet loss, time 5ms",
            "compression ratio 45%",
            "the copy is at least 50% slower than before",
            "Checks:                 1 / 1, 100%",
            "Transferred:            2 / 2, 100%",
            " *    a: 41% /5Mi, 0/s, -",
            "used 25 GB of 26 GB, 97% full",
            "http://example.org/a%20b",
            "[12:30:01] 97% full",
        ] {
            assert_eq!(told(line), None, "{line:?}");
        }
    }

    #[test]
    fn what_only_looks_like_a_figure_says_nothing() {
        for other in
            ["%", "101%", "-5%", "v2.100%", "1.2.3%", "disk9%", "5  %", "5..%", "99999999999999999999%", "12.%"]
        {
            assert_eq!(told(other), None, "{other:?}");
        }
        for other in
            ["101/100", "x50/100", "50/1000", "7/10", "1 bytes copied", "bytes (1 B) copied", "x 1 bytes (1 B) copied"]
        {
            assert_eq!(told(other), None, "{other:?}");
        }
    }
}
