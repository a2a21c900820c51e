//! The world: one virtual clock, VMAs behind links, one OMA with its database. The OMA's wake-up is that of the real
//! loop: take what happened, drain the changes into the outbox, one commit, then carry out the actions.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use waybill::limits;
use waybill::model::change::Change;
use waybill::model::id::{Epoch, JobId, VmaName};
use waybill::model::job::Job;
use waybill::model::percent::Percent;
use waybill::model::record::LogRecord;
use waybill::model::request::Outcome;
use waybill::model::time::{Mono, Now, Wall};
use waybill::policy::backoff::Backoff;
use waybill::policy::contact::Miss;
use waybill::policy::fleet::{Action, Admitted, FinishAnswer, Fleet, FleetSettings, Input, OnStall};
use waybill::policy::outbox::Outbox;
use waybill::policy::refusal::Refusal;
use waybill::policy::source::{Declared, Pushed, Source, SourceSettings};
use waybill::policy::throttle::ThrottleSettings;
use waybill::store::{Durability, Store};
use waybill::wire::{changeid, job, progress, update};

use crate::invariants::Invariants;
use crate::link::{Down, Link, TIMEOUT};

/// The wall clock at the world's beginning: 2026-11-23T17:00:00Z.
const BEGINNING: i64 = 1_795_453_200_000;
/// Wake-ups after which a run is taken for one that spins.
const MOST_STEPS: u64 = 5_000_000;

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
    /// True while the mover's host or the daemon is down: pushes are lost.
    pub is_down: bool,
    outbox: Outbox,
    rules: Invariants,
}

enum Happening {
    Poll { job: JobId, vma: VmaName, sent: u64, process: u32 },
    Tell { job: JobId, vma: VmaName, outcome: Outcome, process: u32 },
    Arrived { input: Input, process: u32 },
    Script(Box<dyn FnOnce(&mut World)>),
}

/// Everything there is.
pub struct World {
    pub vmas: Vec<Vma>,
    pub fleet: Fleet,
    pub store: Store,
    pub settings: FleetSettings,
    /// When each poll was sent.
    pub polls: Vec<(u64, JobId)>,
    /// Job rows that were written, by the moment of their commit.
    pub writes: Vec<(u64, JobId)>,
    /// False while the OMA's database takes nothing.
    pub is_writable: bool,
    /// Unwritten changes at which the polls pause.
    pub most_unwritten: usize,
    now_ms: u64,
    steps: u64,
    serial: u64,
    process: u32,
    outbox: Outbox,
    rules: Invariants,
    in_flight: BTreeSet<JobId>,
    touched: BTreeSet<JobId>,
    events: BTreeMap<(u64, u64), Happening>,
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
        let vmas = settings.vmas.iter().map(|name| Vma::new(name.clone(), at(0))).collect();
        Self {
            vmas,
            fleet: Fleet::resume(settings.clone(), Vec::new(), at(0)),
            store: Store::in_memory().expect("a database"),
            settings,
            polls: Vec::new(),
            writes: Vec::new(),
            is_writable: true,
            most_unwritten: limits::UNWRITTEN_CHANGES,
            now_ms: 0,
            steps: 0,
            serial: 0,
            process: 0,
            outbox: Outbox::default(),
            rules: Invariants::default(),
            in_flight: BTreeSet::new(),
            touched: BTreeSet::new(),
            events: BTreeMap::new(),
        }
    }

    pub fn now(&self) -> Now {
        at(self.now_ms)
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
        let (now, push) = (self.now(), update::parse(body.as_bytes()).expect(body));
        self.vmas[0].act(now, |source| source.push(now, &job_id(id), &push))
    }
    /// A declaration on `site-a` now.
    pub fn declare(&mut self, id: &str, body: &str) -> Result<Declared, Refusal> {
        let (now, declaration) = (self.now(), job::parse_declaration(body.as_bytes()).expect(body));
        self.vmas[0].act(now, |source| source.declare(now, &job_id(id), &declaration))
    }
    /// Ends a job on `site-a` now.
    pub fn finish(&mut self, id: &str, body: &str) -> Result<(), Refusal> {
        let (now, outcome) = (self.now(), job::parse_finish(body.as_bytes()).expect(body));
        self.vmas[0].act(now, |source| source.finish(now, &job_id(id), &outcome))
    }
    /// Tracks a job now, as `POST /api/v1/jobs` does.
    pub fn track(&mut self, body: &str) -> Result<Admitted, Refusal> {
        let request = job::parse_track(body.as_bytes()).expect(body);
        let (now, stored) = (self.now(), self.stored(&request.job));
        let admitted = self.fleet.track(now, &request, stored.as_ref());
        self.settle();
        admitted
    }
    /// Tracks a job of `site-a` of which only the id is known.
    pub fn track_id(&mut self, id: &str) {
        self.track(&format!(r#"{{"id":"{id}","vma":"site-a"}}"#)).expect("tracked");
    }
    /// A mover hands over a change id now.
    pub fn change_id(&mut self, path: &str, body: &str) {
        let report = changeid::parse(body.as_bytes()).expect(body);
        let ended = Some(job_id(path)).filter(|id| self.fleet.job(id).is_none());
        let ended = ended.and_then(|id| self.stored(&id));
        self.fleet.change_id(self.now(), path, &report, ended.as_ref());
        self.settle();
    }
    /// The row of a job that is not tracked, also where it waits for the database.
    fn stored(&self, id: &JobId) -> Option<Job> {
        self.outbox.row(id).cloned().or_else(|| self.store.job(id).expect("readable"))
    }
    pub fn cancel(&mut self, id: &str, reason: &str) -> Result<(), Refusal> {
        let cancelled = self.fleet.cancel(self.now(), &job_id(id), reason);
        self.settle();
        cancelled
    }
    /// Something that the OMA's shell noticed.
    pub fn tell_fleet(&mut self, input: Input) {
        self.fleet.handle(self.now(), input);
        self.settle();
    }

    /// The OMA stops between two transactions and starts again: what was on the way is lost (R-29).
    pub fn restart_oma(&mut self) {
        self.settle();
        let jobs = self.store.unfinished_jobs().expect("readable");
        self.process += 1;
        self.in_flight.clear();
        self.fleet = Fleet::resume(self.settings.clone(), jobs, self.now());
        self.settle();
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
        let document = self.vmas[0].source.document(self.now(), &job_id(id))?;
        Some(serde_json::from_str(&progress::render(&document)).expect("JSON"))
    }

    /// Lets time pass up to a moment.
    pub fn run_until(&mut self, end_ms: u64) {
        while self.step(end_ms) {}
        self.now_ms = end_ms;
    }

    fn step(&mut self, end_ms: u64) -> bool {
        let first = self.events.first_key_value().map(|((at, _), _)| *at);
        let deadline = self.fleet.next_deadline().map(Mono::as_millis);
        let Some(next) = first.into_iter().chain(deadline).min().filter(|next| *next <= end_ms) else { return false };
        self.steps += 1;
        assert!(self.steps < MOST_STEPS, "the world spins at {} ms", self.now_ms);
        self.now_ms = self.now_ms.max(next);
        for _ in 0..limits::EVENTS_PER_WAKEUP {
            let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= self.now_ms) else { break };
            let happening = entry.remove();
            self.happen(happening);
        }
        self.fleet.handle(self.now(), Input::Elapsed);
        self.settle();
        true
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Poll { job, vma, sent, process } => {
                let answer = self.read(&job, &vma);
                self.travel_back(&vma, sent, process, |why| match why {
                    None => answer,
                    Some(why) => Input::Missed(job, Miss::Unreachable(why)),
                });
            }
            Happening::Tell { job, vma, outcome, process } => {
                let answer = self.tell(&job, &vma, &outcome);
                let sent = self.now_ms;
                self.travel_back(&vma, sent, process, |why| match why {
                    None => Input::FinishAnswered(job, answer),
                    Some(why) => Input::FinishAnswered(job, FinishAnswer::Unreachable(why)),
                });
            }
            Happening::Arrived { input, process } if process == self.process => {
                if let Input::Answered(job, _) | Input::Missed(job, _) = &input {
                    assert!(self.in_flight.remove(job), "an answer for {job} that nobody asked for");
                    self.touched.insert(job.clone());
                }
                self.fleet.handle(self.now(), input);
            }
            Happening::Arrived { .. } => {}
            Happening::Script(script) => script(self),
        }
    }

    /// What the VMA answers to a poll, through the wire's bytes.
    fn read(&self, job: &JobId, vma: &VmaName) -> Input {
        let vma = self.vma(vma);
        let body = match vma.stub {
            Some(stub) => match stub(job) {
                (200, body) => body,
                (404, _) => return Input::Missed(job.clone(), Miss::Unknown),
                (status, body) => return Input::Missed(job.clone(), Miss::Rubbish(format!("status {status}: {body}"))),
            },
            None => match vma.source.document(self.now(), job) {
                Some(document) => progress::render(&document),
                None => return Input::Missed(job.clone(), Miss::Unknown),
            },
        };
        match progress::parse(body.as_bytes()) {
            Ok(progress) => Input::Answered(job.clone(), Box::new(progress)),
            Err(why) => Input::Missed(job.clone(), Miss::Rubbish(why.to_string())),
        }
    }

    fn tell(&mut self, job: &JobId, vma: &VmaName, outcome: &Outcome) -> FinishAnswer {
        let now = self.now();
        let outcome = job::parse_finish(job::render_finish(outcome).as_bytes()).expect("our own body");
        let vma = self.vmas.iter_mut().find(|known| known.name == *vma).expect("a VMA");
        match vma.act(now, |source| source.finish(now, job, &outcome)) {
            Ok(()) => FinishAnswer::Taken,
            Err(Refusal::UnknownJob { .. }) => FinishAnswer::Unknown,
            Err(refusal) => FinishAnswer::Refused(refusal.to_string()),
        }
    }

    /// The answer goes back over the link, if that is still up; `input` gets the reason where it is not.
    fn travel_back(&mut self, vma: &VmaName, sent: u64, process: u32, input: impl FnOnce(Option<String>) -> Input) {
        let link = &self.vma(vma).link;
        let arrives = self.now_ms + link.latency_ms;
        let is_up = link.is_up(self.now_ms) && link.is_up(arrives);
        let (when, why) = match (is_up, link.down) {
            (true, _) => (arrives, None),
            (false, Down::Refuses) => (arrives, Some("body: connection reset by peer".to_owned())),
            (false, Down::Hangs) => (sent + TIMEOUT.as_millis() as u64, Some("no first byte within 10 s".to_owned())),
        };
        self.schedule(when, Happening::Arrived { input: input(why), process });
    }

    fn send(&mut self, vma: &VmaName, at_vma: Happening, missed: impl FnOnce(String) -> Input) {
        let (sent, process) = (self.now_ms, self.process);
        let link = &self.vma(vma).link;
        match (link.is_up(sent), link.down) {
            (true, _) => self.schedule(sent + link.latency_ms, at_vma),
            (false, Down::Refuses) => {
                let input = missed("connect: connection refused".to_owned());
                self.schedule(sent + 1, Happening::Arrived { input, process });
            }
            (false, Down::Hangs) => {
                let input = missed("connect: no answer within 10 s".to_owned());
                self.schedule(sent + TIMEOUT.as_millis() as u64, Happening::Arrived { input, process });
            }
        }
    }

    /// The second half of a wake-up: one transaction, the invariants, then the actions.
    fn settle(&mut self) {
        let changes = self.fleet.changes();
        self.rules.check(&changes);
        self.outbox.extend(changes);
        if self.is_writable {
            for change in self.outbox.changes() {
                if let Change::Progress(job) | Change::Ended(job) = change {
                    self.writes.push((self.now_ms, job.id.clone()));
                }
            }
            commit(&mut self.store, &mut self.outbox, &mut self.rules);
            self.rules.check_memory(&self.fleet, self.touched.iter());
        }
        self.touched.clear();
        self.fleet.handle(self.now(), Input::Writable(self.outbox.changes().len() < self.most_unwritten));
        assert!(self.fleet.len() <= limits::UNFINISHED_JOBS);
        while let Some(action) = self.fleet.next_action() {
            self.carry_out(action);
        }
    }

    fn carry_out(&mut self, action: Action) {
        let (sent, process) = (self.now_ms, self.process);
        match action {
            Action::Poll { job, vma, .. } => {
                assert!(self.in_flight.insert(job.clone()), "two polls of {job} are on the way at {sent} ms");
                self.polls.push((sent, job.clone()));
                let poll = Happening::Poll { job: job.clone(), vma: vma.clone(), sent, process };
                self.send(&vma, poll, |why| Input::Missed(job, Miss::Unreachable(why)));
            }
            Action::TellFinish { job, vma, outcome, .. } => {
                let tell = Happening::Tell { job: job.clone(), vma: vma.clone(), outcome, process };
                self.send(&vma, tell, |why| Input::FinishAnswered(job, FinishAnswer::Unreachable(why)));
            }
            Action::List { .. } => panic!("nobody configured discovery here"),
        }
    }

    fn vma(&self, name: &VmaName) -> &Vma {
        self.vmas.iter().find(|vma| vma.name == *name).expect("a VMA")
    }
    fn schedule(&mut self, at_ms: u64, happening: Happening) {
        self.serial += 1;
        self.events.insert((at_ms.max(self.now_ms), self.serial), happening);
    }
}

impl Vma {
    fn new(name: VmaName, now: Now) -> Self {
        let store = Store::in_memory().expect("a database");
        let source = Source::resume(source_settings(&name), 0, Vec::new(), now);
        let (outbox, rules) = Default::default();
        Self { name, source, store, link: Link::good(), stub: None, is_down: false, outbox, rules }
    }

    /// Does something to the source and writes what came of it before anybody is answered.
    pub fn act<T>(&mut self, now: Now, what: impl FnOnce(&mut Source) -> Result<T, Refusal>) -> Result<T, Refusal> {
        assert!(!self.is_down, "a push to a VMA that is down");
        self.source.elapse(now);
        let result = what(&mut self.source);
        let changes = self.source.changes();
        self.rules.check(&changes);
        self.outbox.extend(changes);
        commit(&mut self.store, &mut self.outbox, &mut self.rules);
        result
    }

    /// `kill -9` and a new start: only the database remembers (R-11).
    pub fn restart(&mut self, now: Now) {
        let jobs = self.store.jobs().expect("readable");
        self.restart_with(now, jobs);
    }
    /// The same, with the rows in another order.
    pub fn restart_with(&mut self, now: Now, jobs: Vec<Job>) {
        let sequence = self.store.sequence().expect("readable");
        self.source = Source::resume(source_settings(&self.name), sequence, jobs, now);
    }
}

fn source_settings(name: &VmaName) -> SourceSettings {
    SourceSettings {
        name: name.clone(),
        // Not the store's own, which is another in every run.
        epoch: Epoch::parse("epoch-1").expect("an epoch"),
        auto_initialize: true,
        keep_finished: Duration::from_secs(7 * 24 * 3600),
        seed: 42,
    }
}

fn commit(store: &mut Store, outbox: &mut Outbox, rules: &mut Invariants) {
    rules.check_edges(outbox.changes());
    let refused = store.commit(outbox.changes(), Durability::HandedToSystem).expect("written");
    assert!(refused.is_empty(), "rows were refused: {refused:?}");
    outbox.written();
    rules.check_rows(store);
}

fn at(ms: u64) -> Now {
    Now { mono: Mono::from_millis(ms), wall: Wall::from_unix_millis(BEGINNING + ms as i64) }
}
