//! Columns of text: each as wide as its widest cell, the last one cut to what is left of the line. Every table that people
//! read is made with it.

use super::paint::{Tone, paint};
use super::units;

/// The least that is shown of the last column.
const LAST_MIN: usize = 8;
const GAP: &str = "  ";

struct Cell {
    text: String,
    tone: Tone,
}

/// A column: its head, whether it is aligned to the right, and its cells.
pub(super) struct Column {
    head: &'static str,
    right: bool,
    cells: Vec<Cell>,
}

impl Column {
    /// Cells that are aligned to the left, each with its tone.
    pub(super) fn new(head: &'static str, cells: impl Iterator<Item = (String, Tone)>) -> Self {
        Self { head, right: false, cells: cells.map(|(text, tone)| Cell { text, tone }).collect() }
    }
    /// Words that are aligned to the left.
    pub(super) fn words(head: &'static str, cells: impl Iterator<Item = String>) -> Self {
        Self::new(head, cells.map(|text| (text, Tone::Plain)))
    }
    /// Figures, which are aligned to the right.
    pub(super) fn figures(head: &'static str, cells: impl Iterator<Item = String>) -> Self {
        Self { right: true, ..Self::words(head, cells) }
    }
    fn width(&self) -> usize {
        let cells = self.cells.iter().map(|cell| cell.text.chars().count());
        cells.chain([self.head.len()]).max().unwrap_or(0)
    }
}

/// True where all columns fit the width with at least `last` characters of the last one, or with all that it has.
pub(super) fn fits(columns: &[Column], last: usize, width: usize) -> bool {
    let wanted = columns.last().map_or(0, Column::width).min(last);
    used(columns).saturating_add(wanted) <= width
}

/// The table with its head, every line at most as wide as `width`, as far as the first columns allow.
pub(super) fn render(columns: &[Column], width: usize, colour: bool) -> String {
    let for_last = width.saturating_sub(used(columns)).max(LAST_MIN);
    let lines = columns.iter().map(|column| column.cells.len()).max().unwrap_or(0);
    let mut out = line(columns, for_last, colour, |column| (column.head, Tone::Head));
    for at in 0..lines {
        out += &line(columns, for_last, colour, |column| {
            column.cells.get(at).map_or(("", Tone::Plain), |cell| (cell.text.as_str(), cell.tone))
        });
    }
    out
}

/// The width of all columns but the last, with their gaps.
fn used(columns: &[Column]) -> usize {
    columns.iter().rev().skip(1).map(|column| column.width() + GAP.len()).sum()
}

fn line<'a>(
    columns: &'a [Column],
    for_last: usize,
    colour: bool,
    cell: impl Fn(&'a Column) -> (&'a str, Tone),
) -> String {
    let last = columns.len().saturating_sub(1);
    let mut text = String::new();
    for (index, column) in columns.iter().enumerate() {
        let (word, tone) = cell(column);
        if index == last {
            text.push_str(&paint(&units::cut(word, for_last), tone, colour));
            continue;
        }
        let padding = " ".repeat(column.width().saturating_sub(word.chars().count()));
        let word = paint(word, tone, colour);
        match column.right {
            true => text.extend([padding.as_str(), &word, GAP]),
            false => text.extend([word.as_str(), &padding, GAP]),
        }
    }
    text.truncate(text.trim_end().len());
    text + "\n"
}
