//! The last lines of a mover's standard error, which say why it failed.
//!
//! Bounded whatever the mover writes. A carriage return starts its line afresh, as on a terminal, so that a progress bar
//! does not push the reason out.

use std::collections::VecDeque;

/// Lines that are kept.
const LINES: usize = 20;
/// Bytes of each line, and of all lines together when they are shown.
const BYTES: usize = 2000;

/// Keeps the last lines of a stream.
#[derive(Debug, Default)]
pub struct Tail {
    lines: VecDeque<Vec<u8>>,
    line: Vec<u8>,
    returned: bool,
}

impl Tail {
    /// Takes the next bytes.
    pub fn feed(&mut self, chunk: &[u8]) {
        for &byte in chunk {
            match byte {
                b'\n' => self.end_line(),
                b'\r' => self.returned = true,
                _ => {
                    if std::mem::take(&mut self.returned) {
                        self.line.clear();
                    }
                    if self.line.len() < BYTES {
                        self.line.push(byte);
                    }
                }
            }
        }
    }

    fn end_line(&mut self) {
        self.returned = false;
        let line = std::mem::take(&mut self.line);
        if line.iter().all(u8::is_ascii_whitespace) {
            return;
        }
        if self.lines.len() == LINES {
            self.lines.pop_front();
        }
        self.lines.push_back(line);
    }

    /// The last lines in one, divided by ` | `: printable, and at most 2000 bytes, cut at the front and marked `...`.
    pub fn text(&self) -> String {
        let lines = self.lines.iter().chain([&self.line]).map(|line| printable(line)).filter(|line| !line.is_empty());
        let all = lines.collect::<Vec<_>>().join(" | ");
        if all.len() <= BYTES {
            return all;
        }
        let mut start = all.len() - (BYTES - "...".len());
        while !all.is_char_boundary(start) {
            start += 1;
        }
        format!("...{}", &all[start..])
    }
}

/// The line as text, without control characters and terminal sequences.
fn printable(line: &[u8]) -> String {
    let text = String::from_utf8_lossy(line);
    let mut clean = String::with_capacity(text.len());
    let mut characters = text.chars().peekable();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' && characters.next_if_eq(&'[').is_some() {
            // A terminal sequence ends with its first letter or one of a few signs.
            while characters.next_if(|c| !('@'..='~').contains(c)).is_some() {}
            characters.next();
        } else if character.is_control() {
            clean.push(' ');
        } else {
            clean.push(character);
        }
    }
    clean.trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail(bytes: &[u8]) -> String {
        let mut tail = Tail::default();
        tail.feed(bytes);
        tail.text()
    }

    #[test]
    fn the_last_lines_are_told_in_one() {
        assert_eq!(tail(b"first\n\nsecond\r\nthird"), "first | second | third");
        let many: String = (0..50).map(|n| format!("line {n}\n")).collect();
        assert!(tail(many.as_bytes()).starts_with("line 30 | ") && tail(many.as_bytes()).ends_with("line 49"));
    }

    #[test]
    fn a_progress_bar_leaves_the_reason_in_place() {
        let bar: String = (0..5000).map(|n| format!("\r {n}%")).collect();
        assert_eq!(tail(format!("nbd: no route to host\n{bar}").as_bytes()), "nbd: no route to host | 4999%");
    }

    #[test]
    fn what_is_told_is_short_and_printable() {
        assert_eq!(tail(b"\x1b[1;31merror:\x1b[0m \x07bad\tblock \xff\n"), "error:  bad block \u{fffd}");
        let long = tail("ä".repeat(1_000_000).as_bytes());
        assert!(long.len() <= BYTES && long.chars().all(|c| c == 'ä' || c == '.'));
        let lines = tail("x".repeat(300).repeat(20).replace("xxx", "yz\n").as_bytes());
        assert!(lines.len() <= BYTES);
    }
}
