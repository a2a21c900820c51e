//! How long each disk's copy took by the monotonic clock: a wall clock that is set in mid-copy bends no history.

use std::time::Duration;

use crate::model::disk::Disk;
use crate::model::id::DiskId;
use crate::model::time::{Mono, Now};

/// The copies of one job that began before the eyes of this process.
#[derive(Debug, Clone, Default)]
pub(super) struct Copies(Vec<Timed>);

#[derive(Debug, Clone)]
struct Timed {
    disk: DiskId,
    began: Mono,
    ended: Option<Mono>,
}

impl Copies {
    /// The copy of a disk begins.
    pub(super) fn begins(&mut self, now: Now, disk: &DiskId) {
        self.0.push(Timed { disk: disk.clone(), began: now.mono, ended: None });
    }
    /// The copy of a disk has come to its end; it may go on after a failure, and end again.
    pub(super) fn ends(&mut self, now: Now, disk: &DiskId) {
        if let Some(copy) = self.0.iter_mut().find(|copy| copy.disk == *disk) {
            copy.ended = Some(now.mono);
        }
    }
    /// A placeholder got its name.
    pub(super) fn named(&mut self, from: &DiskId, to: &DiskId) {
        if let Some(copy) = self.0.iter_mut().find(|copy| copy.disk == *from) {
            copy.disk = to.clone();
        }
    }
    /// How long the copy took, or has taken by now; `None` where this process did not see it begin.
    pub(super) fn length(&self, now: Now, disk: &Disk) -> Option<Duration> {
        let copy = self.0.iter().find(|copy| copy.disk == disk.id)?;
        let end = copy.ended.filter(|_| disk.ended_at.is_some()).unwrap_or(now.mono);
        Some(end.since(copy.began))
    }
}
