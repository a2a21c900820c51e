//! `waybill vms`: a line a VM, from the database file alone: its present job, its last good run, and whether the next
//! may be incremental.

use std::ffi::OsString;

use super::args::{self, Spec};
use super::{database, help, output};
use crate::exit::{Exit, Failure};
use crate::view::runs::NewestRuns;
use crate::view::vms;

const SPEC: Spec =
    Spec { name: "vms", words: &[], options: &[("db", "FILE", false)], switches: &["json"], help: help::VMS };

/// Runs the command with the arguments after `vms`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let reader = database::open(given.raw("db"))?;
    let failed = |error| database::failure(&error);
    let now = database::moment(&reader).map_err(failed)?;
    database::must_be_whole(&reader)?;
    let mut jobs = reader.jobs().map_err(failed)?;
    let newest = NewestRuns::of(&jobs);
    for archive in database::archives(&reader).map_err(failed)? {
        jobs.extend(archive.jobs().map_err(failed)?);
    }
    let history = database::history(&reader, None).map_err(failed)?;
    database::tell_odd_values(&reader);
    let vms = vms::summaries(&jobs, history);
    if given.has("json") {
        return output::print(&vms.iter().map(|vm| vms::json(vm) + "\n").collect::<String>());
    }
    if vms.is_empty() {
        output::message("no job has named its VM by a path yet");
        return Ok(Exit::Done);
    }
    let screen = output::Screen::of_stdout();
    output::print(&vms::table(&vms, &newest, now, screen.width, screen.colour))
}
