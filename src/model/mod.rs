//! The nouns of waybill. No input or output, no clock, no serialisation: everything else is built from these.

pub mod change;
pub mod disk;
pub mod event;
pub mod id;
pub mod job;
pub mod peer;
pub mod percent;
pub mod pki;
pub mod plan;
pub mod progress;
pub mod record;
pub mod request;
pub mod source_log;
pub mod stage;
pub mod status;
pub mod text;
pub mod time;
pub mod vmware;
pub mod warning;
