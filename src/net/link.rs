//! A connection to a server: without TLS, with TLS, or a stream of the link.

use std::io::{self, IoSlice};
use std::net::TcpStream;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use async_io::Async;
use futures_rustls::client::TlsStream;
use smol::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use super::fair::Fair;
use super::stream::Duplex;

/// A connection.
#[derive(Debug)]
pub(super) enum Link {
    Plain(Async<TcpStream>),
    /// On the heap: its state is a kilobyte, and most connections have none.
    Tls(Box<TlsStream<Async<TcpStream>>>),
    Stream(yamux::Stream),
}

impl Link {
    /// True where the peer has neither closed nor said anything since the last answer.
    pub(super) fn is_silent(&mut self) -> bool {
        match self {
            Self::Plain(stream) => {
                matches!(stream.get_ref().peek(&mut [0]), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            }
            // The socket alone tells too little: words out of turn may lie here decrypted already, and what has come may
            // be TLS's own, such as a ticket.
            Self::Tls(_) | Self::Stream(_) => {
                let mut context = Context::from_waker(Waker::noop());
                Pin::new(self).poll_read(&mut context, &mut [0]).is_pending()
            }
        }
    }
}

impl AsyncRead for Link {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, space: &mut [u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, space),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, space),
            Self::Stream(stream) => Pin::new(stream).poll_read(context, space),
        }
    }
}

impl AsyncWrite for Link {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Stream(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }
    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Stream(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }
    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
            Self::Stream(stream) => Pin::new(stream).poll_flush(context),
        }
    }
    fn poll_close(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_close(context),
            Self::Tls(stream) => Pin::new(stream).poll_close(context),
            Self::Stream(stream) => Pin::new(stream).poll_close(context),
        }
    }
}

impl Duplex for yamux::Stream {
    async fn end_sending(&mut self) -> io::Result<()> {
        self.close().await
    }
}

impl Duplex for futures_rustls::server::TlsStream<Fair<Async<TcpStream>>> {
    async fn end_sending(&mut self) -> io::Result<()> {
        self.close().await
    }
}

impl Duplex for Link {
    async fn end_sending(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(stream) => stream.end_sending().await,
            Self::Tls(stream) => stream.close().await,
            Self::Stream(stream) => stream.close().await,
        }
    }
}
