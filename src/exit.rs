//! Exit codes, promised in the interfaces' list: scripts rely on them.

use std::process::ExitCode;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: failed.
    Failed,
    /// 2: the command line is wrong.
    Usage,
    /// 3: the configuration is wrong.
    Configuration,
    /// 4: there is no such thing.
    NotFound,
    /// 5: the other side does not answer.
    Unreachable,
    /// 6: the state machine refuses.
    Refused,
    /// 7: verification found faults.
    Faults,
    /// A mover's own status, passed through.
    Mover(u8),
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
            Exit::Configuration => 3,
            Exit::NotFound => 4,
            Exit::Unreachable => 5,
            Exit::Refused => 6,
            Exit::Faults => 7,
            Exit::Mover(status) => status,
        })
    }
}
