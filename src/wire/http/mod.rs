//! HTTP/1.1 over slices (RFC 9110, RFC 9112): request heads, chunked bodies, answers. No sockets, no clock.
//!
//! Policy: what a message means must not be open to two readings, so whatever the RFC lets a server refuse is refused
//! ([`Fault`], with the status to answer with); nothing here panics on any input, and every length is bounded by
//! [`crate::limits`].

mod chunked;
mod date;
mod fault;
mod head;
mod message;
mod render;
mod target;

pub use chunked::ChunkedBody;
pub use date::http_date;
pub use fault::Fault;
pub use head::{Framing, Head, parse_head};
pub use message::{Method, Request, Response};
pub use render::{CONTINUE, Closing, RenderedHead, render_head};
pub use target::{decode_segment, decode_target, encode_segment};
