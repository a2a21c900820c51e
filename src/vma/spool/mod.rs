//! The spool for change ids: the movers' two change-id calls on the VMA, with all that is needed to forward them.
//! `calls` says what a call does.

mod calls;
pub(super) mod oma;
mod routes;

use std::rc::Rc;

use smol::LocalExecutor;
use smol::channel::Sender;

use self::oma::Oma;
use super::event::Event;
use crate::model::id::CorrelationId;
use crate::model::request::DiskQuestion;
use crate::model::time::{Mono, Now};
use crate::policy::spool::Forwarding;
use crate::runtime::ledger::Reply;
use crate::runtime::tasks::start;
use crate::store::Unsent;
use crate::wire::http::Response;

/// The spool of a VMA that serves one.
#[derive(Debug)]
pub(super) struct Spool {
    forwarding: Forwarding,
    oma: Oma,
    executor: Rc<LocalExecutor<'static>>,
    events: Sender<Event>,
    /// Answers that are given when what they rest on has been tried to be written: a mover that asks for a change id
    /// gets its answer even where the database fails.
    told: Vec<Reply>,
}

impl Spool {
    /// A spool that forwards to this OMA; what comes of it arrives at `events`.
    pub(super) fn new(oma: Oma, seed: u64, executor: Rc<LocalExecutor<'static>>, events: Sender<Event>) -> Self {
        Self { forwarding: Forwarding::new(seed), oma, executor, events, told: Vec::new() }
    }

    /// The OMA answers elsewhere from now on.
    pub(super) fn redirect(&mut self, oma: Oma) {
        self.oma = oma;
        self.wake();
    }

    /// The way to the OMA is open again: what waits goes on now.
    pub(super) fn wake(&mut self) {
        self.forwarding.wake();
    }

    /// What was on its way is tried again after a pause, whatever came of it.
    pub(super) fn try_later(&mut self, now: Now) {
        self.forwarding.unreadable(now.mono);
    }

    pub(super) fn elapse(&mut self, now: Mono) {
        self.forwarding.elapse(now);
    }

    pub(super) fn next_deadline(&self) -> Option<Mono> {
        self.forwarding.next_deadline()
    }

    /// Asks the OMA for a disk's last change id while the loop goes on.
    fn look(&self, look: DiskQuestion, correlation: Option<CorrelationId>, to: Sender<Response>) {
        let (oma, events) = (self.oma.clone(), self.events.clone());
        let asked = async move {
            let looked = oma.look(&look, correlation.as_ref()).await;
            // The loop has ended where nobody takes it.
            events.send(Event::Looked(look, looked, to)).await.ok();
        };
        start(&self.executor, asked).detach();
    }

    /// Hands a change id to the OMA while the loop goes on.
    fn hand_over(&mut self, unsent: Unsent, job: String, correlation: Option<CorrelationId>) {
        self.forwarding.sending(unsent.number);
        let (oma, events) = (self.oma.clone(), self.events.clone());
        let sent = async move {
            let handed = oma.hand_over(&unsent, &job, correlation.as_ref()).await;
            events.send(Event::HandedOver(Box::new(unsent), handed)).await.ok();
        };
        start(&self.executor, sent).detach();
    }
}
