//! The HTTP/1.1 client of one server: with TLS, on this machine without it, or over a link. Keeps its connections, names
//! the phase in which a call failed.
//!
//! Policy: one time limit holds for a whole call, the waiting for a connection included. A connection goes back to the
//! kept ones only after a complete, unambiguous answer; a call that fails or is dropped takes its connection with it.
//! A kept connection that the peer has closed meanwhile costs one try on a fresh one, for calls that may be repeated
//! ([`Method::may_be_repeated`], or the caller says so). Redirects are answers like any other.

mod exchange;

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Duration;

use async_io::Timer;
use smol::future;

pub use self::exchange::Answer;
pub use super::error::{CallError, Phase};

use self::exchange::{Outgoing, exchange};
use super::berth::Berth;
use super::dial::{Via, dial};
use super::gate::Gate;
use super::link::Link;
use super::stream::Scratch;
use super::tls::Trust;
use crate::limits;
use crate::wire::http::Method;
use crate::wire::origin::{Origin, Scheme};

/// A client for one origin; clones share its connections.
#[derive(Debug, Clone)]
pub struct Client(Rc<Shared>);

#[derive(Debug)]
struct Shared {
    origin: Origin,
    way: Way,
    timeout: Duration,
    gate: Gate,
    kept: RefCell<Vec<Link>>,
    scratch: Scratch,
}

/// How a connection is had.
#[derive(Debug)]
enum Way {
    /// By TCP, on this machine.
    Plain,
    /// By TCP and TLS, to whom is trusted.
    Tls(Trust, Option<Via>),
    /// A stream of the link that lies there.
    Link(Berth),
}

impl Client {
    /// A client without connections yet; `timeout` is the limit of every call.
    pub fn new(origin: Origin, timeout: Duration) -> Self {
        Self::with(origin, Way::Plain, timeout)
    }

    /// The same with TLS.
    pub fn over_tls(origin: Origin, trust: Trust, timeout: Duration) -> Self {
        Self::with(origin, Way::Tls(trust, None), timeout)
    }

    /// The same through the proxy on the way.
    pub fn through(self, via: Option<Via>) -> Self {
        match &self.0.way {
            Way::Tls(trust, _) => Self::with(self.0.origin.clone(), Way::Tls(trust.clone(), via), self.0.timeout),
            Way::Plain | Way::Link(_) => self,
        }
    }

    /// The same over a link, whose other end is the only server that can answer.
    pub fn over_link(berth: Berth, timeout: Duration) -> Self {
        let origin = Origin { scheme: Scheme::Https, host: "waybill".to_owned(), port: 443 };
        Self::with(origin, Way::Link(berth), timeout)
    }

    fn with(origin: Origin, way: Way, timeout: Duration) -> Self {
        let gate = Gate::new(limits::CONNECTIONS_PER_VMA);
        Self(Rc::new(Shared { origin, way, timeout, gate, kept: RefCell::default(), scratch: Scratch::on_heap() }))
    }

    /// Sends one request and waits for the whole answer, whatever its status.
    ///
    /// `target` is path and query, percent-encoded ([`crate::wire::http::encode_segment`]). `Host` and
    /// `Content-Length` are added here. Dropping the future ends the call and its connection.
    pub async fn call(
        &self,
        method: Method,
        target: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Answer, CallError> {
        let may_be_repeated = method.may_be_repeated();
        self.send(&Outgoing { method: &method, target, headers, body }, may_be_repeated).await
    }

    /// As [`Client::call`], a `POST` that changes nothing at the server and may therefore be repeated.
    pub async fn ask_by_post(&self, target: &str, headers: &[(&str, &str)], body: &[u8]) -> Result<Answer, CallError> {
        self.send(&Outgoing { method: &Method::Post, target, headers, body }, true).await
    }

    async fn send(&self, outgoing: &Outgoing<'_>, may_be_repeated: bool) -> Result<Answer, CallError> {
        let phase = Cell::new(Phase::Queue);
        let limit = async {
            Timer::after(self.0.timeout).await;
            Err(CallError::out_of_time(phase.get(), self.0.timeout))
        };
        // The limit is looked at first: a place at the gate that falls free just then must not change the phase.
        future::or(limit, async {
            // Dropped after the connection was kept, so that the next in the queue finds it.
            let _place = self.0.gate.enter().await;
            // On the heap, so that a thousand who wait for a place do not each carry the room for the exchange.
            Box::pin(self.0.answer(outgoing, may_be_repeated, &phase)).await
        })
        .await
    }
}

impl Shared {
    async fn answer(
        &self,
        outgoing: &Outgoing<'_>,
        may_be_repeated: bool,
        phase: &Cell<Phase>,
    ) -> Result<Answer, CallError> {
        let request = outgoing.render(&self.origin, &self.scratch)?;
        if let Some(stream) = self.take_kept() {
            match self.exchange_over(stream, request, outgoing.body, phase).await {
                Err(failure) if failure.unanswered && may_be_repeated => {}
                done => return done.map_err(|failure| failure.error),
            }
        }
        let stream = self.connect(phase).await?;
        let request = outgoing.render(&self.origin, &self.scratch)?;
        self.exchange_over(stream, request, outgoing.body, phase).await.map_err(|failure| failure.error)
    }

    async fn exchange_over(
        &self,
        mut stream: Link,
        request: exchange::Rendered,
        body: &[u8],
        phase: &Cell<Phase>,
    ) -> Result<Answer, exchange::Failure> {
        phase.set(Phase::FirstByte);
        let (answer, reusable) = exchange(&mut stream, &self.scratch, request, body, phase).await?;
        // Those who wait at the gate will each take one at once, and are not counted as idle.
        let mut kept = self.kept.borrow_mut();
        if reusable && kept.len() < limits::KEPT_CONNECTIONS_PER_VMA + self.gate.waiting() {
            kept.push(stream);
        }
        Ok(answer)
    }

    /// The connection that was used last and is still silent; one that has ended, or on which the peer spoke out of
    /// turn, is dropped.
    fn take_kept(&self) -> Option<Link> {
        loop {
            let mut link = self.kept.borrow_mut().pop()?;
            if link.is_silent() {
                return Some(link);
            }
        }
    }

    async fn connect(&self, phase: &Cell<Phase>) -> Result<Link, CallError> {
        let (trust, via) = match &self.way {
            Way::Plain => return dial(&self.origin, None, phase).await.map(Link::Plain),
            Way::Tls(trust, via) => (trust, via),
            Way::Link(berth) => {
                phase.set(Phase::Link);
                return berth.open().await.map(Link::Stream).map_err(|why| CallError::new(Phase::Link, why));
            }
        };
        let stream = dial(&self.origin, via.as_ref(), phase).await?;
        phase.set(Phase::Tls);
        trust.connect(&self.origin.host, stream).await.map(|stream| Link::Tls(Box::new(stream)))
    }
}
