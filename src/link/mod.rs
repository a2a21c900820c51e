//! The link between the two appliances: one TLS connection, dialled by either of them, over which both ask and answer
//! . `credentials` are the files that say who we are; `gatehouse` is the listener's side, `dialler` the
//! other; `streams` is what both do with a connection once it stands.
//!
//! Policy: whatever happens to a connection ends that connection only. A file that cannot be read, or a certificate that
//! cannot be used, is told with its name and changes nothing that already works.

pub mod credentials;
pub mod dialler;
pub mod gatehouse;
mod streams;

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

pub use self::streams::Carrier;
use crate::wire::http::{Request, Response};
use crate::wire::peer::Caller;

/// Who answers what the other side of a connection asks.
pub type Answers = Rc<dyn Fn(Caller, Request) -> Pin<Box<dyn Future<Output = Response>>>>;

/// What has become of a link.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// It stands.
    Up,
    /// It has ended, and why.
    Down(String),
}
