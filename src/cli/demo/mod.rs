//! `waybill demo`: both appliances in one process, joined by real sockets; a real mover copies two disks, once in full
//! and once incrementally, and everything is tracked from the first byte to `cbt_history`.
//!
//! It plays three parts that are other programs in the field: the one that declares jobs, the movers (as children, under
//! `waybill run`), and the one that hands the change ids over. What it shows it reads from the OMA's database, as an
//! operator would.

mod appliances;
mod disks;
mod screen;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use self::appliances::Appliances;
use self::disks::{Disk, Mover};
use self::screen::Screen;
use super::args::{self, Spec};
use super::{help, output};
use crate::exit::{Exit, Failure};
use crate::model::id::JobId;
use crate::model::job::{Job, SyncKind};
use crate::model::status::JobStatus;

const SPEC: Spec =
    Spec { name: "demo", words: &[], options: &[("dir", "DIR", false)], switches: &[], help: help::DEMO };

/// How long a run may take before the demo gives up.
const PATIENCE: Duration = Duration::from_secs(180);
/// How often the screen is drawn.
const FRAME: Duration = Duration::from_millis(250);

/// Runs the command with the arguments after `demo`.
pub fn main(arguments: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, arguments)? else { return output::print(SPEC.help) };
    show(&given.raw("dir").map_or_else(new_folder, PathBuf::from))
}

fn new_folder() -> PathBuf {
    std::env::temp_dir().join(format!("waybill-demo-{}", std::process::id()))
}

fn show(dir: &Path) -> Result<Exit, Failure> {
    let failed = |what: &str, why: &dyn std::fmt::Display| Failure::new(Exit::Failed, what, why);
    let dir = std::fs::create_dir_all(dir).and_then(|()| dir.canonicalize()).map_err(|error| {
        failed(&format!("cannot make the folder {}", dir.display()), &error).with_remedy("choose another with --dir")
    })?;
    if dir.join("oma.db").exists() {
        return Err(failed("cannot begin", &format!("{} holds an earlier demo", dir.display()))
            .with_remedy("choose another folder with --dir, or remove this one"));
    }
    let mut screen = Screen::new(&dir.join("oma.db"));
    let mover = Mover::find();
    screen.say(&format!("1. Two disks of a VM, sparse images in {}", dir.display()));
    let disks = disks::make(&dir).map_err(|error| failed("cannot make the images", &error))?;
    for disk in &disks {
        screen.say(&format!("   {}: {}", disk.id, disk.describe()));
    }
    screen.say("2. A VMA and an OMA, one process, joined by a socket on loopback; polls every 500 ms");
    let appliances = Appliances::start(&dir)?;
    screen.say(&format!("   VMA {}, OMA {}; log in {}", appliances.vma, appliances.oma, dir.join("log").display()));
    screen.say(&format!("3. A full run: {}", mover.describe()));
    run(&dir, &appliances, &mut screen, &mover, &disks, SyncKind::Full)?;
    screen.say("4. An incremental run: 12 MiB have changed on each disk since the change ids that the full run left");
    for disk in &disks {
        disk.change().map_err(|error| failed("cannot change the images", &error))?;
    }
    run(&dir, &appliances, &mut screen, &mover, &disks, SyncKind::Incremental)?;
    for disk in &disks {
        disk.compare().map_err(|error| failed("the copy is not the same", &error))?;
    }
    screen.say("   source and target are the same, byte for byte");
    drop(appliances);
    screen.say(&format!("5. What happened stays in {}. Look at it:\n", dir.join("oma.db").display()));
    let database = dir.join("oma.db").display().to_string();
    screen.say(&format!(
        "   sqlite3 -box {database} \"SELECT id, replication_type, status, progress_percent, bytes_transferred FROM replication_jobs\"\n   \
         sqlite3 -box {database} \"SELECT job_id, disk_id, sync_type, change_id, bytes_transferred FROM cbt_history\"\n   \
         sqlite3 -box {database} \"SELECT at, job_id, event, message FROM job_events ORDER BY id\""
    ));
    Ok(Exit::Done)
}

/// One job from its declaration to its end.
fn run(
    dir: &Path,
    appliances: &Appliances,
    screen: &mut Screen,
    mover: &Mover,
    disks: &[Disk],
    sync: SyncKind,
) -> Result<(), Failure> {
    let job = JobId::parse(&format!("demo-{}", sync.wire_name())).expect("a short id");
    appliances.declare(&job, disks, sync)?;
    appliances.track(&job)?;
    for (at, disk) in disks.iter().enumerate() {
        let mut child = start(dir, appliances, mover, disk, &job, sync)?;
        let status = loop {
            screen.draw(&job);
            match child.try_wait() {
                Ok(Some(status)) => break status,
                Ok(None) => std::thread::sleep(FRAME),
                Err(error) => return Err(Failure::new(Exit::Failed, "cannot wait for the mover", error)),
            }
        };
        if !status.success() {
            return Err(Failure::new(
                Exit::Failed,
                format!("the mover of {} ended with {status}", disk.id),
                "see the log",
            )
            .with_remedy(format!("read {}", dir.join("log").display())));
        }
        appliances.hand_over_change_id(&job, disk, at, sync)?;
    }
    let ended = wait_for_end(screen, &job)?;
    match ended.status {
        JobStatus::Succeeded => Ok(()),
        _ => Err(Failure::new(Exit::Failed, format!("job {job} failed"), ended.error.unwrap_or_default())),
    }
}

fn wait_for_end(screen: &mut Screen, job: &JobId) -> Result<Job, Failure> {
    let frames = PATIENCE.as_millis() / FRAME.as_millis();
    for _ in 0..frames {
        if let Some(job) = screen.draw(job).filter(|job| job.status.is_final()) {
            screen.keep();
            return Ok(job);
        }
        std::thread::sleep(FRAME);
    }
    Err(Failure::new(Exit::Failed, format!("job {job} did not end"), "the OMA's database shows no end of it"))
}

/// Starts `waybill run` with the mover of one disk.
fn start(
    dir: &Path,
    appliances: &Appliances,
    mover: &Mover,
    disk: &Disk,
    job: &JobId,
    sync: SyncKind,
) -> Result<Child, Failure> {
    let failed = |error: std::io::Error| Failure::new(Exit::Failed, "cannot start `waybill run`", error);
    let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("log")).map_err(failed)?;
    let (total, command) = match sync {
        SyncKind::Full => (disk.size, mover.whole(disk)),
        SyncKind::Incremental => (disks::CHANGED_BYTES, mover.changed(disk)),
    };
    Command::new(std::env::current_exe().map_err(failed)?)
        .args(["run", "--no-finish", "--job", job.as_str(), "--disk", disk.id, "--vma", &appliances.vma])
        .args(["--total", &total.to_string(), "--"])
        .args(command)
        .stdin(Stdio::null())
        .stdout(log.try_clone().map_err(failed)?)
        .stderr(log)
        .spawn()
        .map_err(failed)
}
