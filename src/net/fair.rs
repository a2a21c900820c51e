//! A connection that lets others have their turn: a peer whose bytes never end must not keep the only thread, whatever reads
//! them in a loop of its own (TLS, the streams of a link).

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll};

use smol::io::{AsyncRead, AsyncWrite};

use super::stream::Duplex;

/// Reads in a row after which the others have their turn: of frames of a link this is a fraction of a millisecond.
const READS: u32 = 64;

/// A connection that pauses within the reading, and tells somebody whenever bytes have come.
#[derive(Debug)]
pub struct Fair<S, F = fn()> {
    stream: S,
    reads: u32,
    on_bytes: F,
}

impl<S> Fair<S> {
    /// The same, fair; nobody is told.
    pub fn new(stream: S) -> Self {
        Self::telling(stream, || {})
    }
}

impl<S, F: FnMut()> Fair<S, F> {
    /// The same, fair, and telling.
    pub fn telling(stream: S, on_bytes: F) -> Self {
        Self { stream, reads: 0, on_bytes }
    }
}

impl<S: AsyncRead + Unpin, F: FnMut() + Unpin> AsyncRead for Fair<S, F> {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        if self.reads >= READS {
            self.reads = 0;
            context.waker().wake_by_ref();
            return Poll::Pending;
        }
        let read = Pin::new(&mut self.stream).poll_read(context, space);
        self.reads = if read.is_pending() { 0 } else { self.reads + 1 };
        if let Poll::Ready(Ok(1..)) = read {
            (self.on_bytes)();
        }
        read
    }
}

impl<S: AsyncWrite + Unpin, F: Unpin> AsyncWrite for Fair<S, F> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }
    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(context, slices)
    }
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }
    fn poll_close(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(context)
    }
}

impl<S: Duplex, F: FnMut() + Unpin> Duplex for Fair<S, F> {
    async fn end_sending(&mut self) -> io::Result<()> {
        self.stream.end_sending().await
    }
}
