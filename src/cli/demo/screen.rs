//! What the demo shows: the job as the OMA's database has it, in the words of `waybill watch`; redrawn in place on a terminal,
//! a line for each change elsewhere.

use std::path::{Path, PathBuf};

use crate::cli::{database, output};
use crate::model::id::JobId;
use crate::model::job::Job;
use crate::store::Reader;
use crate::view::line::{self, Shown};
use crate::view::live::{self, Window};

/// Standard output and what stands on it.
pub(super) struct Screen {
    database: PathBuf,
    /// Lines of the frame that the next one replaces.
    drawn: usize,
    /// What the last line showed.
    shown: Option<Shown>,
}

impl Screen {
    pub(super) fn new(database: &Path) -> Self {
        Self { database: database.to_owned(), drawn: 0, shown: None }
    }

    /// A line that stays.
    pub(super) fn say(&mut self, text: &str) {
        self.keep();
        write_out(&format!("{text}\n"));
    }

    /// Shows the job as the database has it now, and gives it.
    pub(super) fn draw(&mut self, id: &JobId) -> Option<Job> {
        let reader = Reader::open(&self.database).ok()?;
        let (record, now) = (reader.record(id).ok().flatten()?, database::moment(&reader).ok()?);
        match output::Screen::of_stdout() {
            output::Screen { width: Some(width), height: Some(height), colour } => {
                // Room for the line that says which run this is.
                let window = Window { width, height: Some(height.saturating_sub(2)), colour };
                let frame = live::job(&record, now, window);
                let up = if self.drawn == 0 { String::new() } else { format!("\x1b[{}A", self.drawn) };
                write_out(&format!("{up}\x1b[J{frame}"));
                self.drawn = frame.lines().count();
            }
            _ if self.shown.replace(Shown::of(&record.job, now)) != Some(Shown::of(&record.job, now)) => {
                write_out(&format!("   {}\n", line::job(&record.job, now)));
            }
            _ => {}
        }
        Some(record.job)
    }

    /// What stands there stays; the next drawing begins below.
    pub(super) fn keep(&mut self) {
        (self.drawn, self.shown) = (0, None);
    }
}

/// A reader that has gone away is no reason to stop: the copy goes on.
fn write_out(text: &str) {
    output::write(text).ok();
}
