//! Columns of text: each as wide as its widest cell, the last one with what is left of the line. Every table that people read
//! is made with it. No line is wider than it may be; what is cut off is marked.

use super::paint::Tone;
use super::units;
use super::wrap::Line;

const GAP: &str = "  ";

/// A column: its head, whether it is aligned to the right, and its cells with their tones.
pub(super) struct Column {
    head: &'static str,
    right: bool,
    width: usize,
    cells: Vec<(String, Tone)>,
}

impl Column {
    /// Cells that are aligned to the left, each with its tone.
    pub(super) fn new(head: &'static str, cells: impl Iterator<Item = (String, Tone)>) -> Self {
        let cells: Vec<(String, Tone)> = cells.collect();
        let width = cells.iter().map(|(text, _)| units::width(text)).chain([head.len()]).max().unwrap_or(0);
        Self { head, right: false, width, cells }
    }
    /// Words that are aligned to the left.
    pub(super) fn words(head: &'static str, cells: impl Iterator<Item = String>) -> Self {
        Self::new(head, cells.map(|text| (text, Tone::Plain)))
    }
    /// Figures, which are aligned to the right.
    pub(super) fn figures(head: &'static str, cells: impl Iterator<Item = String>) -> Self {
        Self { right: true, ..Self::words(head, cells) }
    }
}

/// True where all columns fit the width with at least `last` cells of the last one, or with all that it has.
pub(super) fn fits(columns: &[Column], last: usize, width: usize) -> bool {
    let wanted = columns.last().map_or(0, |column| column.width).min(last);
    let used: usize = columns.iter().rev().skip(1).map(|column| column.width + GAP.len()).sum();
    used.saturating_add(wanted) <= width
}

/// The table with its head, no line wider than `width`.
pub(super) fn lines(columns: &[Column]) -> Vec<Line> {
    let rows = columns.iter().map(|column| column.cells.len()).max().unwrap_or(0);
    let head = line(columns, |column| (column.head, Tone::Head));
    let body = (0..rows).map(|at| {
        line(columns, |column| column.cells.get(at).map_or(("", Tone::Plain), |(text, tone)| (text.as_str(), *tone)))
    });
    std::iter::once(head).chain(body).collect()
}

/// As [`lines`], as a text of which no line is wider than `width`.
pub(super) fn render(columns: &[Column], width: usize, colour: bool) -> String {
    lines(columns).iter().map(|line| line.render(width, colour) + "\n").collect()
}

fn line<'a>(columns: &'a [Column], cell: impl Fn(&'a Column) -> (&'a str, Tone)) -> Line {
    // Spaces at the end of a line are nothing to cut.
    let shown = columns.iter().rposition(|column| !cell(column).0.is_empty()).map_or(0, |last| last + 1);
    let mut line = Line::default();
    for (at, column) in columns[..shown].iter().enumerate() {
        let (word, tone) = cell(column);
        let padding = " ".repeat(column.width.saturating_sub(units::width(word)));
        let gap = if at + 1 == shown { "" } else { GAP };
        line = match column.right {
            true => line.and(padding, Tone::Plain).and(word, tone).and(gap, Tone::Plain),
            false if gap.is_empty() => line.and(word, tone),
            false => line.and(word, tone).and(padding + gap, Tone::Plain),
        };
    }
    line
}
