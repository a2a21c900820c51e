//! The chain of each disk's change ids: run by run, whether the blocks that one copied join on to those of the run
//! before it. A chain that breaks unnoticed leaves a target that looks whole and is not.
//!
//! What is known is rows of `cbt_history` alone; whoever asks has read them, from one file or from several. Nothing here
//! fails: a row that tells too little is named as such.

mod links;
mod verdict;
mod verify;
mod walk;

pub use links::{DiskChain, Finding, Place, Run};
pub use verdict::{Left, Severity, Verdict};
pub use verify::verify;
pub use walk::apart;
