//! The HTTP server and client over real sockets: conformance (RFC 9110, RFC 9112), hostile peers, limits.
#![allow(clippy::unwrap_used)]

#[path = "http_server/cases.rs"]
mod cases;
#[path = "http_server/client.rs"]
mod client;
#[path = "http_server/client_limits.rs"]
mod client_limits;
#[path = "http_server/conformance.rs"]
mod conformance;
#[path = "http_server/crowded.rs"]
mod crowded;
#[path = "http_server/harness.rs"]
mod harness;
#[path = "http_server/slow.rs"]
mod slow;
