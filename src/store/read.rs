//! What both [`Store`](super::Store) and [`Reader`](super::Reader) read with: one connection and the odd values met on it.
//!
//! Rows may have been typed by hand. A value that nobody can make sense of costs that value, or its row, never the read:
//! it is noted as an [`OddValue`], and the caller takes the notes and logs them.

use std::cell::RefCell;
use std::fmt;
use std::path::{Path, PathBuf};

use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, Params, Row};

use super::error::{Place, StoreError};
use crate::model::id::{BadId, JobId};
use crate::model::time::Wall;

/// Notes that wait to be taken; further ones are dropped, since by then the first have told the story.
const ODD_VALUES: usize = 256;

/// A value in the database that means nothing to waybill, and what it was read as instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OddValue {
    /// The table.
    pub table: &'static str,
    /// The job of the row, as it is stored.
    pub job: String,
    /// The column.
    pub column: String,
    /// The value, as text.
    pub value: String,
    /// What it counts as, for example `none`; `left out` where the whole row is.
    pub read_as: &'static str,
}

impl fmt::Display for OddValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { table, job, column, value, read_as } = self;
        write!(f, "{table}.{column} of job {job:?} holds {value:?}, which is not understood: {read_as}")
    }
}

/// Every question that can be asked of a database; [`Store`](super::Store) and [`Reader`](super::Reader) deref to it.
/// Each answer is one consistent state, also while another program writes.
#[derive(Debug)]
pub struct Queries {
    pub(super) conn: Connection,
    pub(super) path: PathBuf,
    odd: RefCell<Vec<OddValue>>,
}

impl Queries {
    pub(super) fn new(conn: Connection, path: &Path) -> Self {
        Self { conn, path: path.to_owned(), odd: RefCell::new(Vec::new()) }
    }

    /// The odd values met since the last call, at most 256; `jobs`, `steps`, `events` and the like go on past them.
    pub fn take_odd_values(&self) -> Vec<OddValue> {
        self.odd.take()
    }

    /// A number that changes when another connection has written.
    pub fn data_version(&self) -> Result<i64, StoreError> {
        self.run("look for changes in", |conn| {
            conn.prepare_cached("PRAGMA data_version")?.query_row([], |row| row.get(0))
        })
    }

    /// The VMA's sequence as stored; 0 in a new database.
    pub fn sequence(&self) -> Result<u64, StoreError> {
        self.run("read the sequence in", |conn| {
            conn.prepare_cached("SELECT max(0, CAST(value AS INTEGER)) FROM appliance WHERE key = 'sequence'")?
                .query_row([], |row| row.get::<_, i64>(0))
                .map(|sequence| u64::try_from(sequence).unwrap_or(0))
        })
    }

    /// The ids of all runs of a job of that plain id, archived ones too; the job itself is one.
    pub fn runs(&self, job: &JobId) -> Result<Vec<JobId>, StoreError> {
        // '~' is the last character of ASCII that can be seen, so that all runs are neighbours in the index.
        const SELECT: &str = "SELECT id FROM job_ids WHERE id = ?1 OR (id > ?1 || '~' AND id < ?1 || char(127))
                              UNION SELECT job_id FROM cbt_history
                              WHERE job_id = ?1 OR (job_id > ?1 || '~' AND job_id < ?1 || char(127))";
        let runs = self.rows("look for runs in", "job_ids", SELECT, [job.as_str()], |cells| {
            cells.parsed("left out", id(JobId::parse))
        })?;
        Ok(runs.into_iter().filter(|run| run.run().0 == job.as_str()).collect())
    }

    /// The last sign of life of the OMA's daemon; `None` in a database in which none has given one, as a VMA's.
    pub fn daemon_seen(&self) -> Result<Option<Wall>, StoreError> {
        self.run("look for a daemon in", |conn| {
            let mut select = conn.prepare_cached("SELECT value FROM appliance WHERE key = 'alive_at'")?;
            let mut rows = select.query([])?;
            Ok(rows.next()?.map(|row| row.get_ref(0)).transpose()?.and_then(lossy).and_then(|text| wall(&text)))
        })
    }

    pub(super) fn failure(&self, operation: &'static str, error: &rusqlite::Error) -> StoreError {
        StoreError::from_sqlite(Place::new(&self.path, operation), error)
    }
    pub(super) fn run<T>(
        &self,
        operation: &'static str,
        ask: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        ask(&self.conn).map_err(|error| self.failure(operation, &error))
    }
    /// All rows of a statement; `read` answers `None` for a row that is left out.
    pub(super) fn rows<T>(
        &self,
        operation: &'static str,
        table: &'static str,
        sql: &'static str,
        params: impl Params,
        read: impl FnMut(&mut Cells<'_, '_>) -> rusqlite::Result<Option<T>>,
    ) -> Result<Vec<T>, StoreError> {
        self.run(operation, |_| self.collect(table, sql, params, read))
    }
    pub(super) fn collect<T>(
        &self,
        table: &'static str,
        sql: &'static str,
        params: impl Params,
        mut read: impl FnMut(&mut Cells<'_, '_>) -> rusqlite::Result<Option<T>>,
    ) -> rusqlite::Result<Vec<T>> {
        let mut select = self.conn.prepare_cached(sql)?;
        let mut rows = select.query(params)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.extend(read(&mut Cells { row, next: 0, table, odd: &self.odd })?);
        }
        Ok(found)
    }
}

/// The cells of one row, read one after another in the order of the SELECT.
pub(super) struct Cells<'a, 's> {
    row: &'a Row<'s>,
    next: usize,
    table: &'static str,
    odd: &'a RefCell<Vec<OddValue>>,
}

impl<'a> Cells<'a, '_> {
    fn cell(&mut self) -> rusqlite::Result<ValueRef<'a>> {
        let value = self.row.get_ref(self.next)?;
        self.next += 1;
        Ok(value)
    }
    /// Notes that the cell that was just read means nothing.
    fn note(&self, value: String, read_as: &'static str) {
        let mut odd = self.odd.borrow_mut();
        if odd.len() < ODD_VALUES {
            let named = |column| self.row.get_ref::<&str>(column).ok().and_then(lossy);
            let job = named("job_id").or_else(|| named("id")).unwrap_or_default();
            let column = self.row.as_ref().column_name(self.next - 1).unwrap_or_default().to_owned();
            odd.push(OddValue { table: self.table, job, column, value, read_as });
        }
    }

    /// A text; `None` for NULL. Bytes that are no UTF-8 are replaced.
    pub(super) fn text(&mut self) -> rusqlite::Result<Option<String>> {
        Ok(lossy(self.cell()?))
    }
    /// A text that stands for something; `None` for NULL, and noted where it stands for nothing known.
    pub(super) fn parsed<T>(
        &mut self,
        read_as: &'static str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> rusqlite::Result<Option<T>> {
        let cell = self.cell()?;
        let Some(text) = lossy(cell) else { return Ok(None) };
        // A text with replaced bytes is not the one that is stored, so it must not be taken for an id.
        let parsed = cell.as_str().ok().and_then(parse);
        if parsed.is_none() {
            self.note(text, read_as);
        }
        Ok(parsed)
    }
    /// A time; `None` for NULL and for a text that is no time, which is noted.
    pub(super) fn time(&mut self) -> rusqlite::Result<Option<Wall>> {
        self.parsed("no time", wall)
    }
    /// A whole number from 0; `None` for NULL. A negative one counts as 0 and is noted.
    pub(super) fn count(&mut self) -> rusqlite::Result<Option<u64>> {
        Ok(self.signed()?.map(|number| {
            u64::try_from(number).unwrap_or_else(|_| {
                self.note(number.to_string(), "0");
                0
            })
        }))
    }
    /// A whole number; `None` for NULL.
    pub(super) fn signed(&mut self) -> rusqlite::Result<Option<i64>> {
        let cell = self.cell()?;
        match cell {
            ValueRef::Integer(number) => Ok(Some(number)),
            ValueRef::Null => Ok(None),
            _ => Err(self.wrong_type(cell.data_type())),
        }
    }
    /// A number with a fraction; `None` for NULL.
    pub(super) fn real(&mut self) -> rusqlite::Result<Option<f64>> {
        let cell = self.cell()?;
        match cell {
            ValueRef::Real(number) => Ok(Some(number)),
            ValueRef::Null => Ok(None),
            _ => Err(self.wrong_type(cell.data_type())),
        }
    }
    /// Cannot come from a STRICT table; a damaged file shows itself so.
    fn wrong_type(&self, found: Type) -> rusqlite::Error {
        let at = self.next - 1;
        let column = self.row.as_ref().column_name(at).unwrap_or_default().to_owned();
        rusqlite::Error::InvalidColumnType(at, column, found)
    }
}

/// The text of a cell; `None` unless it is a text.
pub(super) fn lossy(value: ValueRef<'_>) -> Option<String> {
    match value {
        ValueRef::Text(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => None,
    }
}

/// Turns a parser of ids into one for [`Cells::parsed`].
pub(super) fn id<T>(parse: impl Fn(&str) -> Result<T, BadId>) -> impl Fn(&str) -> Option<T> {
    move |text| parse(text).ok()
}

/// A time in waybill's spelling, in any of RFC 3339, or as SQLite's `datetime('now')` writes it: in UTC, without a zone.
fn wall(text: &str) -> Option<Wall> {
    Wall::parse(text).or_else(|| {
        let (date, time) = text.trim().split_once([' ', 'T'])?;
        let seconds = if time.len() == "17:14".len() { ":00" } else { "" };
        Wall::parse(&format!("{date}T{time}{seconds}Z"))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_understood_as_sqlite_and_people_write_them() {
        let expected = Wall::parse("2026-11-23T17:14:00Z");
        assert!(expected.is_some());
        for text in ["2026-11-23T17:14:00.000Z", "2026-11-23 17:14:00", "2026-11-23 17:14", "2026-11-23T19:14:00+02:00"]
        {
            assert_eq!(wall(text), expected, "{text}");
        }
        for text in ["", " ", "yesterday", "2026-11-23", "2026-13-01 00:00:00", "5:00 pm", "é é", "2026-11-23T17:14ZZ"]
        {
            assert_eq!(wall(text), None, "{text}");
        }
    }
}
