//! The OMA: the appliance beside the target storage. It polls the VMAs, holds what they say to the rules, and remembers
//! (R-20 to R-32). It only assembles: decisions are `policy::fleet`'s, SQL is the store's, bytes are the client's and the
//! server's.

mod api;
mod ask;
mod authority;
pub mod books;
mod event;
mod links;
mod routes;

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::path::Path;
use std::rc::Rc;

use async_io::Async;
use smol::LocalExecutor;
use smol::channel::Sender;
use smol::stream::Stream;

use self::books::Books;
use self::event::Answer;
pub use self::event::Event;
use self::links::{Links, Revoked};
use crate::config::{OmaConfig, OnStall as OnStallRule};
use crate::exit::{Exit, Failure};
use crate::link::News;
use crate::link::shown::Shown;
use crate::model::change::{CbtEntry, Change};
use crate::model::id::{JobId, VmaName};
use crate::model::job::Job;
use crate::model::peer::Caller;
use crate::model::progress::Progress;
use crate::model::request::{DiskQuestion, TrackRequest};
use crate::model::time::{Mono, Now};
use crate::net::client::Client;
use crate::net::server::{ServerLimits, serve};
use crate::policy::backoff::Backoff;
use crate::policy::chain;
use crate::policy::fleet::{Action, Fleet, FleetSettings, Input, OnStall, listed_request};
use crate::policy::refusal::Refusal;
use crate::policy::serving;
use crate::policy::throttle::ThrottleSettings;
use crate::runtime::clock::Clock;
use crate::runtime::drive::{Appliance, drive};
use crate::runtime::guard::guarded;
use crate::runtime::ledger::{Ledger, Reply, send};
use crate::runtime::service::{ask as ask_loop, certificate_failure, database_failure, forward, hold_database, seed};
use crate::runtime::signals::{reloads, termination};
use crate::runtime::sockets::Sockets;
use crate::runtime::tasks::start;
use crate::store::{RefusedWhat, Store, StoreError};
use crate::wire::problem::panicked;

/// The assembled appliance.
pub struct Oma {
    config: OmaConfig,
    fleet: Fleet,
    ledger: Ledger,
    links: Links,
    books: Books,
    shown: Shown,
    clients: BTreeMap<VmaName, Client>,
    executor: Rc<LocalExecutor<'static>>,
    events: Sender<Event>,
    /// Ends that the VMAs are told of as soon as what they rest on is written.
    to_tell: Vec<Action>,
    /// When other programs' rows are looked for next, and the database's state at the last look (R-30).
    look_at: Mono,
    seen: Option<i64>,
}

impl Oma {
    /// Opens the database and goes on with every unfinished job (R-29). Answers to polls arrive at `events`.
    ///
    /// # Errors
    /// Where the database cannot be opened or read.
    pub fn open(
        config: &OmaConfig,
        now: Now,
        seed: u64,
        executor: Rc<LocalExecutor<'static>>,
        events: Sender<Event>,
    ) -> Result<Self, StoreError> {
        let mut store = Store::open(&config.database)?;
        let jobs = store.unfinished_jobs()?;
        log::info!("{}: {} unfinished jobs", config.database.display(), jobs.len());
        let unseen = store.ended_unseen()?;
        // Only a database that can be read.
        store.claim("oma")?;
        let seen = store.data_version()?;
        let ids: Vec<JobId> = jobs.iter().map(|job| job.id.clone()).collect();
        let mut links = Links::new(executor.clone(), events.clone());
        let clients = links.apply(config, &Revoked::new());
        let mut oma = Self {
            links,
            books: Books::default(),
            shown: Shown::new("OMA", now),
            config: config.clone(),
            fleet: Fleet::resume(settings(config, seed), jobs, now),
            ledger: Ledger::new(store, true),
            clients,
            executor,
            events,
            to_tell: Vec::new(),
            look_at: now.mono + config.poll.interval,
            seen: Some(seen),
        };
        ids.iter().for_each(|id| oma.recall(id));
        unseen.into_iter().for_each(|job| oma.fleet.ended_unseen(now, job));
        oma.recall_last_logs(now)?;
        Ok(oma)
    }

    /// Hands what was decided to the ledger. A run that does not start where the last good one of its disk ended is told
    /// in the job's log while it is new: nobody may look at `history --verify` (R-54).
    pub(in crate::oma) fn remember(&mut self) {
        let mut changes = self.fleet.changes();
        let ended: Vec<CbtEntry> = changes
            .iter()
            .filter_map(|change| match change {
                Change::History(entry) => Some(entry.clone()),
                _ => None,
            })
            .collect();
        for entry in ended {
            let correlation = self.stored(&entry.job).and_then(|job| job.correlation);
            let question = DiskQuestion {
                vma: entry.vma.clone(),
                vm_path: entry.vm_path.clone(),
                vm_uuid: entry.vm_uuid.clone(),
                disk: entry.disk.as_str().to_owned(),
                capacity_bytes: None,
            };
            match self.ledger.store().served_candidates(&question) {
                Ok(candidates) => {
                    let last = serving::serve(&question, &candidates).ok().map(|last| &last.change_id);
                    changes.extend(chain::apart(&entry, last, correlation.as_ref()).map(Change::Entry));
                }
                Err(error) => log::error!("job={:?} {error}", entry.job.as_str()),
            }
        }
        self.ledger.take(changes);
    }

    /// What stands in rows that other programs typed and means nothing is passed over, and named here.
    fn name_odd_values(&self) {
        for odd in self.ledger.store().take_odd_values() {
            log::warn!("{odd}");
        }
    }

    /// Gives a job what the database has of it beside its row: the change ids that arrived before it was tracked, or before
    /// its disks were known, and how far its VMA's log was read.
    fn recall(&mut self, id: &JobId) {
        self.remember();
        match self.ledger.received_change_ids(id) {
            Ok(received) => self.fleet.recall(id, received),
            Err(error) => log::error!("job={:?} {error}", id.as_str()),
        }
        let Some(epoch) = self.fleet.job(id).and_then(|job| job.source_epoch.clone()) else { return };
        match self.ledger.store().source_log_read(&epoch, id) {
            Ok(read) => self.fleet.recall_log(id, read),
            Err(error) => log::error!("job={:?} {error}", id.as_str()),
        }
    }

    /// Goes on with the logs of jobs that had ended when the last process did.
    fn recall_last_logs(&mut self, now: Now) -> Result<(), StoreError> {
        let store = self.ledger.store();
        for id in store.open_source_logs(Fleet::last_logs_since(now))? {
            let Some(job) = store.job(&id)? else { continue };
            let Some(epoch) = &job.source_epoch else { continue };
            self.fleet.recall_last_log(now, &job, store.source_log_read(epoch, &id)?);
        }
        Ok(())
    }

    /// True where the id is that of a job in the archive: nothing begins under it again.
    pub(in crate::oma) fn is_archived(&self, id: &JobId) -> bool {
        self.ledger.store().is_archived(id).unwrap_or_else(|error| {
            log::error!("job={:?} {error}", id.as_str());
            false
        })
    }

    /// The request to track a listed job: every new one if the configuration says so, else the next run of a job that is,
    /// or was, tracked for this VMA (R-30).
    fn request_of_listed(&self, vma: &VmaName, said: Progress) -> Option<TrackRequest> {
        let id = &said.job;
        if self.fleet.job(id).is_some() || self.stored(id).is_some() || self.is_archived(id) {
            return None;
        }
        let before = id.first_run().and_then(|first| self.newest_run(&first).ok());
        let before = before.and_then(|run| self.fleet.job(&run).cloned().or_else(|| self.stored(&run)));
        let before = before.filter(|before| before.vma == *vma);
        (self.config.discover || before.is_some()).then(|| listed_request(vma, said, before.as_ref()))
    }

    /// The newest row of a job that is not tracked.
    fn stored(&self, id: &JobId) -> Option<Job> {
        self.ledger.job(id).unwrap_or_else(|error| {
            log::error!("job={:?} {error}", id.as_str());
            None
        })
    }

    /// Finds what other programs did to the rows (R-30). What is unwritten would look like their doing, so it waits.
    fn look_for_others(&mut self, now: Now) -> Result<(), StoreError> {
        self.remember();
        let store = self.ledger.store();
        let version = store.data_version()?;
        if self.seen == Some(version) || !self.ledger.is_clean() {
            return Ok(());
        }
        let rows = store.unfinished_ids()?;
        let new: Vec<JobId> = rows.keys().filter(|id| self.fleet.job(id).is_none()).cloned().collect();
        let gone = self.fleet.jobs().filter(|job| !rows.contains_key(&job.id));
        let mut inputs = Vec::new();
        for id in gone.map(|job| job.id.clone()) {
            if let Some(row) = store.job(&id)? {
                inputs.push(Input::EndedElsewhere(id, row.status));
            }
        }
        for id in &new {
            inputs.extend(store.job(id)?.map(|row| Input::Noticed(Box::new(row))));
        }
        self.seen = Some(version);
        for input in inputs {
            self.tell(now, input);
        }
        new.iter().for_each(|id| self.recall(id));
        Ok(())
    }

    /// Tells the core what happened. Where it panics over a job, that job goes on from its stored row (R-52).
    fn tell(&mut self, now: Now, input: Input) {
        if let Err(place) = guarded(|| self.fleet.handle(now, input)) {
            self.go_on_after_panic(now, &place);
        }
    }

    pub(in crate::oma) fn go_on_after_panic(&mut self, now: Now, place: &str) {
        let dropped = self.fleet.drop_in_hand();
        // What was decided of other jobs before stands.
        self.remember();
        let Some(id) = dropped else { return };
        // Where it cannot be taken up again now, the next look at the rows finds it.
        self.seen = None;
        let Some(stored) = self.stored(&id) else { return };
        if let Err(again) = guarded(|| self.fleet.go_on_after_panic(now, stored, place)) {
            log::error!("job={:?} is taken up again at the next look: {again}", id.as_str());
            self.fleet.drop_in_hand();
            return;
        }
        self.recall(&id);
    }

    fn reload(&mut self, now: Now, config: OmaConfig) {
        let fixed =
            |config: &OmaConfig| (config.database.clone(), config.listen, config.tls.as_ref().map(|tls| tls.listen));
        if fixed(&config) != fixed(&self.config) {
            log::warn!("database, listen and the listen of [tls] are taken over at the next start only");
        }
        self.clients = self.links.apply(&config, &self.books.revoked);
        self.fleet.reconfigure(settings(&config, seed()), now);
        self.config = config;
        self.admit_anew(now);
        log::info!("configuration reloaded: {} VMAs", self.config.vmas.len());
    }

    fn carry_out(&self, action: Action) {
        let name = match &action {
            Action::Poll { vma, .. } | Action::TellFinish { vma, .. } => vma,
            Action::ReadLog { vma, .. } | Action::List { vma, .. } | Action::Declare { vma, .. } => vma,
        };
        let client = self.clients.get(name).cloned();
        let events = self.events.clone();
        let asked = async move {
            let event = match client {
                Some(client) => ask::carry_out(&client, action).await,
                None => ask::without_client(action),
            };
            // The loop has ended where nobody takes it.
            events.send(event).await.ok();
        };
        start(&self.executor, asked).detach();
    }
}

fn settings(config: &OmaConfig, seed: u64) -> FleetSettings {
    let (poll, throttle) = (&config.poll, &config.throttle);
    FleetSettings {
        backoff: Backoff {
            interval: poll.interval,
            failures_before_backoff: poll.failures_before_backoff,
            longest: poll.backoff_max,
            lost_after: poll.contact_lost_after,
        },
        queued_timeout: poll.queued_timeout,
        stall_after: poll.stall_after,
        on_stall: match poll.on_stall {
            OnStallRule::Warn => OnStall::Warn,
            OnStallRule::Fail => OnStall::Fail,
        },
        throttle: ThrottleSettings {
            min_percent: throttle.min_percent,
            min_interval: throttle.min_interval,
            contact_refresh: throttle.contact_refresh,
        },
        vmas: config.vmas.iter().map(|vma| vma.name.clone()).collect(),
        discover: config.discover,
        seed,
    }
}

impl Appliance for Oma {
    type Event = Event;

    fn handle(&mut self, now: Now, event: Event) {
        match event {
            Event::Core(input) => self.tell(now, input),
            Event::Reloaded(config) => self.reload(now, *config),
            Event::Link(vma, News::Up) => {
                log::info!("vma={vma} the link stands");
                self.tell(now, Input::LinkUp(vma));
            }
            Event::Link(vma, News::Down(why)) => log::warn!("vma={vma} {why}"),
            Event::Listed(vma, listing) => {
                let listed = ask::wanted(listing, |said| self.request_of_listed(&vma, said));
                let new: Vec<JobId> = listed.jobs.iter().map(|request| request.job.clone()).collect();
                self.tell(now, Input::Listed(vma, listed));
                new.iter().for_each(|id| self.recall(id));
            }
            Event::Asked(caller, request, to) => {
                // What was decided within this wake-up must be seen by what comes after it.
                self.remember();
                let call = guarded(|| routes::route(&request)).unwrap_or_else(|_| Err(panicked()));
                let answer = call.and_then(|call| {
                    let vma = self.may_ask(now, &caller, &call)?;
                    if call.is_change() {
                        self.ledger.check_room()?;
                    }
                    self.fleet.put_down();
                    guarded(|| self.answer(now, call, &caller, vma)).unwrap_or_else(|place| {
                        self.go_on_after_panic(now, &place);
                        Err(panicked())
                    })
                });
                match answer.unwrap_or_else(|problem| Answer::AtOnce(problem.into())) {
                    Answer::AtOnce(response) => send(Reply { to, response }),
                    Answer::WhenWritten(response) => self.ledger.hold(now, Reply { to, response }),
                    Answer::OfVma(client, id, outcome) => {
                        let asked = async move {
                            let response = ask::finish(&client, &id, &outcome).await;
                            send(Reply { to, response });
                        };
                        start(&self.executor, asked).detach();
                    }
                }
            }
        }
    }

    fn elapse(&mut self, now: Now) {
        self.tell(now, Input::Elapsed);
        self.look_at_shown(now);
        if self.look_at <= now.mono {
            self.look_at = now.mono + self.config.poll.interval;
            if let Err(error) = self.look_for_others(now) {
                log::error!("{error}");
            }
            self.look_at_books(now);
            self.name_odd_values();
            self.ledger.give_sign(now);
        }
    }

    fn settle(&mut self, now: Now) {
        self.remember();
        while let Some(request) = self.fleet.next_redirected() {
            if self.is_archived(&request.job) {
                log::warn!("job={:?} {}", request.job.as_str(), Refusal::Archived { job: request.job.clone() });
                continue;
            }
            let stored = self.stored(&request.job);
            self.fleet.put_down();
            match guarded(|| self.fleet.track(now, &request, stored.as_ref())) {
                Ok(Ok(_)) => self.recall(&request.job),
                Ok(Err(refusal)) => log::info!("job={:?} {refusal}", request.job.as_str()),
                Err(place) => self.go_on_after_panic(now, &place),
            }
            self.remember();
        }
        for refused in self.ledger.settle(now) {
            if self.fleet.job(&refused.job).is_none() {
                // It has no log any more that could tell.
                log::error!("job={:?} {}: {}", refused.job.as_str(), refused.what, refused.reason);
            }
            let input = match refused.what {
                RefusedWhat::EndedElsewhere(status) => Input::EndedElsewhere(refused.job, status),
                what => Input::RowRefused(refused.job, format!("{what}: {}", refused.reason)),
            };
            self.tell(now, input);
        }
        self.tell(now, Input::Writable(!self.ledger.is_full()));
        while let Some(action) = self.fleet.next_action() {
            match action {
                // The VMA must not be told of an end that rests on what is not written yet; polls never wait (R-27).
                Action::TellFinish { .. } => self.to_tell.push(action),
                Action::Poll { .. } | Action::ReadLog { .. } => self.carry_out(action),
                Action::List { .. } | Action::Declare { .. } => self.carry_out(action),
            }
        }
        if self.ledger.is_clean() {
            for action in std::mem::take(&mut self.to_tell) {
                if self.fleet.stands_by(now, &action) {
                    self.carry_out(action);
                }
            }
        }
    }

    fn next_deadline(&self) -> Option<Mono> {
        let (of_fleet, of_ledger) = (self.fleet.next_deadline(), self.ledger.next_deadline());
        let deadlines = [of_fleet, of_ledger, self.shown.next_deadline(), Some(self.look_at)];
        deadlines.into_iter().flatten().min()
    }
}

/// Serves an OMA on its listeners, of which `secured` is that of `[tls]`, until `stop` is done.
///
/// # Errors
/// Where the database cannot be opened or read, or a certificate not be used.
pub async fn run(
    executor: Rc<LocalExecutor<'static>>,
    config: &OmaConfig,
    listener: Async<TcpListener>,
    secured: Option<Async<TcpListener>>,
    clock: Clock,
    reloads: impl Stream<Item = OmaConfig> + 'static,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    // Unbounded, because an answer to a poll must never wait: its number is bounded by one poll a job.
    let (events, inbox) = smol::channel::unbounded();
    let oma = Oma::open(config, clock.now(), seed(), executor.clone(), events.clone());
    let mut oma = oma.map_err(|error| database_failure(&error))?;
    oma.open_books(clock.now()).map_err(|why| certificate_failure(&why))?;
    let at_443 = oma.links.serve(secured);
    let reloading = start(&executor, forward(reloads, events.clone(), |config| Event::Reloaded(Box::new(config))));
    let handler = Rc::new(async move |request| {
        ask_loop(&events, request, |request, to| Event::Asked(Caller::Local, request, to)).await
    });
    let server = start(&executor, serve(executor.clone(), listener, ServerLimits::default(), handler));
    drive(&mut oma, clock, inbox, stop).await;
    drop((server, at_443, reloading));
    oma.ledger.close(clock.now());
    Ok(())
}

/// The command `waybill oma`: runs until it is asked to end.
///
/// # Errors
/// Where it cannot start.
pub fn main(config: &OmaConfig, file: &Path) -> Result<(), Failure> {
    let executor = Rc::new(LocalExecutor::new());
    async_io::block_on(executor.run(async {
        let mut sockets = Sockets::inherited()?;
        let listener = sockets.listen(config.listen)?;
        let secured = config.tls.as_ref().map(|tls| sockets.listen(tls.listen)).transpose()?;
        sockets.tell_unused();
        let _held = hold_database(&config.database)?;
        let signals = termination().and_then(|stop| Ok((stop, reloads(file.to_owned(), OmaConfig::parse)?)));
        let (stop, reloads) = signals.map_err(|error| Failure::new(Exit::Failed, "cannot watch signals", error))?;
        log::info!("OMA listens on {}, {} VMAs", config.listen, config.vmas.len());
        if let Some(tls) = &config.tls {
            log::info!("with TLS on {}", tls.listen);
        }
        run(executor.clone(), config, listener, secured, Clock::start(), reloads, stop).await?;
        log::info!("OMA has stopped");
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::status::JobStatus;
    use crate::model::time::Wall;
    use crate::wire::progress;

    fn now(seconds: u64) -> Now {
        Now { mono: Mono::from_millis(seconds * 1000), wall: Wall::from_unix_millis(1000) }
    }
    fn document(job: &str, bytes: u64) -> Input {
        let text = format!(
            r#"{{"job_id":"{job}","stage":"Transfer","status":"Streaming","started_at":"2026-11-23T17:00:00Z",
                "updated_at":"2026-11-23T17:00:00Z","aggregate":{{"total_bytes":1000,"bytes_transferred":{bytes},
                "throughput_bps":0,"percent":1}},"cbt":{{"type":"full","previous_change_id":"","change_id":""}},
                "nbd":{{"exports":[]}},"disks":[]}}"#
        );
        let document = progress::parse(text.as_bytes()).expect("a document");
        Input::Answered(JobId::parse(job).expect("an id"), Box::new(document))
    }
    /// Takes a wake-up's course: time, what happened, and what follows.
    fn wake_up(oma: &mut Oma, second: u64, inputs: Vec<Input>) {
        oma.elapse(now(second));
        oma.settle(now(second));
        inputs.into_iter().for_each(|input| oma.handle(now(second), Event::Core(input)));
        oma.settle(now(second));
    }

    #[test]
    fn f41_r52_a_panic_over_a_document_harms_no_other_job_and_fails_its_own_at_the_third_time() {
        crate::runtime::guard::remember_places();
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("oma.db");
        let text = format!(
            "database = '{}'\nlisten = '127.0.0.1:8082'\n[[vma]]\nname = 'site-a'\nurl = 'http://127.0.0.1:1'\n",
            database.display()
        );
        let config = OmaConfig::parse(&text, "oma.toml").expect("valid");
        let (events, _inbox) = smol::channel::unbounded();
        let mut oma = Oma::open(&config, now(0), 1, Rc::new(LocalExecutor::new()), events).expect("a database");
        for job in ["trapped", "other"] {
            let request = crate::wire::job::parse_track(format!(r#"{{"id":"{job}","vma":"site-a"}}"#).as_bytes());
            oma.fleet.track(now(0), &request.expect("a request"), None).expect("tracked");
        }
        let trapped = JobId::parse("trapped").expect("an id");
        let other = JobId::parse("other").expect("an id");
        wake_up(&mut oma, 4, vec![document("trapped", 10), document("other", 10)]);
        for time in 1..=3_u64 {
            let second = 4 + 4 * time;
            oma.fleet.trap = Some(trapped.clone());
            wake_up(&mut oma, second, vec![document("trapped", 50), document("other", 10 + time)]);
            let row = oma.ledger.store().job(&trapped).expect("readable").expect("a row");
            assert_eq!(row.totals.bytes_transferred, 10, "what was in hand is dropped");
            assert_eq!(row.status == JobStatus::Failed, time == 3, "{time}: {:?}", row.status);
            assert_eq!(oma.fleet.job(&other).expect("tracked").totals.bytes_transferred, 10 + time);
        }
        let log = oma.ledger.store().events(&trapped).expect("readable");
        let panics = log.iter().filter(|entry| entry.event == "panic_caught");
        assert!(panics.clone().all(|entry| entry.message.contains("src/policy/fleet/board.rs:")), "{log:#?}");
        assert_eq!(panics.count(), 3, "{log:#?}");
        let row = oma.ledger.store().job(&trapped).expect("readable").expect("a row");
        assert!(row.error.expect("a reason").contains("3 times in a row"), "the row says why");
        assert!(oma.fleet.job(&trapped).is_none(), "it has ended");
    }
}
