//! The few lines that `waybill run` itself writes: to standard error, since standard output belongs to the mover.

use std::io::Write;

/// Writes `waybill: TEXT`. If that has no reader any more, the copy goes on all the same.
pub fn say(text: &str) {
    let _ = std::io::stderr().write_all(format!("waybill: {text}\n").as_bytes());
}
