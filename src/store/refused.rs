//! Rows that the database's own rules refused while the rest of their transaction was written.

use std::fmt;

use crate::model::id::{DiskId, ExportName, JobId};
use crate::model::stage::Stage;
use crate::model::status::JobStatus;

/// One row that was not written; all others of its transaction were.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RefusedRow {
    /// The job that it belongs to.
    pub job: JobId,
    /// Which row.
    pub what: RefusedWhat,
    /// SQLite's text, or why waybill did not try.
    pub reason: String,
}

/// Which row was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RefusedWhat {
    /// The job's row was not written because it is finished with another end than the one that was to be written, or was
    /// to be moved on: another program has ended the job. Its disks and exports were left alone too.
    EndedElsewhere(JobStatus),
    /// The job's row; its disks and exports were not tried.
    Job,
    /// A disk's row.
    Disk(DiskId),
    /// An export's row.
    Export(ExportName),
    /// The rows of the job's other names.
    Aliases,
    /// A stage's row.
    Step(Stage),
    /// A row of the job's log.
    Entry,
    /// An entry of the other side's log, by its id there.
    SourceEntry(u64),
    /// A disk's row in the history.
    History(DiskId),
}

impl fmt::Display for RefusedWhat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EndedElsewhere(status) => write!(f, "the job, which is already {}", status.stored_name()),
            Self::Job => f.write_str("the job"),
            Self::Disk(disk) => write!(f, "disk {disk}"),
            Self::Export(name) => write!(f, "export {name}"),
            Self::Aliases => f.write_str("the aliases"),
            Self::Step(stage) => write!(f, "stage {stage}"),
            Self::Entry => f.write_str("an entry of the log"),
            Self::SourceEntry(id) => write!(f, "entry {id} of the VMA's log"),
            Self::History(disk) => write!(f, "the history of disk {disk}"),
        }
    }
}

impl fmt::Display for RefusedRow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "job {}: {} was not written: {}", self.job, self.what, self.reason)
    }
}

/// What became of one statement.
pub(super) enum Written {
    /// So many rows changed.
    Rows(usize),
    /// A constraint or trigger refused the row; the transaction goes on.
    Refused(String),
}

/// Parts a refused row, which fails alone, from a failure of the database, which fails the transaction. A statement that
/// a constraint stops leaves nothing behind, so no savepoint is needed.
pub(super) fn row_result(result: rusqlite::Result<usize>) -> rusqlite::Result<Written> {
    match result {
        Ok(rows) => Ok(Written::Rows(rows)),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::ConstraintViolation) => {
            Ok(Written::Refused(error.to_string()))
        }
        Err(error) => Err(error),
    }
}
