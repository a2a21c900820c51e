//! `waybill show`: everything that is remembered of one job, from the database file alone.

use std::ffi::OsString;

use super::args::{self, Spec};
use super::{database, help, output};
use crate::exit::{Exit, Failure};
use crate::model::id::JobId;
use crate::runtime::clock::Clock;
use crate::store::{Reader, StoreError};
use crate::view::{self, EventLine, JobRecord, StepLine};

const SPEC: Spec =
    Spec { name: "show", words: &["JOB"], options: &[("db", "FILE", false)], switches: &["json"], help: help::SHOW };

/// Runs the command with the arguments after `show`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let id = args::id(&SPEC, "JOB", &given.word(&SPEC, 0)?, JobId::parse)?;
    let reader = database::open(given.raw("db"))?;
    let now = Clock::start().now().wall;
    let record = record(&reader, &id).map_err(|error| database::failure(&error))?;
    database::tell_odd_values(&reader);
    let Some(record) = record else {
        let remedy = "`waybill jobs --all` lists the jobs of this database";
        return Err(Failure::new(Exit::NotFound, format!("job {id}"), "not in this database").with_remedy(remedy));
    };
    if given.has("json") {
        return output::print(&(view::json::record(&record, now) + "\n"));
    }
    output::print(&view::detail::job(&record, now, output::Screen::of_stdout().colour))
}

/// The job with its rows; `None` where there is no such job.
fn record(reader: &Reader, id: &JobId) -> Result<Option<JobRecord>, StoreError> {
    let Some(job) = reader.job(id)? else { return Ok(None) };
    let steps = reader.steps(id)?.into_iter().map(|row| StepLine {
        stage: row.stage,
        started_at: row.started_at,
        completed_at: row.completed_at,
        duration_ms: row.duration_ms,
        succeeded: row.succeeded,
        correlation: row.correlation,
    });
    let events = reader.events(id)?.into_iter().map(|row| EventLine {
        at: row.at,
        level: row.level,
        event: row.event,
        message: row.message,
        attributes: row.attributes,
        correlation: row.correlation,
    });
    let received = reader.received_change_ids(id)?;
    Ok(Some(JobRecord { job, steps: steps.collect(), events: events.collect(), received }))
}
