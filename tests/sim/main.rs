//! The simulation: virtual time, sources (VMAs), scripted movers, lossy links and one fleet (OMA) with its database in
//! one world that jumps from deadline to deadline. Hours of replication take milliseconds, and a run repeats itself
//! exactly. One scenario a file, its title and numbers at its head; what must always hold is in `invariants`.

mod invariants;
mod link;
mod movers;
mod storm;
mod traffic;
mod vcenter;
mod vma;
mod world;

mod both_sides;
mod cancel;
mod chains;
mod crowd;
mod disk;
mod every_order;
mod every_pair;
mod flapping;
mod found;
mod full_store;
mod intermittent;
mod late_answers;
mod log_reads;
mod planning;
mod random_walk;
mod restart;
mod resumed_disks;
mod reused_ids;
mod revised_plans;
mod silent;
mod slow_answers;
mod slow_store;
mod source_restarts;
mod steady;
mod two_disks;
mod unknown;
mod wall_clock;
