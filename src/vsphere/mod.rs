//! vCenter's own account of a VM: a SOAP client on waybill's non-blocking HTTP client (`vsphere.md`, R-5).
//!
//! Policy: nothing in vCenter is changed, so that every call may be repeated but the login, which locks accounts where it is
//! refused a few times. A call ends with an answer or with a `Fault` whose kind says what to do, never with a guess. What
//! follows from the answers is not decided here.

mod changed_areas;
mod inventory;
mod session;

pub use changed_areas::DiskRef;
pub use session::Vcenter;
