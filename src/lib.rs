//! waybill: how far a VMware VM's replication has come, proved and remembered.
//!
//! Data walks through the house one way, and the modules stand in that order:
//! bytes in -> `net` -> [`wire`] -> [`model`] -> [`policy`] -> `store` -> [`view`] -> `net` -> bytes out.
//! [`model`], [`wire`], [`policy`] and [`view`] are pure: no clock, no socket, no file. They build alone with
//! `--no-default-features`; everything that touches the world needs the feature `appliance`.

pub mod config;
pub mod exit;
pub mod limits;
pub mod model;
pub mod policy;
pub mod view;
pub mod wire;

#[cfg(feature = "appliance")]
pub mod cli;
#[cfg(feature = "appliance")]
pub mod link;
#[cfg(feature = "appliance")]
pub mod mover;
#[cfg(feature = "appliance")]
pub mod net;
#[cfg(feature = "appliance")]
pub mod oma;
#[cfg(feature = "appliance")]
pub mod pki;
#[cfg(feature = "appliance")]
pub mod runtime;
#[cfg(feature = "appliance")]
pub mod store;
#[cfg(feature = "appliance")]
pub mod vma;
#[cfg(feature = "appliance")]
pub mod vsphere;
