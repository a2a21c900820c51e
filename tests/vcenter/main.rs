//! waybill and a vCenter (R-5, R-6, F15 to F18, F36). Goal: what is planned equals to the byte what was marked, what cannot be
//! trusted is named, and a vCenter that fails harms nobody. Method: the real binary against VMware's own simulator with
//! change tracking added, over TLS; a client of VMware's checks that simulator.
#![expect(clippy::unwrap_used, reason = "a test may end where its world is not as it should be")]

// Each test binary uses its own part of the harness.
#[allow(dead_code)]
#[path = "../tls/certificates.rs"]
mod certificates;
#[allow(dead_code)]
#[path = "../appliances/harness.rs"]
mod harness;
#[allow(dead_code)]
#[path = "../appliances/http.rs"]
mod http;

mod daemon;
mod faults;
mod plans;
mod real_client;
mod vcsim;
