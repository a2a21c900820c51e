//! What the connections of a listener share: limits, the scratch space, the handler.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use crate::limits;
use crate::net::stream::Scratch;
use crate::runtime::clock::Clock;
use crate::wire::http::{Request, Response};

/// How long and how much a listener bears. The defaults are for movers and pollers; tests shorten them.
#[derive(Debug, Clone)]
pub struct ServerLimits {
    /// Connections at a time; further ones wait in the kernel's backlog.
    pub connections: usize,
    /// How long a connection may rest between requests. Longer than the 90 s after which Go's clients close theirs, so
    /// that they do it first and no push meets a closing connection.
    pub idle: Duration,
    /// How long a head may take from its first byte to its last.
    pub head: Duration,
    /// The window in which a body or an answer must move [`Self::pace_bytes`], or end.
    pub pace_window: Duration,
    /// The least that must move in a window.
    pub pace_bytes: usize,
    /// How long a connection that was closed here is still read from, so that the peer sees the last answer rather
    /// than a reset (RFC 9112, 9.6).
    pub linger: Duration,
}

impl Default for ServerLimits {
    fn default() -> Self {
        Self {
            connections: limits::CONNECTIONS,
            idle: Duration::from_secs(120),
            head: Duration::from_secs(10),
            pace_window: Duration::from_secs(10),
            pace_bytes: 16 * 1024,
            linger: Duration::from_secs(2),
        }
    }
}

/// Who answers. Its kind is not known to the connections, so that their code is there once.
pub type Handler = Rc<dyn Fn(Request) -> Pin<Box<dyn Future<Output = Response>>>>;

/// What all connections of a listener share.
pub struct Room {
    pub limits: ServerLimits,
    pub scratch: Rc<Scratch>,
    pub handler: Handler,
    /// For the Date of every answer.
    pub clock: Clock,
}

impl Room {
    pub fn new<H>(limits: ServerLimits, scratch: Rc<Scratch>, handler: Rc<H>) -> Self
    where
        H: AsyncFn(Request) -> Response + 'static,
    {
        let handler: Handler = Rc::new(move |request| {
            let handler = Rc::clone(&handler);
            Box::pin(async move { handler(request).await })
        });
        Self { limits, scratch, handler, clock: Clock::start() }
    }
}
