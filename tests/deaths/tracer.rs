//! A daemon under `strace`, which makes its system calls fail or kills it at one of them. `strace -D` traces from beside:
//! the child is the daemon itself, and goes on when the tracer lets go.

use std::fs;
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};

use crate::harness::{Daemon, SOON, Site, WAYBILL, until};

/// What is done to which system call, as `strace` words it.
#[derive(Debug, Clone)]
pub struct Fault {
    pub call: &'static str,
    /// `signal=SIGKILL`, `error=EIO`.
    pub what: &'static str,
    /// `5` for the fifth call alone, `5+` for it and all that follow.
    pub when: String,
}

/// Starts a daemon with a fault that only the files of its database have.
pub fn start(site: &Site, role: &'static str, fault: &Fault) -> Daemon {
    let mut command = Command::new("strace");
    command.args(["-D", "-f", "-qq", "-I2", "-o"]).arg(site.path("strace.txt"));
    for end in ["", "-wal", "-shm"] {
        command.arg("-P").arg(site.path(&format!("{role}.db{end}")));
    }
    let Fault { call, what, when } = fault;
    command.args(["-e", &format!("trace={call}"), "-e", &format!("inject={call}:{what}:when={when}")]);
    command.env_remove("RUST_LOG");
    command.arg(WAYBILL).args([role, "--config"]).arg(site.path(&format!("{role}.toml")));
    Daemon::launch(site, role, command)
}

/// How many system calls the tracer has tampered with.
pub fn injected(site: &Site) -> usize {
    fs::read_to_string(site.path("strace.txt")).map_or(0, |text| text.matches("(INJECTED)").count())
}

/// Ends the tracer; the daemon goes on without faults.
pub fn let_go(daemon: u32) {
    let tracer = || {
        let status = fs::read_to_string(format!("/proc/{daemon}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("TracerPid:"));
        line.and_then(|pid| pid.trim().parse().ok()).and_then(Pid::from_raw)
    };
    if let Some(pid) = tracer() {
        // One that ended by itself meanwhile has let go too.
        let _ = kill_process(pid, Signal::TERM);
    }
    until("the tracer lets go", SOON, || tracer().is_none().then_some(()));
}

/// True where a process has ended, or does so within a moment: its sockets are closed before its status is known.
pub fn has_died(daemon: &mut Daemon) -> bool {
    let started = std::time::Instant::now();
    while daemon.is_running() {
        if started.elapsed() > Duration::from_secs(2) {
            return false;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    true
}
