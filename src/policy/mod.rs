//! Decisions; time comes in as an argument.

pub mod transition;
