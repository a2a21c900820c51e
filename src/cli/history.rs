//! `waybill history`: what the ended runs left behind of each disk, from the database file alone;
//! `--verify` follows each disk's change ids from run to run, and its exit code says whether they join on.

use std::ffi::OsString;

use super::args::{self, Spec};
use super::{database, help, output};
use crate::exit::{Exit, Failure};
use crate::model::id::JobId;
use crate::model::record::HistoryRecord;
use crate::policy::chain;
use crate::view;

const SPEC: Spec = Spec {
    name: "history",
    words: &["[JOB]"],
    options: &[("db", "FILE", false)],
    switches: &["all", "json", "verify"],
    help: help::HISTORY,
};

/// Runs the command with the arguments after `history`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let job = given.optional_word(&SPEC, 0)?;
    let job = job.map(|job| args::id(&SPEC, "JOB", &job, JobId::parse)).transpose()?;
    if given.has("verify") && given.has("all") {
        let why = "--all and --verify exclude each other; a chain has each run once";
        return Err(Failure::new(Exit::Usage, SPEC.name, why).with_remedy("leave one of them out"));
    }
    let reader = database::open(given.raw("db"))?;
    let runs = job.as_ref().map(|id| database::runs(&reader, id)).transpose();
    let runs = runs.map_err(|error| database::failure(&error))?;
    let history = database::history(&reader, runs.as_deref()).map_err(|error| database::failure(&error))?;
    database::tell_odd_values(&reader);
    if let Some(id) = job.as_ref().filter(|_| history.is_empty()) {
        // The history outlives its job's row, so that only both together say that there is no such job.
        let run = database::newest_run(&reader, id).map_err(|error| database::failure(&error))?;
        database::record(&reader, &run)?;
    }
    if given.has("verify") {
        database::must_be_whole(&reader)?;
    }
    if given.has("verify") && !history.is_empty() {
        let all = database::history(&reader, None).map_err(|error| database::failure(&error))?;
        return print_chains(all, runs.as_deref(), given.has("json"));
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

/// Prints the chains of all disks, or of those that the runs have. They may have begun with other jobs.
fn print_chains(history: Vec<HistoryRecord>, runs: Option<&[JobId]>, as_json: bool) -> Result<Exit, Failure> {
    let mut chains = chain::verify(history);
    chains.retain(|chain| runs.is_none_or(|runs| runs.iter().any(|run| chain.has(run))));
    let runs = chains.iter().flat_map(|chain| &chain.runs);
    let text = match as_json {
        true => runs.map(|run| view::json::chain_run(run) + "\n").collect(),
        false => {
            let screen = output::Screen::of_stdout();
            view::chain::chains(&chains, screen.width, screen.colour)
        }
    };
    let printed = output::print(&text)?;
    let has_fault = chains.iter().any(|chain| chain.open_faults() > 0);
    Ok(if has_fault { Exit::Faults } else { printed })
}
