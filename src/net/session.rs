//! A link's connection and its streams: either side opens a stream when it has something to ask, and each carries an
//! HTTP/1.1 connection (R-60 c, R-64).
//!
//! Policy: a session is alive while something is heard. When nothing was heard for [`KNOCK_AFTER`], a question is asked
//! over it; when nothing was heard for [`DEAD_AFTER`], it ends, whatever the kernel believes of the connection. Time is
//! counted in ticks and no clock is read, so that a process that was stopped does not take its own pause for silence.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::future::poll_fn;
use std::io;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use async_io::Timer;
use smol::channel::{Receiver, Sender};
use smol::future;
use smol::io::{AsyncRead, AsyncWrite};
use yamux::{Config, Connection, ConnectionError, Mode, Stream};

use super::fair::Fair;
use super::tls::Refused;
use crate::limits;

/// From one look at the silence to the next.
const TICK: Duration = Duration::from_millis(500);
/// Ticks of silence after which a question is asked: 3 s.
const KNOCK_AFTER: u32 = 6;
/// Ticks of silence after which the session is dead: 8 s, so that with a tick and the closing R-64's 10 s are kept.
const DEAD_AFTER: u32 = 16;

/// Which side of the connection this is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The one that dialled.
    Dialler,
    /// The one that listened.
    Listener,
}

/// A session, as those hold it who open streams.
#[derive(Clone)]
pub struct Session(Rc<Shared>);

struct Shared {
    /// Who waits for a stream.
    wanted: RefCell<VecDeque<Sender<Stream>>>,
    /// Why it has ended, or is to end.
    ended: RefCell<Option<String>>,
    /// The one that carries it.
    waker: RefCell<Option<Waker>>,
    /// Changes whenever something was heard.
    heard: Cell<u64>,
    /// Has something in it once something was heard; closed at the end.
    first: (Sender<()>, Receiver<()>),
}

impl Shared {
    fn hears(&self) {
        self.heard.set(self.heard.get() + 1);
        // Full after the first time.
        let _ = self.first.0.try_send(());
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({})", self.end().unwrap_or_else(|| "open".to_owned()))
    }
}

impl Session {
    /// A session that nobody carries yet.
    pub fn unopened() -> Self {
        Self(Rc::new(Shared {
            wanted: RefCell::default(),
            ended: RefCell::default(),
            waker: RefCell::default(),
            heard: Cell::default(),
            first: smol::channel::bounded(1),
        }))
    }

    /// Opens a stream.
    ///
    /// # Errors
    /// Why the session has ended.
    pub async fn open(&self) -> Result<Stream, String> {
        if let Some(why) = self.end() {
            return Err(why);
        }
        let (give, taken) = smol::channel::bounded(1);
        self.0.wanted.borrow_mut().push_back(give);
        self.wake();
        taken.recv().await.map_err(|_| self.end().unwrap_or_else(|| "the link has ended".to_owned()))
    }

    /// Ends it; the other side sees the connection close.
    pub fn close(&self, why: &str) {
        self.0.ended.borrow_mut().get_or_insert_with(|| why.to_owned());
        self.0.wanted.borrow_mut().clear();
        self.0.first.0.close();
        self.wake();
    }

    /// Why it has ended.
    pub fn end(&self) -> Option<String> {
        self.0.ended.borrow().clone()
    }

    /// True where both are the same one.
    pub fn is(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.0, &other.0)
    }

    fn wake(&self) {
        if let Some(waker) = self.0.waker.take() {
            waker.wake();
        }
    }

    /// Waits until something was heard for the first time: until then the other side may still refuse our certificate
    /// (TLS 1.3 lets the dialler believe that it is in). False where the session ends instead.
    pub async fn is_accepted(&self) -> bool {
        self.0.first.1.recv().await.is_ok()
    }

    /// Carries the session over a connection until it ends; tells why. Streams of the other side go to `on_stream`;
    /// `knock` starts a question over the session, whose answer is heard.
    pub async fn carry<S>(&self, stream: S, side: Side, mut on_stream: impl FnMut(Stream), knock: impl Fn()) -> String
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let mut config = Config::default();
        config.set_max_num_streams(limits::STREAMS_PER_LINK);
        config.set_max_connection_receive_window(Some(limits::STREAMS_PER_LINK * 256 * 1024));
        let mode = match side {
            Side::Dialler => Mode::Client,
            Side::Listener => Mode::Server,
        };
        // Frames are small, and a peer may send them without end.
        let shared = Rc::clone(&self.0);
        let stream = Fair::telling(stream, move || shared.hears());
        let mut connection = Connection::new(stream, config, mode);
        let moving = poll_fn(|context| self.turn(&mut connection, context, &mut on_stream));
        let why = future::or(moving, self.watch(knock)).await;
        self.close(&why);
        why
    }

    fn turn<S: AsyncRead + AsyncWrite + Unpin>(
        &self,
        connection: &mut Connection<S>,
        context: &mut Context<'_>,
        on_stream: &mut impl FnMut(Stream),
    ) -> Poll<String> {
        self.0.waker.replace(Some(context.waker().clone()));
        loop {
            if let Some(why) = self.end() {
                return Poll::Ready(why);
            }
            while !self.0.wanted.borrow().is_empty() {
                match connection.poll_new_outbound(context) {
                    Poll::Ready(Ok(stream)) => {
                        let wants = self.0.wanted.borrow_mut().pop_front();
                        // Who has given up meanwhile drops it.
                        wants.and_then(|wants| wants.try_send(stream).ok());
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(words(&error)),
                    Poll::Pending => break,
                }
            }
            match connection.poll_next_inbound(context) {
                Poll::Ready(Some(Ok(stream))) => on_stream(stream),
                Poll::Ready(Some(Err(error))) => return Poll::Ready(words(&error)),
                Poll::Ready(None) => return Poll::Ready("the other side closed it".to_owned()),
                Poll::Pending => return Poll::Pending,
            }
        }
    }

    /// Ends when nothing was heard for too long.
    async fn watch(&self, knock: impl Fn()) -> String {
        let (mut last, mut silent) = (self.0.heard.get(), 0);
        while silent < DEAD_AFTER {
            Timer::after(TICK).await;
            let heard = self.0.heard.get();
            silent = if heard == last { silent + 1 } else { 0 };
            last = heard;
            if silent == KNOCK_AFTER {
                knock();
            }
        }
        format!("nothing was heard for {} s", (TICK * DEAD_AFTER).as_secs())
    }
}

/// Why the connection failed, in words.
fn words(error: &ConnectionError) -> String {
    match error {
        ConnectionError::Io(error) | ConnectionError::Decode(yamux::FrameDecodeError::Io(error)) => {
            match error.kind() {
                io::ErrorKind::UnexpectedEof => "the other side has gone".to_owned(),
                io::ErrorKind::ConnectionReset | io::ErrorKind::BrokenPipe => "the connection was reset".to_owned(),
                _ => Refused::of(error).reason,
            }
        }
        ConnectionError::Closed => "the other side closed it".to_owned(),
        other => format!("what came is no link: {other}"),
    }
}
