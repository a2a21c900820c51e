//! `waybill log`: what happened to a job on both sides of the tunnel, in one order, each entry with its distance from the
//! beginning. What both sides say is one line: the VMA's, at the time at which it happened.

use std::collections::{BTreeMap, VecDeque};
use std::iter::from_fn;

use crate::model::event::Event;
use crate::model::record::{JobRecord, LogRecord, Side};
use crate::model::time::Wall;

use super::paint::{Tone, paint};
use super::units;

/// How far apart two entries may be that tell of one thing: a poll later, on clocks that differ a little.
const APART_MS: u64 = 5000;

/// A line for each thing that happened: time, time since the first entry, who says so, level, event, message. A line is
/// never cut: it is searched and mailed.
pub fn log(record: &JobRecord, since: Option<Wall>, colour: bool) -> String {
    let all = merged(record);
    let layout = Layout::of(&all);
    after(&all, since).map(|line| line.render(&layout, colour)).collect()
}

/// The lines from a moment on. One without a time stays with the one before it.
pub fn after<'a, 'r>(lines: &'a [LogLine<'r>], since: Option<Wall>) -> impl Iterator<Item = &'a LogLine<'r>> {
    let mut is_after = since.is_none();
    lines.iter().filter(move |line| {
        is_after = line.entry.at.map_or(is_after, |at| since.is_none_or(|since| at >= since));
        is_after
    })
}

/// One line of the log.
#[derive(Debug, Clone, PartialEq)]
pub struct LogLine<'r> {
    /// Which entry of the database's own side it is, or agrees with.
    pub own: Option<usize>,
    /// Which entry of the VMA's log it is, as an OMA has it.
    pub source: Option<usize>,
    side: Side,
    entry: &'r LogRecord,
}

/// How wide the columns are, and from when on the time is counted.
#[derive(Debug)]
pub struct Layout {
    begun: Option<Wall>,
    who: usize,
    event: usize,
}

impl Layout {
    /// As wide as these lines need it.
    pub fn of(lines: &[LogLine<'_>]) -> Self {
        Self {
            begun: lines.iter().find_map(|line| line.entry.at),
            who: lines.iter().map(|line| line.who().len()).max().unwrap_or(0),
            event: lines.iter().map(|line| line.entry.event.chars().count()).max().unwrap_or(0),
        }
    }
    /// Wide enough for every line that may come.
    pub fn of_all(lines: &[LogLine<'_>]) -> Self {
        let event = Event::ALL.iter().map(|event| event.stored_name().len()).max().unwrap_or(0);
        Self { who: BOTH.len(), event, ..Self::of(lines) }
    }
}

/// Who says what both sides say.
const BOTH: &str = "both";

impl LogLine<'_> {
    fn who(&self) -> &'static str {
        if self.own.is_some() && self.source.is_some() { BOTH } else { self.side.title() }
    }
    /// The line with its end.
    pub fn render(&self, layout: &Layout, colour: bool) -> String {
        let (entry, who) = (self.entry, self.who());
        let at = entry.at.map_or_else(|| " ".repeat(24), |at| at.to_string());
        let since =
            entry.at.zip(layout.begun).map_or_else(String::new, |(at, begun)| format!("+{}", units::age(begun, at)));
        let level = paint(&format!("{:<7}", entry.level.stored_name()), Tone::of_level(entry.level), colour);
        let (event, message) = (units::plain(&entry.event), units::plain(&entry.message));
        let (for_who, for_event) = (layout.who, layout.event);
        format!("{at}  {since:>8}  {who:<for_who$}  {level}  {event:<for_event$}  {message}\n")
    }
}

/// The entries as [`entries`] has them, what both sides say as one.
pub fn merged(record: &JobRecord) -> Vec<LogLine<'_>> {
    let pairs = agreed(record);
    let is_doubled: BTreeMap<usize, usize> = pairs.iter().map(|(source, own)| (*own, *source)).collect();
    let (mut own, mut source) = (0.., 0..);
    let lines = entries(record).filter_map(|(side, entry)| {
        let is_own = side == record.side;
        let at = if is_own { own.next() } else { source.next() }?;
        let (own, source) = if is_own { (Some(at), None) } else { (pairs.get(&at).copied(), Some(at)) };
        (!is_own || !is_doubled.contains_key(&at)).then_some(LogLine { own, source, side, entry })
    });
    lines.collect()
}

/// Which entries of the VMA's log have an entry of the OMA's that says the same, each at most one.
fn agreed(record: &JobRecord) -> BTreeMap<usize, usize> {
    let mut waiting: BTreeMap<(&str, &str), VecDeque<(usize, Wall)>> = BTreeMap::new();
    for (at, entry) in record.log.iter().enumerate() {
        if let Some(time) = entry.at {
            waiting.entry(said(entry)).or_default().push_back((at, time));
        }
    }
    let mut pairs = BTreeMap::new();
    for (at, entry) in record.source_log.iter().enumerate() {
        let (Some(time), Some(others)) = (entry.at, waiting.get_mut(&said(entry))) else { continue };
        let apart = |other: Wall| other.unix_millis().abs_diff(time.unix_millis());
        while others.front().is_some_and(|(_, other)| *other < time && apart(*other) > APART_MS) {
            others.pop_front();
        }
        if let Some((other, _)) = others.front().copied().filter(|(_, other)| apart(*other) <= APART_MS) {
            others.pop_front();
            pairs.insert(at, other);
        }
    }
    pairs
}

/// What an entry says apart from its side's own words. At a milestone each side has counted other bytes, and how long a
/// stage took depends on who looks.
fn said(entry: &LogRecord) -> (&str, &str) {
    let message = entry.message.as_str();
    let text = if entry.event == Event::Milestone.stored_name() {
        message.split(':').next().unwrap_or(message)
    } else if entry.event == Event::StageChanged.stored_name() {
        let stage = message.rsplit("-> ").next().unwrap_or(message);
        stage.trim_start_matches("stage ").split(' ').next().unwrap_or(stage)
    } else {
        message
    };
    (&entry.event, text)
}

/// The entries of both sides by their times. Two machines have two clocks, so that times only merge: no side's own order is
/// changed. Of the same time the VMA's comes first, because the OMA hears of it from there.
pub fn entries(record: &JobRecord) -> impl Iterator<Item = (Side, &LogRecord)> {
    let (mut own, mut theirs) = (record.log.iter().peekable(), record.source_log.iter().peekable());
    from_fn(move || {
        let theirs_is_next = match (theirs.peek(), own.peek()) {
            // An entry without a time stays with the one before it.
            (Some(theirs), Some(own)) => own.at.is_some() && theirs.at <= own.at,
            (Some(_), None) => true,
            (None, _) => false,
        };
        if theirs_is_next {
            return theirs.next().map(|entry| (Side::Vma, entry));
        }
        own.next().map(|entry| (record.side, entry))
    })
}
