//! The programs of others that stand between two appliances. Each runs in the foreground as a child, says what it has
//! to say into a file of the site, and ends with the test.

use std::fs::{self, File};
use std::net::{SocketAddr, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;

use crate::harness::{SOON, Site, until};

/// One of them.
pub struct Companion {
    child: Child,
    log: PathBuf,
}

impl Companion {
    /// Starts a program and waits until it listens.
    pub fn start(site: &Site, mut command: Command, listens: &[SocketAddr]) -> Self {
        let program = command.get_program().to_string_lossy().rsplit('/').next().unwrap().to_owned();
        let log = site.path(&format!("{program}.{}.log", listens[0].port()));
        let file = File::options().create(true).append(true).open(&log).unwrap();
        command.stdin(Stdio::null()).stdout(file.try_clone().unwrap()).stderr(file);
        let child = command.spawn().unwrap_or_else(|error| panic!("{program} is needed here: {error}"));
        let mut companion = Self { child, log };
        for place in listens {
            until(&format!("{program} listens on {place}"), SOON, || {
                let ended = companion.child.try_wait().unwrap();
                assert!(ended.is_none(), "{program} has ended: {ended:?}\n{}", companion.log());
                TcpStream::connect(place).ok()
            });
        }
        companion
    }
    /// What it has said so far.
    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Companion {
    fn drop(&mut self) {
        // It may have gone already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if thread::panicking() {
            eprintln!("--- {}:\n{}", self.log.display(), self.log());
        }
    }
}
