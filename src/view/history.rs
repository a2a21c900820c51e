//! `waybill history`: what each ended run left behind of each disk, a line a disk.

use crate::model::record::HistoryRecord;

use super::grid::{self, Column};
use super::paint::Tone;
use super::units;

/// The table, in the order given. `width` is the terminal's; `None` gives every line the space that it needs.
pub fn table(history: &[HistoryRecord], width: Option<usize>, colour: bool) -> String {
    let entries = || history.iter().map(|row| &row.entry);
    let id =
        |id: &Option<crate::model::id::ChangeId>| id.as_ref().map_or("-".to_owned(), |id| units::plain(id.as_str()));
    let path = |path: &str| if path.is_empty() { "-".to_owned() } else { units::plain(path) };
    let took = |seconds| units::length(seconds);
    let columns = [
        Column::words("ENDED", entries().map(|entry| entry.created_at.to_string())),
        Column::words("JOB", entries().map(|entry| entry.job.to_string())),
        Column::words("VM", entries().map(|entry| path(&entry.vm_path))),
        Column::words("DISK", entries().map(|entry| entry.disk.to_string())),
        Column::words("SYNC", entries().map(|entry| entry.sync.wire_name().to_owned())),
        Column::new("RESULT", history.iter().map(result)),
        Column::figures("MOVED", entries().map(|entry| units::size(entry.bytes_transferred))),
        Column::figures("TOOK", entries().map(|entry| took(entry.sync_duration_seconds))),
        Column::words("CHANGE ID", entries().map(|entry| id(&entry.change_id))),
        Column::words("PREVIOUS", entries().map(|entry| id(&entry.previous_change_id))),
    ];
    grid::render(&columns, width.unwrap_or(usize::MAX), colour)
}

fn result(row: &HistoryRecord) -> (String, Tone) {
    match (row.superseded, row.entry.sync_success) {
        (true, _) => ("superseded".to_owned(), Tone::Plain),
        (false, true) => ("done".to_owned(), Tone::Good),
        (false, false) => ("failed".to_owned(), Tone::Bad),
    }
}
