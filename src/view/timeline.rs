//! `waybill log`: what happened to a job on both sides of the tunnel, in one order, each entry with its distance from the
//! beginning.

use std::iter::from_fn;

use crate::model::record::{JobRecord, LogRecord, Side};
use crate::model::time::Wall;

use super::paint::{Tone, paint};
use super::units;

/// A line for each entry: time, time since the first entry, side, level, event, message. A line is never cut: it is
/// searched and mailed.
pub fn log(record: &JobRecord, colour: bool) -> String {
    let all = || entries(record);
    let begun = all().find_map(|(_, entry)| entry.at);
    let width = all().map(|(_, entry)| entry.event.chars().count()).max().unwrap_or(0);
    all().map(|(side, entry)| line(side, entry, begun, width, colour)).collect()
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

fn line(side: Side, entry: &LogRecord, begun: Option<Wall>, width: usize, colour: bool) -> String {
    let at = entry.at.map_or_else(|| " ".repeat(24), |at| at.to_string());
    let since = entry.at.zip(begun).map_or_else(String::new, |(at, begun)| format!("+{}", units::age(begun, at)));
    let side = side.title();
    let level = paint(&format!("{:<7}", entry.level.stored_name()), Tone::of_level(entry.level), colour);
    let event = units::plain(&entry.event);
    format!("{at}  {since:>8}  {side}  {level}  {event:<width$}  {}\n", units::plain(&entry.message))
}
