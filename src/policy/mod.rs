//! Decisions. Everything here is a function of what it is given: time comes in as an argument, nothing is read, written
//! or sent. What must be done comes out as data (`model::change`, [`fleet::Action`]), and others do it.

pub mod announce;
pub mod arrival;
pub mod backoff;
pub mod baseline;
pub mod chain;
pub mod contact;
pub mod dice;
pub mod ending;
pub mod estimate;
pub mod fleet;
pub mod guests;
pub mod journal;
pub mod outbox;
pub mod panics;
pub mod planning;
pub mod rate;
pub mod reading;
pub mod redial;
pub mod refusal;
pub mod renewal;
pub mod schedule;
pub mod serving;
pub mod source;
pub mod spool;
pub mod tally;
pub mod throttle;
pub mod transition;
