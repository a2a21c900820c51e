//! What a link and its appliance say to each other.

use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use crate::model::peer::Caller;
use crate::wire::http::{Request, Response};

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
