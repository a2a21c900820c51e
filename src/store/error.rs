//! Why the database could not be read or written, in the kinds that callers treat differently, each with its remedy.
//!
//! Nothing here ends a daemon: a caller keeps what is unwritten and tries again, or tells its user.

use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;

/// Which file, and what was being done with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The database file; `:memory:` where there is none.
    pub path: PathBuf,
    /// What was being done, for example `write`.
    pub operation: &'static str,
}

impl Place {
    pub(super) fn new(path: &Path, operation: &'static str) -> Self {
        Self { path: path.to_owned(), operation }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.operation, self.path.display())
    }
}

/// A failure of the database. The text names the operation, the path, the reason and the remedy.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// Another program holds a lock; the same call may work a moment later.
    #[error("{at}: locked by another program ({reason}); try again, or end the transaction of the other program")]
    Busy {
        /// Where.
        at: Place,
        /// SQLite's text.
        reason: String,
    },
    /// The disk, the quota or the file's size limit is used up.
    #[error("{at}: no space left ({reason}); free space on the file system of this file")]
    Full {
        /// Where.
        at: Place,
        /// SQLite's text.
        reason: String,
    },
    /// The file is damaged.
    #[error(
        "{at}: the database is damaged ({reason}); stop the daemon, keep a copy of the file, its -wal and its -shm, \
         and restore a backup"
    )]
    Corrupt {
        /// Where.
        at: Place,
        /// SQLite's text.
        reason: String,
    },
    /// The file is something else than a waybill database.
    #[error(
        "{at}: not a waybill database ({reason}); name another file in `database` or `--db`, or restore a backup \
         where it has been one"
    )]
    NotADatabase {
        /// Where.
        at: Place,
        /// What was found instead.
        reason: String,
    },
    /// The file is a waybill database, and that of another appliance, or no archive of this one.
    #[error("{at}: {reason}; name another file")]
    Elses {
        /// Where.
        at: Place,
        /// Whose it is.
        reason: String,
    },
    /// A later version of waybill wrote the file.
    #[error(
        "{at}: schema {found} is newer than {known}, the newest this waybill knows; install the newer waybill again"
    )]
    NewerSchema {
        /// Where.
        at: Place,
        /// The schema of the file.
        found: i64,
        /// The newest schema of this program.
        known: i64,
    },
    /// An earlier version of waybill wrote the file, and a reader may not change it.
    #[error("{at}: schema {found} is older than {known}; start the daemon once, it brings the file up to date")]
    OlderSchema {
        /// Where.
        at: Place,
        /// The schema of the file; 0 where the daemon has not yet made the tables.
        found: i64,
        /// The schema of this program.
        known: i64,
    },
    /// The file (when reading) or its directory (when opening it for a daemon) does not exist.
    #[error("{at}: {what} does not exist; {remedy}")]
    Missing {
        /// Where.
        at: Place,
        /// What is missing.
        what: String,
        /// What to do.
        remedy: &'static str,
    },
    /// The operating system does not let this user, or this file system is read-only.
    #[error(
        "{at}: not permitted ({reason}); run as the daemon's user, or join the group that owns the file and its directory"
    )]
    Denied {
        /// Where.
        at: Place,
        /// The text of SQLite or of the operating system.
        reason: String,
    },
    /// The operating system failed to read, write or sync.
    #[error("{at}: input/output error ({reason}); look for the disk's errors in the kernel log")]
    Io {
        /// Where.
        at: Place,
        /// The text of SQLite or of the operating system.
        reason: String,
    },
    /// Anything else.
    #[error("{at}: {reason}; report this with the output of `waybill --version`")]
    Other {
        /// Where.
        at: Place,
        /// SQLite's text.
        reason: String,
    },
}

impl StoreError {
    /// The kind that a failure of SQLite belongs to.
    pub(super) fn from_sqlite(at: Place, error: &rusqlite::Error) -> Self {
        let reason = error.to_string();
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy { at, reason },
            Some(ErrorCode::DiskFull) => Self::Full { at, reason },
            Some(ErrorCode::DatabaseCorrupt) => Self::Corrupt { at, reason },
            Some(ErrorCode::NotADatabase) => Self::NotADatabase { at, reason },
            Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
                Self::Denied { at, reason }
            }
            Some(ErrorCode::SystemIoFailure | ErrorCode::FileLockingProtocolFailed) => Self::Io { at, reason },
            _ => Self::Other { at, reason },
        }
    }
    /// The kind that a failure of the operating system belongs to.
    pub(super) fn from_io(at: Place, error: &std::io::Error) -> Self {
        let reason = error.to_string();
        match error.kind() {
            std::io::ErrorKind::PermissionDenied | std::io::ErrorKind::ReadOnlyFilesystem => {
                Self::Denied { at, reason }
            }
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => Self::Full { at, reason },
            _ => Self::Io { at, reason },
        }
    }
}
