//! `waybill history`: what the ended runs left behind of each disk, from the database file alone.

use std::ffi::OsString;

use super::args::{self, Spec};
use super::{database, help, output};
use crate::exit::{Exit, Failure};
use crate::model::id::JobId;
use crate::view;

const SPEC: Spec = Spec {
    name: "history",
    words: &["[JOB]"],
    options: &[("db", "FILE", false)],
    switches: &["all", "json"],
    help: help::HISTORY,
};

/// Runs the command with the arguments after `history`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let job = given.optional_word(&SPEC, 0)?;
    let job = job.map(|job| args::id(&SPEC, "JOB", &job, JobId::parse)).transpose()?;
    let reader = database::open(given.raw("db"))?;
    let history = reader.history(job.as_ref()).map_err(|error| database::failure(&error))?;
    database::tell_odd_values(&reader);
    if let Some(id) = job.as_ref().filter(|_| history.is_empty()) {
        // The history outlives its job's row, so that only both together say that there is no such job.
        if reader.job(id).map_err(|error| database::failure(&error))?.is_none() {
            return Err(database::no_such_job(id));
        }
    }
    let shown: Vec<_> = history.into_iter().filter(|row| given.has("all") || !row.superseded).collect();
    if given.has("json") {
        return output::print(&shown.iter().map(|row| view::json::history(row) + "\n").collect::<String>());
    }
    if shown.is_empty() {
        output::message("no run has ended yet");
        return Ok(Exit::Done);
    }
    let screen = output::Screen::of_stdout();
    output::print(&view::history::table(&shown, screen.width, screen.colour))
}
