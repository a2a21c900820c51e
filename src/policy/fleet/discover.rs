//! When the VMAs are asked for lists of their jobs, where the configuration says so.

use std::time::Duration;

use crate::model::id::{Epoch, VmaName};
use crate::model::time::Mono;

/// What is known of one VMA's list.
#[derive(Debug, Clone)]
pub(super) struct Discovery {
    pub(super) vma: VmaName,
    /// The sequence up to which the list is known, and the epoch that it belongs to.
    pub(super) since: u64,
    pub(super) epoch: Option<Epoch>,
    due: Mono,
    is_asking: bool,
    failures: u32,
}

impl Discovery {
    pub(super) fn new(vma: VmaName, due: Mono) -> Self {
        Self { vma, since: 0, epoch: None, due, is_asking: false, failures: 0 }
    }
    /// When the VMA is to be asked next; `None` while it is being asked.
    pub(super) fn due(&self) -> Option<Mono> {
        (!self.is_asking).then_some(self.due)
    }
    /// True where it is time to ask; then it is being asked.
    pub(super) fn starts(&mut self, now: Mono) -> bool {
        let starts = !self.is_asking && self.due <= now;
        self.is_asking |= starts;
        starts
    }
    /// The VMA answered with all that changed up to a sequence.
    pub(super) fn answered(&mut self, now: Mono, interval: Duration, epoch: Option<Epoch>, sequence: u64) {
        (self.since, self.epoch, self.failures) = (sequence, epoch, 0);
        (self.is_asking, self.due) = (false, now + interval);
    }
    /// The VMA did not answer; gives the failures in a row.
    pub(super) fn missed(&mut self) -> u32 {
        self.failures = self.failures.saturating_add(1);
        self.failures
    }
    /// The next time to ask after a failure.
    pub(super) fn wait_until(&mut self, due: Mono) {
        (self.is_asking, self.due) = (false, due);
    }
}
