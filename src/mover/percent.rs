//! Progress in plain text: percent figures (`12%`, `12.5 %`, virt-v2v's bars) and dd's `123456 bytes (...) copied`.
//!
//! The stream may as well be data: a `sh -c` mover may pipe a disk through its standard output. A control character
//! that no text has therefore ends the reading for good, before chance can make a percent figure out of disk blocks.

use super::reading::Reading;
use crate::model::percent::Percent;

/// Reads text, byte by byte and in bounded memory however long a line is.
#[derive(Debug, Default)]
pub struct Text {
    /// The first bytes of the present line, at most [`HEAD_BYTES`].
    head: Vec<u8>,
    /// The last bytes of the present line, at most [`FIGURE_BYTES`].
    tail: Vec<u8>,
    /// It was data.
    data: bool,
}

/// Enough for dd's line up to "copied".
const HEAD_BYTES: usize = 96;
/// Enough for a figure, a space and the character before them.
const FIGURE_BYTES: usize = 12;

/// Bytes that something follows from. The others are passed over in bulk: the stream may be a copy, and must not wait.
const MARKS: [bool; 256] = {
    let mut marks = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        marks[byte] = is_of_no_text(byte as u8) || matches!(byte as u8, b'\r' | b'\n' | b'%' | b'd');
        byte += 1;
    }
    marks
};

/// Control characters but those that lines and bars are made of: backspace, bell, tab, escape and the ends of a line.
const fn is_of_no_text(byte: u8) -> bool {
    matches!(byte, 0..=0x06 | 0x0b | 0x0c | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f)
}

impl Text {
    /// Takes the next bytes and tells each figure in them; how they were cut into chunks makes no difference.
    pub fn feed(&mut self, chunk: &[u8], tell: &mut dyn FnMut(Reading)) {
        let mut rest = chunk;
        while !self.data {
            let Some(at) = rest.iter().position(|byte| MARKS[usize::from(*byte)]) else {
                self.keep(rest);
                return;
            };
            self.keep(&rest[..at]);
            match rest[at] {
                b'\r' | b'\n' => {
                    self.head.clear();
                    self.tail.clear();
                }
                b'%' => {
                    figure_at_end(&self.tail).into_iter().for_each(|share| tell(Reading::Share(share)));
                    self.keep(b"%");
                }
                // What dd says of its count ends with this letter.
                b'd' if self.head.len() < HEAD_BYTES => {
                    self.keep(b"d");
                    copied_by_dd(&self.head).into_iter().for_each(|bytes| tell(Reading::Bytes(bytes)));
                }
                b'd' => self.keep(b"d"),
                _ => self.data = true,
            }
            rest = &rest[at + 1..];
        }
    }

    /// Takes bytes that nothing follows from by themselves.
    fn keep(&mut self, bytes: &[u8]) {
        let room = HEAD_BYTES - self.head.len();
        self.head.extend_from_slice(&bytes[..bytes.len().min(room)]);
        let last = &bytes[bytes.len().saturating_sub(FIGURE_BYTES)..];
        let too_many = (self.tail.len() + last.len()).saturating_sub(FIGURE_BYTES);
        self.tail.drain(..too_many);
        self.tail.extend_from_slice(last);
    }
}

/// The figure that `text` ends with, one space allowed after it; not the end of a word, a version or a negative number.
fn figure_at_end(text: &[u8]) -> Option<Percent> {
    let text = text.strip_suffix(b" ").unwrap_or(text);
    let is_part = |byte: &u8| byte.is_ascii_digit() || matches!(byte, b'.' | b',');
    let start = text.iter().rposition(|byte| !is_part(byte)).map_or(0, |at| at + 1);
    let before = start.checked_sub(1).map(|at| text[at]);
    if start == 0 && text.len() >= FIGURE_BYTES {
        return None;
    }
    match before {
        Some(byte) if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_') => None,
        _ => share(&text[start..]),
    }
}

/// A share written as `12`, `12.5`, `12.34` or `12,5`; `None` outside 0 to 100. Further digits are cut off.
pub(super) fn share(text: &[u8]) -> Option<Percent> {
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

fn digits(text: &[u8]) -> Option<u64> {
    if text.is_empty() || !text.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(text).ok()?.parse().ok()
}

/// The count in `123456 bytes (123 kB, 121 KiB) copied`; only where the line's head ends just there, so that it is told once.
fn copied_by_dd(head: &[u8]) -> Option<u64> {
    let line = head.strip_suffix(b") copied")?;
    let count = line.iter().position(|byte| *byte == b' ')?;
    line[count..].starts_with(b" bytes (").then(|| digits(&line[..count]))?
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(chunks: &[&[u8]]) -> Vec<String> {
        let (mut text, mut told) = (Text::default(), Vec::new());
        for chunk in chunks {
            text.feed(chunk, &mut |reading| match reading {
                Reading::Share(share) => told.push(share.to_string()),
                Reading::Bytes(bytes) => told.push(format!("{bytes} bytes")),
            });
        }
        told
    }

    #[test]
    fn percent_lines_are_read() {
        assert_eq!(read(&[b"12%\n12.5 %\n 12.34%\r12,5%\n100%"]), ["12.00", "12.50", "12.34", "12.50", "100.00"]);
        let bars = "\u{258b}      0% [--------]\r\u{2588}     42% [***-----]\r\u{2588}    100% [********]\n";
        assert_eq!(read(&[bars.as_bytes()]), ["0.00", "42.00", "100.00"]);
        assert_eq!(read(&[b"[55%] copying"]), ["55.00"]);
    }

    #[test]
    fn dd_counts_are_read_once_a_line() {
        let stream =
            b"1048576 bytes (1.0 MB, 1.0 MiB) copied, 1 s, 1 MB/s\r2097152 bytes (2.1 MB, 2.0 MiB) copied, 2 s";
        assert_eq!(read(&[stream]), ["1048576 bytes", "2097152 bytes"]);
        assert_eq!(read(&[b"x 1 bytes (1 B) copied\n1 bytes copied\nbytes (1 B) copied\n"]), [""; 0]);
    }

    #[test]
    fn what_only_looks_like_a_figure_says_nothing() {
        for other in ["%", "101%", "-5%", "v2.100%", "1.2.3%", "disk9%", "5  %", "5..%", "00000000000000012%", "12.%"] {
            assert_eq!(read(&[other.as_bytes()]), [""; 0], "{other:?}");
        }
    }

    #[test]
    fn disk_data_is_never_taken_for_progress() {
        assert_eq!(read(&[b"10%\n\x00 50%\n", b"99%\n"]), ["10.00"]);
    }

    #[test]
    fn a_line_without_end_costs_no_memory() {
        let mut text = Text::default();
        let megabyte = vec![b'7'; 1 << 20];
        for _ in 0..100 {
            text.feed(&megabyte, &mut |_| panic!("no figure is in it"));
        }
        assert!(text.head.capacity() + text.tail.capacity() < 1024);
        let mut told = 0;
        text.feed(b"\n5%", &mut |_| told += 1);
        assert_eq!(told, 1);
    }

    proptest! {
        #[test]
        fn chunking_makes_no_difference(
            bytes in "([0-9.,% \r\nx]{0,60})|([0-9]{1,9} bytes \\(1 B\\) copied[\r,]){0,5}",
            cut in 1_usize..17,
        ) {
            let pieces: Vec<&[u8]> = bytes.as_bytes().chunks(cut).collect();
            prop_assert_eq!(read(&pieces), read(&[bytes.as_bytes()]));
        }

        #[test]
        fn no_bytes_cause_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
            read(&[&bytes]);
        }
    }
}
