//! What can happen to an OMA.

use smol::channel::Sender;

use crate::config::OmaConfig;
use crate::model::id::VmaName;
use crate::policy::fleet::Input;
use crate::wire::http::{Request, Response};
use crate::wire::progress::ReadListing;

/// What can happen to an OMA.
#[derive(Debug)]
pub enum Event {
    /// A request, and who waits for its answer.
    Asked(Request, Sender<Response>),
    /// Something that the core decides on.
    Core(Input),
    /// A VMA's list, before the jobs that have a row here are taken out.
    Listed(VmaName, ReadListing),
    /// The configuration was read again.
    Reloaded(Box<OmaConfig>),
}
