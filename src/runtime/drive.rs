//! The loop: one owner, no locks.
//!
//! Wait for one event, read the clock once, let everything that is there change memory, then settle: one transaction,
//! and only after it what was decided is sent and answered. The loop ends when it is told to, between two transactions.

use std::future::Future;

use async_io::Timer;
use smol::channel::Receiver;
use smol::future::FutureExt;

use super::clock::Clock;
use crate::limits;
use crate::model::time::{Mono, Now};

/// What the loop serves.
pub trait Appliance {
    /// What can happen to it.
    type Event;
    /// Takes what happened; changes memory only.
    fn handle(&mut self, now: Now, event: Self::Event);
    /// Time has passed; changes memory only. Called once per wake-up.
    fn elapse(&mut self, now: Now);
    /// Remembers what was decided in one transaction, then sends it and answers.
    fn settle(&mut self, now: Now);
    /// When to come back if nothing happens.
    fn next_deadline(&self) -> Option<Mono>;
}

enum Wake<E> {
    Event(E),
    Deadline,
    Stop,
}

/// Runs the appliance until `stop` is done or nobody can send events any more.
pub async fn drive<A: Appliance>(
    appliance: &mut A,
    clock: Clock,
    events: Receiver<A::Event>,
    stop: impl Future<Output = ()>,
) {
    smol::pin!(stop);
    loop {
        let deadline = appliance.next_deadline();
        let stopped = async {
            stop.as_mut().await;
            Wake::Stop
        };
        let happened = async { events.recv().await.map_or(Wake::Stop, Wake::Event) };
        let elapsed = async {
            match deadline {
                Some(at) => Timer::at(clock.instant(at)).await,
                None => std::future::pending().await,
            };
            Wake::Deadline
        };
        let wake = stopped.or(happened).or(elapsed).await;
        let now = clock.now();
        match wake {
            Wake::Stop => return appliance.settle(now),
            Wake::Deadline => {}
            Wake::Event(event) => {
                appliance.handle(now, event);
                for _ in 1..limits::EVENTS_PER_WAKEUP {
                    let Ok(event) = events.try_recv() else { break };
                    appliance.handle(now, event);
                }
            }
        }
        appliance.elapse(now);
        appliance.settle(now);
    }
}
