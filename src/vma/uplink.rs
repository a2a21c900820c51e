//! The VMA's link to its OMA, whichever of the two dials: `[tunnel]` dials, `[tls]` listens, and both put what they get
//! into one berth.

use std::collections::BTreeSet;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::Arc;

use async_io::Async;
use smol::channel::Sender;
use smol::{LocalExecutor, Task};

use super::event::Event;
use crate::config::{TlsListener, VmaConfig};
use crate::link::credentials::Credentials;
use crate::link::dialler::{Target, keep_up};
use crate::link::gatehouse::{Gatehouse, door};
use crate::link::{Answers, Carrier, News};
use crate::model::peer::Peer;
use crate::net::berth::Berth;
use crate::net::server::{ServerLimits, serve_secured};
use crate::net::tls::Expected;
use crate::policy::guests::judge_at_vma;
use crate::runtime::service::{ask as ask_loop, seed};
use crate::runtime::tasks::start;

/// The link.
pub(super) struct Uplink {
    executor: Rc<LocalExecutor<'static>>,
    events: Sender<Event>,
    carrier: Carrier,
    berth: Berth,
    dialler: Option<(Target, Task<()>)>,
    house: Option<Rc<Gatehouse>>,
}

impl Uplink {
    /// A link that nobody has dialled; `berth` is where its session will lie.
    pub(super) fn new(executor: Rc<LocalExecutor<'static>>, events: Sender<Event>, berth: Berth) -> Self {
        let for_answers = events.clone();
        let answers: Answers = Rc::new(move |caller, request| {
            let events = for_answers.clone();
            Box::pin(async move { ask_loop(&events, request, |request, to| Event::Asked(caller, request, to)).await })
        });
        let carrier = Carrier::new(executor.clone(), answers);
        Self { executor, events, carrier, berth, dialler: None, house: None }
    }

    /// Takes a configuration over: dials another OMA, or none, or goes on as before.
    pub(super) fn apply(&mut self, config: &VmaConfig) {
        let target = config.tunnel.as_ref().map(|tunnel| Target {
            origin: tunnel.oma.clone(),
            files: tunnel.files.clone(),
            proxy: tunnel.proxy.clone(),
            expected: Expected::Oma,
            revoked: BTreeSet::new(),
        });
        if self.dialler.as_ref().map(|(target, _)| target) != target.as_ref() {
            self.dialler = target.map(|target| (target.clone(), self.dial(target)));
        }
    }

    /// Opens the listener of `[tls]`, or its door anew, with these credentials.
    ///
    /// # Errors
    /// What is wrong with them; then the door stays as it was.
    pub(super) fn open_door(&mut self, listener: &TlsListener, credentials: &Credentials) -> Result<(), String> {
        let known_as = listener.client_name.clone();
        let judge = Arc::new(move |peer: &Peer, _: &[u8; 32]| judge_at_vma(peer, known_as.as_deref()));
        let door = door(listener, credentials, judge)?;
        match &self.house {
            Some(house) => house.replace_door(door),
            None => {
                let (berth, news) = (self.berth.clone(), self.news());
                let berth_of = Box::new(move |_: &Peer| Some(berth.clone()));
                let news = Box::new(move |_: &Peer, what| news(what));
                self.house = Some(Rc::new(Gatehouse::new(self.carrier.clone(), door, berth_of, news)));
            }
        }
        Ok(())
    }

    /// Carries a question to the OMA beside the loop; what comes of it is an event.
    pub(super) fn ask(&self, question: impl Future<Output = Event> + 'static) {
        let events = self.events.clone();
        let asked = async move {
            // Closed where the daemon ends.
            events.send(question.await).await.ok();
        };
        start(&self.executor, asked).detach();
    }

    fn news(&self) -> impl Fn(News) + 'static {
        let (events, executor) = (self.events.clone(), self.executor.clone());
        move |news| {
            let events = events.clone();
            start(&executor, async move { drop(events.send(Event::Link(news)).await) }).detach();
        }
    }

    fn dial(&self, target: Target) -> Task<()> {
        let kept_up = keep_up(self.carrier.clone(), target, self.berth.clone(), self.news(), seed());
        start(&self.executor, kept_up)
    }

    /// Serves the listener of `[tls]` until the task is dropped.
    pub(super) fn serve(&self, listener: Option<Async<TcpListener>>) -> Option<Task<()>> {
        let (listener, house) = (listener?, self.house.clone()?);
        Some(start(&self.executor, serve_secured(self.executor.clone(), listener, ServerLimits::default(), house)))
    }
}
