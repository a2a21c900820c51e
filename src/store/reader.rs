//! The read-only side for commands: works while a daemon writes, when it is down, and for a user who may read the
//! file and its directory but not write there.

use std::ops::Deref;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

use super::error::{Place, StoreError};
use super::read::Queries;
use super::{backup, connection, schema};

/// A command may wait for a lock longer than the daemon's only thread.
const BUSY_TIMEOUT: Duration = Duration::from_secs(2);
const OPERATION: &str = "open for reading";

/// Read-only access to a database; the questions are those of [`Queries`].
#[derive(Debug)]
pub struct Reader {
    queries: Queries,
    snapshot: bool,
}

impl Deref for Reader {
    type Target = Queries;
    fn deref(&self) -> &Queries {
        &self.queries
    }
}

impl Reader {
    /// Opens the database for reading. Changes nothing, and never makes the daemon wait.
    ///
    /// Errors: `Missing` (no such file), `Denied`, `NotADatabase`, `NewerSchema`, `OlderSchema`, `Busy`, `Corrupt`, `Io`.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let at = || Place::new(path, OPERATION);
        if let Err(error) = std::fs::metadata(path) {
            return Err(match error.kind() {
                std::io::ErrorKind::NotFound => StoreError::Missing {
                    at: at(),
                    what: "the file".to_owned(),
                    remedy: "name the database with `--db` or WAYBILL_DB, or start the daemon, which makes it",
                },
                _ => StoreError::from_io(at(), &error),
            });
        }
        if !std::fs::metadata(path).is_ok_and(|file| file.is_file()) {
            return Err(StoreError::NotADatabase { at: at(), reason: "it is no regular file".to_owned() });
        }
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let opened = connect(path, flags);
        let (conn, snapshot) = match opened {
            Ok(conn) => (conn, false),
            // Whoever closes a WAL database last may take its -wal away, and then a user without write permission cannot
            // open it in the ordinary way. Without a -wal the file is complete, so it can be read as one that never changes.
            Err(error) if is_closed_to_us(&error) && !has_wal(path) => {
                let conn = connect(&immutable_uri(path), flags | OpenFlags::SQLITE_OPEN_URI)
                    .map_err(|error| StoreError::from_sqlite(at(), &error))?;
                (conn, true)
            }
            Err(error) => return Err(StoreError::from_sqlite(at(), &error)),
        };
        let stamp = schema::stamp(&conn).map_err(|error| StoreError::from_sqlite(at(), &error))?;
        schema::refuse_other(stamp, at)?;
        Ok(Self { queries: Queries::new(conn, path), snapshot })
    }

    /// Copies the database, as it is at this moment, into the file `to`, also while a daemon writes. The copy is on
    /// the disk, and whole, when this returns.
    ///
    /// Errors: `Denied`, `Full`, `Io`, `Corrupt`; then there is no new file.
    pub fn back_up(&self, to: &Path) -> Result<(), StoreError> {
        backup::copy(&self.conn, to)
    }

    /// The files that hold what `waybill db archive` moved out of this one, in the order of their first use.
    pub fn archives(&self) -> Result<Vec<PathBuf>, StoreError> {
        self.run("look for archives of", |conn| {
            let mut select = conn.prepare(
                "SELECT substr(key, length('archive ') + 1) FROM appliance WHERE key LIKE 'archive %' ORDER BY key",
            )?;
            let paths = select.query_map([], |row| row.get::<_, String>(0).map(PathBuf::from))?;
            paths.collect()
        })
    }

    /// True where the daemon is down and this user could only read the file as it lies there. Such a reader never sees a
    /// later change: who waits for changes opens a new one each time.
    pub fn is_snapshot(&self) -> bool {
        self.snapshot
    }
}

/// Opens and reads a first page, because SQLite looks at the -wal only then.
fn connect(path: &Path, flags: OpenFlags) -> rusqlite::Result<Connection> {
    let conn = Connection::open_with_flags(path, flags)?;
    conn.busy_timeout(BUSY_TIMEOUT)?;
    conn.pragma_update(None, "cache_size", -1024)?;
    conn.pragma_update(None, "mmap_size", 0)?;
    connection::keep_statements(&conn)?;
    schema::stamp(&conn)?;
    Ok(conn)
}

fn is_closed_to_us(error: &rusqlite::Error) -> bool {
    use rusqlite::ErrorCode::{CannotOpen, PermissionDenied, ReadOnly};
    matches!(error.sqlite_error_code(), Some(CannotOpen | PermissionDenied | ReadOnly))
}

/// True where a -wal may hold rows; also where that cannot be found out.
fn has_wal(path: &Path) -> bool {
    let mut wal = path.as_os_str().to_owned();
    wal.push("-wal");
    match std::fs::metadata(PathBuf::from(wal)) {
        Ok(wal) => wal.len() > 0,
        Err(error) => error.kind() != std::io::ErrorKind::NotFound,
    }
}

fn immutable_uri(path: &Path) -> PathBuf {
    let mut uri = String::from("file:");
    for &byte in path.as_os_str().as_bytes() {
        if byte.is_ascii_alphanumeric() || b"/._-".contains(&byte) {
            uri.push(char::from(byte));
        } else {
            uri.push_str(&format!("%{byte:02X}"));
        }
    }
    uri.push_str("?immutable=1");
    PathBuf::from(uri)
}
