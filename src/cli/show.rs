//! `waybill show`: everything that is remembered of one job, from the database file alone.

use std::ffi::OsString;

use super::args::{self, Spec};
use super::{database, help, output};
use crate::exit::{Exit, Failure};
use crate::model::id::JobId;
use crate::runtime::clock::Clock;
use crate::view;

const SPEC: Spec =
    Spec { name: "show", words: &["JOB"], options: &[("db", "FILE", false)], switches: &["json"], help: help::SHOW };

/// Runs the command with the arguments after `show`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let id = args::id(&SPEC, "JOB", &given.word(&SPEC, 0)?, JobId::parse)?;
    let reader = database::open(given.raw("db"))?;
    let now = Clock::start().now().wall;
    let record = reader.record(&id).map_err(|error| database::failure(&error))?;
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
