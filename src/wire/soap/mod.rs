//! VMware's SOAP 1.1 (`vsphere.md`): requests as bytes, and answers as what they say. A fault is an answer like any other;
//! what is no SOAP at all is an error that quotes nothing but its place.

pub mod answer;
pub mod request;
mod vm;
mod xml;

pub use xml::{BadXml, Element};
