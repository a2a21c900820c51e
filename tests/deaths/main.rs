//! Real deaths and real faults of both appliances, as processes (R-11, R-27, R-28): `kill -9` at any moment and at each
//! sync, system calls that fail, a disk that is full, read-only or damaged, a locked database, a wall clock that is set.
//! One scenario a file; each ends with a line of figures, which `--nocapture` shows:
//!
//! ```text
//! fault | how often | what was lost | longest time to normal
//! ```
//!
//! Short forms run here; `build/test --deaths` runs the long ones. What needs root or a loop device says `SKIPPED` where
//! it has none.
#![expect(clippy::unwrap_used, reason = "a test may end where its world is not as it should be")]

#[path = "../appliances/fake_clock.rs"]
mod fake_clock;
// Each test binary uses its own part of the harness.
#[allow(dead_code)]
#[path = "../appliances/harness.rs"]
mod harness;
#[allow(dead_code)]
#[path = "../appliances/http.rs"]
mod http;
#[allow(dead_code)]
#[path = "../appliances/mover.rs"]
mod mover;

mod books;
mod figures;
mod play;
mod tracer;

mod damaged;
mod each_sync;
mod full_disk;
mod kill9;
mod locked;
mod nth_operation;
mod wall_clock;
