//! The file of a database and how a connection to it is set up.

use std::fs::{OpenOptions, Permissions};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, FileControl, MAIN_DB};

use super::error::{Place, StoreError};

/// The group may read; others may not, since VM names and errors are nobody else's business.
const FILE_MODE: u32 = 0o640;
/// Prepared statements that are kept; all that this module has.
const STATEMENTS: usize = 60;

/// Makes an empty file with the right mode; leaves one that is there as it is.
pub(super) fn create_file(path: &Path) -> Result<(), StoreError> {
    let at = || Place::new(path, "open");
    let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    if matches!(std::fs::metadata(directory), Err(error) if error.kind() == std::io::ErrorKind::NotFound) {
        return Err(StoreError::Missing {
            at: at(),
            what: format!("the directory {}", directory.display()),
            remedy: "make it, mode 0750 and owned by the daemon's user, or name another place in `database`",
        });
    }
    match OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(path) {
        // Said again, because the umask may have taken the group's bit away; -wal and -shm inherit the mode.
        Ok(file) => {
            file.set_permissions(Permissions::from_mode(FILE_MODE)).map_err(|error| StoreError::from_io(at(), &error))
        }
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(StoreError::from_io(at(), &error)),
    }
}

/// Whether the -wal and -shm are left there when the last connection closes: only with them can a user who may only read
/// open the file.
pub(super) fn keep_wal(conn: &Connection, keep: bool) -> rusqlite::Result<()> {
    conn.file_control(Some(MAIN_DB), FileControl::PersistWal(&mut i32::from(keep))).map(drop)
}

/// The writing side's settings.
///
/// A wake-up's changes are a few hundred bytes each in rows that lie far apart: small pages are the fewer bytes on their
/// way to the disk, which is what every fsync waits for. A checkpoint comes when the log has 8 MB.
pub(super) fn configure(conn: &Connection) -> rusqlite::Result<()> {
    conn.execute_batch(
        "PRAGMA page_size = 1024;
         PRAGMA journal_mode = WAL;
         PRAGMA synchronous = FULL;
         PRAGMA wal_autocheckpoint = 8000;
         PRAGMA journal_size_limit = 8388608;
         PRAGMA cache_size = -256;
         PRAGMA temp_store = MEMORY;
         PRAGMA mmap_size = 0;
         PRAGMA foreign_keys = ON;",
    )?;
    keep_statements(conn)
}

/// Keeps prepared statements, and their plans whatever is bound to them: the bundled SQLite would else parse and plan a
/// statement anew for each new value.
pub(super) fn keep_statements(conn: &Connection) -> rusqlite::Result<()> {
    conn.set_prepared_statement_cache_capacity(STATEMENTS);
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true).map(drop)
}
