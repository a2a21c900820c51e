//! Runs a real mover and reports for it: starts it, reads its progress, tells the VMA, passes its status on.
//!
//! The copy comes first. Nothing here slows it, ends it or keeps it from starting: what cannot be read counts as unknown,
//! what cannot be reported is said on standard error, and the mover's own exit status is the result in every case.
//! Threads are used freely: this is a command with one copy, not the daemon.

mod board;
mod child;
mod command;
mod copy;
mod gauge;
mod nbdcopy;
mod percent;
mod proc_io;
mod qemu_img;
mod reporter;
mod tail;
mod total;
mod vma;

pub use copy::run;
pub use reporter::Assignment;
pub use vma::{BadUrl, Vma};

use std::io::Write;

use crate::model::percent::Percent;

/// What a mover said of its progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Reading {
    /// A share of its data.
    Share(Percent),
    /// A count of bytes moved.
    Bytes(u64),
}

/// A line on standard error. Where nobody reads that any more, the copy goes on all the same.
fn say(text: &str) {
    let _ = std::io::stderr().write_all(format!("waybill: {text}\n").as_bytes());
}
