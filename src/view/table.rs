//! `waybill jobs`: one line for each job. The line adapts to the width: the bar shrinks, then columns go, the least telling
//! first. A job's id is never cut, because the next command needs it.

use crate::model::job::Job;
use crate::model::status::JobStatus;
use crate::model::time::Wall;

use super::paint::{Tone, paint};
use super::{bar, note, units};

/// What one line is made of.
struct Plan {
    bar: usize,
    stage: bool,
    moved: bool,
    rate: bool,
    /// Characters of the VM's name; 0 leaves it out.
    vm: usize,
    /// Characters of the note for which there must be space.
    note: usize,
}

/// From wide to narrow; the first that fits is taken, the last one in any case.
const PLANS: [Plan; 7] = [
    Plan { bar: 20, stage: true, moved: true, rate: true, vm: 40, note: usize::MAX },
    Plan { bar: 10, stage: true, moved: true, rate: true, vm: 24, note: 24 },
    Plan { bar: 10, stage: false, moved: true, rate: true, vm: 24, note: 16 },
    Plan { bar: 0, stage: false, moved: true, rate: true, vm: 16, note: 16 },
    Plan { bar: 0, stage: false, moved: false, rate: true, vm: 12, note: 12 },
    Plan { bar: 0, stage: false, moved: false, rate: false, vm: 8, note: 12 },
    Plan { bar: 0, stage: false, moved: false, rate: false, vm: 0, note: NOTE_MIN },
];

/// The least that is shown of a note.
const NOTE_MIN: usize = 8;

struct Cell {
    text: String,
    tone: Tone,
}

/// A column: its head, whether it is aligned to the right, and its cells.
struct Column {
    head: &'static str,
    right: bool,
    cells: Vec<Cell>,
}

impl Column {
    fn new(head: &'static str, right: bool, cells: impl Iterator<Item = (String, Tone)>) -> Self {
        Self { head, right, cells: cells.map(|(text, tone)| Cell { text, tone }).collect() }
    }
    fn width(&self) -> usize {
        let cells = self.cells.iter().map(|cell| cell.text.chars().count());
        cells.chain([self.head.len()]).max().unwrap_or(0)
    }
}

const GAP: &str = "  ";

/// The table with its head, a line for each job in the order given. `width` is the terminal's; `None` gives every line the
/// space that it needs.
pub fn jobs(jobs: &[Job], now: Wall, width: Option<usize>, colour: bool) -> String {
    let limit = width.unwrap_or(usize::MAX);
    let mut plans = PLANS.iter();
    let mut columns = Vec::new();
    for plan in plans.by_ref() {
        columns = columns_of(jobs, now, plan);
        let last = columns.last().map_or(0, Column::width);
        if used(&columns).saturating_add(last.min(plan.note)) <= limit {
            break;
        }
    }
    let for_note = limit.saturating_sub(used(&columns)).max(NOTE_MIN);
    render(&columns, for_note, jobs.len(), colour)
}

/// The width of all columns but the last, with their gaps.
fn used(columns: &[Column]) -> usize {
    columns.iter().rev().skip(1).map(|column| column.width() + GAP.len()).sum()
}

fn columns_of(jobs: &[Job], now: Wall, plan: &Plan) -> Vec<Column> {
    let column = |head, right, cell: &dyn Fn(&Job) -> String| {
        Column::new(head, right, jobs.iter().map(|job| (cell(job), Tone::Plain)))
    };
    let status = jobs.iter().map(|job| (job.status.to_string(), Tone::of_job(job.status)));
    let notes = jobs.iter().map(|job| note::of_job(job, now)).map(|note| (note.text, note.tone));
    let mut columns = vec![column("JOB", false, &|job| job.id.to_string())];
    if plan.vm > 0 {
        columns.push(column("VM", false, &|job| units::cut(&vm_name(job), plan.vm)));
    }
    columns.push(Column::new("STATUS", false, status));
    if plan.stage {
        columns.push(column("STAGE", false, &|job| job.stage.map_or("-".to_owned(), |stage| stage.to_string())));
    }
    columns.push(column("DONE", true, &|job| progress(job, plan.bar)));
    if plan.moved {
        columns.push(column("MOVED", true, &|job| units::moved(job.totals.bytes_transferred, planned(job))));
    }
    if plan.rate {
        columns.push(column("RATE", true, &|job| rate(job, now).unwrap_or("-".to_owned())));
    }
    columns.push(column("ETA", true, &|job| remaining(job, now)));
    columns.push(column("REPORT", true, &|job| reported(job, now)));
    columns.push(Column::new("NOTE", false, notes));
    columns
}

fn vm_name(job: &Job) -> String {
    let name = if job.vm.name.is_empty() { job.vm.path.rsplit('/').next().unwrap_or("") } else { &job.vm.name };
    if name.is_empty() { "-".to_owned() } else { units::plain(name) }
}

fn progress(job: &Job, width: usize) -> String {
    let percent = format!("{:>6}%", job.totals.percent.to_string());
    if width == 0 { percent } else { format!("{} {percent}", bar::bar(job.totals.percent, width)) }
}

/// Bytes to move; `None` while nobody has said so.
pub(super) fn planned(job: &Job) -> Option<u64> {
    (job.totals.total_bytes > 0 || job.totals.basis.is_some()).then_some(job.totals.total_bytes)
}

/// The rate of a job that moves or could move; `None` where the figure would be of the past.
pub(super) fn rate(job: &Job, now: Wall) -> Option<String> {
    (job.status == JobStatus::Streaming && note::is_live(job, now)).then(|| units::rate(job.totals.throughput_bps))
}

fn remaining(job: &Job, now: Wall) -> String {
    match job.totals.eta_seconds {
        _ if job.status.is_final() => "-".to_owned(),
        Some(seconds) if note::is_live(job, now) => units::length(seconds),
        _ => "?".to_owned(),
    }
}

fn reported(job: &Job, now: Wall) -> String {
    job.source_updated_at.map_or("never".to_owned(), |at| units::age(at, now))
}

fn render(columns: &[Column], for_note: usize, lines: usize, colour: bool) -> String {
    let widths: Vec<usize> = columns.iter().map(Column::width).collect();
    let last = columns.len().saturating_sub(1);
    let mut out = String::new();
    let mut line = |cell: &dyn Fn(&Column) -> (String, Tone)| {
        let mut text = String::new();
        for (index, column) in columns.iter().enumerate() {
            let (mut word, tone) = cell(column);
            if index == last {
                word = units::cut(&word, for_note);
            }
            let padding = " ".repeat(widths[index].saturating_sub(word.chars().count()));
            let word = paint(&word, tone, colour);
            match (index == last, column.right) {
                (true, _) => text.push_str(&word),
                (false, true) => text.extend([padding.as_str(), &word, GAP]),
                (false, false) => text.extend([word.as_str(), &padding, GAP]),
            }
        }
        out.push_str(text.trim_end());
        out.push('\n');
    };
    line(&|column| (column.head.to_owned(), Tone::Head));
    for index in 0..lines {
        line(&|column| (column.cells[index].text.clone(), column.cells[index].tone));
    }
    out
}
