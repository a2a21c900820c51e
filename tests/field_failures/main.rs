//! Failures seen in the field (`field-failures.md`), one test each, named after its row: what went wrong there is driven
//! here through the public API in the simulated world, and what users see is asserted.

// Each test binary uses its own part of the world.
#[allow(dead_code)]
#[path = "../sim/disk.rs"]
mod disk;
#[allow(dead_code)]
#[path = "../sim/invariants.rs"]
mod invariants;
#[allow(dead_code)]
#[path = "../sim/link.rs"]
mod link;
#[allow(dead_code)]
#[path = "../sim/movers.rs"]
mod movers;
#[allow(dead_code)]
#[path = "../sim/traffic.rs"]
mod traffic;
#[allow(dead_code)]
#[path = "../sim/vma.rs"]
mod vma;
#[allow(dead_code)]
#[path = "../sim/world.rs"]
mod world;

mod figures;
mod fleet;
mod many;
mod source;
