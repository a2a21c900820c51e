//! What is known of the VMAs' logs of the jobs: how far each is here, which reads are on the way, which wait. What
//! is done with it is decided in `log_reads`.

use std::collections::BTreeMap;

use crate::model::id::{CorrelationId, Epoch, JobId, VmaName};
use crate::model::job::Job;
use crate::model::time::Mono;
use crate::policy::schedule::Schedule;

/// What is known of the VMA's log of one job.
#[derive(Debug, Clone)]
pub(super) struct Reading {
    pub(super) vma: VmaName,
    pub(super) correlation: Option<CorrelationId>,
    /// The VMA's database, and the last of its entries that is here.
    pub(super) epoch: Epoch,
    pub(super) read: u64,
    /// A read is on the way.
    pub(super) is_asking: bool,
    /// The job has ended.
    pub(super) last: Option<Last>,
}

/// The last read of a job that has ended.
#[derive(Debug, Clone, Default)]
pub(super) struct Last {
    pub(super) failed: u32,
    /// The read on the way began after the end.
    pub(super) is_asked: bool,
}

/// The logs of all jobs whose VMA has one.
#[derive(Debug, Clone, Default)]
pub(super) struct Logs {
    pub(super) of: BTreeMap<JobId, Reading>,
    pub(super) asking: usize,
    pub(super) ended: usize,
    /// When the logs of ended jobs are asked for.
    pub(super) due: Schedule,
    /// How many answers are awaited from VMAs that are told of a job's end.
    pub(super) telling: BTreeMap<JobId, u32>,
}

impl Logs {
    /// When the next log is to be asked for.
    pub(super) fn next(&self) -> Option<Mono> {
        self.due.next()
    }
    /// A VMA is told that a job ends; its log is not at its end before it has answered.
    pub(super) fn tells(&mut self, id: &JobId) {
        *self.telling.entry(id.clone()).or_default() += 1;
    }
    pub(super) fn follow(&mut self, job: &Job, epoch: &Epoch) -> &mut Reading {
        let reading = self.of.entry(job.id.clone()).or_insert_with(|| Reading {
            vma: job.vma.clone(),
            correlation: None,
            epoch: epoch.clone(),
            read: 0,
            is_asking: false,
            last: None,
        });
        reading.correlation.clone_from(&job.correlation);
        reading.follow(epoch);
        reading
    }
    /// The read on the way has come to its end. `None` where none was: an answer that came twice, or after its time, is
    /// nobody's.
    pub(super) fn ends_read(&mut self, id: &JobId) -> Option<&mut Reading> {
        let reading = self.of.get_mut(id).filter(|reading| reading.is_asking)?;
        reading.is_asking = false;
        self.asking -= 1;
        Some(reading)
    }
    pub(super) fn forget(&mut self, id: &JobId) -> Option<Reading> {
        let reading = self.of.remove(id)?;
        self.due.remove(id);
        self.asking -= usize::from(reading.is_asking);
        self.ended -= usize::from(reading.last.is_some());
        Some(reading)
    }
}

impl Reading {
    /// Ids count within one database. One that comes back is read anew, and what is here already is not written twice.
    pub(super) fn follow(&mut self, epoch: &Epoch) {
        if self.epoch != *epoch {
            (self.epoch, self.read) = (epoch.clone(), 0);
        }
    }
}
