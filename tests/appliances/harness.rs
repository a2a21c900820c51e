//! One site per test: a folder with configurations and databases, a loopback address of its own (so that ports never
//! clash, not even over a restart), and the daemons that run there. Daemons are ended by their process id when they are
//! dropped; where the test fails, their logs are shown.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use crate::http::{Answer, Peer};

pub const WAYBILL: &str = env!("CARGO_BIN_EXE_waybill");

/// A deadline for what takes a moment; long, because the machine may be busy.
pub const SOON: Duration = Duration::from_secs(10);

/// Polls ten times a second, so that tests need not wait for what takes 2 s by default.
pub const FAST: &str = r#"
[poll]
interval = "100ms"
timeout = "1s"
backoff_max = "200ms"
[throttle]
min_interval = "100ms"
"#;

/// Looks again and again until there is something; fails the test after `limit`.
pub fn until<T>(what: &str, limit: Duration, mut look: impl FnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(started.elapsed() < limit, "{what}: not within {limit:?}");
        thread::sleep(Duration::from_millis(5));
    }
}

/// A place where a VMA and an OMA run.
pub struct Site {
    folder: TempDir,
    host: Ipv4Addr,
}

impl Site {
    /// A site whose OMA knows the VMA `site-a` of this site, with further settings for the OMA.
    pub fn new(oma: &str) -> Self {
        static NEXT: AtomicU8 = AtomicU8::new(1);
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let host = Ipv4Addr::new(127, high, low, NEXT.fetch_add(1, Ordering::Relaxed));
        let site = Self { folder: tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap(), host };
        site.configure_vma("");
        site.configure_oma(oma, &site.url("vma"));
        site
    }
    pub fn fast() -> Self {
        Self::new(FAST)
    }

    pub fn configure_vma(&self, more: &str) {
        let database = self.path("vma.db");
        let text = format!(
            "name = \"site-a\"\ndatabase = \"{}\"\nlisten = \"{}\"\n{more}\n",
            database.display(),
            self.address("vma")
        );
        fs::write(self.path("vma.toml"), text).unwrap();
    }
    /// Writes the OMA's configuration; `more` begins with keys of the top, `vma` is where `site-a` answers.
    pub fn configure_oma(&self, more: &str, vma: &str) {
        let database = self.path("oma.db");
        let text = format!(
            "database = \"{}\"\nlisten = \"{}\"\n{more}\n[[vma]]\nname = \"site-a\"\nurl = \"{vma}\"\n",
            database.display(),
            self.address("oma")
        );
        fs::write(self.path("oma.toml"), text).unwrap();
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
    pub fn address(&self, role: &str) -> SocketAddr {
        SocketAddr::from((self.host, if role == "vma" { 8081 } else { 8082 }))
    }
    pub fn url(&self, role: &str) -> String {
        format!("http://{}", self.address(role))
    }

    pub fn vma(&self) -> Daemon {
        Daemon::start(self, "vma")
    }
    pub fn oma(&self) -> Daemon {
        Daemon::start(self, "oma")
    }
    /// The command `waybill ROLE --config FILE`.
    pub fn command(&self, role: &str) -> Command {
        let mut command = waybill(&[role, "--config"]);
        command.arg(self.path(&format!("{role}.toml"))).stdin(Stdio::null());
        command
    }

    /// Rows of the OMA's database as the `sqlite3` shell shows them: `a|b|c`, nothing for null.
    pub fn rows(&self, sql: &str) -> Vec<String> {
        self.rows_of("oma.db", sql)
    }
    pub fn rows_of(&self, database: &str, sql: &str) -> Vec<String> {
        let connection =
            Connection::open_with_flags(self.path(database), OpenFlags::SQLITE_OPEN_READ_ONLY).expect("the database");
        connection.busy_timeout(SOON).unwrap();
        let mut statement = connection.prepare(sql).expect(sql);
        let columns = statement.column_count();
        let rows = statement.query_map([], |row| {
            let cells = (0..columns).map(|at| row.get_ref(at).map(text));
            cells.collect::<rusqlite::Result<Vec<_>>>().map(|cells| cells.join("|"))
        });
        rows.unwrap().collect::<rusqlite::Result<_>>().expect(sql)
    }
    /// Waits until the OMA's database answers a question so.
    pub fn until_rows(&self, sql: &str, expected: &[&str]) {
        let mut seen = Vec::new();
        let started = Instant::now();
        while seen != expected {
            assert!(started.elapsed() < SOON, "{sql}: {seen:#?} instead of {expected:#?}");
            thread::sleep(Duration::from_millis(5));
            seen = self.rows(sql);
        }
    }
    pub fn until_status(&self, job: &str, status: &str) {
        self.until_rows(&format!("SELECT status FROM replication_jobs WHERE id = '{job}'"), &[status]);
    }
    /// How many events of a kind a job has in the OMA's log.
    pub fn events(&self, job: &str, event: &str) -> Vec<String> {
        self.rows(&format!("SELECT message FROM job_events WHERE job_id = '{job}' AND event = '{event}' ORDER BY id"))
    }
    /// Runs SQL in the real `sqlite3` shell on the OMA's database, as another program would.
    pub fn sqlite3(&self, sql: &str) {
        let (succeeded, said) = self.shell(sql);
        assert!(succeeded, "{sql}: {said}");
    }
    /// The same for SQL that must be refused; what the shell says.
    pub fn sqlite3_refused(&self, sql: &str) -> String {
        let (succeeded, said) = self.shell(sql);
        assert!(!succeeded, "{sql} was taken");
        said
    }
    fn shell(&self, sql: &str) -> (bool, String) {
        let mut shell = Command::new("sqlite3");
        let output = shell.args(["-cmd", ".timeout 5000"]).arg(self.path("oma.db")).arg(sql).output();
        let output = output.expect("sqlite3 runs");
        (output.status.success(), String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn text(value: ValueRef<'_>) -> String {
    match value {
        ValueRef::Null => String::new(),
        ValueRef::Integer(number) => number.to_string(),
        ValueRef::Real(number) => number.to_string(),
        ValueRef::Text(text) | ValueRef::Blob(text) => String::from_utf8_lossy(text).into_owned(),
    }
}

/// The binary without the environment that would change what it does.
pub fn waybill(args: &[&str]) -> Command {
    let mut command = Command::new(WAYBILL);
    for name in ["WAYBILL_DB", "RUST_LOG", "NO_COLOR"] {
        command.env_remove(name);
    }
    command.args(args);
    command
}

/// A daemon that runs.
pub struct Daemon {
    role: &'static str,
    child: Child,
    address: SocketAddr,
    log: PathBuf,
}

impl Daemon {
    fn start(site: &Site, role: &'static str) -> Self {
        let mut daemon = Self::launch(site, role, site.command(role));
        daemon.ready().unwrap_or_else(|status| panic!("{role} ended with {status}"));
        daemon
    }
    /// Starts a daemon by a command that becomes it, and does not wait for it.
    pub fn launch(site: &Site, role: &'static str, mut command: Command) -> Self {
        let log = site.path(&format!("{role}.log"));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        let child = command.stdout(Stdio::null()).stderr(file).spawn().expect("waybill starts");
        Self { role, child, address: site.address(role), log }
    }
    /// Waits until it answers; how it ended where it did not come so far.
    pub fn ready(&mut self) -> Result<(), ExitStatus> {
        until("the daemon is ready", SOON, || match self.child.try_wait().unwrap() {
            Some(status) => Some(Err(status)),
            None => self.is_healthy().then_some(Ok(())),
        })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }
    pub fn pid(&self) -> u32 {
        self.child.id()
    }
    /// What it has logged so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
    /// True where the process that was started has not ended.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }
    /// True where it answers on `/health`.
    pub fn is_healthy(&self) -> bool {
        Peer::new(self.address).call("GET", "/health", b"").is_ok_and(|answer| answer.status == 200)
    }

    pub fn call(&self, method: &str, target: &str, body: &[u8]) -> Answer {
        let called = Peer::new(self.address).call(method, target, body);
        called.unwrap_or_else(|error| panic!("{} {method} {target}: {error}", self.role))
    }
    pub fn get(&self, target: &str) -> Answer {
        self.call("GET", target, b"")
    }
    /// Posts and expects a status.
    pub fn post(&self, target: &str, body: &str, status: u16) -> Answer {
        self.expect("POST", target, body, status)
    }
    pub fn put(&self, target: &str, body: &str, status: u16) -> Answer {
        self.expect("PUT", target, body, status)
    }
    fn expect(&self, method: &str, target: &str, body: &str, status: u16) -> Answer {
        let answer = self.call(method, target, body.as_bytes());
        assert_eq!(answer.status, status, "{method} {target} {body}: {answer:?}");
        answer
    }
    /// The VMA's document of a job.
    pub fn document(&self, job: &str) -> Value {
        let answer = self.get(&format!("/api/v1/progress/{job}"));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    pub fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.child), signal).expect("it runs");
    }
    /// `kill -9`, and waits for the end.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
    /// Waits for the end.
    pub fn ended(&mut self, limit: Duration) -> ExitStatus {
        until("the daemon ends", limit, || self.child.try_wait().unwrap())
    }
    /// How many threads the process has.
    pub fn threads(&self) -> usize {
        let status = fs::read_to_string(format!("/proc/{}/status", self.pid())).expect("it runs");
        let line = status.lines().find_map(|line| line.strip_prefix("Threads:")).expect("Linux says so");
        line.trim().parse().unwrap()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Nobody waits for the status of a process that has gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let log = self.log();
        if thread::panicking() {
            eprintln!("--- {}:\n{log}", self.log.display());
            return;
        }
        // Whatever a test does to a daemon, these are the daemon's own faults.
        for fault in ["panicked", "constraint failed", "row_refused", "panic_caught"] {
            assert!(!log.contains(fault), "{fault} in {}:\n{log}", self.log.display());
        }
    }
}
