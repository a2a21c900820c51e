//! `waybill show`: everything that is remembered of one job, from the database file alone; `--check` makes its exit
//! code say how the job stands.

use std::ffi::OsString;

use super::args::{self, Spec};
use super::{database, help, output};
use crate::exit::{Exit, Failure};
use crate::model::id::JobId;
use crate::model::job::Job;
use crate::view::note::{Standing, standing};
use crate::view::{self, Moment};

const SPEC: Spec = Spec {
    name: "show",
    words: &["JOB"],
    options: &[("db", "FILE", false)],
    switches: &["json", "check"],
    help: help::SHOW,
};

/// Runs the command with the arguments after `show`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let id = args::id(&SPEC, "JOB", &given.word(&SPEC, 0)?, JobId::parse)?;
    let reader = database::open(given.raw("db"))?;
    let now = database::moment(&reader).map_err(|error| database::failure(&error))?;
    let id = database::newest_run(&reader, &id).map_err(|error| database::failure(&error))?;
    let record = database::record(&reader, &id)?;
    let text = match given.has("json") {
        true => view::json::record(&record, now) + "\n",
        false => view::detail::job(&record, now, output::Screen::of_stdout().colour),
    };
    let printed = output::print(&text)?;
    Ok(if given.has("check") { exit_of(&record.job, now) } else { printed })
}

/// How a job stands, as an exit code.
pub(super) fn exit_of(job: &Job, now: Moment) -> Exit {
    match standing(job, now) {
        Standing::Well => Exit::Done,
        Standing::Failed => Exit::Failed,
        Standing::Unknown => Exit::NotFound,
        Standing::Silent => Exit::Unreachable,
    }
}
