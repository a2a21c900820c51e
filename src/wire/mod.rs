//! Bytes to nouns and back, over slices; no sockets. serde reads, nanoserde writes.

pub mod changeid;
pub mod http;
pub mod job;
pub mod problem;
pub mod progress;
pub mod update;
