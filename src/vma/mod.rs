//! The VMA: the appliance beside vCenter and the movers. It takes pushes, keeps each job's document and answers polls
//! (R-1 to R-11). It only assembles: decisions are `policy::source`'s, SQL is the store's, bytes are the server's.

mod event;
pub mod planner;
mod renewing;
mod routes;
mod spool;
mod uplink;

use std::net::TcpListener;
use std::path::Path;
use std::rc::Rc;

use async_io::Async;
use smol::LocalExecutor;
use smol::stream::Stream;

pub use self::event::Event;
use self::planner::Planner;
use self::routes::{Call, NAME};
use self::spool::Spool;
use self::uplink::Uplink;
use crate::config::VmaConfig;
use crate::exit::{Exit, Failure};
use crate::limits;
use crate::link::News;
use crate::link::credentials::{Credentials, Wanted};
use crate::link::shown::Shown;
use crate::model::id::JobId;
use crate::model::job::SyncKind;
use crate::model::peer::Caller;
use crate::model::plan::{PlanRequest, Planned};
use crate::model::time::{Mono, Now};
use crate::net::berth::Berth;
use crate::net::server::{ServerLimits, serve};
use crate::policy::guests::may_ask_vma;
use crate::policy::panics::Panics;
use crate::policy::refusal::Refusal;
use crate::policy::source::{Declared, Listing, Source, SourceRules, SourceSettings};
use crate::runtime::clock::Clock;
use crate::runtime::drive::{Appliance, drive};
use crate::runtime::guard::guarded;
use crate::runtime::ledger::{Ledger, Reply, send};
use crate::runtime::service::{
    alive, ask, certificate_failure, database_failure, forward, hold_database, refuse, seed, unreadable,
};
use crate::runtime::signals::{reloads, termination};
use crate::runtime::sockets::Sockets;
use crate::runtime::tasks::start;
use crate::store::{Store, StoreError};
use crate::view::metrics::{self, Figures};
use crate::wire::http::Response;
use crate::wire::problem::{Problem, panicked};
use crate::wire::{job, log as wire_log, progress, update};

/// The assembled appliance.
pub struct Vma {
    config: VmaConfig,
    source: Source,
    ledger: Ledger,
    panics: Panics,
    /// Where movers' change-id calls are served (R-31).
    spool: Option<Spool>,
    /// Who asks vCenter how much there is to copy (R-5).
    planner: Option<Planner>,
    /// Where the session of the link to the OMA lies, while there is one.
    berth: Berth,
    uplink: Option<Uplink>,
    shown: Shown,
}

impl Vma {
    /// Opens the database and goes on where it was (R-11).
    ///
    /// # Errors
    /// Where the database cannot be opened or read.
    pub fn open(config: &VmaConfig, now: Now, seed: u64) -> Result<Self, StoreError> {
        let mut store = Store::open(&config.database)?;
        let settings = SourceSettings {
            name: config.name.clone(),
            epoch: store.epoch(),
            auto_initialize: config.auto_initialize,
            keep_finished: config.keep_finished,
            failed_grace: config.failed_grace,
            plans: config.vcenter.is_some(),
            seed,
        };
        let jobs = store.jobs()?;
        // Only into a database that can be read.
        store.claim("vma")?;
        store.leave_gap()?;
        log::info!("{}: {} jobs known", config.database.display(), jobs.len());
        let source = Source::resume(settings, store.sequence()?, jobs, now);
        let (ledger, panics) = (Ledger::new(store, false), Panics::default());
        let berth = Berth::new("nobody has dialled yet");
        let config = config.clone();
        Ok(Self {
            config,
            source,
            ledger,
            panics,
            spool: None,
            planner: None,
            berth,
            uplink: None,
            shown: Shown::new("VMA", now),
        })
    }

    /// Answers a call. Where that panics the source goes on from what is stored, as after a restart (R-52): of the other
    /// jobs nothing is lost but how fast they were in the last seconds.
    fn answer_guarded(&mut self, now: Now, call: Call) -> Result<Response, Problem> {
        // What was decided before stands, whatever happens now.
        self.ledger.take(self.source.changes());
        let job = call.changed_job().map(|id| self.source.present_run(id));
        let answered = guarded(|| self.answer(now, call).map_err(|refusal| refuse(&refusal)));
        let Some(job) = job else { return answered.unwrap_or_else(|_| Err(panicked())) };
        let place = match answered {
            Ok(answered) => {
                self.panics.passed(&job);
                return answered;
            }
            Err(place) => place,
        };
        self.go_on_after_panic(now, &job, &place);
        Err(panicked())
    }

    fn go_on_after_panic(&mut self, now: Now, job: &JobId, place: &str) {
        match self.ledger.all() {
            Ok((jobs, sequence)) => {
                let settings = self.source.settings().clone();
                // Correlation ids that were made before are not made again.
                let settings = SourceSettings { seed: settings.seed.wrapping_add(sequence), ..settings };
                self.source = Source::resume(settings, sequence, jobs, now);
                self.source.panicked(now, job, self.panics.caught(job, place), place);
            }
            Err(error) => {
                log::error!("job={:?} goes on half changed, since the database cannot be read: {error}", job.as_str())
            }
        }
    }

    fn answer(&mut self, now: Now, call: Call) -> Result<Response, Refusal> {
        match call {
            Call::Progress(id, run) => {
                let found = self.source.document(now, &id, run);
                let mut document = found.ok_or_else(|| Refusal::UnknownJob { id: id.to_string() })?;
                document.log = self.newest_entry(&document.job);
                Ok(Response::json(200, progress::render(&document)))
            }
            Call::Log { job, after } => self.log(&job, after),
            Call::List { since, epoch } => {
                let listing = self.source.listing(now, since, epoch.as_deref());
                let Listing { epoch, sequence, more, jobs } = listing;
                Ok(Response::json(200, progress::render_listing(&epoch, sequence, more, &jobs)))
            }
            Call::Push(id, push) => {
                let pushed = self.source.push(now, &id, &push)?;
                Ok(Response::json(200, update::render_taken(&pushed.job, pushed.auto_initialized)))
            }
            Call::Declare(id, declaration) => {
                let declared = self.source.declare(now, &id, &declaration)?;
                let status = if declared == Declared::New { 201 } else { 200 };
                Ok(self.state(status, &self.source.present_run(&id)))
            }
            Call::Finish(id, outcome) => {
                self.source.finish(now, &id, &outcome)?;
                Ok(self.state(200, &self.source.present_run(&id)))
            }
            Call::Health => Ok(alive(NAME)),
            Call::Metrics => Ok(Response::page(metrics::CONTENT_TYPE, metrics::page(&self.figures()))),
        }
    }

    /// What this VMA knows of itself.
    fn figures(&self) -> Figures {
        let has_link = self.config.tunnel.is_some() || self.config.tls.is_some();
        let links = has_link.then(|| ("oma".to_owned(), self.berth.session().is_some()));
        Figures { appliance: "vma", links: links.into_iter().collect(), certificates: self.shown.ends() }
    }

    /// How long a job's log is in the database; a document without it is a document all the same.
    fn newest_entry(&self, job: &JobId) -> Option<u64> {
        self.ledger.store().newest_entry(job).unwrap_or_else(|error| {
            log::error!("job={:?} {error}", job.as_str());
            None
        })
    }

    /// A part of a job's log as the database has it; what waits for the database is more to come (R-51).
    fn log(&mut self, id: &JobId, after: u64) -> Result<Response, Refusal> {
        let unknown = || Refusal::UnknownJob { id: id.to_string() };
        let job = self.source.job(id).map(|job| job.id.clone()).ok_or_else(unknown)?;
        // What was decided within this wake-up waits as well.
        self.ledger.take(self.source.changes());
        let store = self.ledger.store();
        Ok(match store.log_after(&store.epoch(), &job, after) {
            Ok(mut page) => {
                page.more |= self.ledger.has_unwritten_entries(&job);
                Response::json(200, wire_log::render(&page))
            }
            Err(error) => unreadable(&error).into(),
        })
    }

    fn reload(&mut self, now: Now, config: VmaConfig) {
        let fixed = |config: &VmaConfig| {
            let spool = config.changeid_spool.as_ref().map(|spool| spool.listen);
            let tls = config.tls.as_ref().map(|tls| tls.listen);
            (config.name.clone(), config.database.clone(), config.listen, tls, spool)
        };
        if fixed(&config) != fixed(&self.config) {
            log::warn!(
                "name, database, listen and the listen of [tls] and [changeid_spool] are taken over at the next start only"
            );
        }
        self.redirect_spool(config.changeid_spool);
        if let Some(planner) = &mut self.planner {
            planner.redirect(config.vcenter.clone());
        }
        let rules = SourceRules {
            auto_initialize: config.auto_initialize,
            keep_finished: config.keep_finished,
            failed_grace: config.failed_grace,
            plans: config.vcenter.is_some(),
        };
        self.source.reconfigure(now, rules);
        log::info!("configuration reloaded");
        self.config = VmaConfig {
            auto_initialize: config.auto_initialize,
            keep_finished: config.keep_finished,
            failed_grace: config.failed_grace,
            vcenter: config.vcenter,
            tls: config.tls,
            tunnel: config.tunnel,
            ..self.config.clone()
        };
        self.admit_anew(now);
    }

    fn link_changed(&mut self, news: &News) {
        match news {
            News::Up => {
                log::info!("the link to the OMA stands");
                if let Some(spool) = &mut self.spool {
                    spool.wake();
                }
            }
            News::Down(why) => log::warn!("{why}"),
        }
    }

    fn state(&self, status: u16, id: &JobId) -> Response {
        match self.source.job(id) {
            Some(known) => Response::json(status, job::render_state(&known.id, known.status)),
            None => refuse(&Refusal::UnknownJob { id: id.to_string() }).into(),
        }
    }
}

impl Vma {
    /// A plan that makes waybill panic does so for its own job only (R-52).
    fn take_plan(&mut self, now: Now, request: &PlanRequest, planned: &Planned) {
        self.ledger.take(self.source.changes());
        match guarded(|| self.source.planned(now, request, planned)) {
            Ok(()) => {}
            Err(place) => self.go_on_after_panic(now, &request.job, &place),
        }
    }

    fn start_plans(&mut self) {
        let Some(planner) = &mut self.planner else { return };
        while let Some(mut request) = self.source.next_plan() {
            recall(self.ledger.store(), self.config.oma_of_spool().as_deref(), &mut request);
            planner.start(request);
        }
        planner.hold(self.source.is_planning());
    }
}

/// Adds to a job's disks what is remembered of them: where the OMA last said that an incremental starts, and how large they
/// were there. A plan without it is a plan all the same.
fn recall(store: &Store, oma: Option<&str>, request: &mut PlanRequest) {
    let vm = request.vm_path.clone();
    for disk in &mut request.disks {
        if let (None, Some(SyncKind::Incremental), Some(oma)) = (&disk.previous, request.sync, oma) {
            let by_key = disk.device_key.map(|key| format!("disk-{key}"));
            let names = [Some(disk.id.as_str()), by_key.as_deref()].into_iter().flatten();
            let known = names.filter_map(|name| store.known_change_id(&vm, name, oma).ok().flatten()?.change_id);
            disk.previous = { known }.next();
        }
        if let Some(previous) = &disk.previous {
            disk.capacities_then = store.capacities_at(&vm, previous).unwrap_or_else(|error| {
                log::warn!("job={:?} {error}", request.job.as_str());
                Vec::new()
            });
        }
    }
}

impl Appliance for Vma {
    type Event = Event;

    fn handle(&mut self, now: Now, event: Event) {
        let (caller, request, to) = match event {
            Event::Asked(caller, request, to) => (caller, request, to),
            Event::AskedSpool(request, to) => return self.asked_spool(now, &request, to),
            Event::Looked(look, looked, to) => return name_panic(guarded(|| self.looked(now, look, looked, to))),
            Event::HandedOver(unsent, handed) => {
                let done = guarded(|| self.handed_over(now, &unsent, &handed));
                if let (Err(_), Some(spool)) = (&done, &mut self.spool) {
                    spool.try_later(now);
                }
                return name_panic(done);
            }
            Event::PlanReached(job, stage) => return self.source.planning_reached(now, &job, stage),
            Event::Planned(plan) => return self.take_plan(now, &plan.0, &plan.1),
            Event::Renewed(files, ended) => return self.renewed(now, &files, ended),
            Event::Link(news) => return self.link_changed(&news),
            Event::Reloaded(config) => return self.reload(now, *config),
        };
        let call = guarded(|| routes::route(&request))
            .unwrap_or_else(|_| Err(panicked()))
            .and_then(|call| {
                may_ask_vma(&caller, call.is_of_movers()).map(|()| call).map_err(|refusal| refuse(&refusal))
            })
            .and_then(|call| if call.is_change() { self.ledger.check_room().map(|()| call) } else { Ok(call) });
        let (response, changes_something) = match call {
            Ok(call) => {
                let is_change = call.is_change();
                (self.answer_guarded(now, call).unwrap_or_else(Response::from), is_change)
            }
            Err(problem) => (problem.into(), false),
        };
        let reply = Reply { to, response };
        if changes_something { self.ledger.hold(now, reply) } else { send(reply) }
    }

    fn elapse(&mut self, now: Now) {
        self.source.elapse(now);
        if let Some(spool) = &mut self.spool {
            spool.elapse(now.mono);
        }
        self.look_at_shown(now);
    }

    fn settle(&mut self, now: Now) {
        self.ledger.take(self.source.changes());
        for refused in self.ledger.settle(now) {
            log::error!("job={:?} {}: {}", refused.job.as_str(), refused.what, refused.reason);
        }
        self.settle_spool(now);
        self.start_plans();
    }

    fn next_deadline(&self) -> Option<Mono> {
        let of_spool = self.spool.as_ref().and_then(Spool::next_deadline);
        let deadlines =
            [self.source.next_deadline(), self.ledger.next_deadline(), of_spool, self.shown.next_deadline()];
        deadlines.into_iter().flatten().min()
    }
}

/// What comes back from the OMA changes no job: a panic over it undoes nothing, and the daemon's log has it (R-52).
fn name_panic(done: Result<(), String>) {
    if let Err(place) = done {
        log::error!("waybill panicked over an answer of the OMA: {place}");
    }
}

/// Where a VMA listens.
pub struct Listeners {
    /// For movers, on loopback.
    pub movers: Async<TcpListener>,
    /// For their change-id calls, where there is a spool.
    pub change_ids: Option<Async<TcpListener>>,
    /// That of `[tls]`.
    pub secured: Option<Async<TcpListener>>,
}

/// Serves a VMA on its listeners until `stop` is done.
///
/// # Errors
/// Where a certificate cannot be used.
pub async fn run(
    executor: Rc<LocalExecutor<'static>>,
    mut vma: Vma,
    listeners: Listeners,
    clock: Clock,
    reloads: impl Stream<Item = VmaConfig> + 'static,
    stop: impl Future<Output = ()>,
) -> Result<(), Failure> {
    let Listeners { movers, change_ids, secured } = listeners;
    let (events, inbox) = smol::channel::bounded(limits::EVENTS_PER_WAKEUP);
    let reloading = start(&executor, forward(reloads, events.clone(), |config| Event::Reloaded(Box::new(config))));
    let mut uplink = Uplink::new(executor.clone(), events.clone(), vma.berth.clone());
    uplink.apply(&vma.config);
    if let Some(listener) = &vma.config.tls {
        let credentials = Credentials::read(&listener.files, Wanted::Valid);
        let opened = credentials.and_then(|credentials| uplink.open_door(listener, &credentials));
        opened.map_err(|why| certificate_failure(&why))?;
    }
    let at_443 = uplink.serve(secured);
    vma.uplink = Some(uplink);
    vma.shown.watch(clock.now().mono, vma.config.shown().cloned());
    let spool_server = change_ids.map(|listener| {
        vma.open_spool(&executor, &events);
        let events = events.clone();
        let handler = Rc::new(async move |request| ask(&events, request, Event::AskedSpool).await);
        start(&executor, serve(executor.clone(), listener, ServerLimits::default(), handler))
    });
    vma.planner = Some(Planner::new(vma.config.vcenter.clone(), executor.clone(), events.clone()));
    let handler = Rc::new(async move |request| {
        ask(&events, request, |request, to| Event::Asked(Caller::Local, request, to)).await
    });
    let server = start(&executor, serve(executor.clone(), movers, ServerLimits::default(), handler));
    drive(&mut vma, clock, inbox, stop).await;
    drop((server, at_443, spool_server, reloading, vma.uplink.take()));
    vma.ledger.close(clock.now());
    if let Some(planner) = vma.planner {
        planner.close().await;
    }
    Ok(())
}

/// The command `waybill vma`: runs until it is asked to end.
///
/// # Errors
/// Where it cannot start.
pub fn main(config: &VmaConfig, file: &Path) -> Result<(), Failure> {
    let executor = Rc::new(LocalExecutor::new());
    async_io::block_on(executor.run(async {
        let clock = Clock::start();
        let mut sockets = Sockets::inherited()?;
        let movers = sockets.listen(config.listen)?;
        let change_ids = config.changeid_spool.as_ref().map(|spool| sockets.listen(spool.listen)).transpose()?;
        let secured = config.tls.as_ref().map(|tls| sockets.listen(tls.listen)).transpose()?;
        sockets.tell_unused();
        let _held = hold_database(&config.database)?;
        let vma = Vma::open(config, clock.now(), seed()).map_err(|error| database_failure(&error))?;
        let signals = termination().and_then(|stop| Ok((stop, reloads(file.to_owned(), VmaConfig::parse)?)));
        let (stop, reloads) = signals.map_err(|error| Failure::new(Exit::Failed, "cannot watch signals", error))?;
        log::info!("VMA {} listens on {}", config.name, config.listen);
        if let Some(vcenter) = &config.vcenter {
            log::info!("asks vCenter {} how much there is to copy", vcenter.origin.authority());
        }
        if let Some(tls) = &config.tls {
            log::info!("takes the OMA's link on {}", tls.listen);
        }
        if let Some(tunnel) = &config.tunnel {
            log::info!("dials the OMA {}", tunnel.oma.authority());
        }
        vma.tell_spool();
        run(executor.clone(), vma, Listeners { movers, change_ids, secured }, clock, reloads, stop).await?;
        log::info!("VMA {} has stopped", config.name);
        Ok(())
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::status::JobStatus;
    use crate::model::time::Wall;
    use crate::wire::http::{Method, Request};

    const JOB: &str = "trapped";

    fn now(seconds: u64) -> Now {
        Now { mono: Mono::from_millis(seconds * 1000), wall: Wall::from_unix_millis(1000) }
    }
    fn push(vma: &mut Vma, second: u64, job: &str, bytes: u64) -> u16 {
        let body = format!(
            r#"{{"stage":"Transfer","status":"in_progress","bytes_transferred":{bytes},"total_bytes":1000,"throughput_bps":0}}"#
        );
        let segments = ["api", "v1", "progress", job, "update"].map(str::to_owned).to_vec();
        let request =
            Request { method: Method::Post, segments, query: Vec::new(), headers: Vec::new(), body: body.into_bytes() };
        let (to, answer) = smol::channel::bounded(1);
        vma.handle(now(second), Event::Asked(Caller::Local, request, to));
        vma.settle(now(second));
        answer.try_recv().expect("an answer").status
    }

    #[test]
    fn f41_r52_a_panic_over_a_push_is_a_500_harms_no_other_job_and_fails_its_own_at_the_third_time() {
        crate::runtime::guard::remember_places();
        let folder = tempfile::tempdir().expect("a folder");
        let database = folder.path().join("vma.db");
        let text = format!("name = 'site-a'\ndatabase = '{}'\nlisten = '127.0.0.1:8081'\n", database.display());
        let config = VmaConfig::parse(&text, "vma.toml").expect("valid");
        let mut vma = Vma::open(&config, now(0), 1).expect("a database");
        let job = JobId::parse(JOB).expect("an id");
        assert_eq!((push(&mut vma, 1, JOB, 10), push(&mut vma, 1, "other", 10)), (200, 200));
        let sequence = vma.source.job(&job).expect("known").source_sequence;
        for time in 1..=3_usize {
            vma.source.trap = Some(job.clone());
            assert_eq!(push(&mut vma, 2, JOB, 50), 500, "no panic is told as a success");
            assert_eq!(vma.ledger.store().events(&job).expect("readable").iter().filter(is_panic).count(), time);
            assert_eq!(push(&mut vma, 3, "other", 20), 200);
            let known = vma.source.job(&job).expect("known");
            assert_eq!(known.totals.bytes_transferred, 10, "what was in hand is dropped");
            assert_eq!(known.status == JobStatus::Failed, time == 3, "{time}");
        }
        let row = vma.ledger.store().job(&job).expect("readable").expect("a row");
        let error = row.error.expect("a reason");
        assert!(error.contains("3 times in a row") && error.contains("src/policy/source/push.rs:"), "{error}");
        assert!(row.source_sequence > sequence);
        let other = vma.source.job(&JobId::parse("other").expect("an id")).expect("known");
        assert_eq!((other.status, other.totals.bytes_transferred), (JobStatus::Streaming, 20));
    }

    #[test]
    fn r52_a_panic_over_a_run_that_is_pushed_to_by_its_first_id_is_counted_and_logged_for_the_run() {
        let folder = tempfile::tempdir().expect("a folder");
        let text = format!("name = 'site-a'\ndatabase = '{}'\n", folder.path().join("vma.db").display());
        let config = VmaConfig::parse(&text, "vma.toml").expect("valid");
        let mut vma = Vma::open(&config, now(0), 1).expect("a database");
        let (first, run) = (JobId::parse(JOB).expect("an id"), JobId::parse("trapped~2").expect("an id"));
        assert_eq!(push(&mut vma, 1, JOB, 10), 200);
        let over = crate::model::request::Outcome::Failed("over".to_owned());
        vma.source.finish(now(2), &first, &over).expect("ended");
        let start = crate::wire::update::parse(br#"{"stage":"Initializing","bytes_transferred":0,"throughput_bps":0}"#);
        vma.source.push(now(3), &first, &start.expect("a push")).expect("another run");
        vma.settle(now(3));
        for time in 1..=3_usize {
            vma.source.trap = Some(run.clone());
            assert_eq!(push(&mut vma, 4, JOB, 50), 500);
            assert_eq!(vma.ledger.store().events(&run).expect("readable").iter().filter(is_panic).count(), time);
        }
        assert_eq!(vma.source.job(&run).expect("known").status, JobStatus::Failed);
        assert_eq!(vma.source.job(&first).expect("known").error.as_deref(), Some("over"));
    }

    fn is_panic(entry: &&crate::model::record::LogRecord) -> bool {
        entry.event == "panic_caught" && entry.message.contains("src/policy/source/push.rs:")
    }
}
