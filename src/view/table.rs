//! `waybill jobs`: one line for each job. The line adapts to the width: the bar shrinks, then columns go, the least telling
//! first. A job's id is never cut, because the next command needs it.

use crate::model::job::Job;
use crate::model::percent::Percent;
use crate::model::status::JobStatus;
use crate::policy::tally::unknown_sizes;

use super::grid::{self, Column};
use super::paint::Tone;
use super::runs::NewestRuns;
use super::wrap::Line;
use super::{Moment, bar, note, units};

/// What one line is made of.
struct Plan {
    bar: usize,
    /// Remaining time, and age of the last report.
    times: bool,
    stage: bool,
    moved: bool,
    rate: bool,
    /// Characters of the VM's name; 0 leaves it out.
    vm: usize,
    /// Characters of the note for which there must be space.
    note: usize,
}

/// From wide to narrow; the first that fits is taken, the last one in any case.
const PLANS: [Plan; 8] = [
    Plan { times: true, bar: 20, stage: true, moved: true, rate: true, vm: 40, note: usize::MAX },
    Plan { times: true, bar: 10, stage: true, moved: true, rate: true, vm: 24, note: 24 },
    Plan { times: true, bar: 10, stage: false, moved: true, rate: true, vm: 24, note: 16 },
    Plan { times: true, bar: 0, stage: false, moved: true, rate: true, vm: 16, note: 16 },
    Plan { times: true, bar: 0, stage: false, moved: false, rate: true, vm: 12, note: 12 },
    Plan { times: true, bar: 0, stage: false, moved: false, rate: false, vm: 8, note: 12 },
    Plan { times: true, bar: 0, stage: false, moved: false, rate: false, vm: 0, note: 8 },
    Plan { times: false, bar: 0, stage: false, moved: false, rate: false, vm: 0, note: 8 },
];

/// Cells that the fewest columns take beside an id.
const BESIDE_ID: usize = 34;

/// The table with its head, a line for each job in the order given, the newest runs by their plain ids. `width` is the terminal's; `None` gives every line the
/// space that it needs. Only ids that leave no room for the figures make wider lines.
pub fn jobs(jobs: &[Job], newest: &NewestRuns, now: Moment, width: Option<usize>, colour: bool) -> String {
    let longest = jobs.iter().map(|job| units::width(&newest.name(&job.id))).max().unwrap_or(0);
    let width = width.map_or(usize::MAX, |width| width.max(longest + BESIDE_ID));
    grid::render(&fitting(jobs, newest, now, width, usize::MAX), width, colour)
}

/// The same for a frame that no id may burst: ids are cut in the middle to a third of the line.
pub(super) fn frame(jobs: &[Job], newest: &NewestRuns, now: Moment, width: usize) -> Vec<Line> {
    grid::lines(&fitting(jobs, newest, now, width, (width / 3).max(12)))
}

fn fitting(jobs: &[Job], newest: &NewestRuns, now: Moment, width: usize, id: usize) -> Vec<Column> {
    let mut columns = Vec::new();
    for plan in &PLANS {
        columns = columns_of(jobs, newest, now, plan, id);
        if grid::fits(&columns, plan.note, width) {
            break;
        }
    }
    columns
}

fn columns_of(jobs: &[Job], newest: &NewestRuns, now: Moment, plan: &Plan, id: usize) -> Vec<Column> {
    let words = |head, cell: &dyn Fn(&Job) -> String| Column::words(head, jobs.iter().map(cell));
    let figures = |head, cell: &dyn Fn(&Job) -> String| Column::figures(head, jobs.iter().map(cell));
    let status = jobs.iter().map(|job| (job.status.to_string(), Tone::of_job(job.status)));
    let notes = jobs.iter().map(|job| note::of_job(job, now)).map(|note| (note.text, note.tone));
    let mut columns = vec![words("JOB", &|job| units::cut_middle(&newest.name(&job.id), id))];
    if plan.vm > 0 {
        columns.push(words("VM", &|job| units::cut(&vm_name(job), plan.vm)));
    }
    columns.push(Column::new("STATUS", status));
    if plan.stage {
        columns.push(words("STAGE", &|job| job.stage.map_or("-".to_owned(), |stage| stage.to_string())));
    }
    columns.push(figures("DONE", &|job| {
        let by_mover = if is_movers_percent(job) { " (mover)" } else { "" };
        bar::with_percent(job.totals.percent, plan.bar) + by_mover
    }));
    if plan.moved {
        columns.push(figures("MOVED", &moved));
    }
    if plan.rate {
        columns.push(figures("RATE", &|job| rate(job, now).unwrap_or("-".to_owned())));
    }
    if plan.times {
        columns.push(figures("ETA", &|job| remaining(job, now)));
        columns.push(figures("REPORT", &|job| reported(job, now)));
    }
    columns.push(Column::new("NOTE", notes));
    columns
}

fn vm_name(job: &Job) -> String {
    let name = if job.vm.name.is_empty() { job.vm.path.rsplit('/').next().unwrap_or("") } else { &job.vm.name };
    if name.is_empty() { "-".to_owned() } else { units::plain(name) }
}

/// Bytes to move; `None` while nobody has said so.
pub(super) fn planned(job: &Job) -> Option<u64> {
    (job.totals.total_bytes > 0 || job.totals.basis.is_some()).then_some(job.totals.total_bytes)
}

/// Bytes moved of those to move; disks of unknown size are named, because more is to come than the total says.
pub(super) fn moved(job: &Job) -> String {
    let moved = units::moved(job.totals.bytes_transferred, planned(job));
    match unknown_sizes(job) {
        unknown if unknown > 0 && planned(job).is_some() && !job.status.is_final() => {
            format!("{moved} + {} of unknown size", units::count(unknown, "disk"))
        }
        _ => moved,
    }
}

/// True while the percent is the mover's own, because no total is known.
pub(super) fn is_movers_percent(job: &Job) -> bool {
    planned(job).is_none() && job.totals.percent > Percent::ZERO && !job.status.is_final()
}

/// The rate of a job that moves or could move; `None` where the figure would be of the past.
pub(super) fn rate(job: &Job, now: Moment) -> Option<String> {
    (job.status == JobStatus::Streaming && note::has_present_rate(job, now))
        .then(|| units::rate(job.totals.throughput_bps))
}

/// The remaining time; `-` where nothing remains, `?` where it is unknown.
pub(super) fn remaining(job: &Job, now: Moment) -> String {
    match job.totals.eta_seconds {
        _ if job.status.is_final() => "-".to_owned(),
        Some(seconds) if note::has_present_rate(job, now) => units::length(seconds),
        _ => "?".to_owned(),
    }
}

fn reported(job: &Job, now: Moment) -> String {
    job.source_updated_at.map_or("never".to_owned(), |at| units::age(at, *now))
}
