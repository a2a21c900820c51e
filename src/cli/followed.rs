//! A database file that a command looks at again and again. One that is replaced is read from its beginning, and one
//! that cannot be read is opened again.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::database;
use crate::exit::Failure;
use crate::model::time::Wall;
use crate::runtime::clock::Clock;
use crate::store::{Reader, StoreError};
use crate::view::Moment;

/// The database file, which is read again only if something was written.
pub struct Database {
    path: PathBuf,
    clock: Clock,
    reader: Option<(Reader, FileId)>,
    version: Option<i64>,
    /// The daemon's last sign of life.
    daemon: Option<Wall>,
}

/// Device and inode: another file under the same name is another database.
type FileId = (u64, u64);

impl Database {
    /// Opens it; it must be readable now.
    pub fn open(path: PathBuf) -> Result<Self, Failure> {
        let reader = open(&path).map_err(|error| database::failure(&error))?;
        Ok(Self { path, clock: Clock::start(), reader: Some(reader), version: None, daemon: None })
    }

    /// The moment of a view.
    pub fn moment(&self) -> Moment {
        Moment { wall: self.clock.now().wall, daemon: self.daemon }
    }

    /// What the database answers and its odd values, if it may be another answer than the last. After an error it is opened
    /// again.
    pub fn news<T>(
        &mut self,
        ask: impl FnOnce(&Reader) -> Result<T, StoreError>,
    ) -> Result<Option<(T, Vec<String>)>, StoreError> {
        // One that only sees the file as it lay there is opened again: a daemon may have started since.
        let present = file_id(&self.path);
        let is_usable = |(reader, id): &(Reader, FileId)| present == Some(*id) && !reader.is_snapshot();
        let (reader, id) = match self.reader.take().filter(is_usable) {
            Some(usable) => usable,
            None => {
                self.version = None;
                open(&self.path)?
            }
        };
        let version = reader.data_version()?;
        let mut news = None;
        if self.version != Some(version) {
            self.daemon = reader.daemon_seen()?;
            news = Some((ask(&reader)?, database::odd_values(&reader)));
        }
        (self.version, self.reader) = (Some(version), Some((reader, id)));
        Ok(news)
    }
}

fn open(path: &Path) -> Result<(Reader, FileId), StoreError> {
    // Before the file is opened: if it is replaced in between, the next look finds another.
    let id = file_id(path).unwrap_or_default();
    Reader::open(path).map(|reader| (reader, id))
}

fn file_id(path: &Path) -> Option<FileId> {
    std::fs::metadata(path).ok().map(|file| (file.dev(), file.ino()))
}
