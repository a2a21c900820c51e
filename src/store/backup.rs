//! A copy of a database at one moment, also while a daemon writes (SQLite's online backup).
//!
//! **On disk**: the copy is made beside its place under another name, synced, and then renamed, so that a file of the
//! wanted name is always a whole one. **Errors**: what was there before stays, and nothing half is left.

use std::ffi::OsString;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::backup::Backup;
use rusqlite::{Connection, OpenFlags};

use super::connection;
use super::error::{Place, StoreError};

const OPERATION: &str = "back up to";
/// All pages in one step: readers block no writer, and a copy in several steps begins anew with each write.
const ALL_PAGES: std::ffi::c_int = std::ffi::c_int::MAX;
const NO_PAUSE: Duration = Duration::ZERO;

/// Copies all that `conn` sees into the file `to`, which then is on the disk. A file that is there is replaced.
pub(super) fn copy(conn: &Connection, to: &Path) -> Result<(), StoreError> {
    let part = beside(to, ".waybill-part");
    let copied = copy_into(conn, &part)
        .and_then(|()| std::fs::rename(&part, to).and_then(|()| sync_folder(to)).map_err(|error| from_io(to, &error)));
    if copied.is_err() {
        // The first error says more than one of cleaning up.
        for end in ["", "-journal"] {
            std::fs::remove_file(beside(&part, end)).ok();
        }
    }
    copied
}

fn copy_into(conn: &Connection, part: &Path) -> Result<(), StoreError> {
    match std::fs::remove_file(part) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(from_io(part, &error)),
        Ok(()) | Err(_) => {}
    }
    connection::create_file(part)?;
    let failure = |error: rusqlite::Error| StoreError::from_sqlite(Place::new(part, OPERATION), &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut copy = Connection::open_with_flags(part, flags).map_err(failure)?;
    let backup = Backup::new(conn, &mut copy).map_err(failure)?;
    backup.run_to_completion(ALL_PAGES, NO_PAUSE, None).map_err(failure)?;
    drop(backup);
    // The copy is one file until somebody writes to it, whatever mode its original is in.
    copy.pragma_update(None, "journal_mode", "DELETE").map_err(failure)?;
    copy.close().map_err(|(_, error)| failure(error))?;
    File::open(part).and_then(|file| file.sync_all()).map_err(|error| from_io(part, &error))
}

/// The path with something added to its name.
pub(super) fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// Makes a rename in the folder of `path` durable.
pub(super) fn sync_folder(path: &Path) -> std::io::Result<()> {
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(folder)?.sync_all()
}

fn from_io(at: &Path, error: &std::io::Error) -> StoreError {
    StoreError::from_io(Place::new(at, OPERATION), error)
}
