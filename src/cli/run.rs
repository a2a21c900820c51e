//! `waybill run`: reads its command line and hands over to `mover` (R-12).

use std::ffi::OsString;
use std::io::Write;
use std::time::Duration;

use lexopt::prelude::*;

use super::help;
use super::request::DEFAULT_VMA;
use crate::config::duration;
use crate::exit::Exit;
use crate::model::id::{DiskId, JobId};
use crate::mover::{Errand, Order, Part, Vma};
use crate::wire::origin::Origin;

/// How long the last reports are insisted on, unless an option says otherwise.
const DEFAULT_GRACE: Duration = Duration::from_secs(60);

/// Where the VMA answers, unless `--vma` says so.
const VARIABLE: &str = "WAYBILL_VMA";
/// What divides the movers of one command line.
const THEN: &str = "--then";

/// Runs the command with the arguments after `run`.
pub fn main(arguments: Vec<OsString>) -> Exit {
    if let Some(status) = crate::mover::become_mover(&arguments) {
        return Exit::Mover(status);
    }
    match read(arguments, std::env::var_os(VARIABLE)) {
        Ok(Some(order)) => Exit::Mover(crate::mover::run(order)),
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

/// What holds for all movers of a command line.
#[derive(Default)]
struct Common {
    job: Option<JobId>,
    vma: Option<String>,
    vm: Option<String>,
    grace: Option<Duration>,
    /// Switches that were given.
    switches: Vec<&'static str>,
}
const SWITCHES: [&str; 4] = ["no-finish", "last", "again", "keep-running"];

/// `None` where help was asked for; `variable` is the environment's word for `--vma`.
fn read(arguments: Vec<OsString>, variable: Option<OsString>) -> Result<Option<Order>, lexopt::Error> {
    let (mut common, mut parts) = (Common::default(), Vec::new());
    for piece in arguments.split(|word| word == THEN) {
        match part(piece, &mut common)? {
            Some(part) => parts.push(part),
            None => return Ok(None),
        }
    }
    let variable = variable.and_then(|text| text.into_string().ok()).filter(|text| !text.is_empty());
    let (named, url) = match (common.vma, variable) {
        (Some(url), _) => ("--vma", url),
        (None, Some(url)) => (VARIABLE, url),
        (None, None) => ("--vma", DEFAULT_VMA.to_owned()),
    };
    let errands: Vec<Option<Errand>> = parts.iter().map(Part::errand).collect();
    if parts.iter().zip(&errands).any(|(part, errand)| part.disks.is_empty() && errand.is_none()) {
        return Err("--disk is missing".into());
    }
    let from_mover = errands.into_iter().flatten().find_map(|errand| errand.job);
    let has = |switch: &str| common.switches.contains(&switch);
    Ok(Some(Order {
        vma: Vma::at(&Origin::from_url(&url).map_err(|bad| format!("{named} {bad}; {}", bad.remedy()))?),
        job: common.job.or(from_mover).ok_or("--job is missing")?,
        vm: common.vm,
        finish: !has("no-finish"),
        last: has("last"),
        again: has("again"),
        keep_running: has("keep-running"),
        grace: common.grace.unwrap_or(DEFAULT_GRACE),
        parts,
    }))
}

/// Reads one mover with the options before it; `None` where help was asked for.
fn part(arguments: &[OsString], common: &mut Common) -> Result<Option<Part>, lexopt::Error> {
    let (mut disks, mut total, mut command) = (Vec::new(), None, Vec::new());
    let mut parser = lexopt::Parser::from_args(arguments);
    while let Some(argument) = parser.next()? {
        match argument {
            Long("job") => common.job = Some(parser.value()?.parse_with(JobId::parse)?),
            Long("disk") => disks.push(parser.value()?.parse_with(DiskId::parse)?),
            Long("vm") => common.vm = Some(parser.value()?.parse_with(path)?),
            Long("vma") => common.vma = Some(parser.value()?.string()?),
            Long("total") => total = Some(parser.value()?.parse()?),
            Long("report-grace") => common.grace = Some(parser.value()?.parse_with(length)?),
            Long(name) if SWITCHES.contains(&name) => {
                common.switches.extend(SWITCHES.iter().filter(|switch| **switch == name));
            }
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
    Ok(Some(Part { disks, total, program, arguments: command.collect() }))
}

fn path(text: &str) -> Result<String, &'static str> {
    if text.is_empty() { Err("give the VM's inventory path, as /DC0/vm/web01") } else { Ok(text.to_owned()) }
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
        read(line.split_whitespace().map(OsString::from).collect(), None).map_err(|error| error.to_string())
    }

    #[test]
    fn everything_after_the_dashes_is_the_movers() {
        let order =
            order("--job j --disk d --total 5 --no-finish --report-grace 2m -- nbdcopy --job x -- y").expect("read");
        let order = order.expect("no help");
        let [part] = order.parts.as_slice() else { panic!("one mover: {order:?}") };
        assert_eq!((part.program.to_str(), part.arguments.len()), (Some("nbdcopy"), 4));
        assert_eq!((part.total, order.finish, order.last), (Some(5), false, false));
        assert_eq!(order.grace, Duration::from_secs(120));
        assert_eq!(order.vma.url(), "http://127.0.0.1:8081");
    }

    #[test]
    fn disks_are_copied_in_turn_by_a_mover_each() {
        let order =
            order("--job j --vm /p --disk a -- cp A B --then --total 5 --last --disk b -- cp C D").expect("read");
        let order = order.expect("no help");
        let part = |part: &Part| format!("{} {:?} {:?}", part.disks[0], part.total, part.arguments);
        let parts: Vec<String> = order.parts.iter().map(part).collect();
        assert_eq!(parts, [r#"a None ["A", "B"]"#, r#"b Some(5) ["C", "D"]"#]);
        assert_eq!((order.vm.as_deref(), order.last), (Some("/p"), true));
    }

    #[test]
    fn a_mover_of_a_whole_vm_names_its_job() {
        let order = order("-- migratekit migrate --vmware-path /p --job-id job-1").expect("read").expect("no help");
        assert_eq!((order.job.as_str(), order.parts[0].disks.len()), ("job-1", 0));
    }

    #[test]
    fn the_environment_names_the_vma_unless_the_option_does() {
        let url = |line: &str, variable: &str| {
            let words = line.split_whitespace().map(OsString::from).collect();
            read(words, Some(variable.into())).map(|order| order.map(|order| order.vma.url().to_owned()))
        };
        let (plain, own) = ("--job j --disk d x", "--vma http://127.0.0.1:1 --job j --disk d x");
        assert_eq!(url(plain, "http://127.0.0.1:9").expect("read").as_deref(), Some("http://127.0.0.1:9"));
        assert_eq!(url(own, "http://127.0.0.1:9").expect("read").as_deref(), Some("http://127.0.0.1:1"));
        assert_eq!(url(plain, "").expect("read").as_deref(), Some("http://127.0.0.1:8081"));
        assert!(url(plain, "http://192.0.2.1").expect_err("refused").to_string().starts_with("WAYBILL_VMA"));
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
            ("--job j --disk d -- x --then --disk e", "COMMAND is missing"),
            ("--job j --disk d -- x --then -- y", "--disk is missing"),
            ("--job j --vm= --disk d -- x", "inventory path"),
        ] {
            let error = order(line).expect_err(line);
            assert!(error.contains(named), "{line}: {error}");
        }
        assert!(order("--help").expect("read").is_none());
    }
}
