//! A connection that stands: the other side's questions are answered, and ours find the session in its berth.

use std::rc::Rc;
use std::time::Duration;

use async_io::Timer;
use smol::LocalExecutor;
use smol::future;
use smol::io::{AsyncRead, AsyncWrite};

use super::port::Answers;
use crate::limits;
use crate::model::peer::Caller;
use crate::model::pki::Validity;
use crate::net::berth::Berth;
use crate::net::client::Client;
use crate::net::server::{Crowd, Scratch, ServerLimits, converse};
use crate::net::session::{Session, Side};
use crate::net::tls::Facts;
use crate::policy::renewal::redials_in;
use crate::runtime::clock::Clock;
use crate::runtime::tasks::start;
use crate::wire::http::Method;

/// The last second of a certificate belongs to it (RFC 5280, 4.1.2.5): whoever comes within it is let in.
const LAST_SECOND: Duration = Duration::from_secs(1);

/// Waits until somebody's certificate has come to its end, and says so: nobody stays for longer than that. The wall clock is
/// looked at once, as the handshake did: one that is set afterwards cuts no link that stands.
pub(super) async fn expires(facts: &Facts) -> &'static str {
    Timer::after(facts.validity.left(Clock::start().now().wall) + LAST_SECOND).await;
    "its certificate has expired"
}

/// Waits until what this side showed at the handshake is near its end, and says so: the renewed one is shown by dialling
/// again.
pub(super) async fn gives_way(shown: Validity) -> &'static str {
    match redials_in(shown, Clock::start().now().wall) {
        Some(left) => Timer::after(left).await,
        None => future::pending().await,
    };
    "the certificate that this side showed is near its end"
}

/// What is needed of the appliance to carry a link.
#[derive(Clone)]
pub struct Carrier {
    pub(super) executor: Rc<LocalExecutor<'static>>,
    pub(super) scratch: Rc<Scratch>,
    pub(super) answers: Answers,
}

impl Carrier {
    /// What links are carried with.
    pub fn new(executor: Rc<LocalExecutor<'static>>, answers: Answers) -> Self {
        Self { executor, scratch: Rc::new(Scratch::on_heap()), answers }
    }

    /// Carries a session until it ends; tells why.
    pub(super) async fn carry<S>(&self, session: &Session, stream: S, side: Side, caller: &Caller) -> String
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        // Those of the other side only, of whom each may have half of the streams.
        let crowd = Crowd::new(limits::STREAMS_PER_LINK / 2);
        let handler = {
            let (answers, caller) = (Rc::clone(&self.answers), caller.clone());
            Rc::new(async move |request| answers(caller.clone(), request).await)
        };
        let on_stream = |stream| {
            if crowd.is_full() {
                crowd.make_room();
                return;
            }
            let (scratch, handler) = (Rc::clone(&self.scratch), Rc::clone(&handler));
            crowd.admit(&self.executor, |seat| converse(stream, ServerLimits::default(), scratch, handler, seat));
        };
        let knock = || {
            let asks = Berth::new("");
            asks.put(session.clone());
            let asked = async move {
                let client = Client::over_link(asks, Duration::from_secs(5));
                // That it comes is heard; what it says does not matter.
                client.call(Method::Get, "/health", &[], b"").await.ok();
            };
            start(&self.executor, asked).detach();
        };
        if side == Side::Dialler {
            knock();
        }
        let why = session.carry(stream, side, on_stream, knock).await;
        crowd.clear();
        why
    }
}
