//! The connections of a listener, or the streams of a link: how many there are, which of them rest between requests, and which of those is the
//! first to go when somebody waits for a place.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::rc::Rc;
use std::task::{Poll, Waker};

use smol::channel::{Receiver, Sender, bounded};
use smol::{LocalExecutor, Task};

use crate::runtime::tasks::start;

/// All connections of one listener. When it is cleared they are cancelled.
pub struct Crowd {
    most: usize,
    inside: RefCell<Inside>,
    changes: (Sender<()>, Receiver<()>),
}

#[derive(Default)]
struct Inside {
    open: usize,
    next_number: u64,
    tasks: BTreeMap<u64, Task<()>>,
    /// In the order in which they came to rest.
    resting: BTreeMap<u64, Rc<Rest>>,
    leaving: usize,
}

impl Crowd {
    /// Room for so many.
    pub fn new(most: usize) -> Rc<Self> {
        // One token is enough: whoever takes it looks at everything.
        Rc::new(Self { most, inside: RefCell::default(), changes: bounded(1) })
    }

    /// True where a further one has to wait.
    pub fn is_full(&self) -> bool {
        self.inside.borrow().open >= self.most
    }

    /// Starts a connection's task.
    pub fn admit<F>(self: &Rc<Self>, executor: &LocalExecutor<'static>, converse: impl FnOnce(Seat) -> F)
    where
        F: Future<Output = ()> + 'static,
    {
        let number = {
            let mut inside = self.inside.borrow_mut();
            inside.open += 1;
            inside.number()
        };
        let task = start(executor, converse(Seat { crowd: Rc::clone(self), number }));
        self.inside.borrow_mut().tasks.insert(number, task);
    }

    /// Asks the connection that has rested longest to close, unless one that was asked is still about to.
    pub fn make_room(&self) {
        let mut inside = self.inside.borrow_mut();
        if inside.leaving == 0
            && let Some((_, rest)) = inside.resting.pop_first()
        {
            inside.leaving = 1;
            rest.ask();
        }
    }

    /// Waits until a connection has come to rest or has gone.
    pub async fn changed(&self) {
        // The other end lives in the same struct, so the channel cannot be closed.
        let _ = self.changes.1.recv().await;
    }

    /// Cancels all connections.
    pub fn clear(&self) {
        let tasks = std::mem::take(&mut self.inside.borrow_mut().tasks);
        drop(tasks);
    }

    fn tell(&self) {
        // A full channel holds the token already.
        let _ = self.changes.0.try_send(());
    }
}

impl Inside {
    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }
}

/// One connection's place; it is free again when this is dropped.
pub struct Seat {
    crowd: Rc<Crowd>,
    number: u64,
}

impl Seat {
    /// Marks the connection as one that may be closed, for as long as the answer lives.
    pub fn rest(&self) -> Resting<'_> {
        let rest = Rc::new(Rest::default());
        let mut inside = self.crowd.inside.borrow_mut();
        let number = inside.number();
        inside.resting.insert(number, Rc::clone(&rest));
        self.crowd.tell();
        Resting { crowd: &self.crowd, number, rest }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut inside = self.crowd.inside.borrow_mut();
        inside.open -= 1;
        if let Some(own) = inside.tasks.remove(&self.number) {
            own.detach();
        }
        self.crowd.tell();
    }
}

#[derive(Default)]
struct Rest {
    asked: Cell<bool>,
    waker: RefCell<Option<Waker>>,
}

impl Rest {
    fn ask(&self) {
        self.asked.set(true);
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// A connection between two requests.
pub struct Resting<'s> {
    crowd: &'s Crowd,
    number: u64,
    rest: Rc<Rest>,
}

impl Resting<'_> {
    /// Waits until the place is wanted for somebody else.
    pub async fn asked_to_leave(&self) {
        poll_fn(|context| {
            if self.rest.asked.get() {
                return Poll::Ready(());
            }
            self.rest.waker.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
    }
}

impl Drop for Resting<'_> {
    fn drop(&mut self) {
        let mut inside = self.crowd.inside.borrow_mut();
        if self.rest.asked.get() {
            inside.leaving = 0;
            // A request came in between, so that somebody else has to be asked.
            self.crowd.tell();
        } else {
            inside.resting.remove(&self.number);
        }
    }
}
