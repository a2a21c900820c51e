//! Binds a mover's life to its wrapper's: a wrapper that is killed with -9 passes nothing on, and would leave a mover
//! behind that writes to the target unseen. The caller of the wrapper believes that the copy is over, and may start
//! it again on the same target. The orphan would not get far anyway: its next line has no reader, and ends it just then.
//!
//! The kernel sends SIGTERM to the mover when the wrapper dies, so that it can take its snapshot away. A process can ask
//! for that only itself: the wrapper starts itself once more, asks, and becomes the mover. What counts as the wrapper's death
//! is that of the thread that started the mover, so that must be the main thread. The children of a mover (of
//! `sh -c`) are the mover's own affair, and a program that changes its user (`sudo`) is left to itself by the kernel.

use std::ffi::OsString;
use std::io::{self, ErrorKind};
use std::os::unix::process::{CommandExt, parent_id};
use std::path::Path;
use std::process::Command;

use rustix::process::{Signal, set_parent_process_death_signal};

use super::message::say;

/// The first argument of `waybill run` that means this; followed by the wrapper's process id.
const WORD: &str = "--bound-to";
/// This program, also where its file has been replaced since it was started.
const OWN: &str = "/proc/self/exe";

/// The command that becomes the mover. Without `/proc` it is the mover unbound, because a copy is never kept from starting.
pub fn command(program: &OsString, arguments: &[OsString]) -> Command {
    if !Path::new(OWN).exists() {
        let mut command = Command::new(program);
        command.args(arguments);
        return command;
    }
    let mut command = Command::new(OWN);
    command.args(["run", WORD, &std::process::id().to_string()]).arg(program).args(arguments);
    command
}

/// Becomes the mover, where these arguments of `waybill run` are those of [`command`]; the exit status where it cannot.
pub fn become_mover(arguments: &[OsString]) -> Option<u8> {
    let [word, wrapper, program, arguments @ ..] = arguments else { return None };
    let wrapper: u32 = wrapper.to_str().filter(|_| word == WORD)?.parse().ok()?;
    // Refused by no kernel that waybill runs on; the copy would go on unbound.
    let _ = set_parent_process_death_signal(Some(Signal::TERM));
    if parent_id() != wrapper {
        // It died before the kernel was asked.
        return Some(128 + 15);
    }
    let error = Command::new(program).args(arguments).exec();
    say(&not_started(program, &error));
    Some(status_of(&error))
}

/// What is said of a mover that did not start.
pub fn not_started(program: &OsString, error: &io::Error) -> String {
    format!("{} could not be started: {error}", program.to_string_lossy())
}

/// As shells have it: 127 where there is no such program, 126 where it cannot be run.
pub fn status_of(error: &io::Error) -> u8 {
    if error.kind() == ErrorKind::NotFound { 127 } else { 126 }
}
