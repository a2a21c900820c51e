//! Bytes to nouns and back, over slices; no sockets. serde reads, because it survives hostile bodies; nanoserde writes,
//! because it is small. Nothing here decides anything: what is well-formed passes, what is not is named.

pub mod changeid;
pub mod enrolment;
pub mod http;
pub mod job;
pub mod log;
mod object;
pub mod origin;
pub mod peer;
pub mod problem;
pub mod progress;
pub mod proxy;
pub mod soap;
pub mod thumbprint;
pub mod update;

use std::fmt;

pub use self::object::BadBody;
use self::object::{read_borrowed, read_mended, read_object};

/// SQLite's integers end at 2^63 - 1.
fn is_storable(number: u64) -> bool {
    i64::try_from(number).is_ok()
}

/// A byte count within what SQLite can hold.
fn storable(key: &str, bytes: Option<u64>) -> Result<Option<u64>, BadBody> {
    match bytes {
        Some(bytes) if !is_storable(bytes) => {
            Err(BadBody(format!("{key} is {bytes}; at most {} is possible", i64::MAX)))
        }
        other => Ok(other),
    }
}

fn text_or_empty(value: Option<&impl fmt::Display>) -> String {
    value.map(ToString::to_string).unwrap_or_default()
}
