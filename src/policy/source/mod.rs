//! The VMA's side: movers' pushes and operators' declarations become each job's document (R-1 to,
//! R-31); so do vCenter's plans.
//!
//! Error policy: a request that cannot be taken is a [`Refusal`] and changes nothing; a push that makes no sense for its
//! job is taken, changes what it may, and leaves one entry in the job's log. The shell must drain [`Source::changes`]
//! into one transaction before it answers anybody.

mod book;
mod changeid;
mod declare;
mod document;
mod entry;
mod names;
mod plan;
mod planned;
mod push;
mod rivals;
mod unclaimed;

pub use book::{Source, SourceRules, SourceSettings};
pub use declare::Declared;
pub use document::{Listing, WhichRun};
pub use push::Pushed;
