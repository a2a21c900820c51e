//! The client's connections with TLS: whom it trusts (`vsphere.md`), and how they are kept, repeated and cut off, without a
//! thread more. Method: servers on real sockets with certificates of every kind, and `openssl s_server`.
#![expect(clippy::unwrap_used, reason = "a test may end where its world is not as it should be")]

mod certificates;
mod links;
mod peers;
mod servers;
mod trust;
