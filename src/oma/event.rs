//! What can happen to an OMA, and how those who ask are answered.

use smol::channel::Sender;

use crate::config::OmaConfig;
use crate::link::News;
use crate::model::id::{JobId, VmaName};
use crate::model::peer::Caller;
use crate::model::request::Outcome;
use crate::net::client::Client;
use crate::policy::fleet::Input;
use crate::wire::http::{Request, Response};
use crate::wire::progress::ReadListing;

/// What can happen to an OMA.
#[derive(Debug)]
pub enum Event {
    /// A request, whose it is, and who waits for its answer.
    Asked(Caller, Request, Sender<Response>),
    /// Something that the core decides on.
    Core(Input),
    /// A VMA's list, before the jobs that have a row here are taken out.
    Listed(VmaName, ReadListing),
    /// What has become of a VMA's link.
    Link(VmaName, News),
    /// The configuration was read again.
    Reloaded(Box<OmaConfig>),
}

/// An answer, and when it is given.
pub(super) enum Answer {
    /// Nothing has changed.
    AtOnce(Response),
    /// When all that was decided is written.
    WhenWritten(Response),
    /// The VMA's own answer to the wish that a job ends so.
    OfVma(Client, JobId, Outcome),
}
