//! How the program ends: exit codes that scripts rely on, and the one message that says why.

use std::fmt;
use std::process::ExitCode;

/// The exit codes that are promised. Only `main` turns them into numbers for the system.
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
    /// 4: there is no such job, command or thing.
    NotFound,
    /// 5: the other side does not answer.
    Unreachable,
    /// 6: the state machine refuses.
    Refused,
    /// 7: verification found faults.
    Faults,
    /// 130: interrupted before what was waited for had come.
    Interrupted,
    /// A mover's own status, passed through.
    Mover(u8),
}

impl Exit {
    /// The number that the system sees.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
            Self::Configuration => 3,
            Self::NotFound => 4,
            Self::Unreachable => 5,
            Self::Refused => 6,
            Self::Faults => 7,
            Self::Interrupted => 130,
            Self::Mover(status) => status,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command ended without doing its work: what failed, why, and what to do about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code that goes with it.
    pub exit: Exit,
    /// What failed, as `cannot read /etc/waybill/oma.toml`.
    pub what: String,
    /// Why.
    pub why: String,
    /// What to do about it, where that is known.
    pub remedy: Option<String>,
}

impl Failure {
    /// A failure without a remedy.
    pub fn new(exit: Exit, what: impl Into<String>, why: impl fmt::Display) -> Self {
        Self { exit, what: what.into(), why: why.to_string(), remedy: None }
    }
    /// The same with a remedy.
    pub fn with_remedy(self, remedy: impl Into<String>) -> Self {
        Self { remedy: Some(remedy.into()), ..self }
    }
}

impl fmt::Display for Failure {
    /// `waybill: WHAT: WHY`, and the remedy on a line of its own.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // A reason of several lines, as the faults of a file, begins on a line of its own.
        let gap = if self.why.starts_with('\n') { "" } else { " " };
        write!(f, "waybill: {}:{gap}{}", self.what, self.why)?;
        match &self.remedy {
            Some(remedy) => write!(f, "\n  remedy: {remedy}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for Failure {}
