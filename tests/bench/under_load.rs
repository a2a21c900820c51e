//! `build/bench`: real daemons under load, and a table of figures beside those that the requirements want.
//!
//! A VMA and an OMA of the release build run N jobs: each job's mover pushes every 2 s, the OMA polls every 2 s through
//! a proxy that writes down when each poll came, and somebody looks at documents 200 times a second. Everything shares
//! this machine's cores, the load included; how long the daemons waited for a core is in the table.

mod daemon;
mod figures;
mod http;
mod load;
mod proxy;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use daemon::{BINARY, Counts, Daemon, Size, free_address};
use figures::{Table, lateness, percentile, short};
use load::{Load, make_jobs};
use proxy::Proxy;

const HELP: &str = "\
Measures waybill under load and prints a table.

usage: build/bench [OPTIONS]

  --jobs N          jobs, 1 to 20000 (1000)
  --disks N         disks of each job (2)
  --seconds S       how long to measure (30)
  --connections N   keep-alive connections over which movers push (8)
  --wait            before measuring, wait for Enter, so that a profiler can be attached
  --help            this text";

/// After the jobs were made: what their making delayed has been caught up with, and every job was pushed to and polled.
const SETTLE: Duration = Duration::from_secs(15);
/// Starts of which the median is told.
const STARTS: usize = 11;

struct Options {
    jobs: usize,
    disks: usize,
    seconds: u64,
    connections: usize,
    wait: bool,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(Some(options)) => options,
        Ok(None) => {
            println!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(wrong) => {
            eprintln!("bench: {wrong}\n\n{HELP}");
            return ExitCode::from(2);
        }
    };
    match measure(&options) {
        Ok(table) => {
            print!("\n{}", table.render());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("bench: {error}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut args: impl Iterator<Item = String>) -> Result<Option<Options>, String> {
    let mut options = Options { jobs: 1000, disks: 2, seconds: 30, connections: 8, wait: false };
    while let Some(name) = args.next() {
        let mut number = |most: usize| {
            let text = args.next().unwrap_or_default();
            let number = text.parse().ok().filter(|number| (1..=most).contains(number));
            number.ok_or_else(|| format!("{name} {text:?}: a whole number from 1 to {most} is expected"))
        };
        match name.as_str() {
            "--jobs" => options.jobs = number(20_000)?,
            "--disks" => options.disks = number(256)?,
            "--seconds" => options.seconds = u64::try_from(number(86_400)?).unwrap_or(86_400),
            "--connections" => options.connections = number(256)?,
            "--wait" => options.wait = true,
            // `cargo bench` says so to every bench.
            "--bench" => {}
            "--help" | "-h" => return Ok(None),
            _ => return Err(format!("{name:?} is not known")),
        }
    }
    Ok(Some(options))
}

fn say(what: &str) {
    eprintln!("== {what}");
}

fn measure(options: &Options) -> Result<Table, Box<dyn Error>> {
    let mut table = Table::default();
    let folder = folder("start")?;
    say("starting each daemon on an empty database");
    starts(&folder, &mut table)?;

    let folder = self::folder("load")?;
    let vma = Daemon::vma(&folder, free_address()?)?;
    let proxy = Proxy::before(vma.address)?;
    let oma = Daemon::oma(&folder, free_address()?, proxy.address)?;
    std::thread::sleep(Duration::from_secs(1));
    let empty = [vma.size()?, oma.size()?];

    say(&format!("{} jobs of {} disks: declaring and tracking them", options.jobs, options.disks));
    let begun = Instant::now();
    make_jobs(options.jobs, options.disks, vma.address, oma.address)?;
    table.line("jobs declared and tracked", format!("{} per s", short(options.jobs as f64 / seconds(begun))));
    let load = Load::start(options.jobs, options.connections, vma.address);
    std::thread::sleep(SETTLE);
    if options.wait {
        say(&format!("VMA is process {}, OMA is process {}; Enter goes on", vma.pid(), oma.pid()));
        std::io::stdin().read_line(&mut String::new())?;
    }

    say(&format!("measuring for {} s", options.seconds));
    let before = [vma.counts()?, oma.counts()?];
    proxy.take();
    let begun = Instant::now();
    std::thread::sleep(Duration::from_secs(options.seconds));
    let (polls, lasted) = (proxy.take(), seconds(begun));
    let after = [vma.counts()?, oma.counts()?];
    let full = [vma.size()?, oma.size()?];
    let (mut pushes, mut looks) = load.stop()?;
    for answers in [&mut pushes, &mut looks] {
        answers.retain(|(sent, _)| *sent >= begun && sent.duration_since(begun).as_secs_f64() <= lasted);
    }
    let took = |answers: Vec<load::Answer>| sorted(answers.into_iter().map(|(_, took)| took));
    let (pushes, looks) = (took(pushes), took(looks));

    let wanted = options.jobs as f64 / load::BEAT.as_secs_f64();
    table.line("polls", format!("{} per s of {} due", short(polls.len() as f64 / lasted), short(wanted)));
    let lateness = lateness(&polls);
    table.times("lateness of polls", &lateness.late);
    table.below("  p99", percentile(&lateness.late, 99).as_secs_f64() * 1e3, 200.0, "ms");
    table.line("  beats without a poll", lateness.missed.to_string());
    table.line("pushes", format!("{} per s of {} due", short(pushes.len() as f64 / lasted), short(wanted)));
    table.times("answer to a push", &pushes);
    table.times("answer to a poll", &sorted(polls.iter().map(|poll| poll.took)));
    table.times("answer to somebody who looks", &looks);
    table.below("  p99", percentile(&looks, 99).as_secs_f64() * 1e3, 2.0, "ms");
    for (at, name) in ["VMA", "OMA"].into_iter().enumerate() {
        busy(&mut table, name, before[at], after[at], lasted, polls.len());
        memory(&mut table, name, empty[at], full[at], options.jobs);
    }

    say("starting each daemon on the database with the jobs");
    let (vma_at, oma_at) = (vma.address, oma.address);
    oma.stop()?;
    vma.stop()?;
    let vma = Daemon::vma(&folder, vma_at)?;
    let oma = Daemon::oma(&folder, oma_at, proxy.address)?;
    for (name, daemon) in [("VMA", vma), ("OMA", oma)] {
        table.line(&format!("{name} ready, with {} jobs", options.jobs), milliseconds(daemon.ready_after));
        daemon.stop()?;
    }
    let size = std::fs::metadata(BINARY)?.len();
    table.below("binary", size as f64 / 1e6, 6.0, "MB");
    Ok(table)
}

/// A folder of the build's own for databases and logs, on a real disk, empty.
fn folder(name: &str) -> Result<PathBuf, Box<dyn Error>> {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("bench").join(name);
    if folder.exists() {
        std::fs::remove_dir_all(&folder)?;
    }
    std::fs::create_dir_all(&folder)?;
    Ok(folder)
}

fn starts(folder: &Path, table: &mut Table) -> Result<(), Box<dyn Error>> {
    let nobody = free_address()?;
    let (mut vma, mut oma) = (Vec::new(), Vec::new());
    for number in 0..STARTS {
        let folder = folder.join(number.to_string());
        std::fs::create_dir(&folder)?;
        let started = Daemon::vma(&folder, free_address()?)?;
        vma.push(started.ready_after);
        started.stop()?;
        let started = Daemon::oma(&folder, free_address()?, nobody)?;
        oma.push(started.ready_after);
        started.stop()?;
    }
    for (name, took) in [("VMA", vma), ("OMA", oma)] {
        let median = percentile(&sorted(took.into_iter()), 50);
        table.below(&format!("{name} ready, new database, median"), median.as_secs_f64() * 1e3, 50.0, "ms");
    }
    Ok(())
}

fn busy(table: &mut Table, name: &str, before: Counts, after: Counts, lasted: f64, polls: usize) {
    let cpu = after.cpu - before.cpu;
    let per_poll = cpu * 1e6 / polls.max(1) as f64;
    table.line(&format!("{name} processor time"), format!("{} us per poll", short(per_poll)));
    let share = |seconds: f64| short(seconds / lasted * 100.0);
    let waited = share(after.waited - before.waited);
    table.line(&format!("{name} on a core"), format!("{} %, waiting for one {waited} %", share(cpu)));
    let commits = f64::from(after.commits.wrapping_sub(before.commits)) / lasted;
    let written = (after.written - before.written) as f64 / 1e6 / lasted;
    table.line(&format!("{name} database"), format!("{} commits, {} MB per s", short(commits), short(written)));
}

fn memory(table: &mut Table, name: &str, empty: Size, full: Size, jobs: usize) {
    let mb = |kib: u64| kib as f64 * 1024.0 / 1e6;
    table.below(&format!("{name} memory without jobs"), mb(empty.resident_kib), 8.0, "MB");
    let most = 8.0 + 0.25 * jobs as f64 / 100.0;
    table.below(&format!("{name} memory with {jobs} jobs"), mb(full.resident_kib), most, "MB");
    let each = |full: u64, empty: u64| short(mb(full.saturating_sub(empty)) * 100.0 / jobs as f64);
    let (all, own) = (each(full.resident_kib, empty.resident_kib), each(full.own_kib, empty.own_kib));
    table.line(&format!("{name} memory per 100 jobs"), format!("{all} MB more, {own} MB of it its own"));
    table.line(&format!("{name} threads"), format!("{}, with jobs {}", empty.threads, full.threads));
}

fn seconds(since: Instant) -> f64 {
    since.elapsed().as_secs_f64()
}

fn milliseconds(time: Duration) -> String {
    format!("{} ms", short(time.as_secs_f64() * 1e3))
}

fn sorted(times: impl Iterator<Item = Duration>) -> Vec<Duration> {
    let mut times: Vec<Duration> = times.collect();
    times.sort();
    times
}
