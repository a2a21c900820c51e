//! A gate with so many places; who finds it full waits, and is let in strictly in the order of coming.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::future::poll_fn;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// The gate, for one thread.
#[derive(Debug)]
pub struct Gate {
    free: Cell<usize>,
    queue: RefCell<VecDeque<Rc<Ticket>>>,
    /// Tickets that were called and have not come in yet.
    called: Cell<usize>,
}

#[derive(Debug, Default)]
struct Ticket {
    turn: Cell<Turn>,
    waker: RefCell<Option<Waker>>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Turn {
    #[default]
    Queued,
    /// A place is kept for it.
    Called,
    /// It has taken its place.
    Inside,
}

/// A place inside; it is free for the next when this is dropped.
#[derive(Debug)]
pub struct Place<'g>(&'g Gate);

impl Gate {
    pub fn new(places: usize) -> Self {
        Self { free: Cell::new(places), queue: RefCell::default(), called: Cell::new(0) }
    }

    /// How many stand outside.
    pub fn waiting(&self) -> usize {
        self.queue.borrow().len() + self.called.get()
    }

    /// Comes in, at once or in turn. Dropping the future leaves the queue.
    pub async fn enter(&self) -> Place<'_> {
        if self.free.get() > 0 {
            self.free.set(self.free.get() - 1);
            return Place(self);
        }
        let waiting = Waiting { gate: self, ticket: Rc::default() };
        self.queue.borrow_mut().push_back(Rc::clone(&waiting.ticket));
        poll_fn(|context| {
            if waiting.ticket.turn.get() == Turn::Called {
                return Poll::Ready(());
            }
            waiting.ticket.waker.replace(Some(context.waker().clone()));
            Poll::Pending
        })
        .await;
        // From here on the place is held; the waiting end must not give it away again.
        waiting.ticket.turn.set(Turn::Inside);
        self.called.set(self.called.get() - 1);
        Place(self)
    }

    /// A free place goes to the longest waiting, never past them.
    fn give_on(&self) {
        match self.queue.borrow_mut().pop_front() {
            Some(ticket) => {
                ticket.turn.set(Turn::Called);
                self.called.set(self.called.get() + 1);
                if let Some(waker) = ticket.waker.take() {
                    waker.wake();
                }
            }
            None => self.free.set(self.free.get() + 1),
        }
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.give_on();
    }
}

struct Waiting<'g> {
    gate: &'g Gate,
    ticket: Rc<Ticket>,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        match self.ticket.turn.get() {
            // The queue may be long, and who has come in stands in it no more.
            Turn::Inside => {}
            Turn::Called => {
                self.gate.called.set(self.gate.called.get() - 1);
                self.gate.give_on();
            }
            Turn::Queued => self.gate.queue.borrow_mut().retain(|other| !Rc::ptr_eq(other, &self.ticket)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use smol::future::{block_on, poll_once};
    use std::pin::pin;

    #[test]
    fn places_are_given_in_the_order_of_coming() {
        let gate = Gate::new(1);
        block_on(async {
            let inside = gate.enter().await;
            let mut first = pin!(gate.enter());
            let mut second = pin!(gate.enter());
            assert!(poll_once(first.as_mut()).await.is_none());
            assert!(poll_once(second.as_mut()).await.is_none());
            assert_eq!(gate.waiting(), 2);
            drop(inside);
            assert!(poll_once(second.as_mut()).await.is_none());
            assert!(poll_once(pin!(gate.enter())).await.is_none());
            let inside = poll_once(first.as_mut()).await.expect("the first is next");
            drop(inside);
            assert!(poll_once(second.as_mut()).await.is_some());
            assert_eq!(gate.waiting(), 0);
            assert!(poll_once(pin!(gate.enter())).await.is_some());
        });
    }

    #[test]
    fn who_gives_up_loses_nobody_a_place() {
        let gate = Gate::new(1);
        block_on(async {
            let inside = gate.enter().await;
            let mut gives_up = Box::pin(gate.enter());
            let mut called_then_gives_up = Box::pin(gate.enter());
            let mut patient = pin!(gate.enter());
            assert!(poll_once(&mut gives_up).await.is_none());
            assert!(poll_once(&mut called_then_gives_up).await.is_none());
            assert!(poll_once(patient.as_mut()).await.is_none());
            drop(gives_up);
            drop(inside);
            drop(called_then_gives_up);
            assert!(poll_once(patient.as_mut()).await.is_some());
            assert_eq!(gate.waiting(), 0);
        });
    }
}
