//! The OMA's links: one berth for each VMA that is not reached by a forward, a dialler for each that is dialled, and the
//! gatehouse of port 443 for those that dial.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::TcpListener;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};

use async_io::Async;
use smol::channel::Sender;
use smol::{LocalExecutor, Task};

use super::event::Event;
use crate::config::{OmaConfig, TlsFiles, TlsListener, VmaEntry, VmaWay};
use crate::link::credentials::Credentials;
use crate::link::dialler::{Target, keep_up};
use crate::link::gatehouse::{Gatehouse, door};
use crate::link::{Answers, Carrier, News};
use crate::model::id::VmaName;
use crate::model::peer::Peer;
use crate::net::berth::Berth;
use crate::net::client::Client;
use crate::net::server::{ServerLimits, serve_secured};
use crate::net::tls::{Expected, Facts};
use crate::policy::guests::{self, Guests};
use crate::runtime::service::{ask, seed};
use crate::runtime::tasks::start;

const NOT_YET: &str = "the VMA has not dialled this OMA yet";

/// Keys that are revoked ([`Facts::key`]), and whose they were, as a URI.
pub(super) type Revoked = BTreeMap<[u8; 32], String>;

/// All links.
pub(super) struct Links {
    executor: Rc<LocalExecutor<'static>>,
    events: Sender<Event>,
    carrier: Carrier,
    /// Of the VMAs that dial.
    berths: Rc<RefCell<BTreeMap<VmaName, Berth>>>,
    /// Those that are dialled.
    diallers: BTreeMap<VmaName, Dialled>,
    house: Option<Rc<Gatehouse>>,
    /// Behind a lock because TLS wants it so; there is one thread.
    guests: Arc<Mutex<Guests>>,
}

/// A VMA that is dialled until this is dropped.
struct Dialled {
    target: Target,
    berth: Berth,
    _task: Task<()>,
}

impl Links {
    pub(super) fn new(executor: Rc<LocalExecutor<'static>>, events: Sender<Event>) -> Self {
        let for_answers = events.clone();
        let answers: Answers = Rc::new(move |caller, request| {
            let events = for_answers.clone();
            Box::pin(async move { ask(&events, request, |request, to| Event::Asked(caller, request, to)).await })
        });
        let carrier = Carrier::new(executor.clone(), answers);
        Self {
            executor,
            events,
            carrier,
            berths: Rc::default(),
            diallers: BTreeMap::new(),
            house: None,
            guests: Arc::default(),
        }
    }

    /// Takes a configuration over: new links begin, those that nobody wants any more end, all others stay as they are.
    /// Answers a client for each VMA.
    pub(super) fn apply(&mut self, config: &OmaConfig, revoked: &Revoked) -> BTreeMap<VmaName, Client> {
        let is_dialled = |name: &VmaName| {
            config.vmas.iter().any(|vma| vma.name == *name && matches!(vma.way, VmaWay::Direct { .. }))
        };
        self.diallers.retain(|name, _| is_dialled(name));
        let dials = |name: &VmaName| config.vmas.iter().any(|vma| vma.name == *name && vma.way == VmaWay::Tunnel);
        self.berths.borrow_mut().retain(|name, berth| {
            let stays = dials(name);
            if let (false, Some(session)) = (stays, berth.session()) {
                session.close("it is no longer configured");
            }
            stays
        });
        config.vmas.iter().map(|vma| (vma.name.clone(), self.client(vma, config, revoked))).collect()
    }

    fn client(&mut self, vma: &VmaEntry, config: &OmaConfig, revoked: &Revoked) -> Client {
        let timeout = config.poll.timeout;
        match &vma.way {
            VmaWay::Forward(origin) => Client::new(origin.clone(), timeout),
            VmaWay::Tunnel => {
                let mut berths = self.berths.borrow_mut();
                let berth = berths.entry(vma.name.clone()).or_insert_with(|| Berth::new(NOT_YET));
                Client::over_link(berth.clone(), timeout)
            }
            VmaWay::Direct { origin, files, proxy } => {
                let expected = Expected::Vma(vma.name.clone());
                let own = Peer::Vma(vma.name.clone()).uri();
                let revoked = revoked.iter().filter(|(_, owner)| Some(*owner) == own.as_ref());
                let target = Target {
                    origin: origin.clone(),
                    files: files.clone(),
                    proxy: proxy.clone(),
                    expected,
                    revoked: revoked.map(|(key, _)| *key).collect(),
                };
                Client::over_link(self.dial(&vma.name, target), timeout)
            }
        }
    }

    /// Dials a VMA from now on, if that is not done already.
    fn dial(&mut self, name: &VmaName, target: Target) -> Berth {
        if let Some(dialled) = self.diallers.get(name).filter(|dialled| dialled.target == target) {
            return dialled.berth.clone();
        }
        let berth = Berth::new("it is being dialled");
        let (events, vma) = (self.events.clone(), name.clone());
        let news = move |news| {
            // Unbounded, and closed only where the loop has ended.
            let _ = events.try_send(Event::Link(vma.clone(), news));
        };
        let kept_up = keep_up(self.carrier.clone(), target.clone(), berth.clone(), news, seed());
        let task = start(&self.executor, kept_up);
        self.diallers.insert(name.clone(), Dialled { target, berth: berth.clone(), _task: task });
        berth
    }

    /// Who comes in at port 443 from now on, also by the door that stands: the configured VMAs and operators, but none whose
    /// key is revoked.
    pub(super) fn admit(&self, config: &OmaConfig, revoked: &Revoked, enrols: bool) {
        let mut guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        guests.vmas = config.vmas.iter().map(|vma| vma.name.clone()).collect();
        guests.revoked = revoked.keys().copied().collect();
        if let Some(house) = &self.house {
            house.let_enrol(enrols);
        }
    }

    /// Opens port 443, or its door anew, with these credentials.
    ///
    /// # Errors
    /// What is wrong with them; then the door stays as it was.
    pub(super) fn open_door(&mut self, listener: &TlsListener, credentials: &Credentials) -> Result<(), String> {
        let guests = Arc::clone(&self.guests);
        let judge = Arc::new(move |peer: &Peer, key: &[u8; 32]| {
            guests.lock().unwrap_or_else(PoisonError::into_inner).judge(peer, key)
        });
        let door = door(listener, credentials, judge)?;
        match &self.house {
            Some(house) => house.replace_door(door),
            None => {
                let berths = Rc::clone(&self.berths);
                let find = move |peer: &Peer| {
                    let berths = berths.borrow();
                    berths.iter().find(|(name, _)| peer.is_vma(name)).map(|(name, berth)| (name.clone(), berth.clone()))
                };
                let find = Rc::new(find);
                let (find_berth, events) = (Rc::clone(&find), self.events.clone());
                let news = move |peer: &Peer, news: News| {
                    if let Some((vma, _)) = find(peer) {
                        let _ = events.try_send(Event::Link(vma, news));
                    }
                };
                let berth_of = Box::new(move |peer: &Peer| find_berth(peer).map(|(_, berth)| berth));
                self.house = Some(Rc::new(Gatehouse::new(self.carrier.clone(), door, berth_of, Box::new(news))));
            }
        }
        Ok(())
    }

    /// Each VMA that has a link, and whether it stands.
    pub(super) fn states(&self) -> Vec<(String, bool)> {
        let berths = self.berths.borrow();
        let dialled = self.diallers.iter().map(|(name, dialled)| (name, &dialled.berth));
        let state = |(name, berth): (&VmaName, &Berth)| (name.to_string(), berth.session().is_some());
        berths.iter().chain(dialled).map(state).collect()
    }

    /// Ends the links of those who were believed by a file of authorities that has changed: whoever still is dials again
    /// within a second.
    pub(super) fn prove_anew(&self, files: &TlsFiles, config: &OmaConfig) {
        const WHY: &str = "the OMA's file of authorities has changed";
        for dialled in self.diallers.values().filter(|dialled| dialled.target.files.authority == files.authority) {
            if let Some(session) = dialled.berth.session() {
                session.close(WHY);
            }
        }
        if config.tls.as_ref().is_some_and(|listener| listener.files.authority == files.authority) {
            self.show_out(|_| Some(WHY));
        }
    }

    /// Serves port 443 until the task is dropped.
    pub(super) fn serve(&self, listener: Option<Async<TcpListener>>) -> Option<Task<()>> {
        let (listener, house) = (listener?, self.house.clone()?);
        Some(start(&self.executor, serve_secured(self.executor.clone(), listener, ServerLimits::default(), house)))
    }

    /// Shows out whoever there is something against; what is said is the reason.
    pub(super) fn show_out(&self, reason: impl Fn(&Facts) -> Option<&'static str>) {
        if let Some(house) = &self.house {
            house.show_out(reason);
        }
    }
}

/// The configured VMA that a peer is.
pub(super) fn vma_of(config: &OmaConfig, peer: &Peer) -> Option<VmaName> {
    guests::vma_of(config.vmas.iter().map(|vma| &vma.name), peer).cloned()
}
