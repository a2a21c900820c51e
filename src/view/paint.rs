//! Colour, for terminals that want it. The words say everything; colour only helps to find them.

use crate::model::event::Level;
use crate::model::status::{DiskStatus, JobStatus};

/// How a text is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// The ordinary course of things.
    Plain,
    /// It ended well.
    Good,
    /// Somebody may want to look.
    Warn,
    /// Somebody has to act.
    Bad,
    /// A heading.
    Head,
}

impl Tone {
    /// The tone of a job's status.
    pub fn of_job(status: JobStatus) -> Self {
        match status {
            JobStatus::Succeeded => Self::Good,
            JobStatus::Failed => Self::Bad,
            _ => Self::Plain,
        }
    }
    /// The tone of a disk's status.
    pub fn of_disk(status: DiskStatus) -> Self {
        match status {
            DiskStatus::Completed => Self::Good,
            DiskStatus::Failed => Self::Bad,
            _ => Self::Plain,
        }
    }
    /// The tone of a log entry's level.
    pub fn of_level(level: Level) -> Self {
        match level {
            Level::Info => Self::Plain,
            Level::Warning => Self::Warn,
            Level::Error => Self::Bad,
        }
    }
}

/// The text in the colour of its tone; as it is without `colour`.
pub fn paint(text: &str, tone: Tone, colour: bool) -> String {
    let code = match tone {
        Tone::Good => "32",
        Tone::Warn => "33",
        Tone::Bad => "31",
        Tone::Head => "1",
        Tone::Plain => return text.to_owned(),
    };
    if colour && !text.is_empty() { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
}
