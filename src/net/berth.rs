//! Where a link's session lies while there is one: whoever has something to ask over the link waits here for a moment,
//! because a link that was cut is soon there again.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};
use std::time::Duration;

use async_io::Timer;
use smol::future;
use yamux::Stream;

use super::session::Session;
use crate::model::time::Mono;
use crate::runtime::clock::Clock;

/// How long calls wait for a link that has just ended: longer than the first redial takes, and shorter than the limit of any
/// call, so that what is told is why there is no link. Nobody waits for one that has been down for longer.
const PATIENCE: Duration = Duration::from_millis(2500);

/// The place of one link; clones share it.
#[derive(Clone)]
pub struct Berth(Rc<Inside>);

struct Inside {
    session: RefCell<Option<Session>>,
    /// Why there is none.
    why: RefCell<String>,
    waiting: RefCell<BTreeMap<u64, Waker>>,
    next_number: Cell<u64>,
    clock: Clock,
    /// Since when there is none.
    empty_since: Cell<Mono>,
}

impl fmt::Debug for Berth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Berth({:?})", self.0.session.borrow())
    }
}

impl Berth {
    /// An empty one, and why it is empty.
    pub fn new(why: &str) -> Self {
        let clock = Clock::start();
        Self(Rc::new(Inside {
            session: RefCell::default(),
            why: RefCell::new(why.to_owned()),
            waiting: RefCell::default(),
            next_number: Cell::default(),
            clock,
            empty_since: Cell::new(clock.now().mono),
        }))
    }

    /// Puts a session in. The one before it ends: the other side has dialled anew, so that it has given that one up,
    /// whatever is heard of it here (F46).
    pub fn put(&self, session: Session) {
        if let Some(before) = self.0.session.replace(Some(session)) {
            before.close("the other side has dialled anew");
        }
        for waiting in self.0.waiting.take().into_values() {
            waiting.wake();
        }
    }

    /// Takes a session out that has ended, unless another one has its place already; tells whether it was still there.
    pub fn take_out(&self, session: &Session, why: &str) -> bool {
        let is_present = self.0.session.borrow().as_ref().is_some_and(|present| present.is(session));
        if is_present {
            self.0.session.replace(None);
            self.0.empty_since.set(self.0.clock.now().mono);
            self.tell(why);
        }
        is_present
    }

    /// Says why there is no session.
    pub fn tell(&self, why: &str) {
        self.0.why.replace(why.to_owned());
    }

    /// The session that is here and has not ended.
    pub fn session(&self) -> Option<Session> {
        self.0.session.borrow().as_ref().filter(|session| session.end().is_none()).cloned()
    }

    /// Opens a stream over the link.
    ///
    /// # Errors
    /// Why there is no link, where none came within [`PATIENCE`].
    pub(super) async fn open(&self) -> Result<Stream, String> {
        let waits = Waits { inside: &self.0, number: self.0.next_number.get() };
        self.0.next_number.set(waits.number + 1);
        let arrived = async {
            loop {
                let session = poll_fn(|context| match self.session() {
                    Some(session) => Poll::Ready(session),
                    None => {
                        self.0.waiting.borrow_mut().insert(waits.number, context.waker().clone());
                        Poll::Pending
                    }
                })
                .await;
                // One that ends just now is followed by another, or by the end of patience.
                if let Ok(stream) = session.open().await {
                    return Ok(stream);
                }
            }
        };
        let elapsed = async {
            let empty_for = match self.session() {
                Some(_) => Duration::ZERO,
                None => self.0.clock.now().mono.since(self.0.empty_since.get()),
            };
            Timer::after(PATIENCE.saturating_sub(empty_for)).await;
            Err(self.0.why.borrow().clone())
        };
        future::or(arrived, elapsed).await
    }
}

/// Somebody who waits, and leaves the list when they give up.
struct Waits<'b> {
    inside: &'b Inside,
    number: u64,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.inside.waiting.borrow_mut().remove(&self.number);
    }
}
