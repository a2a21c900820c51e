//! Entries of job logs as lines of the daemon's log: every line carries job and correlation id.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use log::Level as LogLevel;

use crate::model::change::Change;
use crate::model::event::{Event, Level, LogEntry};

/// Starts logging to standard error; `RUST_LOG` chooses what, `info` is the default.
pub fn start() {
    builder().init();
}

/// Starts logging to a file, at its end.
///
/// # Errors
/// Where the file cannot be opened.
pub fn start_in(file: &Path) -> io::Result<()> {
    let file = OpenOptions::new().create(true).append(true).open(file)?;
    builder().target(env_logger::Target::Pipe(Box::new(file))).init();
    Ok(())
}

fn builder() -> env_logger::Builder {
    let environment = env_logger::Env::default().default_filter_or("info");
    let mut builder = env_logger::Builder::from_env(environment);
    builder.format_timestamp_millis().format_target(false);
    // Each frame that a peer sends wrongly is an error to it, so that a peer could fill the disk.
    builder.filter_module("yamux", log::LevelFilter::Off);
    builder
}

/// Writes the entries among the changes to the log.
pub fn write(changes: &[Change]) {
    for change in changes {
        if let Change::Entry(entry) = change {
            write_entry(entry);
        }
    }
}

fn write_entry(entry: &LogEntry) {
    let level = match entry.event.level() {
        Level::Info => LogLevel::Info,
        Level::Warning => LogLevel::Warn,
        Level::Error => LogLevel::Error,
    };
    let correlation = entry.correlation.as_ref().map_or("-", |id| id.as_str());
    log::log!(
        level,
        "job={:?} correlation={correlation} {}: {}{}",
        entry.job.as_str(),
        entry.event.stored_name(),
        mark(entry.event),
        entry.message.escape_debug()
    );
}

/// The marks of the specification's key messages.
fn mark(event: Event) -> &'static str {
    match event {
        Event::TrackingStarted | Event::TrackingResumed => "🔄 ",
        Event::TrackingStopped => "⏹️ ",
        Event::JobSucceeded => "✅ ",
        Event::JobFailed => "🚨 ",
        _ => "",
    }
}
