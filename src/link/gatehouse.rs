//! The listener's side: who comes in by port 443, what is said to whom, and who is shown out again.

use std::cell::{Cell, RefCell};
use std::collections::{BTreeMap, VecDeque};
use std::net::{SocketAddr, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use async_io::{Async, Timer};
use futures_rustls::server::TlsStream;
use smol::channel::{Receiver, Sender};
use smol::future;

use super::credentials::Credentials;
use super::port::News;
use super::streams::{Carrier, expires, gives_way};
use crate::config::TlsListener;
use crate::limits;
use crate::model::peer::{Caller, Peer};
use crate::model::time::Mono;
use crate::net::berth::Berth;
use crate::net::fair::Fair;
use crate::net::server::{Gatekeeper, Seat, ServerLimits, converse};
use crate::net::session::{Session, Side};
use crate::net::tls::{Door, Entrance, Facts, Judge, Visitor};
use crate::runtime::clock::Clock;

/// How long an enrolment may take.
const ENROLS_WITHIN: Duration = Duration::from_secs(20);
/// Refusals of one minute that are told one by one.
const TOLD_PER_MINUTE: u32 = 20;

/// Where a peer's link lies; `None` where nobody has one with this peer.
pub type BerthOf = Box<dyn Fn(&Peer) -> Option<Berth>>;

/// Who wants to know what has become of a peer's link.
pub type NewsOf = Box<dyn Fn(&Peer, News)>;

/// The gatehouse of one listener.
pub struct Gatehouse {
    carrier: Carrier,
    door: RefCell<Rc<Door>>,
    berth_of: BerthOf,
    news: NewsOf,
    inside: RefCell<BTreeMap<u64, Inside>>,
    next_number: Cell<u64>,
    enrols: Cell<bool>,
    /// In the order in which they came.
    applicants: RefCell<VecDeque<Sender<()>>>,
    refusals: Refusals,
}

/// Somebody who is in.
struct Inside {
    facts: Facts,
    out: Sender<&'static str>,
}

/// Makes a door that shows these credentials.
///
/// # Errors
/// What is wrong with them.
pub fn door(listener: &TlsListener, credentials: &Credentials, judge: Judge) -> Result<Door, String> {
    let entrance =
        Entrance { own: &credentials.own, authority: &credentials.authority, allow_tls12: listener.allow_tls12, judge };
    Door::new(entrance).map_err(|error| format!("{}: {error}", listener.files.authority.display()))
}

impl Gatehouse {
    /// A gatehouse with that door.
    pub fn new(carrier: Carrier, door: Door, berth_of: BerthOf, news: NewsOf) -> Self {
        Self {
            carrier,
            door: RefCell::new(Rc::new(door)),
            berth_of,
            news,
            inside: RefCell::default(),
            next_number: Cell::default(),
            enrols: Cell::default(),
            applicants: RefCell::default(),
            refusals: Refusals::new(),
        }
    }

    /// From now on this is the door.
    pub fn replace_door(&self, door: Door) {
        self.door.replace(Rc::new(door));
    }

    /// From now on somebody may enrol, or nobody.
    pub fn let_enrol(&self, enrols: bool) {
        self.enrols.set(enrols);
    }

    /// Shows out everybody of whom there is something to say; at once, whatever they are doing.
    pub fn show_out(&self, reason: impl Fn(&Facts) -> Option<&'static str>) {
        for inside in self.inside.borrow().values() {
            if let Some(why) = reason(&inside.facts) {
                // One is enough.
                let _ = inside.out.try_send(why);
            }
        }
    }

    /// Who has no certificate gets a moment, and there are few of them at a time.
    async fn hear(&self, stream: TlsStream<Fair<Async<TcpStream>>>, seat: Seat) {
        let (pushes_out, pushed_out) = smol::channel::bounded::<()>(1);
        let oldest = {
            let mut applicants = self.applicants.borrow_mut();
            applicants.push_back(pushes_out);
            if applicants.len() > limits::APPLICANTS { applicants.pop_front() } else { None }
        };
        // Whoever waits longest has had the most time.
        drop(oldest);
        let elapsed = async {
            Timer::after(ENROLS_WITHIN).await;
        };
        let pushed = async {
            // Nothing is ever sent: it is closed when its sender is dropped.
            let _ = pushed_out.recv().await;
        };
        future::or(self.serve(stream, Caller::Applicant, seat), future::or(elapsed, pushed)).await;
        pushed_out.close();
        self.applicants.borrow_mut().retain(|one| !one.is_closed());
    }

    fn has_enough(&self, facts: &Facts) -> bool {
        let inside = self.inside.borrow();
        inside.values().filter(|other| other.facts.peer == facts.peer).count() >= limits::CONNECTIONS_PER_PEER
    }

    fn enter(self: &Rc<Self>, facts: Facts) -> (Entered, Receiver<&'static str>) {
        let (out, shown_out) = smol::channel::bounded(1);
        let number = self.next_number.get();
        self.next_number.set(number + 1);
        self.inside.borrow_mut().insert(number, Inside { facts, out });
        (Entered { house: Rc::clone(self), number }, shown_out)
    }

    async fn link(
        &self,
        stream: TlsStream<Fair<Async<TcpStream>>>,
        peer: &Peer,
        caller: &Caller,
        leaves: impl Future<Output = &'static str>,
    ) {
        let Some(berth) = (self.berth_of)(peer) else {
            return log::warn!("{peer} dialled a link, and nobody here has one with it");
        };
        let session = Session::unopened();
        berth.put(session.clone());
        (self.news)(peer, News::Up);
        let left = async { leaves.await.to_owned() };
        let why = future::or(left, self.carrier.carry(&session, stream, Side::Listener, caller)).await;
        session.close(&why);
        let why = format!("the link of {peer} has ended: {why}");
        if berth.take_out(&session, &why) {
            (self.news)(peer, News::Down(why));
        }
    }

    async fn serve(&self, stream: TlsStream<Fair<Async<TcpStream>>>, caller: Caller, seat: Seat) {
        let answers = Rc::clone(&self.carrier.answers);
        let handler = Rc::new(async move |request| answers(caller.clone(), request).await);
        converse(stream, ServerLimits::default(), Rc::clone(&self.carrier.scratch), handler, seat).await;
    }
}

impl Gatekeeper for Gatehouse {
    fn door(&self) -> Rc<Door> {
        Rc::clone(&self.door.borrow())
    }

    fn enrols(&self) -> bool {
        self.enrols.get()
    }

    fn refused(&self, from: Option<SocketAddr>, why: &str) {
        let from = from.map_or_else(|| "somebody".to_owned(), |from| from.to_string());
        self.refusals.tell(&from, why);
    }

    async fn receive(self: Rc<Self>, stream: TlsStream<Fair<Async<TcpStream>>>, visitor: Visitor, seat: Seat) {
        match visitor {
            Visitor::Applicant => self.hear(stream, seat).await,
            Visitor::Http(_, facts) | Visitor::Link(_, facts) if self.has_enough(&facts) => {
                self.refusals.tell("one of many", "others with the same certificate hold as many places as one may");
            }
            Visitor::Http(peer, facts) => {
                let caller = Caller::Known(peer, facts.key);
                let (_entered, shown_out) = self.enter(facts.clone());
                let left = async {
                    leaves(&facts, shown_out).await;
                };
                future::or(left, self.serve(stream, caller, seat)).await;
            }
            Visitor::Link(peer, facts) => {
                let caller = Caller::Known(peer.clone(), facts.key);
                let (_entered, shown_out) = self.enter(facts.clone());
                let shown = self.door.borrow().shown;
                let leaves = future::or(leaves(&facts, shown_out), gives_way(shown));
                self.link(stream, &peer, &caller, leaves).await;
            }
        }
    }
}

/// Waits until somebody has to leave; tells why.
async fn leaves(facts: &Facts, shown_out: Receiver<&'static str>) -> &'static str {
    let shown_out = async {
        match shown_out.recv().await {
            Ok(why) => why,
            Err(_) => future::pending().await,
        }
    };
    future::or(shown_out, expires(facts)).await
}

/// Somebody's stay; it ends when this is dropped.
struct Entered {
    house: Rc<Gatehouse>,
    number: u64,
}

impl Drop for Entered {
    fn drop(&mut self) {
        self.house.inside.borrow_mut().remove(&self.number);
    }
}

/// Who did not get in, in the daemon's log: each one, and of a crowd its number.
struct Refusals {
    clock: Clock,
    since: Cell<Mono>,
    count: Cell<u32>,
}

impl Refusals {
    fn new() -> Self {
        let clock = Clock::start();
        Self { clock, since: Cell::new(clock.now().mono), count: Cell::new(0) }
    }

    fn tell(&self, from: &str, why: &str) {
        let now = self.clock.now().mono;
        if now.since(self.since.get()) >= Duration::from_secs(60) {
            let untold = self.count.get().saturating_sub(TOLD_PER_MINUTE);
            if untold > 0 {
                log::warn!("{untold} more were not let in since then");
            }
            self.since.set(now);
            self.count.set(0);
        }
        self.count.set(self.count.get().saturating_add(1));
        match self.count.get() {
            ..TOLD_PER_MINUTE => log::warn!("{from} was not let in: {why}"),
            TOLD_PER_MINUTE => {
                log::warn!("{from} was not let in: {why}; of further ones within this minute only the number is told");
            }
            _ => {}
        }
    }
}
