//! The link as it stands between two sites. Goal: whatever is between the two appliances, and whatever it
//! does, a job is tracked to its end. Method: the real binary at both ends, the programs that operators have on the
//! way, and two network namespaces whose packets are dropped and refused by rules of the kernel's.
#![expect(clippy::unwrap_used, reason = "a test may end where its world is not as it should be")]

// Each test binary uses its own part of these.
#[allow(dead_code)]
#[path = "../tls/certificates.rs"]
mod certificates;
#[path = "../appliances/fake_clock.rs"]
mod fake_clock;
#[allow(dead_code)]
#[path = "../appliances/harness.rs"]
mod harness;
#[allow(dead_code)]
#[path = "../appliances/http.rs"]
mod http;
#[allow(dead_code)]
#[path = "../appliances/mover.rs"]
mod mover;

mod away;
mod companion;
mod enrolment;
mod hundred;
mod namespaces;
mod plant;
mod refusals;
mod run;
mod scan;
mod shown;
mod sockets;
mod strait;
mod ways;
