//! What can happen to a VMA.

use smol::channel::Sender;

use super::spool::oma::Looked;
use crate::config::{TlsFiles, VmaConfig};
use crate::link::News;
use crate::model::id::JobId;
use crate::model::peer::Caller;
use crate::model::pki::Validity;
use crate::model::plan::{PlanRequest, Planned};
use crate::model::request::DiskQuestion;
use crate::model::stage::Stage;
use crate::policy::spool::Handed;
use crate::store::Unsent;
use crate::wire::http::{Request, Response};

/// What can happen to a VMA.
#[derive(Debug)]
pub enum Event {
    /// A request, whose it is, and who waits for its answer.
    Asked(Caller, Request, Sender<Response>),
    /// A request to the spool for change ids.
    AskedSpool(Request, Sender<Response>),
    /// What came of asking the OMA for a disk's last change id, and which mover waits for it.
    Looked(DiskQuestion, Looked, Sender<Response>),
    /// What came of handing a change id to the OMA.
    HandedOver(Box<Unsent>, Handed),
    /// The plan of a job has got to this stage.
    PlanReached(JobId, Stage),
    /// What came of asking vCenter about a job.
    Planned(Box<(PlanRequest, Planned)>),
    /// How the renewal of a certificate of this VMA has ended.
    Renewed(TlsFiles, Result<Validity, String>),
    /// What has become of the link to the OMA.
    Link(News),
    /// The configuration was read again.
    Reloaded(Box<VmaConfig>),
}
