//! Both appliances as processes: the real binary, real SQLite files, loopback sockets. Each test asserts what a mover, an
//! operator or another program sees: answers, rows, log lines, exit codes.
#![expect(clippy::unwrap_used, reason = "a test may end where its world is not as it should be")]

mod copy;
mod harness;
mod http;
mod mover;
mod recorder;

mod as_they_are;
mod both_sides;
mod broken;
mod crowded;
mod four_silences;
mod hostile;
mod locked;
mod movers;
mod names;
mod oma_api;
mod others;
mod same_figures;
mod signals;
mod silence;
mod spool;
mod throttled;
mod two_disks;
