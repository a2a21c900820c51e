//! The writing side of a database: a daemon's only one.
//!
//! All changes of one wake-up are one transaction, in which a row that the database refuses holds up no other.
//! **Errors**: a failed commit has written nothing, and the same call may be repeated.

use std::ops::Deref;
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension, TransactionBehavior, params};

use super::error::{Place, StoreError};
use super::read::Queries;
use super::refused::{RefusedRow, RefusedWhat, Written, row_result};
use super::{backup, capacities, connection, events, history, jobs, schema, spool};
use crate::model::change::Change;
use crate::model::id::Epoch;
use crate::model::time::Wall;
use crate::policy::transition;

/// How long a commit waits for another program's lock. The daemon has one thread and comes back by itself.
const BUSY_TIMEOUT: Duration = Duration::from_millis(100);
/// The same while a daemon starts, when nobody waits for it yet.
pub(super) const OPENING_TIMEOUT: Duration = Duration::from_secs(5);

/// How sure a commit is when it returns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The operating system has it: `kill -9` loses nothing, a power cut may.
    HandedToSystem,
    /// The disk has it.
    OnDisk,
}

/// A database that is written: the daemon's only one. Its questions are those of [`Queries`].
#[derive(Debug)]
pub struct Store {
    pub(super) queries: Queries,
    epoch: Epoch,
    /// What `PRAGMA synchronous` stands at.
    set_for: Durability,
    /// True while a commit has only been handed to the system.
    unsynced: bool,
}

impl Deref for Store {
    type Target = Queries;
    fn deref(&self) -> &Queries {
        &self.queries
    }
}

impl Store {
    /// Opens the database of a daemon, makes it where there is none (mode 0640), and brings its schema up to date, for
    /// which it first keeps a copy of the file as it was: `<name>.schema-<number>`. May wait 5 s for another program's
    /// lock.
    ///
    /// Errors: `Missing` (the directory), `NewerSchema`, `NotADatabase`, `Denied`, `Busy`, `Full`, `Corrupt`, `Io`.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let at = || Place::new(path, "open");
        connection::create_file(path)?;
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let failure = |error: rusqlite::Error| StoreError::from_sqlite(at(), &error);
        let conn = Connection::open_with_flags(path, flags).map_err(failure)?;
        connection::keep_wal(&conn, true).map_err(failure)?;
        Self::prepare(conn, path)
    }

    /// A database that ends with the process, for tests and simulations.
    pub fn in_memory() -> Result<Self, StoreError> {
        let path = Path::new(":memory:");
        let conn =
            Connection::open_in_memory().map_err(|error| StoreError::from_sqlite(Place::new(path, "open"), &error))?;
        Self::prepare(conn, path)
    }

    fn prepare(mut conn: Connection, path: &Path) -> Result<Self, StoreError> {
        let failure = |error: rusqlite::Error| StoreError::from_sqlite(Place::new(path, "open"), &error);
        conn.busy_timeout(OPENING_TIMEOUT).map_err(failure)?;
        // The stamp comes before anything is written: a file of another program stays as it is.
        let stamp = schema::stamp(&conn).map_err(failure)?;
        schema::refuse_foreign(stamp, || Place::new(path, "open"))?;
        if (1..schema::NEWEST).contains(&stamp.version) {
            let kept = backup::beside(path, &format!(".schema-{}", stamp.version));
            let (file, copy) = (path.display(), kept.display());
            log::info!(
                "{file}: schema {} is brought up to {}; {copy} keeps it as it is",
                stamp.version,
                schema::NEWEST
            );
            backup::copy(&conn, &kept)?;
        }
        connection::configure(&conn).map_err(failure)?;
        schema::migrate(&mut conn).map_err(failure)?;
        schema::fill_transitions(&mut conn, transition::stored_rows().into_iter()).map_err(failure)?;
        let epoch = schema::epoch(&conn).map_err(failure)?;
        conn.busy_timeout(BUSY_TIMEOUT).map_err(failure)?;
        let epoch = Epoch::parse(&epoch).map_err(|bad| StoreError::Other {
            at: Place::new(path, "open"),
            reason: format!("the epoch in the table `appliance` {bad}"),
        })?;
        Ok(Self { queries: Queries::new(conn, path), epoch, set_for: Durability::OnDisk, unsynced: false })
    }

    /// Writes all changes, in their order, in one transaction. The rows that the database refused come back; all
    /// others are written. On an error nothing is, and the same call may be repeated.
    ///
    /// Errors: `Busy`, `Full`, `Corrupt`, `Denied`, `Io`, `Other`.
    pub fn commit(&mut self, changes: &[Change], durability: Durability) -> Result<Vec<RefusedRow>, StoreError> {
        if changes.is_empty() {
            return Ok(Vec::new());
        }
        let refused = self.transact(durability, |conn| {
            let mut refused = Vec::new();
            changes.iter().try_for_each(|change| write(conn, change, &mut refused)).map(|()| refused)
        });
        refused.map_err(|error| self.failure("write", &error))
    }

    /// Brings to the disk what was only handed to the system; the VMA does so once a second. Does nothing where
    /// there is nothing.
    ///
    /// One small commit with `synchronous=FULL` does it: SQLite then syncs the whole write-ahead log, the frames of all
    /// earlier commits with it. What had left the log before was synced by the checkpoint that moved it.
    ///
    /// Errors: as [`Store::commit`].
    pub fn make_durable(&mut self) -> Result<(), StoreError> {
        if !self.unsynced {
            return Ok(());
        }
        let mark = self.transact(Durability::OnDisk, |conn| {
            let mark = "UPDATE appliance SET value = CAST(value AS INTEGER) + 1 WHERE key = 'made_durable'";
            conn.prepare_cached(mark)?.execute([])
        });
        mark.map(drop).map_err(|error| self.failure("make durable", &error))
    }

    /// Takes the database for one appliance, `vma` or `oma`, for good: the other would take its rows for its own.
    ///
    /// Errors: `Elses` where it is the other's; as [`Store::commit`].
    pub fn claim(&mut self, role: &'static str) -> Result<(), StoreError> {
        const OPERATION: &str = "take over";
        let owner = "SELECT value FROM appliance WHERE key = 'role'";
        let owner = self.run(OPERATION, |conn| conn.query_row(owner, [], |row| row.get::<_, String>(0)).optional())?;
        match owner {
            Some(owner) if owner == role => Ok(()),
            Some(owner) => {
                let article = if owner == "oma" { "an" } else { "a" };
                let reason = format!("it is the database of {article} {}", owner.to_uppercase());
                Err(StoreError::Elses { at: Place::new(&self.path, OPERATION), reason })
            }
            None => {
                let claimed = self.transact(Durability::OnDisk, |conn| {
                    conn.execute("INSERT INTO appliance (key, value) VALUES ('role', ?1)", [role])
                });
                claimed.map(drop).map_err(|error| self.failure(OPERATION, &error))
            }
        }
    }

    /// Leaves a gap in the sequence and in the ids of the log. A power cut may have taken the last second's, which
    /// others have seen: they are never given out again.
    ///
    /// Errors: as [`Store::commit`].
    pub fn leave_gap(&mut self) -> Result<(), StoreError> {
        const SEEN_IN_A_SECOND: i64 = 1 << 20;
        let left = self.transact(Durability::OnDisk, |conn| {
            let sequence =
                "UPDATE appliance SET value = CAST(CAST(value AS INTEGER) + ?1 AS TEXT) WHERE key = 'sequence'";
            conn.execute(sequence, [SEEN_IN_A_SECOND])?;
            conn.execute("UPDATE sqlite_sequence SET seq = seq + ?1 WHERE name = 'job_events'", [SEEN_IN_A_SECOND])
        });
        left.map(drop).map_err(|error| self.failure("leave a gap in", &error))
    }

    /// Leaves a sign of life, so that whoever reads the file knows how old its silence is.
    ///
    /// Errors: as [`Store::commit`].
    pub fn give_sign(&mut self, at: Wall) -> Result<(), StoreError> {
        let given = self.transact(Durability::HandedToSystem, |conn| {
            let sign = "INSERT INTO appliance (key, value) VALUES ('alive_at', ?1)
                        ON CONFLICT (key) DO UPDATE SET value = excluded.value";
            conn.prepare_cached(sign)?.execute([at.to_string()])
        });
        given.map(drop).map_err(|error| self.failure("give a sign of life in", &error))
    }

    /// Names this database: a ULID, made with it.
    pub fn epoch(&self) -> Epoch {
        self.epoch.clone()
    }

    /// One transaction at the given durability. `PRAGMA synchronous` cannot change inside one, and is left alone where it
    /// stands right already.
    pub(super) fn transact<T>(
        &mut self,
        durability: Durability,
        write: impl FnOnce(&Connection) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        let conn = &mut self.queries.conn;
        if self.set_for != durability {
            let level = match durability {
                Durability::HandedToSystem => "NORMAL",
                Durability::OnDisk => "FULL",
            };
            conn.pragma_update(None, "synchronous", level)?;
            self.set_for = durability;
        }
        let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let written = write(&transaction)?;
        transaction.commit()?;
        self.unsynced = durability == Durability::HandedToSystem;
        Ok(written)
    }
}

fn write(conn: &Connection, change: &Change, refused: &mut Vec<RefusedRow>) -> rusqlite::Result<()> {
    let (job, what, result) = match change {
        Change::Progress(job) => return jobs::write(conn, job, jobs::Extent::Progress, refused),
        Change::Declared(job) | Change::Ended(job) => {
            return jobs::write(conn, job, jobs::Extent::Everything, refused);
        }
        Change::Forgotten(job) => (job, RefusedWhat::Job, jobs::forget(conn, job)),
        Change::Sequence(sequence) => return raise_sequence(conn, *sequence),
        // No rule of its table could refuse it.
        Change::ChangeIdReceived(received) => return history::write_received(conn, received).map(drop),
        Change::ChangeIdSpooled(received) => return spool::add(conn, received),
        Change::ChangeIdSent(number) => return spool::sent(conn, *number),
        Change::ChangeIdKnown(known) => return spool::remember(conn, known),
        Change::ChangeIdServed(served) => return history::write_served(conn, served),
        Change::CapacitySeen(seen) => return capacities::keep(conn, seen),
        Change::Entry(entry) => (&entry.job, RefusedWhat::Entry, events::write_entry(conn, entry)),
        Change::SourceEntry(entry) => {
            (&entry.job, RefusedWhat::SourceEntry(entry.id), events::write_source_entry(conn, entry))
        }
        Change::StepBegan(step) => (&step.job, RefusedWhat::Step(step.stage), events::begin_step(conn, step)),
        Change::StepEnded(end) => (&end.job, RefusedWhat::Step(end.stage), events::end_step(conn, end)),
        Change::History(entry) => (&entry.job, RefusedWhat::History(entry.disk.clone()), history::write(conn, entry)),
    };
    if let Written::Refused(reason) = row_result(result)? {
        refused.push(RefusedRow { job: job.clone(), what, reason });
    }
    Ok(())
}

/// Never lowers it: a sequence that came back would hide changes from whoever remembers the higher one.
fn raise_sequence(conn: &Connection, sequence: u64) -> rusqlite::Result<()> {
    conn.prepare_cached(
        "UPDATE appliance SET value = CAST(?1 AS TEXT) WHERE key = 'sequence' AND CAST(value AS INTEGER) < ?1",
    )?
    .execute(params![jobs::integer(sequence)])
    .map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::id::{JobId, VmaName};
    use crate::model::job::Job;

    fn job(number: usize) -> Change {
        let id = JobId::parse(&format!("job-{number}")).expect("an id");
        let vma = VmaName::parse("site-a").expect("a name");
        Change::Progress(Box::new(Job::new(id, vma, Wall::from_unix_millis(0))))
    }
    fn synchronous(store: &Store) -> i64 {
        store.conn.query_row("PRAGMA synchronous", [], |row| row.get(0)).expect("a level")
    }

    #[test]
    fn r28_each_commit_has_the_durability_that_it_asks_for() {
        let mut store = Store::in_memory().expect("a store");
        const NORMAL: i64 = 1;
        const FULL: i64 = 2;
        for (durability, level) in
            [(Durability::HandedToSystem, NORMAL), (Durability::OnDisk, FULL), (Durability::HandedToSystem, NORMAL)]
        {
            store.commit(&[job(1)], durability).expect("a commit");
            assert_eq!(synchronous(&store), level);
        }
        store.make_durable().expect("a commit");
        assert_eq!(synchronous(&store), FULL);
    }

    #[test]
    fn r27_a_full_disk_writes_nothing_and_the_same_call_works_when_there_is_room() {
        let mut store = Store::in_memory().expect("a store");
        let pages: i64 = store.conn.query_row("PRAGMA page_count", [], |row| row.get(0)).expect("a number");
        let changes: Vec<Change> = (0..2000).map(job).collect();
        store.conn.pragma_update(None, "max_page_count", pages + 2).expect("a limit");
        let error = store.commit(&changes, Durability::OnDisk).expect_err("no room");
        assert!(matches!(error, StoreError::Full { .. }), "{error}");
        assert!(error.to_string().contains("free space"), "{error}");
        assert!(store.jobs().expect("a read").is_empty());

        store.conn.pragma_update(None, "max_page_count", 1_000_000).expect("a limit");
        assert_eq!(store.commit(&changes, Durability::OnDisk), Ok(Vec::new()));
        assert_eq!(store.jobs().expect("a read").len(), 2000);
    }
}
