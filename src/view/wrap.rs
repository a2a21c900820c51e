//! Lines that fit a screen: pieces of text with their tones, cut or wrapped at a width that colour does not count in.

use super::paint::{Tone, paint};
use super::units;

/// One line, made of pieces.
#[derive(Debug, Clone, Default)]
pub(super) struct Line(Vec<(String, Tone)>);

impl Line {
    /// A line of one piece.
    pub(super) fn new(text: impl Into<String>, tone: Tone) -> Self {
        Self(vec![(text.into(), tone)])
    }
    /// The line with another piece at its end.
    pub(super) fn and(mut self, text: impl Into<String>, tone: Tone) -> Self {
        self.0.push((text.into(), tone));
        self
    }
    /// The line in at most `width` cells, without a line end; what is cut off shows as `…`.
    pub(super) fn render(&self, width: usize, colour: bool) -> String {
        let all: usize = self.0.iter().map(|(text, _)| units::width(text)).sum();
        let mut left = if all > width { width.saturating_sub(1) } else { all };
        let mut out = String::new();
        for (text, tone) in &self.0 {
            let piece = units::beginning(text, left);
            left -= units::width(piece);
            out.push_str(&paint(piece, *tone, colour));
            if piece.len() < text.len() {
                break;
            }
        }
        if all > width {
            out.push('…');
        }
        out
    }
}

/// A label and a text that goes on below itself, each line at most `width` cells.
pub(super) fn labelled(label: &str, text: &str, tone: Tone, width: usize) -> Vec<Line> {
    let room = width.saturating_sub(LABEL).max(20);
    let label = |at| format!("{:<LABEL$}", if at == 0 { label } else { "" });
    let lines = wrap(text, room).into_iter().enumerate();
    lines.map(|(at, line)| Line::new(label(at), Tone::Plain).and(line, tone)).collect()
}

/// Characters that a label takes, its gap included.
const LABEL: usize = 10;

/// Breaks a text between words; a word that is wider than the line is broken in itself.
pub(super) fn wrap(text: &str, width: usize) -> Vec<String> {
    let mut lines = vec![String::new()];
    let mut push = |word: &str| {
        let line = lines.last_mut().expect("one at least");
        let used = units::width(line);
        if used > 0 && used + 1 + units::width(word) > width {
            lines.push(word.to_owned());
        } else if used > 0 {
            line.extend([" ", word]);
        } else {
            line.push_str(word);
        }
    };
    for word in text.split_whitespace() {
        let mut rest = word;
        while units::width(rest) > width {
            let part = units::beginning(rest, width);
            push(part);
            rest = &rest[part.len()..];
        }
        push(rest);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colour_takes_no_room_and_a_cut_is_marked() {
        let line = Line::new("bad", Tone::Bad).and(" and the rest", Tone::Plain);
        assert_eq!(line.render(80, false), "bad and the rest");
        assert_eq!(line.render(8, true), "\u{1b}[31mbad\u{1b}[0m and…");
        assert_eq!(line.render(2, false), "b…");
    }

    #[test]
    fn a_long_text_goes_on_below_itself() {
        let lines = labelled("waits for", "one two three four five sixsixsixsixsixsixsixsix", Tone::Plain, 30);
        let lines: Vec<String> = lines.iter().map(|line| line.render(30, false)).collect();
        let expected =
            ["waits for one two three four", "          five", "          sixsixsixsixsixsixsi", "          xsix"];
        assert_eq!(lines, expected);
        assert!(lines.iter().all(|line| line.chars().count() <= 30), "{lines:?}");
    }
}
