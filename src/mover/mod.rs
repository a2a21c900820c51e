//! Runs a real mover and reports for it: starts it, reads its progress, tells the VMA, passes its status on.
//!
//! The copy comes first. Nothing here slows it, and nothing but an operator's cancellation of its job ends it or keeps it
//! from starting: what cannot be read counts as unknown,
//! what cannot be reported is said on standard error, and the mover's own exit status is the result in every case.
//! Threads are used freely: this is a command and not the daemon.

mod amount;
mod board;
mod bound;
mod child;
mod command;
mod copy;
mod course;
mod gauge;
mod line;
mod message;
mod nbdcopy;
mod number;
mod options;
mod order;
mod patience;
mod percent;
mod proc_io;
mod qemu_img;
mod reading;
mod reporter;
mod standing;
mod tail;
mod total;
mod vm_mover;
mod vma;
mod wrapper;

pub use bound::become_mover;
pub use order::{Order, Part, run};
pub use vm_mover::Errand;
pub use vma::Vma;
