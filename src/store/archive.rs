//! Moves ended jobs and their history into another SQLite file of the same schema: the only deletion on an OMA.
//!
//! A batch is copied and synced there, compared row by row, and only then removed here, so that it is in one of the two
//! files at every moment, in both at some. A move that was cut short is taken up by the next one: what is there already is
//! not copied again, and a batch leaves as soon as it compares equal.
//!
//! The last good history row of each disk stays, whatever its age: the next incremental starts there. **Errors**:
//! the batch in hand stays here.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use rusqlite::{Connection, OpenFlags, TransactionBehavior, params};

use super::error::{Place, StoreError};
use super::history::select_good_runs;
use super::reader::Reader;
use super::writer::{OPENING_TIMEOUT, Store};
use super::{backup, connection, read, schema};
use crate::model::id::ChangeId;
use crate::model::time::Wall;

/// What was moved, in rows.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Moved {
    /// Ended jobs.
    pub jobs: usize,
    /// Rows of `cbt_history`.
    pub history: usize,
}

const OPERATION: &str = "archive";
/// What leaves in one transaction: a daemon that writes to the same file waits for no more than that, or for one job.
const BATCH_JOBS: usize = 100;
const BATCH_ROWS: i64 = 5000;
/// How often a batch is copied because its jobs get late entries meanwhile.
const ROUNDS: u32 = 20;

/// Moves the jobs that ended before `cutoff`, and the history of before, from the database `from` to the file `to`, which
/// is made where it is missing. `told` hears of each batch.
///
/// Errors: `Elses` where `to` is the archive of another database or no archive; `Missing`, `NotADatabase`, `NewerSchema`,
/// `OlderSchema`, `Denied`, `Busy`, `Full`, `Corrupt`, `Io`, `Other`.
pub fn archive(from: &Path, to: &Path, cutoff: Wall, mut told: impl FnMut(Moved)) -> Result<Moved, StoreError> {
    let failure = |error: rusqlite::Error| StoreError::from_sqlite(Place::new(from, OPERATION), &error);
    let mut conn = open(from)?;
    let epoch = schema::epoch(&conn).map_err(failure)?;
    prepare(from, to, &epoch)?;
    let mut moved = Moved::default();
    let mut move_all = || -> rusqlite::Result<()> {
        attach(&conn, to)?;
        note_archive(&conn, to)?;
        keep_last_good(&conn)?;
        while choose(&conn, cutoff)? > 0 {
            let mut rounds = 0;
            let batch = loop {
                copy(&mut conn)?;
                rounds += 1;
                if let Some(batch) = remove(&mut conn, rounds == ROUNDS)? {
                    break batch;
                }
            };
            moved = Moved { jobs: moved.jobs + batch.jobs, history: moved.history + batch.history };
            told(moved);
        }
        conn.execute_batch("DETACH archive")
    };
    move_all().map_err(failure)?;
    Ok(moved)
}

fn open(path: &Path) -> Result<Connection, StoreError> {
    let at = || Place::new(path, OPERATION);
    let failure = |error: rusqlite::Error| StoreError::from_sqlite(at(), &error);
    if !path.is_file() {
        let remedy = "name the database with `--db` or WAYBILL_DB";
        return Err(StoreError::Missing { at: at(), what: "the file".to_owned(), remedy });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(failure)?;
    conn.busy_timeout(OPENING_TIMEOUT).map_err(failure)?;
    schema::refuse_other(schema::stamp(&conn).map_err(failure)?, at)?;
    connection::keep_wal(&conn, true).map_err(failure)?;
    connection::configure(&conn).map_err(failure)?;
    Ok(conn)
}

/// Makes the archive a database of this schema, in one file, and of this database only. What is something else is left as
/// it is.
fn prepare(from: &Path, to: &Path, epoch: &str) -> Result<(), StoreError> {
    let at = || Place::new(to, OPERATION);
    let failure = |error: rusqlite::Error| StoreError::from_sqlite(at(), &error);
    let place = |path: &Path| std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
    let own = ["-wal", "-shm", "-journal", ".lock"].map(|end| place(&backup::beside(&place(from), end)));
    if same_file(from, to) || own.contains(&place(to)) {
        let reason = "it is a file of the database itself".to_owned();
        return Err(StoreError::Elses { at: at(), reason });
    }
    if to.metadata().is_ok_and(|file| file.len() > 0) {
        match Reader::open(to) {
            Ok(found) => refuse_other_archive(&found, epoch, at)?,
            // Its making was cut short, or an earlier waybill made it.
            Err(StoreError::OlderSchema { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    let store = Store::open(to)?;
    let insert = "INSERT INTO appliance (key, value) SELECT 'archive_of', ?1
                  WHERE NOT EXISTS (SELECT 1 FROM appliance WHERE key = 'archive_of')";
    store.conn.execute(insert, [epoch]).map_err(failure)?;
    connection::keep_wal(&store.conn, false).map_err(failure)?;
    store.conn.pragma_update(None, "journal_mode", "DELETE").map_err(failure)?;
    backup::sync_folder(to).map_err(|error| StoreError::from_io(at(), &error))
}

/// True of one file under two names, as a hard link has it.
fn same_file(one: &Path, other: &Path) -> bool {
    let identity = |path: &Path| path.metadata().map(|file| (file.dev(), file.ino())).ok();
    identity(one).is_some_and(|known| Some(known) == identity(other))
}

/// An empty database without an owner is an archive whose making was cut short.
fn refuse_other_archive(found: &Reader, epoch: &str, at: impl Fn() -> Place) -> Result<(), StoreError> {
    let owner = "SELECT coalesce((SELECT value FROM appliance WHERE key = 'archive_of'),
                                 (SELECT '' FROM appliance WHERE key = 'role'), (SELECT '' FROM replication_jobs), ?1)";
    let owner = found.run(OPERATION, |conn| conn.query_row(owner, [epoch], |row| row.get::<_, String>(0)))?;
    let reason = match owner.as_str() {
        owner if owner == epoch => return Ok(()),
        "" => "it is a daemon's own database and no archive".to_owned(),
        _ => format!("it is the archive of another database, of epoch {owner}"),
    };
    Err(StoreError::Elses { at: at(), reason })
}

fn attach(conn: &Connection, to: &Path) -> rusqlite::Result<()> {
    conn.execute("ATTACH ?1 AS archive", [to.to_string_lossy()])?;
    conn.execute_batch(
        "PRAGMA archive.synchronous = EXTRA;
         PRAGMA main.synchronous = FULL;
         CREATE TEMP TABLE job_batch (id TEXT PRIMARY KEY) WITHOUT ROWID;
         CREATE TEMP TABLE history_batch (id INTEGER PRIMARY KEY);
         CREATE TEMP TABLE kept (id INTEGER PRIMARY KEY);",
    )
}

/// The database remembers its archives by their epochs, so that readers find them; one that was moved is found at its new
/// place when it is used there.
fn note_archive(conn: &Connection, to: &Path) -> rusqlite::Result<()> {
    let path = std::fs::canonicalize(to).unwrap_or_else(|_| to.to_owned());
    let path = path.to_string_lossy();
    const EPOCH: &str = "(SELECT value FROM archive.appliance WHERE key = 'epoch')";
    let moved = format!(
        "DELETE FROM main.appliance WHERE key LIKE 'archive %' AND key <> 'archive ' || ?1 AND value = {EPOCH}"
    );
    let note = format!(
        "INSERT INTO main.appliance (key, value) SELECT 'archive ' || ?1, {EPOCH}
         WHERE NOT EXISTS (SELECT 1 FROM main.appliance WHERE key = 'archive ' || ?1)"
    );
    conn.execute(&moved, [&path])?;
    conn.execute(&note, [&path]).map(drop)
}

/// Finds the rows that the question for a disk's last change id is answered from: the newest well-formed one of each.
fn keep_last_good(conn: &Connection) -> rusqlite::Result<()> {
    const SELECT: &str = select_good_runs!("id, vm_path, disk_id, change_id, device_key", "vm_path <> ''", "");
    let mut select = conn.prepare(SELECT)?;
    let mut keep = conn.prepare("INSERT INTO kept (id) VALUES (?1)")?;
    let mut seen = BTreeSet::new();
    let mut rows = select.query([])?;
    while let Some(row) = rows.next()? {
        let text = |column| row.get_ref(column).map(|cell| read::lossy(cell).unwrap_or_default());
        let (path, disk, change_id) = (text(1)?, text(2)?, text(3)?);
        if !ChangeId::from_text(&change_id).is_some_and(|id| id.is_well_formed()) {
            continue;
        }
        // The question may come under either name of a disk.
        let by_key = row.get::<_, Option<i64>>(4)?.map(|key| (path.clone(), Some(key), String::new()));
        let is_last = seen.insert((path, None, disk));
        if by_key.is_some_and(|key| seen.insert(key)) || is_last {
            keep.execute([row.get::<_, i64>(0)?])?;
        }
    }
    Ok(())
}

/// Chooses the next batch; how many rows it has. A job with a step that is still open, or with a change id that is still
/// to be sent, stays until the daemon is through with it.
fn choose(conn: &Connection, cutoff: Wall) -> rusqlite::Result<usize> {
    conn.execute_batch("DELETE FROM job_batch; DELETE FROM history_batch;")?;
    let mut select = conn.prepare_cached(
        "SELECT id, (SELECT count(*) FROM main.job_events WHERE job_id = job.id)
                    + (SELECT count(*) FROM main.source_events WHERE job_id = job.id)
         FROM main.replication_jobs AS job
         WHERE (status = 'completed' OR status = 'failed') AND julianday(completed_at) < julianday(?1)
           AND NOT EXISTS (SELECT 1 FROM main.job_steps WHERE job_id = job.id AND completed_at IS NULL)
           AND NOT EXISTS (SELECT 1 FROM main.unsent_change_ids AS unsent
                           JOIN main.received_change_ids AS received ON received.id = unsent.received_id
                           WHERE received.job_id = job.id)",
    )?;
    let (mut jobs, mut entries) = (0, 0);
    let mut rows = select.query([cutoff.to_string()])?;
    while jobs < BATCH_JOBS && entries < BATCH_ROWS {
        let Some(row) = rows.next()? else { break };
        conn.prepare_cached("INSERT INTO job_batch VALUES (?1)")?.execute([row.get::<_, String>(0)?])?;
        (jobs, entries) = (jobs + 1, entries + row.get::<_, i64>(1)?);
    }
    drop(rows);
    // Also of jobs that have left before: what was kept then may have been followed by a later run. The rows of one run of
    // a disk leave together, since the first tells when it ran and the last what it left.
    let history = conn
        .prepare_cached(
            "INSERT INTO history_batch SELECT id FROM main.cbt_history AS entry
         WHERE julianday(created_at) < julianday(?1) AND id NOT IN (SELECT id FROM kept)
           AND NOT EXISTS (SELECT 1 FROM main.cbt_history AS other
                           WHERE other.job_id = entry.job_id AND other.disk_id = entry.disk_id
                             AND (julianday(other.created_at) >= julianday(?1) OR other.id IN (SELECT id FROM kept)))
           AND (job_id IN (SELECT id FROM job_batch)
                OR NOT EXISTS (SELECT 1 FROM main.replication_jobs WHERE id = entry.job_id))
         LIMIT ?2",
        )?
        .execute(params![cutoff.to_string(), BATCH_ROWS])?;
    Ok(jobs + history)
}

/// The tables from which rows are moved with their job.
fn belongings() -> impl Iterator<Item = &'static str> {
    schema::OF_A_JOB.into_iter().chain(["received_change_ids"])
}

/// One transaction of the archive. A job's own row comes as one that has not begun, gets what belongs to it, and ends: the
/// archive keeps the rules of R-43 as well.
fn copy(conn: &mut Connection) -> rusqlite::Result<()> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Deferred)?;
    let columns = columns(&transaction, "replication_jobs")?;
    let begun: Vec<&str> = columns
        .iter()
        .map(|column| match column.as_str() {
            "status" => "'pending'",
            "completed_at" => "NULL",
            column => column,
        })
        .collect();
    let new = "SELECT id FROM job_batch WHERE id NOT IN (SELECT id FROM archive.replication_jobs)";
    let new: Vec<String> =
        transaction.prepare(new)?.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
    let (columns, begun) = (columns.join(", "), begun.join(", "));
    let insert = format!(
        "INSERT INTO archive.replication_jobs ({columns}) SELECT {begun} FROM main.replication_jobs WHERE id = ?1"
    );
    for id in &new {
        transaction.prepare_cached(&insert)?.execute([id])?;
    }
    for table in belongings() {
        copy_missing(&transaction, table, "job_id IN (SELECT id FROM job_batch)")?;
    }
    copy_missing(&transaction, "cbt_history", "id IN (SELECT id FROM history_batch)")?;
    let end = "UPDATE archive.replication_jobs SET (status, completed_at) =
                   (SELECT status, completed_at FROM main.replication_jobs WHERE id = ?1)
               WHERE id = ?1";
    for id in &new {
        transaction.prepare_cached(end)?.execute([id])?;
    }
    transaction.commit()
}

/// Copies what is not there yet, as after a move that was cut short or a late entry.
fn copy_missing(conn: &Connection, table: &str, condition: &str) -> rusqlite::Result<()> {
    let columns = columns(conn, table)?.join(", ");
    conn.execute_batch(&format!(
        "INSERT INTO archive.{table} ({columns}) SELECT {columns} FROM main.{table} WHERE {condition}
         EXCEPT SELECT {columns} FROM archive.{table} WHERE {condition}"
    ))
}

/// Compares the batch with its copy, from which nothing is missing, and removes it, in one transaction of the database.
/// `None` where rows have come since it was copied; that is an error at the last try.
fn remove(conn: &mut Connection, is_last_try: bool) -> rusqlite::Result<Option<Moved>> {
    const JOBS: &str = "id IN (SELECT id FROM job_batch)";
    const BELONGING: &str = "job_id IN (SELECT id FROM job_batch)";
    const HISTORY: &str = "id IN (SELECT id FROM history_batch)";
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let mut tables = vec![("replication_jobs", JOBS), ("cbt_history", HISTORY)];
    tables.extend(belongings().map(|table| (table, BELONGING)));
    for (table, condition) in tables {
        match (differing(&transaction, table, condition)?, is_last_try) {
            (0, _) => {}
            (_, false) => return Ok(None),
            (rows, true) => return Err(not_the_same(table, rows)),
        }
    }
    transaction.execute_batch(
        "INSERT INTO main.leaving SELECT id FROM job_batch
         UNION SELECT job_id FROM main.cbt_history WHERE id IN (SELECT id FROM history_batch)",
    )?;
    let history = transaction.execute(&format!("DELETE FROM main.cbt_history WHERE {HISTORY}"), [])?;
    for table in belongings() {
        transaction.execute(&format!("DELETE FROM main.{table} WHERE {BELONGING}"), [])?;
    }
    let jobs = transaction.execute(&format!("DELETE FROM main.replication_jobs WHERE {JOBS}"), [])?;
    transaction.execute_batch(&format!(
        "UPDATE main.job_ids SET archived_at = strftime('%Y-%m-%dT%H:%M:%fZ', 'now') WHERE {JOBS};
         DELETE FROM main.leaving"
    ))?;
    transaction.commit()?;
    Ok(Some(Moved { jobs, history }))
}

/// How many rows of the batch are not in the archive exactly as they are here.
fn differing(conn: &Connection, table: &str, condition: &str) -> rusqlite::Result<i64> {
    let columns = columns(conn, table)?.join(", ");
    let sql = format!(
        "SELECT count(*) FROM (SELECT {columns} FROM main.{table} WHERE {condition}
                               EXCEPT SELECT {columns} FROM archive.{table} WHERE {condition})"
    );
    conn.query_row(&sql, [], |row| row.get(0))
}

fn not_the_same(table: &str, rows: i64) -> rusqlite::Error {
    let said = format!(
        "{rows} rows of {table} are not in the archive as they are here, though they were copied {ROUNDS} times, so nothing \
         of this batch was removed; repeat the command, and where that does not help look at both files with \
         `waybill db check`"
    );
    rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_MISMATCH), Some(said))
}

fn columns(conn: &Connection, table: &str) -> rusqlite::Result<Vec<String>> {
    let mut select = conn.prepare_cached("SELECT name FROM pragma_table_info(?1, 'main')")?;
    select.query_map([table], |row| row.get(0))?.collect()
}

/// Where an archive of this database lies by default: beside it, `oma.db` with `oma-archive.db`.
pub fn default_place(database: &Path) -> std::path::PathBuf {
    let stem = database.file_stem().unwrap_or(OsStr::new("waybill")).to_string_lossy().into_owned();
    database.with_file_name(format!("{stem}-archive.db"))
}
