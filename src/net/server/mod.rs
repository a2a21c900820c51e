//! The HTTP/1.1 server: accepts, reads requests, asks the handler, writes answers in their order. With TLS a gatekeeper
//! says whom to let in, and what becomes of them.
//!
//! Policy: nothing that a peer does, and no error of `accept`, ends the listener. A peer that is too slow, too large or
//! unclear gets a problem document and is closed. What a request means is the handler's matter alone.

mod connection;
mod crowd;
mod room;

use std::future::Future;
use std::io;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::time::Duration;

use async_io::{Async, Timer};
use futures_rustls::server::TlsStream;
use smol::LocalExecutor;
use smol::future::{self, yield_now};

pub use self::crowd::{Crowd, Seat};
pub use self::room::ServerLimits;

use self::room::Room;
use super::fair::Fair;
pub use super::stream::Scratch;
use super::stream::{Duplex, linger};
use super::tls::{Door, TurnedAway, Visitor};
use crate::wire::http::{Request, Response};

/// Serves until the future is dropped; then every connection is cancelled with it.
///
/// A handler that panics answers 500 and closes its own connection; nothing else notices. `HEAD` reaches the
/// handler as `GET`.
pub async fn serve<H>(
    executor: Rc<LocalExecutor<'static>>,
    listener: Async<TcpListener>,
    limits: ServerLimits,
    handler: Rc<H>,
) where
    H: AsyncFn(Request) -> Response + 'static,
{
    let crowd = Crowd::new(limits.connections);
    let room = Rc::new(Room::new(limits, Rc::new(Scratch::on_heap()), handler));
    let converse = |stream, seat| {
        let room = Rc::clone(&room);
        async move { connection::converse(stream, &room, seat).await }
    };
    accept_all(executor, listener, crowd, converse).await;
}

/// Who keeps the gate of a listener with TLS.
pub trait Gatekeeper {
    /// The door, as it stands now.
    fn door(&self) -> Rc<Door>;
    /// True while somebody may enrol.
    fn enrols(&self) -> bool;
    /// Somebody did not get in.
    fn refused(&self, from: Option<SocketAddr>, why: &str);
    /// Somebody came in. The connection ends with the future.
    fn receive(
        self: Rc<Self>,
        stream: TlsStream<Fair<Async<TcpStream>>>,
        visitor: Visitor,
        seat: Seat,
    ) -> impl Future<Output = ()>;
}

/// Serves with TLS until the future is dropped; then every connection is cancelled with it.
///
/// A handshake has [`ServerLimits::head`] of time. While it lasts the connection counts as one at rest: where the room is
/// full, the oldest handshake makes room for the newest, so that a crowd that never says who it is shuts nobody out.
pub async fn serve_secured<G>(
    executor: Rc<LocalExecutor<'static>>,
    listener: Async<TcpListener>,
    limits: ServerLimits,
    keeper: Rc<G>,
) where
    G: Gatekeeper + 'static,
{
    let (crowd, scratch) = (Crowd::new(limits.connections), Rc::new(Scratch::on_heap()));
    let silent = |why| TurnedAway { why, stream: None };
    let admit = |stream: Async<TcpStream>, seat: Seat| {
        let (keeper, patience, scratch) = (Rc::clone(&keeper), limits.head, Rc::clone(&scratch));
        async move {
            let from = stream.get_ref().peer_addr().ok();
            let (door, enrols) = (keeper.door(), keeper.enrols());
            let admitted = {
                let resting = seat.rest();
                let handshake = async { door.admit(Fair::new(stream), enrols).await };
                let elapsed = async {
                    Timer::after(patience).await;
                    Err(silent(format!("it has not said who it is within {} s", patience.as_secs())))
                };
                let unwanted = async {
                    resting.asked_to_leave().await;
                    Err(silent("others wanted its place while it had not said who it is".to_owned()))
                };
                // On the heap: the handshake's state is large, and who is in has no use for it.
                Box::pin(future::or(handshake, future::or(elapsed, unwanted))).await
            };
            match admitted {
                Ok((stream, visitor)) => Box::pin(keeper.receive(stream, visitor, seat)).await,
                Err(TurnedAway { why, stream }) => {
                    keeper.refused(from, &why);
                    let Some(mut stream) = stream else { return };
                    let resting = seat.rest();
                    future::or(linger(&mut stream, &scratch, limits.linger), resting.asked_to_leave()).await;
                }
            }
        }
    };
    accept_all(executor, listener, crowd, admit).await;
}

/// Serves one connection to its end, for whoever has accepted it.
pub async fn converse<S, H>(stream: S, limits: ServerLimits, scratch: Rc<Scratch>, handler: Rc<H>, seat: Seat)
where
    S: Duplex,
    H: AsyncFn(Request) -> Response + 'static,
{
    connection::converse(stream, &Room::new(limits, scratch, handler), seat).await;
}

async fn accept_all<F>(
    executor: Rc<LocalExecutor<'static>>,
    listener: Async<TcpListener>,
    crowd: Rc<Crowd>,
    start: impl Fn(Async<TcpStream>, Seat) -> F,
) where
    F: Future<Output = ()> + 'static,
{
    let _cleared_at_the_end = Cleared(Rc::clone(&crowd));
    loop {
        if crowd.is_full() {
            wait_for_a_place(&listener, &crowd).await;
            continue;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                // Without it an answer may wait for the peer's delayed acknowledgement; with an error it is merely slow.
                let _ = stream.get_ref().set_nodelay(true);
                crowd.admit(&executor, |seat| start(stream, seat));
            }
            Err(error) => recover(&error, &crowd).await,
        }
        yield_now().await;
    }
}

struct Cleared(Rc<Crowd>);

impl Drop for Cleared {
    fn drop(&mut self) {
        self.0.clear();
    }
}

/// A resting connection is sent away only when another one really waits.
async fn wait_for_a_place(listener: &Async<TcpListener>, crowd: &Crowd) {
    match listener.readable().await {
        Ok(()) if crowd.is_full() => {
            crowd.make_room();
            crowd.changed().await;
        }
        Ok(()) => {}
        Err(error) => recover(&error, crowd).await,
    }
}

/// What follows an error of `accept`: nothing where the peer gave up, a pause where the machine has run out of
/// something (descriptors, memory), and a resting connection the less.
async fn recover(error: &io::Error, crowd: &Crowd) {
    const PAUSE: Duration = Duration::from_millis(500);
    let peers_own = [io::ErrorKind::ConnectionAborted, io::ErrorKind::ConnectionReset, io::ErrorKind::Interrupted];
    if !peers_own.contains(&error.kind()) {
        log::warn!("a connection could not be accepted: {error}; trying again in {} ms", PAUSE.as_millis());
        crowd.make_room();
        Timer::after(PAUSE).await;
    }
}
