//! The OMA's side: all tracked jobs.
//!
//! One thing happens ([`Input`]), it changes memory only, and what must be done comes out: [`Fleet::next_action`] says
//! what to send, [`Fleet::changes`] what to remember, [`Fleet::next_deadline`] when to come back if nothing happens.
//! Coming early changes nothing. The shell writes the changes first; where the database cannot be
//! written, polls go on and the news of an end waits.

mod admit;
mod board;
mod copies;
mod declare;
mod discover;
mod finish;
mod log_reads;
mod logs;
mod merge;
mod order;
mod panicked;
mod port;
mod runs;
mod tracked;

pub use admit::Admitted;
pub use board::Fleet;
pub use port::{Action, DeclareAnswer, FinishAnswer, FleetSettings, Input, Listed, OnStall, Sender};
pub use runs::{listed_request, next_of};
