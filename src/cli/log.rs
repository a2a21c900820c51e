//! `waybill log`: the story of one job on both sides of the tunnel, from the database file alone.

use std::ffi::OsString;

use super::args::{self, Spec};
use super::{database, help, output};
use crate::exit::{Exit, Failure};
use crate::model::id::JobId;
use crate::view;

const SPEC: Spec =
    Spec { name: "log", words: &["JOB"], options: &[("db", "FILE", false)], switches: &["json"], help: help::LOG };

/// Runs the command with the arguments after `log`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let id = args::id(&SPEC, "JOB", &given.word(&SPEC, 0)?, JobId::parse)?;
    let reader = database::open(given.raw("db"))?;
    let record = database::record(&reader, &id)?;
    if given.has("json") {
        let entries = view::timeline::entries(&record);
        let lines = entries.map(|(side, entry)| view::json::log_entry(&id, side, entry) + "\n");
        return output::print(&lines.collect::<String>());
    }
    output::print(&view::timeline::log(&record, output::Screen::of_stdout().colour))
}
