//! One job of the book with what is not stored of it: the rates of its disks, what its log has once already, what waits.

use crate::model::id::{ChangeId, DiskId};
use crate::model::job::Job;
use crate::model::stage::Stage;
use crate::model::status::JobStatus;
use crate::model::time::Mono;
use crate::policy::journal::Once;
use crate::policy::rate::Rate;
use crate::policy::tally::plan_of;

/// One job with what is not stored of it.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    /// On the heap: the nodes of the table are not all full.
    pub(super) job: Box<Job>,
    /// One for each disk, in the same order.
    pub(super) watched: Vec<Watched>,
    /// What the log has once already, each kind by itself: much of one must not silence another.
    pub(super) told: Told,
    /// The stage is where its plan has got to; its mover has not come so far yet.
    pub(super) is_staged_by_plan: bool,
    /// For finished jobs: since when, by this process's clock.
    pub(super) finished: Option<Mono>,
    /// What the totals were made of at the last change.
    pub(super) shape: Shape,
    /// The mover's own last word is that it failed; with its reason, which may be empty.
    pub(super) mover_failed: Option<String>,
    /// Change ids for disks that the job does not have, as the movers called them: a declaration may name the disks yet.
    pub(super) unplaced: Vec<Unplaced>,
}

/// A change id that waits for its disk: the disk, the id, and where the run started.
pub(super) type Unplaced = (DiskId, ChangeId, Option<ChangeId>);

/// What a job's totals are made of: a disk that appears, or gets its size, revises the plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shape {
    disks: usize,
    planned: usize,
}

impl Shape {
    pub(super) fn of(job: &Job) -> Self {
        let planned = job.disks.iter().filter(|disk| plan_of(disk).is_some()).count();
        Self { disks: job.disks.len(), planned }
    }
}

/// What is known of one disk beside its document.
#[derive(Debug, Clone, Default)]
pub(super) struct Watched {
    pub(super) rate: Rate,
    /// Its counter is below what it had been, and the log says so.
    pub(super) regressed: bool,
    /// The log says who counts its bytes.
    pub(super) refined: bool,
    /// The log says that a push came after its end.
    pub(super) late: bool,
    /// The mover's own total of its present pass.
    pub(super) mover_total: Option<u64>,
}

/// The entries of a job that are worth their line once; most jobs have none, and room is taken with the first.
#[derive(Debug, Clone, Default)]
pub(super) struct Told(Option<Box<Tellings>>);

impl Told {
    pub(super) fn list(&mut self) -> &mut Tellings {
        self.0.get_or_insert_default()
    }
}

/// What a job's log has once already, by kinds.
#[derive(Debug, Clone, Default)]
pub(super) struct Tellings {
    /// Unknown texts.
    pub(super) unknown: Once,
    /// Transitions that were refused.
    pub(super) transitions: Once,
    /// Failures that changed no disk.
    pub(super) failures: Once,
    /// Pushes that belong to no disk.
    pub(super) strays: Once,
    /// Names of this job that another one claimed, with the claimant.
    pub(super) conflicts: Once,
    /// Questions for a change id that the OMA could not be asked (F38).
    pub(super) looks: Once,
    /// Why vCenter could not be asked, since it last answered.
    pub(super) plan_faults: Once,
    /// Why a total rests on no better basis.
    pub(super) weaker: Once,
    /// Where the job and vCenter say different things of a disk.
    pub(super) contradictions: Once,
    /// The mover's own name for the VM's only disk.
    pub(super) own_name: Option<DiskId>,
    /// Its last plan in a sentence.
    pub(super) plan: String,
    /// A disk beyond the bound.
    pub(super) is_full: bool,
}

impl Entry {
    pub(super) fn new(job: Job, finished: Option<Mono>) -> Self {
        let watched = vec![Watched::default(); job.disks.len()];
        // No mover has spoken where it is queued still.
        let is_staged_by_plan = job.stage == Some(Stage::QueryCbt) && job.status == JobStatus::Queued;
        let (shape, unplaced) = (Shape::of(&job), Vec::new());
        let (job, told) = (Box::new(job), Told::default());
        Self { job, watched, told, is_staged_by_plan, finished, shape, mover_failed: None, unplaced }
    }
    pub(super) fn throughput(&self, now: Mono) -> u64 {
        self.watched.iter().map(|disk| disk.rate.per_second(now)).fold(0, u64::saturating_add)
    }
}

/// A total that was replaced by another.
pub(super) struct Revision {
    pub(super) whose: String,
    pub(super) from: u64,
    pub(super) to: u64,
}
