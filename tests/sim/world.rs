//! The world: one virtual clock, VMAs behind links, one OMA with its database, and what a test may do to them and see of
//! them. How time passes is in `traffic`.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use waybill::limits;
use waybill::model::change::{Change, ReceivedChangeId};
use waybill::model::id::{JobId, VmaName};
use waybill::model::job::Job;
use waybill::model::percent::Percent;
use waybill::model::record::LogRecord;
use waybill::model::status::JobStatus;
use waybill::model::time::{Mono, Now, Wall};
use waybill::policy::backoff::Backoff;
use waybill::policy::dice::Dice;
use waybill::policy::fleet::{Action, Admitted, Fleet, FleetSettings, Input, OnStall, Sender};
use waybill::policy::outbox::Outbox;
use waybill::policy::refusal::Refusal;
use waybill::policy::source::{Declared, Pushed};
use waybill::policy::throttle::ThrottleSettings;
use waybill::store::{Durability, Store};
use waybill::wire::{changeid, job, progress, update};

use crate::disk::{Death, Disk};
use crate::invariants::Invariants;
use crate::traffic::Happening;
use crate::vma::Vma;

/// The wall clock at the world's beginning: 2026-11-23T17:00:00Z.
const BEGINNING: i64 = 1_795_453_200_000;

/// Everything there is.
pub struct World {
    pub vmas: Vec<Vma>,
    pub fleet: Fleet,
    pub store: Store,
    /// Where the OMA's database is a real file.
    pub disk: Option<Disk>,
    pub settings: FleetSettings,
    /// When each poll was sent.
    pub polls: Vec<(u64, JobId)>,
    /// Job rows that were written, by the moment of their commit.
    pub writes: Vec<(u64, JobId)>,
    /// False while the OMA's database takes nothing.
    pub is_writable: bool,
    /// Unwritten changes at which the polls pause.
    pub most_unwritten: usize,
    /// How long a commit of the OMA takes, in which nothing else of the OMA runs.
    pub commit_ms: u64,
    /// How far the OMA's wall clock is ahead of the world's, in milliseconds.
    pub ahead_ms: i64,
    /// Wake-ups and happenings so far.
    pub steps: u64,
    /// Answers that came to the OMA though no poll waited for them.
    pub strays: u64,
    pub(crate) now_ms: u64,
    /// True while a wake-up takes more in before it settles.
    pub(crate) is_awake: bool,
    pub(crate) busy_until: u64,
    pub(crate) serial: u64,
    pub(crate) process: u32,
    pub(crate) dice: Dice,
    pub(crate) outbox: Outbox,
    pub(crate) decided: Vec<Action>,
    pub(crate) to_tell: Vec<Action>,
    pub(crate) rules: Invariants,
    pub(crate) in_flight: BTreeSet<JobId>,
    /// Reads of VMAs' logs that are on the way; they are no polls.
    pub(crate) log_reads: BTreeSet<JobId>,
    pub(crate) touched: BTreeSet<JobId>,
    pub(crate) events: BTreeMap<(u64, u64), Happening>,
}

/// R-20 to R-26 as the configuration has them by default.
pub fn default_settings(seed: u64) -> FleetSettings {
    let seconds = Duration::from_secs;
    FleetSettings {
        backoff: Backoff {
            interval: seconds(2),
            failures_before_backoff: 3,
            longest: seconds(30),
            lost_after: seconds(300),
        },
        queued_timeout: seconds(3600),
        stall_after: seconds(300),
        on_stall: OnStall::Warn,
        throttle: ThrottleSettings {
            min_percent: Percent::from_hundredths(100),
            min_interval: seconds(2),
            contact_refresh: seconds(30),
        },
        vmas: vec![VmaName::parse("site-a").expect("a name")],
        discover: false,
        seed,
    }
}

pub fn job_id(id: &str) -> JobId {
    JobId::parse(id).expect("a job id")
}

impl World {
    /// One VMA, `site-a`, behind a good link, and an OMA that tracks nothing yet.
    pub fn new(seed: u64) -> Self {
        Self::with(default_settings(seed))
    }
    /// The same with other settings; a VMA for each that they name.
    pub fn with(settings: FleetSettings) -> Self {
        let vmas = settings.vmas.iter().map(|name| Vma::new(name.clone(), at(0, 0))).collect();
        let seed = settings.seed;
        Self {
            vmas,
            fleet: Fleet::resume(settings.clone(), Vec::new(), at(0, 0)),
            store: Store::in_memory().expect("a database"),
            disk: None,
            settings,
            polls: Vec::new(),
            writes: Vec::new(),
            is_writable: true,
            most_unwritten: limits::UNWRITTEN_CHANGES,
            commit_ms: 0,
            ahead_ms: 0,
            steps: 0,
            strays: 0,
            now_ms: 0,
            is_awake: false,
            busy_until: 0,
            serial: 0,
            process: 0,
            dice: Dice::new(seed),
            outbox: Outbox::default(),
            decided: Vec::new(),
            to_tell: Vec::new(),
            rules: Invariants::default(),
            in_flight: BTreeSet::new(),
            log_reads: BTreeSet::new(),
            touched: BTreeSet::new(),
            events: BTreeMap::new(),
        }
    }

    /// The OMA's clocks.
    pub fn now(&self) -> Now {
        at(self.now_ms, self.ahead_ms)
    }
    /// The clocks of a VMA, by its place.
    pub fn vma_now(&self, vma: usize) -> Now {
        at(self.now_ms, self.vmas[vma].ahead_ms)
    }
    pub fn now_ms(&self) -> u64 {
        self.now_ms
    }

    /// Does something at a moment.
    pub fn at(&mut self, at_ms: u64, script: impl FnOnce(&mut World) + 'static) {
        self.schedule(at_ms, Happening::Script(Box::new(script)));
    }
    /// A mover's push to `site-a` at a moment; movers go on whatever the answer.
    pub fn push_at(&mut self, at_ms: u64, id: &str, body: String) {
        let id = id.to_owned();
        self.at(at_ms, move |world| {
            world.push(&id, &body).ok();
        });
    }
    /// A copy as movers do it: a start, a report every 2 s, an end. Returns the moment of the end.
    pub fn copy(&mut self, from_ms: u64, id: &str, disk: Option<&str>, total: u64, rate: u64) -> u64 {
        use crate::movers::{completed, of_disk, run, start};
        let named = |body: String| disk.map_or(body.clone(), |disk| of_disk(disk, &body));
        self.push_at(from_ms, id, named(start()));
        let (mut moment, mut bytes) = (from_ms, 0);
        while bytes < total {
            moment += 2000;
            bytes = (bytes + rate * 2).min(total);
            self.push_at(moment, id, named(run(bytes, total)));
        }
        self.push_at(moment + 100, id, named(completed(total)));
        moment + 100
    }

    /// A push to `site-a` now.
    pub fn push(&mut self, id: &str, body: &str) -> Result<Pushed, Refusal> {
        self.push_to(0, id, body)
    }
    /// A push to the VMA at a place.
    pub fn push_to(&mut self, vma: usize, id: &str, body: &str) -> Result<Pushed, Refusal> {
        let (now, push) = (self.vma_now(vma), update::parse(body.as_bytes()).expect(body));
        self.vmas[vma].act(now, |source| source.push(now, &job_id(id), &push))
    }
    /// A declaration on `site-a` now.
    pub fn declare(&mut self, id: &str, body: &str) -> Result<Declared, Refusal> {
        self.declare_to(0, id, body)
    }
    /// A declaration on the VMA at a place.
    pub fn declare_to(&mut self, vma: usize, id: &str, body: &str) -> Result<Declared, Refusal> {
        let (now, declaration) = (self.vma_now(vma), job::parse_declaration(body.as_bytes()).expect(body));
        self.vmas[vma].act(now, |source| source.declare(now, &job_id(id), &declaration))
    }
    /// Ends a job on `site-a` now.
    pub fn finish(&mut self, id: &str, body: &str) -> Result<(), Refusal> {
        self.finish_at(0, id, body)
    }
    /// Ends a job on the VMA at a place.
    pub fn finish_at(&mut self, vma: usize, id: &str, body: &str) -> Result<(), Refusal> {
        let (now, outcome) = (self.vma_now(vma), job::parse_finish(body.as_bytes()).expect(body));
        self.vmas[vma].act(now, |source| source.finish(now, &job_id(id), &outcome))
    }
    /// Tracks a job now, as `POST /api/v1/jobs` does.
    pub fn track(&mut self, body: &str) -> Result<Admitted, Refusal> {
        self.wait_for_oma();
        let request = job::parse_track(body.as_bytes()).expect(body);
        let (now, stored) = (self.now(), self.stored(&request.job));
        let admitted = self.fleet.track(now, &request, stored.as_ref());
        if admitted.is_ok() {
            self.recall(&request.job);
        }
        self.settle();
        admitted
    }
    /// Tracks a job of `site-a` of which only the id is known.
    pub fn track_id(&mut self, id: &str) {
        self.track(&format!(r#"{{"id":"{id}","vma":"site-a"}}"#)).expect("tracked");
    }
    /// A mover hands over a change id now.
    pub fn change_id(&mut self, path: &str, body: &str) {
        self.wait_for_oma();
        self.take_changes();
        let report = changeid::parse(body.as_bytes()).expect(body);
        let ended = Some(job_id(path)).filter(|id| self.fleet.job(id).is_none());
        let ended = ended.and_then(|id| self.stored(&id));
        self.fleet.change_id(self.now(), path, &report, Sender::default(), ended.as_ref(), None);
        self.settle();
    }
    /// A mover hands over a change id on the VMA at a place now; the VMA hands it on to the OMA.
    pub fn change_id_by(&mut self, vma: usize, path: &str, body: &str) {
        if self.vmas[vma].is_down {
            return;
        }
        let report = changeid::parse(body.as_bytes()).expect(body);
        let now = self.vma_now(vma);
        self.vmas[vma].act(now, |source| Ok(source.change_id(now, path, &report, None))).expect("kept");
        let received = ReceivedChangeId::new(path, &report, None, now.wall);
        let (id, correlation) = self.vmas[vma].source.way_on(&received);
        let name = self.vmas[vma].name.clone();
        self.wait_for_oma();
        self.take_changes();
        let ended = JobId::parse(&id).ok().filter(|id| self.fleet.job(id).is_none()).and_then(|id| self.stored(&id));
        // The OMA takes no change id of another VMA's job (R-61).
        let owner = self.fleet.job(&job_id(&id)).or(ended.as_ref()).map(|job| job.vma.clone());
        if owner.is_none_or(|owner| owner == name) {
            let (now, ended) = (self.now(), ended.as_ref());
            let sender = Sender { vma: Some(&name), correlation: correlation.as_ref() };
            self.fleet.change_id(now, &id, &report, sender, ended, None);
        }
        self.settle();
    }
    /// Gives a job what the database has of it beside its row, as the shell does.
    pub(crate) fn recall(&mut self, id: &JobId) {
        self.take_changes();
        let mut received = self.store.received_change_ids(id).expect("readable");
        received.extend(self.outbox.changes().iter().filter_map(|change| match change {
            Change::ChangeIdReceived(waiting) if waiting.job == id.as_str() => Some(waiting.clone()),
            _ => None,
        }));
        self.fleet.recall(id, received);
        if let Some(epoch) = self.fleet.job(id).and_then(|job| job.source_epoch.clone()) {
            self.fleet.recall_log(id, self.store.source_log_read(&epoch, id).expect("readable"));
        }
    }
    /// The row of a job that is not tracked, also where it waits for the database.
    pub(crate) fn stored(&self, id: &JobId) -> Option<Job> {
        self.outbox.row(id).cloned().or_else(|| self.store.job(id).expect("readable"))
    }
    pub fn cancel(&mut self, id: &str, reason: &str) -> Result<(), Refusal> {
        self.wait_for_oma();
        let cancelled = self.fleet.cancel(self.now(), &job_id(id), reason);
        self.settle();
        cancelled
    }
    /// Something that the OMA's shell noticed.
    pub fn tell_fleet(&mut self, input: Input) {
        self.wait_for_oma();
        self.fleet.handle(self.now(), input);
        self.settle();
    }
    /// Several things happen in one wake-up of the OMA: nothing is written or sent between them.
    pub fn at_once(&mut self, things: impl FnOnce(&mut World)) {
        self.wait_for_oma();
        self.is_awake = true;
        things(self);
        self.is_awake = false;
        self.settle();
    }
    /// Who asks the OMA for something waits until its commit is over.
    fn wait_for_oma(&mut self) {
        if self.now_ms < self.busy_until {
            let is_awake = std::mem::replace(&mut self.is_awake, true);
            self.run_until(self.busy_until);
            self.is_awake = is_awake;
        }
    }

    /// All databases are real files from now on; nothing has happened yet.
    pub fn live_on_disk(&mut self) {
        let disk = Disk::new();
        self.store = disk.open();
        self.disk = Some(disk);
        self.vmas.iter_mut().for_each(Vma::live_on_disk);
    }

    /// The OMA's process or its machine dies, in mid-wake-up too, and starts again with what the death has left (R-28,
    /// R-29). All records of what was committed are there, and nothing that was told rests on less.
    pub fn kill_oma(&mut self, death: Death, dice: &mut Dice) {
        let Some(disk) = &mut self.disk else { return };
        let records = |store: &Store| -> Vec<_> {
            let jobs = store.jobs().expect("readable");
            let of = |job: &Job| (job.id.clone(), job.status, store.events(&job.id).expect("readable"));
            jobs.iter().map(of).map(|record| format!("{record:?}")).collect()
        };
        let (before, history) = (records(&self.store), self.store.history(None).expect("readable"));
        let store = std::mem::replace(&mut self.store, Store::in_memory().expect("a database"));
        self.store = disk.die(store, death, dice);
        assert_eq!(records(&self.store), before, "{death:?} has taken records");
        assert_eq!(self.store.history(None).expect("readable"), history, "{death:?} has taken history");
        self.start_oma();
    }

    /// The OMA stops between two transactions and starts again: what was on the way or unwritten is lost (R-29).
    pub fn restart_oma(&mut self) {
        self.settle();
        self.start_oma();
    }
    fn start_oma(&mut self) {
        let jobs = self.store.unfinished_jobs().expect("readable");
        (self.outbox, self.decided, self.to_tell) = Default::default();
        self.rules = Invariants::knowing(&self.store.jobs().expect("readable"));
        self.process += 1;
        self.in_flight.clear();
        self.log_reads.clear();
        self.busy_until = self.now_ms;
        let ids: Vec<JobId> = jobs.iter().map(|job| job.id.clone()).collect();
        self.fleet = Fleet::resume(self.settings.clone(), jobs, self.now());
        ids.iter().for_each(|id| self.recall(id));
        for job in self.store.ended_unseen().expect("readable") {
            self.fleet.ended_unseen(self.now(), job);
        }
        for id in self.store.open_source_logs(Fleet::last_logs_since(self.now())).expect("readable") {
            let job = self.store.job(&id).expect("readable").expect("a row");
            let epoch = job.source_epoch.clone().expect("its log was read");
            let read = self.store.source_log_read(&epoch, &id).expect("readable");
            self.fleet.recall_last_log(self.now(), &job, read);
        }
        self.settle();
    }

    /// Another program inserts a row, and the OMA notices (R-30).
    pub fn insert_by_hand(&mut self, id: &str, vma: &str) {
        self.wait_for_oma();
        self.take_changes();
        let vma = VmaName::parse(vma).expect("a name");
        if self.can_be_written_by_hand() && self.stored(&job_id(id)).is_none() {
            let job = Job::new(job_id(id), vma, self.now().wall);
            self.write_by_hand(Change::Progress(Box::new(job.clone())));
            self.fleet.handle(self.now(), Input::Noticed(Box::new(job)));
            self.recall(&job_id(id));
        }
        self.settle();
    }
    /// Another program sets a job to failed, and the OMA notices (R-30).
    pub fn fail_by_hand(&mut self, id: &str) {
        self.wait_for_oma();
        self.take_changes();
        let tracked = self.stored(&job_id(id)).filter(|job| !job.status.is_final());
        if let (true, Some(mut job)) = (self.can_be_written_by_hand(), tracked) {
            (job.status, job.error, job.completed_at) =
                (JobStatus::Failed, Some("by another program".to_owned()), Some(self.now().wall));
            job.totals.throughput_bps = 0;
            self.write_by_hand(Change::Ended(Box::new(job)));
            self.fleet.handle(self.now(), Input::EndedElsewhere(job_id(id), JobStatus::Failed));
        }
        self.settle();
    }
    /// True where another program can write, and the OMA notices at its next look.
    fn can_be_written_by_hand(&self) -> bool {
        self.is_writable && self.outbox.is_empty()
    }
    fn write_by_hand(&mut self, change: Change) {
        // As the sqlite3 shell does.
        let refused = self.store.commit(&[change], Durability::OnDisk).expect("written");
        assert!(refused.is_empty(), "{refused:?}");
        if let Some(disk) = &mut self.disk {
            disk.committed(Durability::OnDisk);
        }
        self.rules = Invariants::knowing(&self.store.jobs().expect("readable"));
    }
    /// True where nothing waits for the OMA's database.
    pub fn is_written(&self) -> bool {
        self.outbox.is_empty()
    }
    /// The job's row as SQLite has it.
    pub fn row(&self, id: &str) -> Job {
        self.store.job(&job_id(id)).expect("readable").expect("a row")
    }
    /// The job's log on the OMA.
    pub fn events(&self, id: &str) -> Vec<LogRecord> {
        self.store.events(&job_id(id)).expect("readable")
    }
    /// How often an event stands in the job's log on the OMA.
    pub fn count(&self, id: &str, event: &str) -> usize {
        self.events(id).iter().filter(|row| row.event == event).count()
    }
    /// The messages of an event in the job's log on the OMA.
    pub fn messages(&self, id: &str, event: &str) -> Vec<String> {
        self.events(id).into_iter().filter(|row| row.event == event).map(|row| row.message).collect()
    }
    /// What `GET /api/v1/progress/{id}` of `site-a` answers now; `None` for its 404.
    pub fn document(&self, id: &str) -> Option<serde_json::Value> {
        let document = self.vmas[0].document(self.vma_now(0), &job_id(id))?;
        Some(serde_json::from_str(&progress::render(&document)).expect("JSON"))
    }
}

fn at(ms: u64, ahead_ms: i64) -> Now {
    Now { mono: Mono::from_millis(ms), wall: Wall::from_unix_millis(BEGINNING + ms as i64 + ahead_ms) }
}
