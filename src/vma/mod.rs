//! The VMA: the appliance beside vCenter and the movers. It takes pushes, keeps each job's document and answers polls
//! (R-1 to R-11). It only assembles: decisions are `policy::source`'s, SQL is the store's, bytes are the server's.

mod routes;

use std::net::TcpListener;
use std::path::Path;
use std::rc::Rc;

use async_io::Async;
use smol::LocalExecutor;
use smol::channel::Sender;
use smol::stream::Stream;

use self::routes::Call;
use crate::config::VmaConfig;
use crate::exit::{Exit, Failure};
use crate::limits;
use crate::model::id::JobId;
use crate::model::time::{Mono, Now};
use crate::net::server::{ServerLimits, serve};
use crate::policy::refusal::Refusal;
use crate::policy::source::{Declared, Listing, Source, SourceSettings};
use crate::runtime::clock::Clock;
use crate::runtime::drive::{Appliance, drive};
use crate::runtime::ledger::{Ledger, Reply, send};
use crate::runtime::service::{ask, database_failure, forward, listen, refuse, seed};
use crate::runtime::signals::{reloads, termination};
use crate::store::{Store, StoreError};
use crate::wire::http::{Request, Response};
use crate::wire::{job, progress, update};

/// What can happen to a VMA.
#[derive(Debug)]
pub enum Event {
    /// A request, and who waits for its answer.
    Asked(Request, Sender<Response>),
    /// The configuration was read again (R-84).
    Reloaded(Box<VmaConfig>),
}

/// The assembled appliance.
#[derive(Debug)]
pub struct Vma {
    config: VmaConfig,
    source: Source,
    ledger: Ledger,
}

impl Vma {
    /// Opens the database and goes on where it was (R-11).
    ///
    /// # Errors
    /// Where the database cannot be opened or read.
    pub fn open(config: &VmaConfig, now: Now, seed: u64) -> Result<Self, StoreError> {
        let store = Store::open(&config.database)?;
        let settings = SourceSettings {
            name: config.name.clone(),
            epoch: store.epoch(),
            auto_initialize: config.auto_initialize,
            keep_finished: config.keep_finished,
            seed,
        };
        let jobs = store.jobs()?;
        log::info!("{}: {} jobs known", config.database.display(), jobs.len());
        let source = Source::resume(settings, store.sequence()?, jobs, now);
        Ok(Self { config: config.clone(), source, ledger: Ledger::new(store, false) })
    }
}

impl Vma {
    fn answer(&mut self, now: Now, call: Call) -> Result<Response, Refusal> {
        match call {
            Call::Progress(id) => {
                let found = self.source.document(now, &id);
                let document = found.ok_or_else(|| Refusal::UnknownJob { id: id.to_string() })?;
                Ok(Response::json(200, progress::render(&document)))
            }
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
                Ok(self.state(status, &id))
            }
            Call::Finish(id, outcome) => {
                self.source.finish(now, &id, &outcome)?;
                Ok(self.state(200, &id))
            }
            Call::Health => Ok(Response::json(200, r#"{"status":"alive"}"#.to_owned())),
        }
    }

    fn reload(&mut self, config: VmaConfig) {
        let fixed = |config: &VmaConfig| (config.name.clone(), config.database.clone(), config.listen);
        if fixed(&config) != fixed(&self.config) {
            log::warn!("name, database and listen are taken over at the next start only");
        }
        self.source.reconfigure(config.auto_initialize, config.keep_finished);
        log::info!("configuration reloaded");
        self.config = VmaConfig {
            auto_initialize: config.auto_initialize,
            keep_finished: config.keep_finished,
            ..self.config.clone()
        };
    }

    fn state(&self, status: u16, id: &JobId) -> Response {
        match self.source.job(id) {
            Some(known) => Response::json(status, job::render_state(&known.id, known.status)),
            None => refuse(&Refusal::UnknownJob { id: id.to_string() }).into(),
        }
    }
}

impl Appliance for Vma {
    type Event = Event;

    fn handle(&mut self, now: Now, event: Event) {
        let (request, to) = match event {
            Event::Asked(request, to) => (request, to),
            Event::Reloaded(config) => return self.reload(*config),
        };
        let call = routes::route(&request)
            .and_then(|call| if call.is_change() { self.ledger.check_room().map(|()| call) } else { Ok(call) });
        let (response, changes_something) = match call {
            Ok(call) => {
                let is_change = call.is_change();
                (self.answer(now, call).unwrap_or_else(|refusal| refuse(&refusal).into()), is_change)
            }
            Err(problem) => (problem.into(), false),
        };
        let reply = Reply { to, response };
        if changes_something { self.ledger.hold(now, reply) } else { send(reply) }
    }

    fn elapse(&mut self, now: Now) {
        self.source.elapse(now);
    }

    fn settle(&mut self, now: Now) {
        self.ledger.take(self.source.changes());
        for refused in self.ledger.settle(now) {
            log::error!("job={:?} {}: {}", refused.job.as_str(), refused.what, refused.reason);
        }
    }

    fn next_deadline(&self) -> Option<Mono> {
        [self.source.next_deadline(), self.ledger.next_deadline()].into_iter().flatten().min()
    }
}

/// Serves a VMA on a listener until `stop` is done.
pub async fn run(
    executor: Rc<LocalExecutor<'static>>,
    mut vma: Vma,
    listener: Async<TcpListener>,
    clock: Clock,
    reloads: impl Stream<Item = VmaConfig> + 'static,
    stop: impl Future<Output = ()>,
) {
    let (events, inbox) = smol::channel::bounded(limits::EVENTS_PER_WAKEUP);
    let reloading = executor.spawn(forward(reloads, events.clone(), |config| Event::Reloaded(Box::new(config))));
    let handler = Rc::new(async move |request| ask(&events, request, Event::Asked).await);
    let server = executor.spawn(serve(executor.clone(), listener, ServerLimits::default(), handler));
    drive(&mut vma, clock, inbox, stop).await;
    drop((server, reloading));
    vma.ledger.close(clock.now());
}

/// The command `waybill vma`: runs until it is asked to end.
///
/// # Errors
/// Where it cannot start.
pub fn main(config: &VmaConfig, file: &Path) -> Result<(), Failure> {
    let executor = Rc::new(LocalExecutor::new());
    async_io::block_on(executor.run(async {
        let clock = Clock::start();
        let listener = listen(config.listen)?;
        let vma = Vma::open(config, clock.now(), seed()).map_err(|error| database_failure(&error))?;
        let signals = termination().and_then(|stop| Ok((stop, reloads(file.to_owned(), VmaConfig::parse)?)));
        let (stop, reloads) = signals.map_err(|error| Failure::new(Exit::Failed, "cannot watch signals", error))?;
        log::info!("VMA {} listens on {}", config.name, config.listen);
        run(executor.clone(), vma, listener, clock, reloads, stop).await;
        log::info!("VMA {} has stopped", config.name);
        Ok(())
    }))
}
