//! One disk of a job, as both appliances keep it.

use super::id::{ChangeId, DiskId};
use super::percent::Percent;
use super::status::DiskStatus;
use super::time::Wall;

/// What a total rests on, in the order of trust: the first is the best.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Basis {
    /// Areas that CBT reports as allocated.
    CbtAllocated,
    /// Areas that CBT reports as changed since the previous change id.
    CbtDelta,
    /// The sizes of the disk's files.
    Layout,
    /// What the mover said.
    Mover,
    /// The disk's capacity.
    Capacity,
}

impl Basis {
    /// All of them, most trusted first.
    pub const ALL: [Self; 5] = [Self::CbtAllocated, Self::CbtDelta, Self::Layout, Self::Mover, Self::Capacity];

    /// The label in JSON and in SQLite.
    pub const fn wire_name(self) -> &'static str {
        match self {
            Self::CbtAllocated => "cbt-allocated",
            Self::CbtDelta => "cbt-delta",
            Self::Layout => "layout",
            Self::Mover => "mover",
            Self::Capacity => "capacity",
        }
    }
    /// True of what CBT itself told: it may well be 0 bytes.
    pub const fn is_of_cbt(self) -> bool {
        matches!(self, Self::CbtAllocated | Self::CbtDelta)
    }
    /// The basis of that label.
    pub fn from_wire_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|basis| basis.wire_name() == name)
    }
}

/// One disk of a job. Byte counts are bytes, rates are bytes per second.
#[derive(Debug, Clone, PartialEq)]
pub struct Disk {
    /// Its id within the job.
    pub id: DiskId,
    /// VMware's label, "" when unknown.
    pub label: String,
    /// True where somebody announced the disk before it was copied; only such a disk can end a job.
    pub declared: bool,
    /// VMware's device key; a mover may call the disk `disk-<key>`.
    pub device_key: Option<i64>,
    /// The disk's size.
    pub capacity_bytes: Option<u64>,
    /// How much is to be moved.
    pub planned_bytes: Option<u64>,
    /// What the plan rests on.
    pub basis: Option<Basis>,
    /// How far it is.
    pub status: DiskStatus,
    /// How much has been moved; never goes down within a run.
    pub bytes_transferred: u64,
    /// Share of the plan.
    pub percent: Percent,
    /// Measured by waybill.
    pub throughput_bps: u64,
    /// The mover's own figure, kept beside it.
    pub mover_throughput_bps: Option<u64>,
    /// Where the next incremental starts.
    pub change_id: Option<ChangeId>,
    /// Where this incremental started.
    pub previous_change_id: Option<ChangeId>,
    /// Areas that CBT reported.
    pub blocks_changed: Option<u64>,
    /// Why its change ids cannot be trusted.
    pub suspect: Option<String>,
    /// Why it failed.
    pub error: Option<String>,
    /// When its first byte was announced.
    pub started_at: Option<Wall>,
    /// When it was completed or failed.
    pub ended_at: Option<Wall>,
    /// When the source last reported on it.
    pub updated_at: Option<Wall>,
}

impl Disk {
    /// True of a disk that nobody named: a plan of vCenter's has brought it into the job, as `disk-<key>`.
    pub fn is_found(&self) -> bool {
        !self.declared && self.device_key.is_some() && self.id.device_key() == self.device_key
    }
    /// A disk of which only the id is known.
    pub fn new(id: DiskId) -> Self {
        Self {
            id,
            label: String::new(),
            declared: false,
            device_key: None,
            capacity_bytes: None,
            planned_bytes: None,
            basis: None,
            status: DiskStatus::Queued,
            bytes_transferred: 0,
            percent: Percent::ZERO,
            throughput_bps: 0,
            mover_throughput_bps: None,
            change_id: None,
            previous_change_id: None,
            blocks_changed: None,
            suspect: None,
            error: None,
            started_at: None,
            ended_at: None,
            updated_at: None,
        }
    }
}
