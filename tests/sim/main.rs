//! The simulation: virtual time, sources (VMAs), scripted movers, lossy links and one fleet (OMA) with its database in
//! one world that jumps from deadline to deadline. Hours of replication take milliseconds, and a run repeats itself
//! exactly. One scenario a file, its title and numbers at its head; what must always hold is in `invariants`.

mod invariants;
mod link;
mod movers;
mod traffic;
mod vma;
mod world;

mod chaos;
mod crowd;
mod every_order;
mod intermittent;
mod restart;
mod silent;
mod steady;
mod two_disks;
mod unknown;
mod flapping;
mod slow_answers;
mod late_answers;
mod source_restarts;
mod wall_clock;
mod slow_store;
mod full_store;
mod cancel;
mod reused_ids;
mod resumed_disks;
mod revised_plans;
