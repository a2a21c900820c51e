//! `waybill run`: reads its command line and hands over to `mover`.

use std::ffi::OsString;
use std::io::Write;
use std::time::Duration;

use lexopt::prelude::*;

use super::help;
use super::request::DEFAULT_VMA;
use crate::config::duration;
use crate::exit::Exit;
use crate::model::id::{DiskId, JobId};
use crate::mover::{Assignment, Vma};
use crate::wire::origin::Origin;

/// How long the last reports are insisted on, unless told otherwise.
const DEFAULT_GRACE: Duration = Duration::from_secs(60);

/// What the command line asks for.
#[derive(Debug)]
struct Order {
    assignment: Assignment,
    total: Option<u64>,
    program: OsString,
    arguments: Vec<OsString>,
}

/// Runs the command with the arguments after `run`.
pub fn main(arguments: Vec<OsString>) -> Exit {
    if let Some(status) = crate::mover::become_mover(&arguments) {
        return Exit::Mover(status);
    }
    match read(arguments) {
        Ok(Some(order)) => {
            Exit::Mover(crate::mover::run(order.assignment, order.total, order.program, order.arguments))
        }
        // A reader that has gone away has seen enough help.
        Ok(None) => std::io::stdout().write_all(help::RUN.as_bytes()).map_or(Exit::Done, |()| Exit::Done),
        Err(error) => {
            let text = format!(
                "waybill: run: {error}\nusage: waybill run --job J --disk D -- COMMAND...; more: waybill run --help\n"
            );
            let _ = std::io::stderr().write_all(text.as_bytes());
            Exit::Usage
        }
    }
}

/// `None` where help was asked for.
fn read(arguments: Vec<OsString>) -> Result<Option<Order>, lexopt::Error> {
    let (mut job, mut disk, mut vma, mut total) = (None, None, DEFAULT_VMA.to_owned(), None);
    let (mut finish, mut grace, mut command) = (true, DEFAULT_GRACE, Vec::new());
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("job") => job = Some(parser.value()?.parse_with(JobId::parse)?),
            Long("disk") => disk = Some(parser.value()?.parse_with(DiskId::parse)?),
            Long("vma") => vma = parser.value()?.string()?,
            Long("total") => total = Some(parser.value()?.parse()?),
            Long("no-finish") => finish = false,
            Long("report-grace") => grace = parser.value()?.parse_with(length)?,
            Short('h') | Long("help") => return Ok(None),
            // The first word that is no option is the mover, with or without `--` before it.
            Value(program) => {
                command.push(program);
                command.extend(parser.raw_args()?);
            }
            other => return Err(other.unexpected()),
        }
    }
    let mut command = command.into_iter();
    let program = command.next().ok_or("COMMAND is missing: give the mover after --")?;
    let assignment = Assignment {
        vma: Vma::at(&Origin::from_url(&vma).map_err(|bad| format!("--vma {bad}; {}", bad.remedy()))?),
        job: job.ok_or("--job is missing")?,
        disk: disk.ok_or("--disk is missing")?,
        finish,
        grace,
    };
    Ok(Some(Order { assignment, total, program, arguments: command.collect() }))
}

/// A duration as the configuration has them, or bare seconds.
fn length(text: &str) -> Result<Duration, &'static str> {
    let seconds = || text.parse().ok().map(|seconds: u32| Duration::from_secs(seconds.into()));
    duration::parse(text).or_else(seconds).ok_or("give a time like 90s, 5m or 1h")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(line: &str) -> Result<Option<Order>, String> {
        read(line.split_whitespace().map(OsString::from).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn everything_after_the_dashes_is_the_movers() {
        let order =
            order("--job j --disk d --total 5 --no-finish --report-grace 2m -- nbdcopy --job x -- y").expect("read");
        let order = order.expect("no help");
        assert_eq!((order.program.to_str(), order.arguments.len()), (Some("nbdcopy"), 4));
        assert_eq!((order.total, order.assignment.finish), (Some(5), false));
        assert_eq!(order.assignment.grace, Duration::from_secs(120));
        assert_eq!(order.assignment.vma.url(), "http://127.0.0.1:8081");
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        for (line, named) in [
            ("--disk d -- x", "--job is missing"),
            ("--job j -- x", "--disk is missing"),
            ("--job j --disk d", "COMMAND is missing"),
            ("--job j --disk d --total 5G -- x", "5G"),
            ("--job j --disk d --vma http://192.0.2.1 -- x", "is not this machine"),
            ("--job j --disk d --report-grace soon -- x", "give a time like"),
            ("--job j --disk d --colour -- x", "--colour"),
        ] {
            let error = order(line).expect_err(line);
            assert!(error.contains(named), "{line}: {error}");
        }
        assert!(order("--help").expect("read").is_none());
    }
}
