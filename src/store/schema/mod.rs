//! Tables, views, triggers and numbered migrations. One schema serves both appliances, so that every reading command works
//! on the database of either; a table that only one of them needs stays empty in the other.
//!
//! `PRAGMA user_version` counts the migrations that a file has had. Each is one transaction; a file that has had more of
//! them than this program knows is refused. The SQL is understood by the sqlite3 3.40 of Debian 12.

use rusqlite::{Connection, TransactionBehavior};

use super::error::{Place, StoreError};

/// `PRAGMA application_id` of a waybill database: "Wayb" in ASCII.
pub(super) const APPLICATION_ID: i32 = 0x5761_7962;
/// The number of the newest migration.
pub(super) const NEWEST: i64 = MIGRATIONS.len() as i64;

/// The rules of `model::id` for a column: 1 to 255 bytes without control characters.
macro_rules! id_rule {
    ($column:literal) => {
        concat!(
            "CHECK (length(CAST(",
            $column,
            " AS BLOB)) BETWEEN 1 AND 255 AND instr(",
            $column,
            ", char(0)) = 0 AND ",
            $column,
            " NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*')"
        )
    };
}

/// A column that holds one of a few words, or NULL. Not `IN`: SQLite builds a table of the words for each row it checks,
/// which doubles the time of a write.
macro_rules! one_of {
    ($column:literal, $first:literal $(, $word:literal)*) => {
        concat!("CHECK (", $column, " = '", $first, "'", $(" OR ", $column, " = '", $word, "'",)* ")")
    };
}

mod fifth;
mod first;
mod fourth;
mod second;
mod third;

const MIGRATIONS: [&str; 5] = [first::FIRST, second::SECOND, third::THIRD, fourth::FOURTH, fifth::FIFTH];

/// The tables whose rows belong to a job and go with it, each with a column `job_id`. What movers sent
/// (`received_change_ids`) and the history outlive it.
pub(super) const OF_A_JOB: [&str; 6] =
    ["vm_disks", "job_exports", "job_aliases", "job_steps", "job_events", "source_events"];

/// What a file says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    /// `PRAGMA application_id`.
    pub(super) application_id: i32,
    /// `PRAGMA user_version`: how many migrations it has had.
    pub(super) version: i64,
    /// True where there is nothing in it.
    pub(super) empty: bool,
}

/// Reads the stamp; the first thing that touches a file's content.
pub(super) fn stamp(conn: &Connection) -> rusqlite::Result<Stamp> {
    Ok(Stamp {
        application_id: conn.query_row("PRAGMA application_id", [], |row| row.get(0))?,
        version: conn.query_row("PRAGMA user_version", [], |row| row.get(0))?,
        empty: conn.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", [], |row| row.get(0))?,
    })
}

/// Brings the file up to [`NEWEST`], one transaction for each migration. The stamp is read again inside each, because a
/// second daemon may be doing the same. The caller has refused what is newer.
pub(super) fn migrate(conn: &mut Connection) -> rusqlite::Result<()> {
    for (number, sql) in (1..).zip(MIGRATIONS) {
        let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        if stamp(&transaction)?.version < number {
            transaction.execute_batch(sql)?;
            transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
            transaction.pragma_update(None, "user_version", number)?;
        }
        transaction.commit()?;
    }
    Ok(())
}

/// A row of `status_transitions`: subject, from, to.
pub(super) type Edge = (String, String, String);

/// The rows of the table in the code, as they are stored.
pub(super) fn sorted(rows: impl Iterator<Item = (&'static str, &'static str, &'static str)>) -> Vec<Edge> {
    let mut rows: Vec<Edge> =
        rows.map(|(subject, from, to)| (subject.to_owned(), from.to_owned(), to.to_owned())).collect();
    rows.sort();
    rows.dedup();
    rows
}

/// The rows that are stored.
pub(super) fn stored_transitions(conn: &Connection) -> rusqlite::Result<Vec<Edge>> {
    let mut select = conn.prepare("SELECT subject, from_status, to_status FROM status_transitions ORDER BY 1, 2, 3")?;
    let rows = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
    rows.collect()
}

/// Makes `status_transitions` equal to the table in the code, which is its only source. Writes nothing where it is.
pub(super) fn fill_transitions(
    conn: &mut Connection,
    rows: impl Iterator<Item = (&'static str, &'static str, &'static str)>,
) -> rusqlite::Result<()> {
    let wanted = sorted(rows);
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    if stored_transitions(&transaction)? != wanted {
        transaction.execute_batch(second::UNGUARD_TRANSITIONS)?;
        transaction.execute("DELETE FROM status_transitions", [])?;
        let mut insert = transaction.prepare("INSERT INTO status_transitions VALUES (?1, ?2, ?3)")?;
        for row in &wanted {
            insert.execute(rusqlite::params![row.0, row.1, row.2])?;
        }
    }
    transaction.execute_batch(second::GUARD_TRANSITIONS)?;
    transaction.commit()
}

/// Refuses what is not ours and what is newer than this program.
pub(super) fn refuse_foreign(stamp: Stamp, at: impl Fn() -> Place) -> Result<(), StoreError> {
    let is_new = stamp.empty && stamp.version == 0 && stamp.application_id == 0;
    if !is_new && stamp.application_id != APPLICATION_ID {
        let reason = format!("a database of another program, application id {}", stamp.application_id);
        return Err(StoreError::NotADatabase { at: at(), reason });
    }
    if stamp.version > NEWEST {
        return Err(StoreError::NewerSchema { at: at(), found: stamp.version, known: NEWEST });
    }
    Ok(())
}

/// Refuses every file whose schema is another than this program's.
pub(super) fn refuse_other(stamp: Stamp, at: impl Fn() -> Place) -> Result<(), StoreError> {
    refuse_foreign(stamp, &at)?;
    if stamp.version < NEWEST {
        return Err(StoreError::OlderSchema { at: at(), found: stamp.version, known: NEWEST });
    }
    Ok(())
}

/// The epoch, made at the first call. SQLite supplies the randomness and the time, so that no clock is read here.
pub(super) fn epoch(conn: &Connection) -> rusqlite::Result<String> {
    let (random, millis): ([u8; 16], i64) = conn.query_row(
        "SELECT randomblob(16), CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER)",
        [],
        |row| Ok((row.get(0)?, row.get(1)?)),
    )?;
    let made = ulid::Ulid::from_parts(u64::try_from(millis).unwrap_or(0), u128::from_be_bytes(random)).to_string();
    let insert = "INSERT INTO appliance (key, value) SELECT 'epoch', ?1
                  WHERE NOT EXISTS (SELECT 1 FROM appliance WHERE key = 'epoch')";
    conn.execute(insert, [&made])?;
    conn.query_row("SELECT value FROM appliance WHERE key = 'epoch'", [], |row| row.get(0))
}
