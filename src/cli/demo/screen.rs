//! What the demo shows: the job as the OMA's database has it, redrawn in place on a terminal, a line for each change
//! elsewhere.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use crate::model::disk::Disk;
use crate::model::id::JobId;
use crate::model::job::Job;
use crate::store::Reader;
use crate::view::bar::bar;
use crate::view::units;

/// Standard output and what stands on it.
pub(super) struct Screen {
    database: PathBuf,
    is_terminal: bool,
    /// The lines that the next drawing replaces, and their text.
    drawn: Vec<String>,
}

impl Screen {
    pub(super) fn new(database: &Path) -> Self {
        let is_terminal = std::io::stdout().is_terminal();
        Self { database: database.to_owned(), is_terminal, drawn: Vec::new() }
    }

    /// A line that stays.
    pub(super) fn say(&mut self, text: &str) {
        self.keep();
        write_out(&format!("{text}\n"));
    }

    /// Shows the job as the database has it now, and gives it.
    pub(super) fn draw(&mut self, id: &JobId) -> Option<Job> {
        let job = Reader::open(&self.database).and_then(|reader| reader.job(id)).ok().flatten()?;
        let lines = lines(&job);
        if self.is_terminal {
            let up = if self.drawn.is_empty() { String::new() } else { format!("\x1b[{}A", self.drawn.len()) };
            let text: String = lines.iter().map(|line| format!("\x1b[2K{line}\n")).collect();
            write_out(&format!("{up}{text}"));
        } else if self.drawn != lines {
            let changed = lines.iter().filter(|line| !self.drawn.contains(line));
            write_out(&changed.map(|line| format!("{line}\n")).collect::<String>());
        }
        self.drawn = lines;
        Some(job)
    }

    /// What stands there stays; the next drawing begins below.
    pub(super) fn keep(&mut self) {
        self.drawn.clear();
    }
}

fn lines(job: &Job) -> Vec<String> {
    let totals = &job.totals;
    let stage = job.stage.map_or("-", |stage| stage.wire_name());
    let mut lines = vec![format!(
        "   {:<12} {} {:>6} %  {:>20}  {:>12}  {} / {stage}",
        job.id.as_str(),
        bar(totals.percent, 24),
        totals.percent.to_string(),
        units::moved(totals.bytes_transferred, Some(totals.total_bytes).filter(|total| *total > 0)),
        units::rate(totals.throughput_bps),
        job.status.stored_name(),
    )];
    lines.extend(job.disks.iter().map(disk_line));
    lines
}

fn disk_line(disk: &Disk) -> String {
    format!(
        "     {:<10} {} {:>6} %  {:>20}  {:>12}  {}",
        disk.id.as_str(),
        bar(disk.percent, 24),
        disk.percent.to_string(),
        units::moved(disk.bytes_transferred, disk.planned_bytes),
        units::rate(disk.throughput_bps),
        disk.status.stored_name(),
    )
}

/// A reader that has gone away is no reason to stop: the copy goes on.
fn write_out(text: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
}
