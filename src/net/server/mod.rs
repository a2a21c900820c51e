//! The HTTP/1.1 server: accepts, reads requests, asks the handler, writes answers in their order.
//!
//! Policy: nothing that a peer does, and no error of `accept`, ends the listener. A peer that is too slow, too large or
//! unclear gets a problem document and is closed. What a request means is the handler's matter alone.

mod connection;
mod crowd;
mod room;

use std::io;
use std::net::TcpListener;
use std::rc::Rc;
use std::time::Duration;

use async_io::{Async, Timer};
use smol::LocalExecutor;
use smol::future::yield_now;

pub use self::room::ServerLimits;

use self::crowd::Crowd;
use self::room::Room;
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
    let _cleared_at_the_end = Cleared(Rc::clone(&crowd));
    let room = Rc::new(Room::new(limits, handler));
    loop {
        if crowd.is_full() {
            wait_for_a_place(&listener, &crowd).await;
            continue;
        }
        match listener.accept().await {
            Ok((stream, _)) => {
                // Without it an answer may wait for the peer's delayed acknowledgement; with an error it is merely slow.
                let _ = stream.get_ref().set_nodelay(true);
                let room = Rc::clone(&room);
                crowd.admit(&executor, |seat| async move { connection::converse(stream, &room, seat).await });
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
