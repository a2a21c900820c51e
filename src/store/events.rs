//! Writes and reads a job's log and the stages of its run.

use nanoserde::SerJson;
use rusqlite::{Connection, params};

use super::error::StoreError;
use super::jobs::{integer, time};
use super::read::{self, Cells, Queries};
use crate::limits;
use crate::model::change::{Step, StepEnd};
use crate::model::event::{Event, Level, LogEntry, Value};
use crate::model::id::{CorrelationId, Epoch, JobId};
use crate::model::record::{LogRecord, StepRecord};
use crate::model::source_log::{LogPage, SourceEntry};
use crate::model::time::Wall;

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

/// Adds an entry of the other side's log; one that is there already stays as it is.
pub(super) fn write_source_entry(conn: &Connection, entry: &SourceEntry) -> rusqlite::Result<usize> {
    let record = &entry.record;
    conn.prepare_cached(
        "INSERT INTO source_events (job_id, source_epoch, source_id, at, level, event, message, attributes,
             correlation_id) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9
         WHERE NOT EXISTS (SELECT 1 FROM source_events WHERE job_id = ?1 AND source_epoch = ?2 AND source_id = ?3)",
    )?
    .execute(params![
        entry.job.as_str(),
        entry.epoch.as_str(),
        integer(entry.id),
        time(record.at).unwrap_or_default(),
        record.level.stored_name(),
        record.event,
        record.message,
        record.attributes,
        record.correlation.as_ref().map(CorrelationId::as_str),
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

    /// The id of the newest entry of a job's log; `None` where there is none.
    pub fn newest_entry(&self, job: &JobId) -> Result<Option<u64>, StoreError> {
        self.run("look at the end of the log in", |conn| {
            let mut select =
                conn.prepare_cached("SELECT id FROM job_events WHERE job_id = ?1 ORDER BY id DESC LIMIT 1")?;
            let mut rows = select.query([job.as_str()])?;
            rows.next()?.map(|row| row.get::<_, i64>(0).map(i64::unsigned_abs)).transpose()
        })
    }
    /// The entries of a job's log after one of them, as this database, whose epoch is given, hands them on (VMA, R-51).
    pub fn log_after(&self, epoch: &Epoch, job: &JobId, after: u64) -> Result<LogPage, StoreError> {
        // One more than a page holds tells that there is more.
        const SELECT: &str = "SELECT id, at, level, event, message, attributes, correlation_id
                              FROM job_events WHERE job_id = ?1 AND id > ?2 ORDER BY id LIMIT ?3";
        let most = limits::LOG_ENTRIES;
        let params = params![job.as_str(), integer(after), integer(most as u64 + 1)];
        let entries = self.rows("read the log in", "job_events", SELECT, params, |cells| {
            let id = cells.count()?.unwrap_or(0);
            Ok(Some(SourceEntry { job: job.clone(), epoch: epoch.clone(), id, record: record(cells)? }))
        })?;
        let more = entries.len() > most;
        let entries = entries.into_iter().take(most).collect();
        Ok(LogPage { job: job.clone(), epoch: epoch.clone(), entries, more })
    }
    /// Up to which entry the log of a job is here as the database of that epoch has it; 0 where none of it is (OMA).
    pub fn source_log_read(&self, epoch: &Epoch, job: &JobId) -> Result<u64, StoreError> {
        self.run("look at the other side's log in", |conn| {
            conn.prepare_cached(
                "SELECT coalesce(max(source_id), 0) FROM source_events WHERE job_id = ?1 AND source_epoch = ?2",
            )?
            .query_row([job.as_str(), epoch.as_str()], |row| row.get::<_, i64>(0).map(i64::unsigned_abs))
        })
    }

    /// Jobs that ended after a moment, the latest first, of which the other side's log is here and lacks the job's end
    /// there, unless it was given up (OMA).
    pub fn open_source_logs(&self, since: Wall) -> Result<Vec<JobId>, StoreError> {
        const SELECT: &str = "SELECT job.id FROM replication_jobs AS job
            WHERE (status = 'completed' OR status = 'failed') AND completed_at >= ?1
                AND EXISTS (SELECT 1 FROM source_events WHERE job_id = job.id AND source_epoch = job.source_epoch)
                AND NOT EXISTS (SELECT 1 FROM source_events WHERE job_id = job.id AND source_epoch = job.source_epoch
                                AND (event = ?2 OR event = ?3))
                AND NOT EXISTS (SELECT 1 FROM job_events WHERE job_id = job.id AND event = ?4)
            ORDER BY completed_at DESC LIMIT ?5";
        let [succeeded, failed, missed] =
            [Event::JobSucceeded, Event::JobFailed, Event::SourceLogMissed].map(Event::stored_name);
        let params = params![since.to_string(), succeeded, failed, missed, integer(limits::LAST_LOGS as u64)];
        self.rows("look for unread logs in", "replication_jobs", SELECT, params, |cells| {
            cells.parsed("left out", read::id(JobId::parse))
        })
    }

    /// What there is of the other side's log. A database that took another's place comes after it: epochs tell their time.
    pub(super) fn collect_source_events(&self, job: &JobId) -> rusqlite::Result<Vec<LogRecord>> {
        const SELECT: &str = "SELECT at, level, event, message, attributes, correlation_id
                              FROM source_events WHERE job_id = ?1 ORDER BY source_epoch, source_id";
        self.collect("source_events", SELECT, [job.as_str()], log_row)
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
    record(cells).map(Some)
}

fn record(cells: &mut Cells<'_, '_>) -> rusqlite::Result<LogRecord> {
    Ok(LogRecord {
        at: cells.time()?,
        level: cells.parsed("info", Level::from_stored_name)?.unwrap_or(Level::Info),
        event: cells.text()?.unwrap_or_default(),
        message: cells.text()?.unwrap_or_default(),
        attributes: cells.text()?.unwrap_or_default(),
        correlation: cells.parsed("none", read::id(CorrelationId::parse))?,
    })
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
