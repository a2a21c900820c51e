//! The only SQL. One [`Store`] per daemon writes; any number of [`Reader`]s read beside it. No decisions are made here,
//! except that a finished job's rows are not written again.
//!
//! **On disk**: SQLite in WAL mode, schema in `schema`. All changes of one wake-up are one transaction. A commit
//! is [`Durability::HandedToSystem`], which a crash of the process cannot undo, or [`Durability::OnDisk`], which a power
//! cut cannot undo either.
//!
//! **Errors**: a failed commit has written nothing and may be repeated as it is; a row that the database's own rules
//! refuse comes back as a [`RefusedRow`] and holds up no other. Values typed by hand that mean nothing are noted
//! ([`Queries::take_odd_values`]) and passed over. A call waits at most 100 ms for another
//! program's lock, and at opening 5 s.

mod archive;
mod backup;
mod capacities;
mod check;
mod connection;
mod error;
mod events;
mod history;
mod job_rows;
mod jobs;
mod pki;
mod read;
mod reader;
mod refused;
mod schema;
mod spool;
mod warnings;
mod writer;

pub use archive::{Moved, archive, default_place};
pub use error::{Place, StoreError};
pub use read::{OddValue, Queries};
pub use reader::Reader;
pub use refused::{RefusedRow, RefusedWhat};
pub use spool::Unsent;
pub use writer::{Durability, Store};
