//! One VMA of the world: its source, its database, its clock, and what a test may do to it.

use std::collections::BTreeSet;
use std::time::Duration;

use waybill::model::change::Change;
use waybill::model::id::{Epoch, JobId, VmaName};
use waybill::model::job::Job;
use waybill::model::progress::Progress;
use waybill::model::source_log::LogPage;
use waybill::model::status::JobStatus;
use waybill::model::time::{Mono, Now};
use waybill::policy::dice::Dice;
use waybill::policy::outbox::Outbox;
use waybill::policy::refusal::Refusal;
use waybill::policy::source::{Source, SourceSettings, WhichRun};
use waybill::store::{Durability, Store};

use crate::disk::{Death, Disk};
use crate::invariants::Invariants;
use crate::link::Link;

/// What a VMA that is no waybill answers to a poll: status and body.
pub type Stub = fn(&JobId) -> (u16, String);

/// One VMA behind its link.
pub struct Vma {
    pub name: VmaName,
    pub source: Source,
    pub store: Store,
    pub link: Link,
    /// Answers in place of the source.
    pub stub: Option<Stub>,
    /// An older VMA: its documents have no sequence and no epoch, and it has no list.
    pub is_old: bool,
    /// True while the mover's host or the daemon is down: pushes are lost.
    pub is_down: bool,
    /// How far its wall clock is ahead of the world's, in milliseconds.
    pub ahead_ms: i64,
    /// How long it answers for jobs that have ended.
    pub keep_finished: Duration,
    /// Which database this is; each replaced one gets the next number.
    pub databases: u32,
    /// True once the database was replaced or restored: it may know less than was told before.
    pub was_set_back: bool,
    /// Jobs that have ever succeeded here.
    pub succeeded: BTreeSet<JobId>,
    /// Ids of jobs that are not answered for any more; what comes under them later is another run.
    pub forgotten: BTreeSet<JobId>,
    /// Where its database is a real file.
    pub disk: Option<Disk>,
    /// What the last sync is known to have covered, and when there was something newer first.
    synced: Vec<Job>,
    unsynced_since: Option<Mono>,
    outbox: Outbox,
    rules: Invariants,
}

/// A copy of a VMA's database.
#[derive(Clone)]
pub struct Backup {
    jobs: Vec<Job>,
    sequence: u64,
}

impl Vma {
    pub fn new(name: VmaName, now: Now) -> Self {
        let source = Source::resume(source_settings(&name, 1), 0, Vec::new(), now);
        let keep_finished = source_settings(&name, 1).keep_finished;
        let (outbox, rules) = Default::default();
        Self {
            name,
            source,
            store: Store::in_memory().expect("a database"),
            link: Link::good(),
            stub: None,
            is_old: false,
            is_down: false,
            ahead_ms: 0,
            keep_finished,
            databases: 1,
            was_set_back: false,
            succeeded: BTreeSet::new(),
            forgotten: BTreeSet::new(),
            disk: None,
            synced: Vec::new(),
            unsynced_since: None,
            outbox,
            rules,
        }
    }

    /// Does something to the source and writes what came of it before anybody is answered.
    pub fn act<T>(&mut self, now: Now, what: impl FnOnce(&mut Source) -> Result<T, Refusal>) -> Result<T, Refusal> {
        assert!(!self.is_down, "a push to a VMA that is down");
        self.sync_in_time(now);
        self.source.elapse(now);
        let result = what(&mut self.source);
        let changes = self.source.changes();
        self.rules.check(&changes);
        for change in &changes {
            match change {
                Change::Ended(job) if job.status == JobStatus::Succeeded => drop(self.succeeded.insert(job.id.clone())),
                Change::Forgotten(id) => drop(self.forgotten.insert(id.clone())),
                _ => {}
            }
        }
        self.outbox.extend(changes);
        if !self.outbox.is_empty() {
            self.unsynced_since = self.unsynced_since.or(Some(now.mono));
        }
        commit(&mut self.store, &mut self.outbox, &mut self.rules, Durability::HandedToSystem);
        result
    }

    /// What was handed to the system is on the disk a second later.
    fn sync_in_time(&mut self, now: Now) {
        let is_due = self.unsynced_since.is_some_and(|since| now.mono.since(since) >= Duration::from_secs(1));
        if let Some(disk) = self.disk.as_mut().filter(|_| is_due) {
            self.store.make_durable().expect("synced");
            disk.committed(Durability::OnDisk);
            self.synced = self.store.jobs().expect("readable");
            self.unsynced_since = None;
        }
    }

    /// Its database is a real file from now on.
    pub fn live_on_disk(&mut self) {
        let disk = Disk::new();
        self.store = disk.open();
        (self.disk, self.synced, self.unsynced_since) = (Some(disk), Vec::new(), None);
    }

    /// The process or its machine dies, and starts again with what the death has left.
    pub fn die(&mut self, now: Now, death: Death, dice: &mut Dice) {
        self.sync_in_time(now);
        let Some(disk) = &mut self.disk else { return };
        let left = disk.die(std::mem::replace(&mut self.store, Store::in_memory().expect("a database")), death, dice);
        self.store = left;
        let jobs = self.store.jobs().expect("readable");
        self.was_set_back |= death == Death::PowerCut;
        for was in self.synced.iter().filter(|job| !self.forgotten.contains(&job.id)) {
            let is = jobs.iter().find(|job| job.id == was.id).unwrap_or_else(|| panic!("{} is lost", was.id));
            let bytes = |job: &Job| job.totals.bytes_transferred;
            assert!(
                is.source_sequence >= was.source_sequence && bytes(is) >= bytes(was),
                "{}: {was:?} -> {is:?}",
                is.id
            );
        }
        self.rules = Invariants::knowing(&jobs);
        self.store.leave_gap().expect("written");
        self.unsynced_since = None;
        self.restart_with(now, jobs);
    }

    /// What it says of a job, as its shell does: with the end of the log that the database holds.
    pub fn document(&self, now: Now, id: &JobId) -> Option<Progress> {
        let said = self.source.document(now, id, WhichRun::Exactly)?;
        let log = self.store.newest_entry(&said.job).expect("readable");
        Some(Progress { log, ..said })
    }
    /// The entries of a job's log after one of them; `None` for a job that it does not know.
    pub fn log_after(&self, id: &JobId, after: u64) -> Option<LogPage> {
        let job = self.source.job(id).filter(|_| !self.is_old && self.stub.is_none())?;
        let epoch = source_settings(&self.name, self.databases).epoch;
        Some(self.store.log_after(&epoch, &job.id, after).expect("readable"))
    }

    /// `kill -9` and a new start: only the database remembers.
    pub fn restart(&mut self, now: Now) {
        let jobs = self.store.jobs().expect("readable");
        self.restart_with(now, jobs);
    }
    /// The same, with the rows in another order.
    pub fn restart_with(&mut self, now: Now, jobs: Vec<Job>) {
        let sequence = self.store.sequence().expect("readable");
        let settings =
            SourceSettings { keep_finished: self.keep_finished, ..source_settings(&self.name, self.databases) };
        self.source = Source::resume(settings, sequence, jobs, now);
    }

    /// The database is lost: another one begins, empty and under another epoch.
    pub fn replace(&mut self, now: Now) {
        self.databases += 1;
        self.restore(now, &Backup { jobs: Vec::new(), sequence: 0 });
    }
    /// What a copy of the database would hold now.
    pub fn backup(&self) -> Backup {
        Backup { jobs: self.store.jobs().expect("readable"), sequence: self.store.sequence().expect("readable") }
    }
    /// A copy takes the place of the database: the same epoch, an earlier sequence.
    pub fn restore(&mut self, now: Now, backup: &Backup) {
        self.was_set_back = true;
        match self.disk.is_some() {
            true => self.live_on_disk(),
            false => self.store = Store::in_memory().expect("a database"),
        }
        self.rules = Invariants::knowing(&backup.jobs);
        let rows = backup.jobs.iter().map(|job| Change::Declared(Box::new(job.clone())));
        self.outbox.extend(rows.chain([Change::Sequence(backup.sequence)]));
        let refused = self.store.commit(self.outbox.changes(), Durability::HandedToSystem).expect("written");
        assert!(refused.is_empty(), "rows were refused: {refused:?}");
        self.outbox.written();
        self.restart(now);
    }
}

/// How a VMA's source behaves; each database has its own epoch.
pub fn source_settings(name: &VmaName, database: u32) -> SourceSettings {
    SourceSettings {
        name: name.clone(),
        // Not the store's own, which is another in every run.
        epoch: Epoch::parse(&format!("epoch-{database}")).expect("an epoch"),
        auto_initialize: true,
        keep_finished: Duration::from_secs(7 * 24 * 3600),
        failed_grace: Duration::from_secs(120),
        plans: true,
        // Another database makes other correlation ids.
        seed: 41 + u64::from(database),
    }
}

/// Writes what waits in one transaction, which the rules judge.
pub fn commit(store: &mut Store, outbox: &mut Outbox, rules: &mut Invariants, durability: Durability) {
    rules.check_edges(outbox.changes());
    let refused = store.commit(outbox.changes(), durability).expect("written");
    assert!(refused.is_empty(), "rows were refused: {refused:?}");
    outbox.written();
    rules.check_rows(store);
}
