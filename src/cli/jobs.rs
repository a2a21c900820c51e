//! `waybill jobs`: all jobs at a glance, from the database file alone.

use std::cmp::Reverse;
use std::ffi::OsString;

use super::args::{self, Spec};
use super::{database, help, output};
use crate::config::nearest;
use crate::exit::{Exit, Failure};
use crate::model::job::Job;
use crate::model::status::JobStatus;
use crate::model::time::Wall;
use crate::view;
use crate::view::runs::NewestRuns;

const SPEC: Spec = Spec {
    name: "jobs",
    words: &[],
    options: &[("db", "FILE", false), ("status", "S", true)],
    switches: &["all", "json"],
    help: help::JOBS,
};

/// How long an ended job stays in the list without `--all`.
const RECENT_SECONDS: u64 = 24 * 3600;

/// Runs the command with the arguments after `jobs`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let statuses = given.values(&SPEC, "status")?.iter().map(|name| status(name)).collect::<Result<Vec<_>, _>>()?;
    let reader = database::open(given.raw("db"))?;
    let jobs = reader.jobs().map_err(|error| database::failure(&error))?;
    let now = database::moment(&reader).map_err(|error| database::failure(&error))?;
    database::tell_odd_values(&reader);
    let all = given.has("all");
    let newest = if all { NewestRuns::default() } else { NewestRuns::of(&jobs) };
    let mut jobs = if all { in_order(jobs) } else { listed(jobs, &newest, RECENT_SECONDS, now.wall) };
    jobs.retain(|job| statuses.is_empty() || statuses.contains(&job.status));
    if given.has("json") {
        let lines: Vec<String> = jobs.iter().map(|job| view::json::seen(job, now) + "\n").collect();
        return output::print(&lines.concat());
    }
    if jobs.is_empty() {
        let older = "no job is running, and none ended in the last 24 hours; `waybill jobs --all` lists older ones";
        let with_status = "no job of this list has that status; `--all` looks at older ones too";
        output::message(match (statuses.is_empty(), all) {
            (false, _) => with_status,
            (true, true) => "no job is known",
            (true, false) => older,
        });
        return Ok(Exit::Done);
    }
    let screen = output::Screen::of_stdout();
    output::print(&view::table::jobs(&jobs, &newest, now, screen.width, screen.colour))
}

/// A status by its name in the documents or in the database.
fn status(name: &str) -> Result<JobStatus, Failure> {
    let known = JobStatus::from_stored_name(name).or_else(|| JobStatus::from_wire_name(name));
    known.ok_or_else(|| {
        let names: Vec<&str> = JobStatus::ALL.iter().map(|status| status.wire_name()).collect();
        let near = nearest(name, &names).map_or_else(String::new, |near| format!("; did you mean {near}?"));
        let remedy = format!("the statuses are {}", names.join(", "));
        args::usage(&SPEC, &format!("--status {name:?} is no status{near}")).with_remedy(remedy)
    })
}

/// All unfinished jobs, and the newest runs that ended less than so many seconds ago, in the order of a list.
pub(super) fn listed(mut jobs: Vec<Job>, newest: &NewestRuns, recent_seconds: u64, now: Wall) -> Vec<Job> {
    let is_recent = |at| now.seconds_since(at) < recent_seconds;
    jobs.retain(|job| ended_at(job).is_none_or(|at| is_recent(at) && newest.has(&job.id)));
    in_order(jobs)
}

fn ended_at(job: &Job) -> Option<Wall> {
    job.status.is_final().then(|| job.completed_at.unwrap_or(job.updated_at))
}

/// Unfinished jobs, oldest first, then those that have ended, the latest first.
fn in_order(mut jobs: Vec<Job>) -> Vec<Job> {
    jobs.sort_by_cached_key(|job| match ended_at(job) {
        None => (false, Reverse(Wall::default()), job.created_at, job.id.clone()),
        Some(at) => (true, Reverse(at), job.created_at, job.id.clone()),
    });
    jobs
}
