//! A mover of the field: the bodies of its pushes as they are on the wire, and its one connection to the VMA.

use std::io;

use serde_json::Value;

use crate::harness::Daemon;
use crate::http::{Answer, Peer};

pub const INITIALIZING: &str =
    r#"{"stage":"Initializing","status":"in_progress","bytes_transferred":0,"throughput_bps":0,"percent":5}"#;
pub const SNAPSHOT: &str =
    r#"{"stage":"Creating Snapshot","status":"in_progress","bytes_transferred":0,"throughput_bps":0,"percent":10}"#;
pub const DISK_STARTS: &str =
    r#"{"stage":"Transfer","status":"in_progress","bytes_transferred":0,"throughput_bps":0,"sync_type":"initial"}"#;
pub const NOTHING_CHANGED: &str =
    r#"{"stage":"Transfer","status":"completed","bytes_transferred":0,"throughput_bps":0,"percent":100}"#;

/// A push while a disk is copied.
pub fn running(bytes: u64, total: u64) -> String {
    let percent = bytes as f64 * 100.0 / total as f64;
    format!(
        r#"{{"stage":"Transfer","status":"in_progress","bytes_transferred":{bytes},"total_bytes":{total},"throughput_bps":1048576,"percent":{percent}}}"#
    )
}
/// The push at the end of a disk.
pub fn completed(total: u64) -> String {
    format!(
        r#"{{"stage":"Transfer","status":"completed","bytes_transferred":{total},"total_bytes":{total},"throughput_bps":0,"percent":100}}"#
    )
}
/// The body that hands a disk's change id over.
pub fn change_id(disk: &str, change_id: &str) -> String {
    format!(r#"{{"change_id":"{change_id}","disk_id":"{disk}"}}"#)
}

/// One mover.
pub struct Mover {
    peer: Peer,
    target: String,
}

impl Mover {
    /// A mover that reports under an id to a VMA.
    pub fn new(vma: &Daemon, id: &str) -> Self {
        Self { peer: Peer::new(vma.address()), target: format!("/api/v1/progress/{id}/update") }
    }
    /// One push, as it ends.
    pub fn try_push(&mut self, body: &str) -> io::Result<Answer> {
        self.peer.call("POST", &self.target, body.as_bytes())
    }
    /// One push that must be answered as every mover expects; gives the answer.
    pub fn push(&mut self, body: &str) -> Value {
        let answer = self.try_push(body).unwrap_or_else(|error| panic!("{body}: {error}"));
        assert_eq!(answer.status, 200, "{body}: {answer:?}");
        let said = answer.json();
        assert_eq!(said["status"], "success", "{said}");
        said
    }
}
