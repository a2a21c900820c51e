//! The link between the two appliances: one TLS connection, dialled by either of them, over which both ask and answer
//! . `credentials` are the files that say who we are; `gatehouse` is the listener's side, `dialler` the
//! other; `streams` is what both do with a connection once it stands; `shown` keeps the certificates valid.
//!
//! Policy: whatever happens to a connection ends that connection only. A file that cannot be read, or a certificate that
//! cannot be used, is told with its name and changes nothing that already works.

pub mod credentials;
pub mod dialler;
pub mod gatehouse;
mod port;
pub mod shown;
mod streams;

pub use self::port::{Answers, News};
pub use self::streams::Carrier;
