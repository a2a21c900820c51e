//! `waybill history --verify`: the chain of each disk drawn from above to below, a line a run, and below a run what is to be
//! said of it and done about it.

use crate::policy::chain::{DiskChain, Finding, Place, Run, Severity};

use super::grid::{self, Column};
use super::paint::Tone;
use super::units;
use super::wrap::{self, Line};

/// Cells of the texts below a run, at least; and before them.
const TEXT_CELLS: usize = 20;
const INDENT: usize = 11;

/// All chains, and one line about them at the end. `width` is the terminal's; `None` gives every line the space that it
/// needs.
pub fn chains(chains: &[DiskChain], width: Option<usize>, colour: bool) -> String {
    let width = width.unwrap_or(usize::MAX);
    let mut lines: Vec<Line> = Vec::new();
    for chain in chains {
        lines.extend(drawn(chain, width));
        lines.push(Line::default());
    }
    lines.push(summary(chains));
    lines.iter().map(|line| line.render(width, colour) + "\n").collect()
}

fn drawn(chain: &DiskChain, width: usize) -> Vec<Line> {
    let of = |cell: &dyn Fn(&Run) -> String| chain.runs.iter().map(cell).collect::<Vec<_>>().into_iter();
    // What tells least is on the right, where a narrow terminal cuts.
    let columns = [
        Column::new("", chain.runs.iter().map(mark)),
        Column::new("CHAIN", chain.runs.iter().map(word)),
        Column::words("ENDED", of(&|run| run.record.entry.created_at.to_string())),
        Column::words("JOB", of(&|run| units::plain(run.record.entry.job.as_str()))),
        Column::words("STARTED FROM", of(&|run| units::change_id(run.record.entry.previous_change_id.as_ref()))),
        Column::words("LEFT", of(&|run| units::change_id(run.record.entry.change_id.as_ref()))),
        Column::words("SYNC", of(&|run| run.record.entry.sync.wire_name().to_owned())),
        Column::figures("MOVED", of(&|run| units::size(run.record.entry.bytes_transferred))),
    ];
    let mut table = grid::lines(&columns).into_iter();
    let mut lines = vec![heading(chain)];
    lines.extend(table.next());
    for (at, (run, line)) in chain.runs.iter().zip(table).enumerate() {
        let bar = if at + 1 < chain.runs.len() { "|" } else { " " };
        lines.push(line);
        for (label, text, tone) in run.findings.iter().flat_map(told) {
            lines.extend(below(bar, label, &text, tone, width));
        }
    }
    if let Some(next) = &chain.next {
        let text = format!("an incremental may start from {}", units::plain(next.as_str()));
        lines.extend(below(" ", "next", &text, Tone::Plain, width));
    }
    lines
}

fn heading(chain: &DiskChain) -> Line {
    let place = match &chain.place {
        Place::Vm { path, which, disk } => {
            let which = if which.is_empty() { String::new() } else { format!("  ({})", units::plain(which)) };
            format!("{}{which}  {}", units::plain(path), units::plain(disk.as_str()))
        }
        Place::Unplaced { job, disk } => {
            format!("no VM path  {} of job {}", units::plain(disk.as_str()), units::plain(job.as_str()))
        }
    };
    let runs = format!(": {}, ", units::count(chain.runs.len(), "run"));
    let (faults, tone) = faults(chain.open_faults());
    Line::new(place, Tone::Head).and(runs, Tone::Plain).and(faults, tone).and(mended(mended_of(chain)), Tone::Plain)
}

fn summary(chains: &[DiskChain]) -> Line {
    let sum = |of: &dyn Fn(&DiskChain) -> usize| chains.iter().map(of).sum::<usize>();
    let runs = sum(&|chain| chain.runs.len());
    let seen = format!("{}, {}, ", units::count(chains.len(), "disk"), units::count(runs, "run"));
    let (faults, tone) = faults(sum(&DiskChain::open_faults));
    Line::new(seen, Tone::Plain).and(faults, tone).and(mended(sum(&mended_of)), Tone::Plain)
}

fn faults(open: usize) -> (String, Tone) {
    if open == 0 { ("no fault".to_owned(), Tone::Good) } else { (units::count(open, "fault"), Tone::Bad) }
}

fn mended(faults: usize) -> String {
    if faults == 0 { String::new() } else { format!(", {faults} mended since") }
}

fn mended_of(chain: &DiskChain) -> usize {
    chain.findings().filter(|finding| finding.mended_by.is_some()).count()
}

/// The chain itself: where it starts, goes on, and does not.
fn mark(run: &Run) -> (String, Tone) {
    let is_open = run.findings.iter().any(Finding::is_open);
    let (mark, tone) = match (is_open, run.record.entry.sync_success, run.starts_chain()) {
        (true, _, _) => ("!", Tone::Bad),
        (false, false, _) => ("x", Tone::Warn),
        (false, true, true) => ("O", Tone::Good),
        (false, true, false) => ("|", Tone::Good),
    };
    (mark.to_owned(), tone)
}

fn word(run: &Run) -> (String, Tone) {
    let Some(worst) = run.worst() else { return (String::new(), Tone::Plain) };
    let word = worst.verdict.name().replace('_', " ");
    match (worst.verdict.severity(), worst.is_open()) {
        (Severity::Sound, _) if run.record.entry.sync_success => (word, Tone::Good),
        (Severity::Sound | Severity::Note, _) => (word, Tone::Warn),
        (Severity::Fault, true) => (word, Tone::Bad),
        (Severity::Fault, false) => (word + ", mended", Tone::Warn),
    }
}

/// What stands below a run; of the ordinary course of things its word says all.
fn told(finding: &Finding) -> Vec<(&'static str, String, Tone)> {
    let message = units::plain(&finding.verdict.message());
    let remedy = finding.verdict.remedy().map(|remedy| ("remedy", units::plain(&remedy), Tone::Plain));
    let mended = |by: &crate::model::id::JobId| format!("by job {}", units::plain(by.as_str()));
    match (finding.verdict.severity(), &finding.mended_by) {
        (Severity::Sound, _) => Vec::new(),
        (Severity::Note, _) => [("note", message, Tone::Warn)].into_iter().chain(remedy).collect(),
        (Severity::Fault, None) => [("fault", message, Tone::Bad)].into_iter().chain(remedy).collect(),
        (Severity::Fault, Some(by)) => {
            vec![("fault", message, Tone::Warn), ("mended", mended(by), Tone::Good)]
        }
    }
}

/// A text below a run, beside the bar that leads on to the next one.
fn below(bar: &str, label: &str, text: &str, tone: Tone, width: usize) -> Vec<Line> {
    let texts = wrap::wrap(text, width.saturating_sub(INDENT).max(TEXT_CELLS)).into_iter().enumerate();
    let label = |at| format!("{bar}  {:<8}", if at == 0 { label } else { "" });
    texts.map(|(at, text)| Line::new(label(at), Tone::Plain).and(text, tone)).collect()
}
