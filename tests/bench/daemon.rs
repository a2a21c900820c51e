//! A real daemon: the release binary with a configuration of its own, and what the kernel says of it.

use std::fs::{self, File};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::http::Connection;

/// The binary that is measured.
pub const BINARY: &str = env!("CARGO_BIN_EXE_waybill");
/// How long a daemon may take to answer for the first time, or to end.
const PATIENCE: Duration = Duration::from_secs(20);
/// `USER_HZ`: the unit of times in `/proc/PID/stat` on every Linux that Rust runs on.
const TICKS_PER_SECOND: f64 = 100.0;

/// A running daemon; it ends when this is dropped.
pub struct Daemon {
    /// Where it listens.
    pub address: SocketAddr,
    /// From the start of the process to the first answer of `/health`.
    pub ready_after: Duration,
    child: Child,
    database: PathBuf,
}

/// What the kernel and the database have counted since the start.
#[derive(Clone, Copy)]
pub struct Counts {
    /// Processor time, seconds.
    pub cpu: f64,
    /// Time for which its first thread could run and got no core, seconds.
    pub waited: f64,
    /// Bytes that it caused to be sent to the disk.
    pub written: u64,
    /// Transactions that it committed.
    pub commits: u32,
}

/// What it has now.
#[derive(Clone, Copy)]
pub struct Size {
    /// Resident memory, KiB.
    pub resident_kib: u64,
    /// The part of it that is its own: no pages of the binary or of mapped files.
    pub own_kib: u64,
    /// Threads.
    pub threads: u64,
}

/// A port of this machine on which nobody listens.
pub fn free_address() -> io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

impl Daemon {
    /// Starts a VMA with its files in a folder and waits until it answers.
    pub fn vma(folder: &Path, address: SocketAddr) -> io::Result<Self> {
        Self::start("vma", folder, address, "name = \"bench\"\n", "")
    }
    /// Starts an OMA that polls the VMA at an address.
    pub fn oma(folder: &Path, address: SocketAddr, vma: SocketAddr) -> io::Result<Self> {
        let section = format!("[[vma]]\nname = \"bench\"\nurl = \"http://{vma}\"\n");
        Self::start("oma", folder, address, "", &section)
    }

    fn start(command: &str, folder: &Path, address: SocketAddr, first: &str, last: &str) -> io::Result<Self> {
        let database = folder.join(format!("{command}.db"));
        let config = folder.join(format!("{command}.toml"));
        fs::write(&config, format!("{first}database = {database:?}\nlisten = \"{address}\"\n{last}"))?;
        let log = File::options().create(true).append(true).open(folder.join(format!("{command}.log")))?;
        let started = Instant::now();
        let child = Command::new(BINARY)
            .args([command, "--config"])
            .arg(&config)
            .env_remove("RUST_LOG")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()?;
        let mut daemon = Self { address, ready_after: Duration::ZERO, child, database };
        while Connection::to(address).and_then(|mut first| first.demand("GET", "/health", "")).is_err() {
            if started.elapsed() > PATIENCE || daemon.child.try_wait()?.is_some() {
                let log = folder.join(format!("{command}.log"));
                return Err(io::Error::other(format!("waybill {command} does not start: see {}", log.display())));
            }
            std::thread::sleep(Duration::from_micros(200));
        }
        daemon.ready_after = started.elapsed();
        Ok(daemon)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    fn proc(&self, file: &str) -> io::Result<String> {
        fs::read_to_string(format!("/proc/{}/{file}", self.pid()))
    }

    /// What was counted so far.
    pub fn counts(&self) -> io::Result<Counts> {
        let odd = || io::Error::other("/proc reads otherwise than expected");
        let stat = self.proc("stat")?;
        // The second field is the name in parentheses; utime and stime are the 14th and 15th.
        let (_, rest) = stat.rsplit_once(')').ok_or_else(odd)?;
        let ticks = rest.split_whitespace().skip(11).take(2).map(|text| text.parse::<f64>().unwrap_or(0.0));
        let waited = self.proc("schedstat")?.split_whitespace().nth(1).and_then(|text| text.parse::<f64>().ok());
        let written = self.proc("io")?;
        let written = written.lines().find_map(|line| line.strip_prefix("write_bytes: ")?.parse().ok());
        Ok(Counts {
            cpu: ticks.sum::<f64>() / TICKS_PER_SECOND,
            waited: waited.ok_or_else(odd)? / 1e9,
            written: written.ok_or_else(odd)?,
            commits: self.commits()?,
        })
    }

    /// SQLite counts the transactions of a write-ahead log in the head of its index (`iChange`, the third word).
    fn commits(&self) -> io::Result<u32> {
        let mut index = self.database.clone().into_os_string();
        index.push("-shm");
        let mut word = [0; 4];
        File::open(index)?.read_exact_at(&mut word, 8)?;
        Ok(u32::from_ne_bytes(word))
    }

    /// What it has now.
    pub fn size(&self) -> io::Result<Size> {
        let status = self.proc("status")?;
        let value = |key: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(key))?;
            line.split_whitespace().next()?.parse().ok()
        };
        let odd = || io::Error::other("/proc/PID/status reads otherwise than expected");
        Ok(Size {
            resident_kib: value("VmRSS:").ok_or_else(odd)?,
            own_kib: value("RssAnon:").ok_or_else(odd)?,
            threads: value("Threads:").ok_or_else(odd)?,
        })
    }

    /// Asks it to end, as systemd does, and waits for it.
    pub fn stop(mut self) -> io::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let asked = Instant::now();
        while self.child.try_wait()?.is_none() {
            if asked.elapsed() > PATIENCE {
                return Err(io::Error::other("a daemon does not end"));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // It has ended where `stop` was called; the errors that this gives then mean nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
