//! `waybill log`: what happened to a job, in order, each entry with its distance from the beginning.

use crate::model::record::{JobRecord, LogRecord};
use crate::model::time::Wall;

use super::paint::{Tone, paint};
use super::units;

/// A line for each entry: time, time since the first entry, level, event, message. A line is never cut: it is searched and
/// mailed.
pub fn log(record: &JobRecord, colour: bool) -> String {
    let begun = record.log.iter().find_map(|entry| entry.at);
    let width = record.log.iter().map(|entry| entry.event.chars().count()).max().unwrap_or(0);
    record.log.iter().map(|entry| line(entry, begun, width, colour)).collect()
}

fn line(entry: &LogRecord, begun: Option<Wall>, width: usize, colour: bool) -> String {
    let at = entry.at.map_or_else(|| " ".repeat(24), |at| at.to_string());
    let since = entry.at.zip(begun).map_or_else(String::new, |(at, begun)| format!("+{}", units::age(begun, at)));
    let level = paint(&format!("{:<7}", entry.level.stored_name()), Tone::of_level(entry.level), colour);
    let event = units::plain(&entry.event);
    format!("{at}  {since:>8}  {level}  {event:<width$}  {}\n", units::plain(&entry.message))
}
