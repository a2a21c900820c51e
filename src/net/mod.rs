//! Sockets: what moves bytes and knows no rule of the house.
//!
//! Everything here runs on one thread's executor and never blocks it. Time limits are timers; no clock is read.

pub mod berth;
pub mod client;
pub mod dial;
mod error;
pub mod fair;
mod gate;
mod link;
mod pace;
mod resolve;
pub mod server;
pub mod session;
mod stream;
pub mod tls;
