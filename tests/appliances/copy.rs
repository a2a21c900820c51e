//! Real copies: nbdkit as the source, `waybill run` with a real mover, and what users see meanwhile.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use crate::harness::{Daemon, Site, until, waybill};

/// A deadline for a whole copy.
pub const LONG: Duration = Duration::from_secs(20);
/// What a file system may have written about a target beside its content.
const OWN_WRITES: u64 = 1 << 20;

/// A VMA and an OMA with `job-1` of one disk, `disk-2000`, declared and tracked.
pub fn declared(oma: &str) -> (Site, Daemon, Daemon) {
    let site = Site::new(oma);
    let (vma, oma) = (site.vma(), site.oma());
    vma.put("/api/v1/jobs/job-1", r#"{"vm":{"path":"/DC0/vm/a"},"disks":[{"id":"disk-2000"}]}"#, 201);
    track(&oma);
    (site, vma, oma)
}

pub fn track(oma: &Daemon) {
    oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 201);
}

/// What `waybill show` prints for the job.
pub fn show(site: &Site) -> String {
    let output = waybill(&["show", "job-1", "--db"]).arg(site.path("oma.db")).env("NO_COLOR", "1").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// The line of [`show`] with that label.
pub fn line(shown: &str, label: &str) -> String {
    let line = shown.lines().map(str::trim).find(|line| line.starts_with(label));
    line.unwrap_or_else(|| panic!("no {label} in\n{shown}")).to_owned()
}

/// nbdkit on a socket of the site: a source, or a target.
pub struct Source {
    child: Child,
    socket: PathBuf,
}

impl Source {
    /// Serves what the arguments of nbdkit say.
    pub fn start(site: &Site, arguments: &[&str]) -> Self {
        Self::start_at(site, "source", arguments)
    }
    /// The same on a socket of that name.
    pub fn start_at(site: &Site, name: &str, arguments: &[&str]) -> Self {
        let socket = site.path(name);
        let mut command = Command::new("nbdkit");
        command.args(["--foreground", "--exit-with-parent", "--unix"]).arg(&socket).args(arguments);
        let child = command.stdin(Stdio::null()).stderr(Stdio::null()).spawn().expect("nbdkit runs");
        until("nbdkit listens", LONG, || socket.exists().then_some(()));
        Self { child, socket }
    }
    pub fn socket(&self) -> String {
        self.socket.display().to_string()
    }
    pub fn uri(&self) -> String {
        format!("nbd+unix:///?socket={}", self.socket())
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        // nbdkit 1.32 may have ended by itself over a client that broke off.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// One look at the job's row, and at the target just after it.
#[derive(Debug, Clone)]
pub struct Look {
    pub percent: f64,
    pub bytes: u64,
    pub rate: u64,
    pub eta: Option<u64>,
    /// Bytes that the target really holds.
    pub written: u64,
}

/// `waybill run` that copies to `out.img` of the site.
pub struct Copy<'a> {
    site: &'a Site,
    child: Child,
}

impl<'a> Copy<'a> {
    /// `waybill run` for the site's job, with these options and this mover.
    pub fn start(site: &'a Site, options: &[&str], mover: &[&str]) -> Self {
        let mut command = waybill(&["run", "--job", "job-1", "--disk", "disk-2000", "--vma", &site.url("vma")]);
        command.args(options).arg("--").args(mover).stdin(Stdio::null());
        command.stdout(fs::File::create(site.path("run.out")).unwrap());
        command.stderr(fs::File::create(site.path("run.err")).unwrap());
        Self { site, child: command.spawn().unwrap() }
    }
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
    /// The process id of the mover, once it is that program.
    pub fn mover(&self, program: &str) -> u32 {
        let task = format!("/proc/{0}/task/{0}/children", self.pid());
        until("the mover runs", LONG, || {
            let children = fs::read_to_string(&task).unwrap_or_default();
            let pids = children.split_whitespace().filter_map(|pid| pid.parse().ok());
            pids.into_iter().find(|pid| state_and_name(*pid).is_some_and(|(_, name)| name == program))
        })
    }
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
    /// Waits for the end: the status as a shell has it, and what was said on standard error.
    pub fn ended(&mut self) -> (i32, String) {
        let status = until("the copy ends", LONG, || self.child.try_wait().unwrap());
        let code = status.code().or(status.signal().map(|signal| 128 + signal)).unwrap();
        (code, self.said())
    }
    /// What stands on standard error so far.
    pub fn said(&self) -> String {
        fs::read_to_string(self.site.path("run.err")).unwrap()
    }
    /// Looks at the job now.
    pub fn look(&self) -> Look {
        let sql = "SELECT progress_percent, bytes_transferred, transfer_speed_bps, eta_seconds FROM replication_jobs";
        let row = self.site.rows(sql).remove(0);
        let cells: Vec<&str> = row.split('|').collect();
        Look {
            percent: cells[0].parse().unwrap(),
            bytes: cells[1].parse().unwrap(),
            rate: cells[2].parse().unwrap(),
            eta: cells[3].parse().ok(),
            written: written(self.site),
        }
    }
    /// Looks until `enough`; each look obeys the rules of every copy.
    pub fn until(&self, what: &str, looks: &mut Vec<Look>, enough: impl Fn(&Look) -> bool) -> Look {
        until(what, LONG, || {
            let now = self.look();
            if let Some(before) = looks.last() {
                assert!(now.bytes >= before.bytes && now.percent >= before.percent, "{before:?} -> {now:?}");
            }
            assert!(now.bytes <= now.written + OWN_WRITES, "more is shown than is written: {now:?}");
            looks.push(now.clone());
            enough(&now).then_some(now)
        })
    }
}

impl Drop for Copy<'_> {
    fn drop(&mut self) {
        // Has ended, but where the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Bytes that the site's target holds.
pub fn written(site: &Site) -> u64 {
    fs::metadata(site.path("out.img")).map_or(0, |image| image.blocks() * 512)
}

/// State letter and program name of a process; `None` where there is none.
pub fn state_and_name(pid: u32) -> Option<(char, String)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (before, after) = stat.rsplit_once(") ")?;
    Some((after.chars().next()?, before.split_once(" (")?.1.to_owned()))
}
