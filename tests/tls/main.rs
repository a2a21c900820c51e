//! The client's connections with TLS: kept, repeated, cut off, and without a thread more. Whom it trusts is in
//! `tests/vcenter/tls.rs`.
#![allow(clippy::unwrap_used)]

mod certificates;
mod links;
mod peers;
mod servers;
mod trust;
