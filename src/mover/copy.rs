//! One copy from its start to its last report: joins the mover's process, its streams, the total and the reporter.

use std::fs::{File, OpenOptions};
use std::io;
use std::process::ExitStatus;
use std::sync::mpsc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::board::{Board, End};
use super::bound;
use super::child::{self, Onward, Running};
use super::command::{Mover, Tap};
use super::gauge::{Figure, Gauge, Total};
use super::message::say;
use super::proc_io::Counters;
use super::reporter::{Assignment, Ending, ReportOutcome, Reporter, mean_bps};
use super::tail::Tail;
use super::total::TotalSource;
use crate::runtime::clock::Clock;
use crate::view::units;

/// How long the mover's streams may stay open after its end: something that it left running may hold them.
const DRAIN: Duration = Duration::from_secs(2);
/// How long the count of written bytes is held back for a total that was asked for.
const TOTAL_PATIENCE: Duration = Duration::from_secs(5);
/// Looks of 100 ms that a tool may still take for the total after the mover's end.
const LOOKS_AFTER_END: u32 = 20;

/// How the mover ended.
struct Ended {
    /// In words, for people.
    words: String,
    /// The reason to be reported; `None` after exit status 0.
    failure: Option<String>,
    /// The status to pass on.
    status: u8,
}

/// How one copy ended, for what comes after it.
pub struct Ran {
    /// The exit status to pass on: the mover's own, 128 and the signal's number, 127 where there is no such program and
    /// 126 where it cannot be run.
    pub status: u8,
    /// Its job was cancelled meanwhile.
    pub is_cancelled: bool,
}

/// Runs a mover and reports for it (R-12). `total` is in bytes.
pub fn copy(assignment: &Assignment, total: Option<u64>, mover: Mover) -> Ran {
    let clock = Clock::start();
    // Before anything here opens descriptors: one that the caller gave to the mover is passed on to.
    let callers = mover.progress_descriptor.and_then(callers_descriptor);
    let known = match (total, &mover.source) {
        (Some(total), _) => Total::Bytes(total),
        (None, Some(_)) => Total::Asked,
        (None, None) => Total::Unknown,
    };
    let board = Arc::new(Board::new(Gauge::new(known, mover.habit), mover.errand.is_some()));
    say(&announcement(&mover, assignment, total));
    let reporter = Reporter::new(assignment.clone(), Arc::clone(&board), clock);
    let reporting = thread::spawn(move || reporter.report());

    let ended = run(mover, callers, &board);
    let end = End { at: clock.now().mono, failure: ended.failure.clone() };
    board.change(|state| state.end = Some(end.clone()));
    let figure = all_moved(&board, ended.failure.is_none());
    let mut is_cancelled = false;
    match reporting.join() {
        Ok(ReportOutcome::Reported(words)) => say(&summary(&ended.words, &end, &figure, &words)),
        Ok(ReportOutcome::Cancelled(reason)) => {
            is_cancelled = true;
            let words = format!("job {} was cancelled: {reason}", assignment.job);
            say(&summary(&ended.words, &end, &figure, &words));
        }
        Ok(ReportOutcome::Missing { what, why, is_open }) => {
            say(&summary(&ended.words, &end, &figure, &format!("{what} could not be reported: {why}")));
            say(&remedy(assignment, ended.failure.as_deref(), &figure, is_open));
        }
        Err(_) => say(&remedy(assignment, ended.failure.as_deref(), &figure, false)),
    }
    Ran { status: ended.status, is_cancelled }
}

/// What the mover has moved of all its disks.
fn all_moved(board: &Board, is_well: bool) -> Figure {
    let state = board.state();
    let last = if is_well { state.gauge.completed() } else { state.gauge.running() };
    let bytes = state.course.ended.iter().fold(last.bytes, |sum, (figure, _)| sum.saturating_add(figure.bytes));
    Figure { bytes, ..last }
}

/// From the start of the mover to its end.
fn run(mut mover: Mover, callers: Option<File>, board: &Arc<Board>) -> Ended {
    // Caught before the mover starts, so that none that comes in between ends the wrapper alone.
    let signals = child::catch_signals();
    let name = mover.name();
    let started = Running::start(&mover);
    if let Ok(signals) = signals {
        let (reachable, board) = (started.as_ref().ok().map(Running::reachable), Arc::clone(board));
        child::pass_on(signals, reachable.unwrap_or_default(), move || board.change(|state| state.impatient = true));
    }
    match started {
        Ok(running) => {
            let tail = Arc::new(Mutex::new(Tail::default()));
            let ended = attend(running, &mut mover, callers, board, &tail);
            let last_lines = tail.lock().unwrap_or_else(PoisonError::into_inner).text();
            in_words(&name, ended, &last_lines)
        }
        Err(error) => {
            let words = bound::not_started(&mover.program, &error);
            Ended { failure: Some(words.clone()), words, status: bound::status_of(&error) }
        }
    }
}

/// Reads the mover's streams and asks for its total until it has ended.
fn attend(
    mut running: Running,
    mover: &mut Mover,
    callers: Option<File>,
    board: &Arc<Board>,
    tail: &Arc<Mutex<Tail>>,
) -> io::Result<ExitStatus> {
    board.change(|state| {
        state.counters = Some(Counters::of(running.id()));
        state.mover = running.reachable();
    });
    // Nothing is ever sent: the channel closes when the last reader is through.
    let (open, all_read) = mpsc::channel::<()>();
    let read = |from: File, to: Onward, mut tap: Tap, tail: Option<Arc<Mutex<Tail>>>| {
        let (board, open) = (Arc::clone(board), open.clone());
        thread::spawn(move || {
            let _open = open;
            child::pass(from, to, |chunk| {
                tap.feed(chunk, &mut |reading| board.hear(reading));
                if let Some(tail) = &tail {
                    tail.lock().unwrap_or_else(PoisonError::into_inner).feed(chunk);
                }
            });
        });
    };
    if let Some(stdout) = running.stdout.take() {
        let tap = std::mem::replace(&mut mover.stdout, Tap::None);
        read(stdout, Onward::own(io::stdout()).map_or(Onward::Dropped, Onward::Strict), tap, None);
    }
    if let Some(stderr) = running.stderr.take() {
        let tap = std::mem::replace(&mut mover.stderr, Tap::None);
        let to = Onward::own(io::stderr()).map_or(Onward::Dropped, Onward::Lenient);
        read(stderr, to, tap, Some(Arc::clone(tail)));
    }
    if let Some(progress) = running.progress.take() {
        read(progress, callers.map_or(Onward::Dropped, Onward::Lenient), Tap::Nbdcopy(Default::default()), None);
    }
    drop(open);
    let asking = match (board.state().gauge.total(), mover.source.take()) {
        (Total::Asked, Some(source)) => Some(ask(source, Arc::clone(board))),
        _ => None,
    };
    let status = running.wait(|| {
        let written = board.state().counters.take().map(|counters| counters.written());
        board.change(|state| {
            written.into_iter().for_each(|bytes| state.gauge.count(bytes));
            state.over = true;
        });
    });
    // Disconnected when all is read; a timeout where something that the mover left running holds a stream.
    let _ = all_read.recv_timeout(DRAIN);
    asking.map(JoinHandle::join);
    status
}

/// Asks for the total on a thread of its own.
fn ask(source: TotalSource, board: Arc<Board>) -> JoinHandle<()> {
    thread::spawn(move || {
        if source.is_served() {
            board.wait(TOTAL_PATIENCE, |state| state.gauge.has_heard() || state.over);
            if !board.state().gauge.has_heard() {
                board.change(|state| state.gauge.learn(Total::Unknown));
                board.wait(Duration::MAX, |state| state.gauge.has_heard() || state.over);
            }
        }
        let looks_after_end = std::cell::Cell::new(0);
        let abandoned = || {
            if board.state().over {
                looks_after_end.set(looks_after_end.get() + 1);
            }
            looks_after_end.get() > LOOKS_AFTER_END
        };
        let total = source.ask(&abandoned).map_or(Total::Unknown, Total::Bytes);
        board.change(|state| state.gauge.learn(total));
    })
}

/// The descriptor of this number that our caller opened for the mover, to pass on to; standard streams are no such.
fn callers_descriptor(descriptor: i32) -> Option<File> {
    OpenOptions::new().append(true).open(format!("/proc/self/fd/{descriptor}")).ok()
}

fn in_words(name: &str, ended: io::Result<ExitStatus>, last_lines: &str) -> Ended {
    match ended {
        Ok(status) => {
            let words = format!("{name} {}", child::in_words(status));
            let colon = if last_lines.is_empty() { "" } else { ": " };
            let failure = (!status.success()).then(|| format!("{words}{colon}{last_lines}"));
            Ended { words, failure, status: child::passed_status(status) }
        }
        Err(error) => {
            let words = format!("{name}'s end could not be awaited: {error}");
            Ended { failure: Some(words.clone()), words, status: 1 }
        }
    }
}

fn announcement(mover: &Mover, assignment: &Assignment, total: Option<u64>) -> String {
    let total = match (total, &mover.source) {
        (Some(total), _) => units::size(total),
        (None, Some(source)) => format!("total asked from {}", source.asked_by()),
        (None, None) => "total unknown".to_owned(),
    };
    let Assignment { vma, job, disks, .. } = assignment;
    let disks: Vec<&str> = disks.iter().map(|disk| disk.as_str()).collect();
    let disks = if disks.is_empty() { "the disks".to_owned() } else { disks.join(", ") };
    format!("{} copies {disks} of {job}, {total}, reported to {}", mover.name(), vma.url())
}

fn summary(words: &str, end: &End, figure: &Figure, outcome: &str) -> String {
    let millis = end.at.as_millis();
    let (moved, rate) = (units::size(figure.bytes), units::rate(mean_bps(figure.bytes, Duration::from_millis(millis))));
    let (seconds, tenths) = (millis / 1000, millis % 1000 / 100);
    format!("{words} after {seconds}.{tenths} s, {moved} moved, {rate}; {outcome}")
}

/// What the user can do for a report that is missing: to the VMA, which may not know the job at all, it looks as if this
/// wrapper had come through.
fn remedy(assignment: &Assignment, failure: Option<&str>, figure: &Figure, is_open: bool) -> String {
    let job = quoted(assignment.job.as_str());
    let disks: String = assignment.disks.iter().map(|disk| format!(" --disk {}", quoted(disk.as_str()))).collect();
    let disks = if disks.is_empty() { " --disk disk-0".to_owned() } else { disks };
    let url = assignment.vma.url();
    let open = match assignment.ending {
        Ending::Disk => " --no-finish",
        Ending::Job { last: true } => " --last",
        Ending::Failure | Ending::Job { last: false } => "",
    };
    let again = format!("waybill run --job {job}{disks} --vma {url}{open}");
    let command = match failure {
        Some(reason) if is_open && assignment.ending != Ending::Disk => {
            format!("waybill finish {job} --failed {} --vma {url}", quoted(reason))
        }
        // Movers that do nothing: one fails for the same reason, the other completes the disk with the same bytes.
        Some(reason) => format!("{again} -- sh -c 'echo \"$0\" >&2; exit 1' {}", quoted(reason)),
        None if figure.bytes > 0 => format!("{again} --total {} -- true", figure.bytes),
        None => format!("{again} -- true"),
    };
    format!("when the VMA answers again, report it by hand: {command}")
}

/// One word for a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:~".contains(c);
    if text.chars().all(plain) { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_to_type_survives_the_shell() {
        assert_eq!((quoted("job-1~2"), quoted("it's $x")), ("job-1~2".into(), r"'it'\''s $x'".into()));
    }

    #[test]
    fn a_failure_carries_the_last_lines() {
        use std::os::unix::process::ExitStatusExt;
        let ended = in_words("dd", Ok(ExitStatus::from_raw(1 << 8)), "no space | left");
        assert_eq!(ended.failure.as_deref(), Some("dd exited with status 1: no space | left"));
        assert_eq!(
            in_words("dd", Ok(ExitStatus::from_raw(9)), "").failure.as_deref(),
            Some("dd was killed by signal SIGKILL")
        );
        assert_eq!(in_words("dd", Ok(ExitStatus::from_raw(0)), "noise").failure, None);
    }
}
