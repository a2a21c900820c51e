//! Writes and reads a job's log and the stages of its run.

use nanoserde::SerJson;
use rusqlite::{Connection, params};

use super::error::StoreError;
use super::jobs::{integer, time};
use super::read::{self, Cells, Queries};
use crate::model::change::{Step, StepEnd};
use crate::model::event::{Level, LogEntry, Value};
use crate::model::id::{CorrelationId, JobId};
use crate::model::record::{LogRecord, StepRecord};

/// The attributes as a JSON object.
fn attributes_json(attributes: &[(&'static str, Value)]) -> String {
    let mut json = String::from("{");
    for (at, (key, value)) in attributes.iter().enumerate() {
        if at > 0 {
            json.push(',');
        }
        json.push_str(&(*key).to_owned().serialize_json());
        json.push(':');
        match value {
            Value::Text(text) => json.push_str(&text.serialize_json()),
            Value::Number(number) => json.push_str(&number.to_string()),
        }
    }
    json.push('}');
    json
}

pub(super) fn write_entry(conn: &Connection, entry: &LogEntry) -> rusqlite::Result<usize> {
    conn.prepare_cached(
        "INSERT INTO job_events (job_id, at, level, event, message, attributes, correlation_id)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        entry.job.as_str(),
        entry.at.to_string(),
        entry.event.level().stored_name(),
        entry.event.stored_name(),
        entry.message,
        attributes_json(&entry.attributes),
        entry.correlation.as_ref().map(CorrelationId::as_str),
    ])
}

/// Opens the row of a stage; one that is there already stays as it is.
pub(super) fn begin_step(conn: &Connection, step: &Step) -> rusqlite::Result<usize> {
    conn.prepare_cached(
        "INSERT INTO job_steps (job_id, stage, started_at, correlation_id) SELECT ?1, ?2, ?3, ?4
         WHERE NOT EXISTS (SELECT 1 FROM job_steps WHERE job_id = ?1 AND stage = ?2)",
    )?
    .execute(params![
        step.job.as_str(),
        step.stage.wire_name(),
        step.started_at.to_string(),
        step.correlation.as_ref().map(CorrelationId::as_str),
    ])
}

/// Completes the open row of a stage. Without a measured duration the wall times tell, never less than 0.
pub(super) fn end_step(conn: &Connection, end: &StepEnd) -> rusqlite::Result<usize> {
    conn.prepare_cached(
        "UPDATE job_steps SET completed_at = ?3, outcome = ?5, duration_ms = coalesce(?4,
             max(0, CAST(round((julianday(?3) - julianday(started_at)) * 86400000) AS INTEGER)))
         WHERE job_id = ?1 AND stage = ?2 AND completed_at IS NULL",
    )?
    .execute(params![
        end.job.as_str(),
        end.stage.wire_name(),
        time(Some(end.completed_at)),
        end.duration_ms.map(integer),
        if end.succeeded { "succeeded" } else { "failed" },
    ])
}

impl Queries {
    /// A job's log in the order in which it was written. Empty for an unknown job.
    pub fn events(&self, job: &JobId) -> Result<Vec<LogRecord>, StoreError> {
        self.run("read the log in", |_| self.collect_events(job))
    }
    /// The stages of a job's run in their order. Empty for an unknown job.
    pub fn steps(&self, job: &JobId) -> Result<Vec<StepRecord>, StoreError> {
        self.run("read the steps in", |_| self.collect_steps(job))
    }

    pub(super) fn collect_events(&self, job: &JobId) -> rusqlite::Result<Vec<LogRecord>> {
        const SELECT: &str = "SELECT at, level, event, message, attributes, correlation_id
                              FROM job_events WHERE job_id = ?1 ORDER BY id";
        self.collect("job_events", SELECT, [job.as_str()], log_row)
    }
    pub(super) fn collect_steps(&self, job: &JobId) -> rusqlite::Result<Vec<StepRecord>> {
        const SELECT: &str = "SELECT stage, started_at, completed_at, duration_ms, outcome, correlation_id
                              FROM job_steps WHERE job_id = ?1 ORDER BY id";
        self.collect("job_steps", SELECT, [job.as_str()], step_row)
    }
}

fn log_row(cells: &mut Cells<'_, '_>) -> rusqlite::Result<Option<LogRecord>> {
    Ok(Some(LogRecord {
        at: cells.time()?,
        level: cells.parsed("info", level)?.unwrap_or(Level::Info),
        event: cells.text()?.unwrap_or_default(),
        message: cells.text()?.unwrap_or_default(),
        attributes: cells.text()?.unwrap_or_default(),
        correlation: cells.parsed("none", read::id(CorrelationId::parse))?,
    }))
}

fn step_row(cells: &mut Cells<'_, '_>) -> rusqlite::Result<Option<StepRecord>> {
    Ok(Some(StepRecord {
        stage: cells.text()?.unwrap_or_default(),
        started_at: cells.time()?,
        completed_at: cells.time()?,
        duration_ms: cells.count()?,
        succeeded: cells.text()?.map(|outcome| outcome == "succeeded"),
        correlation: cells.parsed("none", read::id(CorrelationId::parse))?,
    }))
}

fn level(name: &str) -> Option<Level> {
    [Level::Info, Level::Warning, Level::Error].into_iter().find(|level| level.stored_name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn attributes_are_a_json_object_whatever_the_text() {
        let odd = "a \"quoted\" \\ line\nbreak \0 \u{1f600} \u{7f}";
        let json = attributes_json(&[("cause", Value::from(odd)), ("bytes", Value::Number(-5))]);
        let read: serde_json::Value = serde_json::from_str(&json).expect("valid JSON");
        assert_eq!(read["cause"], odd);
        assert_eq!(read["bytes"], -5);
        assert_eq!(attributes_json(&[]), "{}");
    }
}
