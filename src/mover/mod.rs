//! Runs a real mover and reports for it: starts it, reads its progress, tells the VMA, passes its status on.
//!
//! The copy comes first. Nothing here slows it, ends it or keeps it from starting: what cannot be read counts as unknown,
//! what cannot be reported is said on standard error, and the mover's own exit status is the result in every case.
//! Threads are used freely: this is a command with one copy, not the daemon.

mod board;
mod bound;
mod child;
mod command;
mod copy;
mod gauge;
mod message;
mod nbdcopy;
mod options;
mod percent;
mod proc_io;
mod qemu_img;
mod reading;
mod reporter;
mod tail;
mod total;
mod vma;

pub use bound::become_mover;
pub use copy::run;
pub use reporter::Assignment;
pub use vma::Vma;
