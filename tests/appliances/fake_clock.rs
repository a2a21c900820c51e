//! A wall clock that a test sets under running processes, by libfaketime, which leaves the monotonic clock alone.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::{Daemon, Site};

/// The clock of those who were started with it.
pub struct FakeClock {
    file: PathBuf,
    /// Seconds that it is ahead.
    pub ahead: i64,
}

impl FakeClock {
    /// A clock that is right; what it says stands in a file of this folder.
    pub fn right(folder: &Path) -> Self {
        let mut clock = Self { file: folder.join("clock"), ahead: 0 };
        clock.set(0);
        clock
    }
    /// Sets it forward by seconds, or back.
    pub fn set(&mut self, by: i64) {
        self.ahead += by;
        // Whole at any moment.
        let new = self.file.with_extension("new");
        fs::write(&new, format!("{:+}s\n", self.ahead)).unwrap();
        fs::rename(new, &self.file).unwrap();
    }
    /// Starts a daemon that goes by this clock.
    pub fn start(&self, site: &Site, role: &'static str) -> Daemon {
        let mut daemon = Daemon::launch(site, role, self.faked(site.command(role)));
        daemon.ready().unwrap();
        daemon
    }
    /// The command, which will go by this clock.
    pub fn faked(&self, mut command: Command) -> Command {
        command.env("LD_PRELOAD", library()).env("FAKETIME_TIMESTAMP_FILE", &self.file);
        for switch in ["FAKETIME_DONT_FAKE_MONOTONIC", "FAKETIME_NO_CACHE", "NO_FAKE_STAT"] {
            command.env(switch, "1");
        }
        command
    }
}

/// The library that fakes the clock of whoever loads it.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").unwrap().map(|entry| entry.unwrap().path());
    let found = folders.map(|folder| folder.join("faketime/libfaketimeMT.so.1")).find(|path| path.exists());
    found.expect("libfaketime: build/test installs it")
}
