//! What joins the pure core to the machine: the clock, signals, the loop, and the database with those who wait for it.
//! Nothing here decides about jobs.

pub mod clock;
pub mod drive;
pub mod guard;
pub mod ledger;
pub mod log;
pub mod secrets;
pub mod service;
pub mod signals;
pub mod sockets;
pub mod tasks;
