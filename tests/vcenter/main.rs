//! waybill and a vCenter (R-5, R-6, F15 to F18, F36). Goal: what is planned equals to the byte what was marked, what cannot be
//! trusted is named, and a vCenter that fails harms nobody. Method: the real binary against VMware's own simulator with
//! change tracking added, over TLS; a client of VMware's checks that simulator.

#[path = "../appliances/harness.rs"]
#[expect(dead_code, reason = "one harness for several tests")]
mod harness;
#[path = "../appliances/http.rs"]
mod http;

mod daemon;
mod faults;
mod plans;
mod real_client;
mod vcsim;
