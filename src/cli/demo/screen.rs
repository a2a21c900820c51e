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
    /// What the next drawing replaces: for each line its text, and what of it is worth a line of its own elsewhere.
    drawn: Vec<Line>,
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
            let text: String = lines.iter().map(|line| format!("\x1b[2K{}\n", line.text)).collect();
            write_out(&format!("{up}{text}"));
        } else {
            let is_shown = |line: &&Line| self.drawn.iter().any(|drawn| drawn.news == line.news);
            let news = lines.iter().filter(|line| !is_shown(line));
            write_out(&news.map(|line| format!("{}\n", line.text)).collect::<String>());
        }
        self.drawn = lines;
        Some(job)
    }

    /// What stands there stays; the next drawing begins below.
    pub(super) fn keep(&mut self) {
        self.drawn.clear();
    }
}

/// A line of the drawing.
struct Line {
    text: String,
    /// Whose line it is, its status, and each fifth of the way.
    news: (String, &'static str, u16),
}

fn lines(job: &Job) -> Vec<Line> {
    let totals = &job.totals;
    let stage = job.stage.map_or("-", |stage| stage.wire_name());
    let text = format!(
        "   {:<16} {} {:>6} %  {:>20}  {:>12}  {} / {stage}",
        job.id.as_str(),
        bar(totals.percent, 24),
        totals.percent.to_string(),
        units::moved(totals.bytes_transferred, Some(totals.total_bytes).filter(|total| *total > 0)),
        units::rate(totals.throughput_bps),
        job.status.stored_name(),
    );
    let news = (job.id.to_string(), job.status.stored_name(), totals.percent.hundredths() / 2000);
    let mut lines = vec![Line { text, news }];
    lines.extend(job.disks.iter().map(disk_line));
    lines
}

fn disk_line(disk: &Disk) -> Line {
    let text = format!(
        "     {:<14} {} {:>6} %  {:>20}  {:>12}  {}",
        disk.id.as_str(),
        bar(disk.percent, 24),
        disk.percent.to_string(),
        units::moved(disk.bytes_transferred, disk.planned_bytes),
        units::rate(disk.throughput_bps),
        disk.status.stored_name(),
    );
    Line { text, news: (disk.id.to_string(), disk.status.stored_name(), disk.percent.hundredths() / 2000) }
}

/// A reader that has gone away is no reason to stop: the copy goes on.
fn write_out(text: &str) {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).ok();
}
