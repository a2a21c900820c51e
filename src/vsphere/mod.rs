//! vCenter's own account of a VM: a SOAP client on waybill's non-blocking HTTP client (`vsphere.md`, R-5).
//!
//! Policy: every call reads only, so that it may be repeated; nothing in vCenter is changed. A call ends with an answer or
//! with a `Fault` whose kind says what to do, never with a guess. What follows from the answers is not decided here.

mod changed_areas;
mod inventory;
mod session;

pub use changed_areas::DiskRef;
pub use session::Vcenter;
