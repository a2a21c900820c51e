//! Databases in real files, and what a death leaves of them: `kill -9` what was handed to the system, a power cut what
//! was synced and of the rest some bytes, the last page perhaps torn.

use std::fs::{self, File, OpenOptions};
use std::io::Read;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use waybill::policy::dice::Dice;
use waybill::store::{Durability, Store};

/// How a process or its machine ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Death {
    /// `kill -9`: the operating system has all that was written.
    Killed,
    /// A power cut: the disk has what was synced, and perhaps some of what came after.
    PowerCut,
}

/// One database in files of its own.
pub struct Disk {
    folder: TempDir,
    lives: u32,
    /// Bytes of the write-ahead log that the last sync is known to have covered, in the file of that many checkpoints.
    synced: (u64, u64),
}

impl Disk {
    /// A folder in memory where there is one: it is the order of writes that counts, not the disk's speed.
    pub fn new() -> Self {
        let memory = Path::new("/dev/shm");
        let folder = if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() };
        Self { folder: folder.expect("a folder"), lives: 0, synced: (0, 0) }
    }
    pub fn open(&self) -> Store {
        Store::open(&self.file()).expect("a database")
    }
    fn file(&self) -> PathBuf {
        self.folder.path().join(format!("life-{}.db", self.lives))
    }
    fn log(&self) -> PathBuf {
        self.folder.path().join(format!("life-{}.db-wal", self.lives))
    }
    /// The salt in the head of the log names its round: a checkpoint begins another.
    fn log_state(&self) -> (u64, u64) {
        let Ok(mut log) = File::open(self.log()) else { return (0, 0) };
        let (mut head, length) = ([0; 24], log.metadata().map_or(0, |file| file.len()));
        match log.read_exact(&mut head) {
            Ok(()) => (u64::from_be_bytes(head[16..].try_into().expect("8 bytes")), length),
            Err(_) => (0, 0),
        }
    }
    /// A commit has returned.
    pub fn committed(&mut self, durability: Durability) {
        if durability == Durability::OnDisk {
            self.synced = self.log_state();
        }
    }
    /// Whoever wrote here is dead; the next one opens what is left.
    pub fn die(&mut self, store: Store, death: Death, dice: &mut Dice) -> Store {
        let (file, log, state) = (self.file(), self.log(), self.log_state());
        self.lives += 1;
        fs::copy(file, self.file()).expect("copied");
        if log.exists() {
            fs::copy(log, self.log()).expect("copied");
        }
        // Closing tidies up, in the files of the dead.
        drop(store);
        let (salt, length) = state;
        if death == Death::PowerCut && salt == self.synced.0 && length > self.synced.1 {
            let kept = self.synced.1 + dice.below(length - self.synced.1 + 1);
            OpenOptions::new().write(true).open(self.log()).and_then(|log| log.set_len(kept)).expect("cut");
        }
        self.synced = (0, 0);
        let left = self.open();
        self.synced = self.log_state();
        left
    }
}
