//! Runs a real mover and reports for it.
