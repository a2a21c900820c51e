//! The database and those who wait for it.
//!
//! Error policy: a database that cannot be written stops nothing. What is unwritten is kept, in order and within
//! bounds, and is tried again; answers that must not be given before it is written are held, for as long as a mover
//! waits, and then are honest refusals.

use std::collections::BTreeMap;
use std::time::Duration;

use smol::channel::Sender;

use crate::model::change::{Change, ReceivedChangeId};
use crate::model::id::JobId;
use crate::model::job::Job;
use crate::model::time::{Mono, Now};
use crate::policy::outbox::Outbox;
use crate::store::{Durability, RefusedRow, Store, StoreError};
use crate::wire::http::Response;
use crate::wire::problem::{Kind, Problem};

/// How soon a write that failed is tried again.
const RETRY_AFTER: Duration = Duration::from_millis(250);
/// How long an answer is held; a mover waits for 5 s (`wire.md`).
const HOLD_FOR: Duration = Duration::from_secs(4);

/// When what was handed to the operating system is made durable.
const DURABLE_AFTER: Duration = Duration::from_secs(1);

/// How often a sign of life is left; readers take three missing ones for a death.
const SIGN_EVERY: Duration = Duration::from_secs(10);

/// How far the two clocks may part between two signs; more than that, and somebody has set the wall clock.
const CLOCK_IS_SET: Duration = Duration::from_secs(1);

/// The answer to one request, and who waits for it.
#[derive(Debug)]
pub struct Reply {
    /// Who waits; a caller that has gone is no error.
    pub to: Sender<Response>,
    /// What to answer.
    pub response: Response,
}

/// The database, what is not yet written to it, and the answers that wait for that.
#[derive(Debug)]
pub struct Ledger {
    store: Store,
    outbox: Outbox,
    held: Vec<(Mono, Reply)>,
    retry_at: Option<Mono>,
    durable_at: Option<Mono>,
    /// The log says that what is written cannot be made durable.
    is_undurable: bool,
    waits_for_disk: bool,
    /// When the last sign of life was left.
    signed: Option<Now>,
}

impl Ledger {
    /// A ledger in which all is written. `waits_for_disk`: rows that cannot be had again are on the disk before anyone is
    /// told (R-28, OMA); otherwise they are handed to the operating system, and on the disk within a second (R-11, VMA).
    /// The spool's are always on the disk first.
    pub fn new(store: Store, waits_for_disk: bool) -> Self {
        Self {
            store,
            outbox: Outbox::default(),
            held: Vec::new(),
            retry_at: None,
            durable_at: None,
            is_undurable: false,
            waits_for_disk,
            signed: None,
        }
    }
    /// For reading.
    pub fn store(&self) -> &Store {
        &self.store
    }
    /// For the authority's books, of which each step is a transaction of its own.
    pub fn store_mut(&mut self) -> &mut Store {
        &mut self.store
    }
    /// Refuses a change while no more records may come in, before anything has changed.
    ///
    /// # Errors
    /// The refusal, for the caller.
    pub fn check_room(&self) -> Result<(), Problem> {
        if !self.is_full() {
            return Ok(());
        }
        let what = format!("{} changes wait for the database, and no more can be kept", self.outbox.changes().len());
        Err(Problem::new(Kind::Database, what)
            .with_remedy("repeat the request; the daemon's log says what is wrong with the database"))
    }
    /// True while no more records may come in.
    pub fn is_full(&self) -> bool {
        self.outbox.is_full()
    }
    /// True where the database holds all that was decided.
    pub fn is_clean(&self) -> bool {
        self.outbox.is_empty()
    }
    /// Holds an answer until all that was decided so far is written.
    pub fn hold(&mut self, now: Now, reply: Reply) {
        self.held.push((now.mono + HOLD_FOR, reply));
    }

    /// Takes changes in; they are written when the wake-up settles.
    pub fn take(&mut self, changes: Vec<Change>) {
        super::log::write(&changes);
        self.outbox.extend(changes);
    }
    /// The newest row of a job: the one that waits, else the stored one.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn job(&self, id: &JobId) -> Result<Option<Job>, StoreError> {
        match self.outbox.row(id) {
            Some(waiting) => Ok(Some(waiting.clone())),
            None => self.store.job(id),
        }
    }
    /// All jobs and the sequence as they were last decided: what waits stands before what is stored.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn all(&self) -> Result<(Vec<Job>, u64), StoreError> {
        let mut jobs: BTreeMap<JobId, Job> = self.store.jobs()?.into_iter().map(|job| (job.id.clone(), job)).collect();
        let mut sequence = self.store.sequence()?;
        for change in self.outbox.changes() {
            match change {
                Change::Progress(job) | Change::Declared(job) | Change::Ended(job) => {
                    drop(jobs.insert(job.id.clone(), (**job).clone()));
                }
                Change::Forgotten(id) => drop(jobs.remove(id)),
                Change::Sequence(waiting) => sequence = sequence.max(*waiting),
                Change::Entry(_) | Change::StepBegan(_) | Change::StepEnded(_) => {}
                Change::History(_) | Change::ChangeIdReceived(_) | Change::SourceEntry(_) => {}
                Change::ChangeIdSpooled(_) | Change::ChangeIdSent(_) | Change::ChangeIdKnown(_) => {}
                Change::CapacitySeen(_) | Change::ChangeIdServed(_) => {}
            }
        }
        let mut jobs: Vec<Job> = jobs.into_values().collect();
        // As the store gives them: of jobs that had one name after another the last counts.
        jobs.sort_by(|one, other| (one.created_at, &one.id).cmp(&(other.created_at, &other.id)));
        Ok((jobs, sequence))
    }
    /// The change ids that arrived under a job id, the oldest first: the stored ones, then those that wait.
    ///
    /// # Errors
    /// Where the database cannot be read.
    pub fn received_change_ids(&self, id: &JobId) -> Result<Vec<ReceivedChangeId>, StoreError> {
        let mut received = self.store.received_change_ids(id)?;
        received.extend(self.outbox.changes().iter().filter_map(|change| match change {
            Change::ChangeIdReceived(waiting) if waiting.job == id.as_str() => Some(waiting.clone()),
            _ => None,
        }));
        Ok(received)
    }

    /// True where entries of a job's log wait for the database.
    pub fn has_unwritten_entries(&self, id: &JobId) -> bool {
        self.outbox.changes().iter().any(|change| matches!(change, Change::Entry(entry) if entry.job == *id))
    }

    /// Writes all that waits in one transaction, then gives the held answers. Returns the rows that were refused while the
    /// rest of their jobs was written.
    pub fn settle(&mut self, now: Now) -> Vec<RefusedRow> {
        let is_due = self.retry_at.is_none_or(|at| at <= now.mono);
        let refused = if is_due { self.write(now) } else { Vec::new() };
        if self.durable_at.is_some_and(|at| at <= now.mono) {
            self.make_durable(now);
        }
        self.answer(now);
        refused
    }

    /// Leaves a sign of life in the database, every 10 s at most. Where that fails its absence tells, and so it does where
    /// the rows cannot be written: they are as old as the last sign, however well this one place could be.
    pub fn give_sign(&mut self, now: Now) {
        if self.retry_at.is_none() && self.signed.is_none_or(|last| is_sign_due(last, now)) {
            self.signed = Some(now);
            if let Err(error) = self.store.give_sign(now.wall) {
                log::debug!("{error}");
            }
        }
    }

    /// When to settle again if nothing happens.
    pub fn next_deadline(&self) -> Option<Mono> {
        let first_held = self.held.iter().map(|(until, _)| *until).min().filter(|_| self.retry_at.is_some());
        [self.retry_at, self.durable_at, first_held].into_iter().flatten().min()
    }

    /// Makes all that was written durable, before the process ends. Says what could not be written.
    pub fn close(&mut self, now: Now) {
        self.write(now);
        if !self.outbox.is_empty() {
            let waiting = self.outbox.changes().len();
            log::error!("{waiting} changes could not be written and end with this process; nobody was told of them");
        }
        self.make_durable(now);
    }

    fn write(&mut self, now: Now) -> Vec<RefusedRow> {
        if self.outbox.is_empty() {
            return Vec::new();
        }
        let is_durable = (self.waits_for_disk && self.outbox.is_irreplaceable()) || self.outbox.is_of_spool();
        let durability = if is_durable { Durability::OnDisk } else { Durability::HandedToSystem };
        match self.store.commit(self.outbox.changes(), durability) {
            Ok(refused) => {
                if self.retry_at.take().is_some() {
                    log::info!("the database is written again: {} changes", self.outbox.changes().len());
                }
                self.outbox.written();
                // Only the VMA promises the last second of progress to survive a power cut; the OMA polls it again.
                if !self.waits_for_disk {
                    self.durable_at = self.durable_at.or(Some(now.mono + DURABLE_AFTER));
                }
                refused
            }
            Err(error) => {
                if self.retry_at.is_none() {
                    log::error!("{error}; {} changes wait and are tried again", self.outbox.changes().len());
                }
                self.retry_at = Some(now.mono + RETRY_AFTER);
                Vec::new()
            }
        }
    }

    fn make_durable(&mut self, now: Now) {
        self.durable_at = None;
        match self.store.make_durable() {
            Ok(()) => self.is_undurable = false,
            Err(error) => {
                if !std::mem::replace(&mut self.is_undurable, true) {
                    log::error!("{error}; tried again every second");
                }
                self.durable_at = Some(now.mono + DURABLE_AFTER);
            }
        }
    }

    fn answer(&mut self, now: Now) {
        let is_written = self.outbox.is_empty();
        for (until, reply) in std::mem::take(&mut self.held) {
            if is_written {
                send(reply);
            } else if until <= now.mono {
                let problem = Problem::new(Kind::Database, "the database cannot be written; nothing was lost")
                    .with_remedy("repeat the request; the daemon's log says what is wrong with the database");
                send(Reply { to: reply.to, response: problem.into() });
            } else {
                self.held.push((until, reply));
            }
        }
    }
}

/// True where the last sign of life is old, or where the wall clock has been set since: readers, who have only that clock,
/// would take a living daemon for a dead one, or a dead one for a living.
fn is_sign_due(last: Now, now: Now) -> bool {
    let passed = now.mono.since(last.mono);
    let shown = i128::from(now.wall.unix_millis()) - i128::from(last.wall.unix_millis());
    let set_by = Duration::from_millis(u64::try_from((shown - passed.as_millis() as i128).abs()).unwrap_or(u64::MAX));
    passed >= SIGN_EVERY || set_by > CLOCK_IS_SET
}

/// Gives an answer at once. A caller that has gone is no error.
pub fn send(reply: Reply) {
    if reply.to.try_send(reply.response).is_err() {
        log::debug!("a caller left before its answer");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::Wall;

    fn at(millis: u64) -> Now {
        Now { mono: Mono::from_millis(millis), wall: Wall::from_unix_millis(0) }
    }

    /// What was only handed to the system is brought to the disk a second later, which the database counts.
    #[test]
    fn r28_r31_a_change_id_is_on_the_disk_at_once_on_the_vma_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("vma.db");
        let mut ledger = Ledger::new(Store::open(&file).expect("a store"), false);
        let made_durable = || {
            let other = rusqlite::Connection::open(&file).expect("readable");
            let count = other.query_row("SELECT value FROM appliance WHERE key = 'made_durable'", [], |row| row.get(0));
            count.map(|count: String| count.parse::<u32>()).expect("a row").expect("a number")
        };
        let received = ReceivedChangeId {
            job: "job-1".to_owned(),
            disk: String::new(),
            vm_path: None,
            change_id: "*".to_owned(),
            previous_change_id: None,
            received_at: Wall::from_unix_millis(0),
            vma: None,
        };
        ledger.take(vec![Change::Sequence(1), Change::ChangeIdSpooled(received)]);
        ledger.settle(at(0));
        ledger.settle(at(2000));
        assert_eq!((ledger.store().unsent_count(), made_durable()), (Ok(1), 0), "nothing was left to be brought");
        ledger.take(vec![Change::Sequence(2)]);
        ledger.settle(at(3000));
        ledger.settle(at(5000));
        assert_eq!(made_durable(), 1);
    }

    #[test]
    fn a_sign_of_life_is_due_after_its_time_and_where_the_wall_clock_was_set() {
        let at = |mono, wall| Now { mono: Mono::from_millis(mono), wall: Wall::from_unix_millis(wall) };
        let last = at(5000, 1_000_000);
        for (now, is_due) in [
            (at(5000, 1_000_000), false),
            (at(14_999, 1_009_999), false),
            (at(15_000, 1_010_000), true),
            // A clock that is steered a little is not set.
            (at(6000, 1_001_900), false),
            (at(6000, 999_900), true),
            (at(6000, 87_401_000), true),
            (at(6000, i64::MIN), true),
        ] {
            assert_eq!(is_sign_due(last, now), is_due, "{now:?}");
        }
    }
}
