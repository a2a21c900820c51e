//! Decisions; time comes in as an argument.
