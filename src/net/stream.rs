//! Reading and writing that costs an idle connection no buffer: all connections of one owner share a scratch space,
//! which is borrowed within a poll only.

use std::cell::RefCell;
use std::future::{Future, poll_fn};
use std::io::{self, IoSlice};
use std::net::{Shutdown, TcpStream};
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use async_io::{Async, Timer};
use smol::future::{self, yield_now};
use smol::io::{AsyncRead, AsyncWrite};

use super::pace::{Cut, Pace};

/// Bytes that are taken from a socket at a time.
pub const SCRATCH_BYTES: usize = 16 * 1024;

/// Space for one read, shared by many connections.
#[derive(Debug)]
pub struct Scratch(RefCell<Box<[u8]>>);

impl Scratch {
    /// The space.
    pub fn on_heap() -> Self {
        Self(RefCell::new(vec![0; SCRATCH_BYTES].into_boxed_slice()))
    }
    /// Lends the space, [`SCRATCH_BYTES`] of it, for as long as the call lasts.
    pub fn lend<T>(&self, borrower: impl FnOnce(&mut [u8]) -> T) -> T {
        borrower(&mut self.0.borrow_mut())
    }
}

/// A connection in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Unpin {
    /// Tells the peer that nothing more will come; reading goes on.
    fn end_sending(&mut self) -> impl Future<Output = io::Result<()>>;
}

impl Duplex for Async<TcpStream> {
    // `AsyncWrite::close` of this type only flushes.
    async fn end_sending(&mut self) -> io::Result<()> {
        self.get_ref().shutdown(Shutdown::Write)
    }
}

/// Appends what the socket has, at most 16 KiB, and waits where it has nothing. 0 is the end of the stream.
/// Nothing is lost if the future is dropped.
pub async fn read_some<S: AsyncRead + Unpin>(
    stream: &mut S,
    scratch: &Scratch,
    into: &mut Vec<u8>,
) -> io::Result<usize> {
    poll_fn(|context| {
        let mut space = scratch.0.borrow_mut();
        loop {
            return match ready!(Pin::new(&mut *stream).poll_read(context, &mut space)) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => Poll::Ready(Err(error)),
                Ok(count) => {
                    into.extend_from_slice(&space[..count]);
                    Poll::Ready(Ok(count))
                }
            };
        }
    })
    .await
}

/// Closes the sending side and reads on for a while: closing with bytes unread would make the kernel send a reset, which can
/// destroy what was said last before the peer has read it (RFC 9112, 9.6).
pub async fn linger<S: Duplex>(stream: &mut S, scratch: &Scratch, patience: Duration) {
    let elapsed = async {
        Timer::after(patience).await;
    };
    let ended = async {
        // With TLS this is a write, for which the peer may have no room.
        if stream.end_sending().await.is_ok() {
            discard(stream, scratch).await;
        }
    };
    future::or(ended, elapsed).await;
}

/// Reads and forgets until the peer has closed.
async fn discard<S: AsyncRead + Unpin>(stream: &mut S, scratch: &Scratch) {
    let mut forgotten = Vec::new();
    while matches!(read_some(stream, scratch, &mut forgotten).await, Ok(1..)) {
        forgotten.clear();
        yield_now().await;
    }
}

/// Writes a head and a body without joining them first, at the given pace.
pub async fn write_all<S: AsyncWrite + Unpin>(
    stream: &mut S,
    pace: &mut Pace,
    head: &[u8],
    body: &[u8],
) -> Result<(), Cut> {
    let mut sent = 0;
    while sent < head.len() + body.len() {
        let slices =
            [IoSlice::new(&head[sent.min(head.len())..]), IoSlice::new(&body[sent.saturating_sub(head.len())..])];
        let write = poll_fn(|context| {
            loop {
                match ready!(Pin::new(&mut *stream).poll_write_vectored(context, &slices)) {
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    done => return Poll::Ready(done),
                }
            }
        });
        sent += pace.step(write).await?;
        if sent < head.len() + body.len() {
            yield_now().await;
        }
    }
    // TLS may still hold the last of it back, and the peer may not read.
    let flushed = poll_fn(|context| Pin::new(&mut *stream).poll_flush(context).map_ok(|()| 1));
    pace.step(flushed).await.map(drop)
}
