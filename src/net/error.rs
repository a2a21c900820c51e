//! Why a call got no answer, and in which phase.

use std::fmt;
use std::io;
use std::time::Duration;

/// Where a call stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Waiting for a connection, or not begun.
    Queue,
    /// The host's name is being resolved.
    Resolve,
    /// The TCP connection is being made.
    Connect,
    /// The proxy on the way is asked to connect.
    Proxy,
    /// The TLS handshake is going on.
    Tls,
    /// A stream over the link is to be opened.
    Link,
    /// The request is on its way, and nothing has come back.
    FirstByte,
    /// The answer is coming in.
    Body,
}

impl Phase {
    fn late(self) -> &'static str {
        match self {
            Self::Queue => "no free connection",
            Self::Resolve => "name not resolved",
            Self::Connect => "not connected",
            Self::Proxy => "no answer of the proxy",
            Self::Tls => "TLS handshake not complete",
            Self::Link => "no link",
            Self::FirstByte => "no first byte",
            Self::Body => "answer not complete",
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Queue => "before sending",
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Proxy => "proxy",
            Self::Tls => "TLS",
            Self::Link => "link",
            Self::FirstByte => "first byte",
            Self::Body => "body",
        })
    }
}

/// A call without an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallError {
    /// Where it failed.
    pub phase: Phase,
    /// Why, in words.
    pub reason: String,
    /// Whether the time limit was what ended it.
    pub timed_out: bool,
    /// Whether the server's certificate is not one that is trusted.
    pub is_untrusted: bool,
}

impl CallError {
    /// A call that failed in that phase.
    pub fn new(phase: Phase, reason: impl Into<String>) -> Self {
        Self { phase, reason: reason.into(), timed_out: false, is_untrusted: false }
    }

    pub(in crate::net) fn io(phase: Phase, error: &io::Error) -> Self {
        if let Some(tls) = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
            return Self::new(phase, tls.to_string());
        }
        // The kind's own words ("connection refused") without the number; a few errors have none.
        let words = match error.kind().to_string() {
            words if words.contains("uncategorized") || words.contains("other error") => error.to_string(),
            words => words,
        };
        Self::new(phase, words)
    }

    /// The time limit of a call ended it in that phase.
    pub fn out_of_time(phase: Phase, limit: Duration) -> Self {
        let limit = if limit.subsec_millis() == 0 {
            format!("{} s", limit.as_secs())
        } else {
            format!("{} ms", limit.as_millis())
        };
        Self { timed_out: true, ..Self::new(phase, format!("{} within {limit}", phase.late())) }
    }
}

impl fmt::Display for CallError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.timed_out { f.write_str(&self.reason) } else { write!(f, "{}: {}", self.phase, self.reason) }
    }
}

impl std::error::Error for CallError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_its_phase_in_words() {
        let late = CallError::out_of_time(Phase::FirstByte, Duration::from_secs(10));
        assert_eq!(late.to_string(), "no first byte within 10 s");
        let late = CallError::out_of_time(Phase::Body, Duration::from_millis(1500));
        assert_eq!(late.to_string(), "answer not complete within 1500 ms");
        let refused = CallError::io(Phase::Connect, &io::Error::from_raw_os_error(111));
        assert_eq!(refused.to_string(), "connect: connection refused");
        let odd = CallError::io(Phase::Connect, &io::Error::from_raw_os_error(24));
        assert!(odd.reason.contains("open files"), "{odd}");
    }
}
