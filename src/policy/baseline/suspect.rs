//! Why a change id cannot be trusted: a closed list (R-6; "known ways in which CBT lies" in `vsphere.md`).

use std::fmt;

use crate::model::id::ChangeId;
use crate::model::text::bounded;
use crate::model::vmware::DiskFacts;

/// A doubt about the change id from which an incremental would start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Suspect {
    /// It is not `<uuid>/<counter>`.
    Malformed(ChangeId),
    /// CBT was reset since.
    OtherUuid { before: ChangeId, now: ChangeId },
    /// The VM went back to an earlier snapshot.
    Ahead { then: u128, now: u128 },
    /// The disk has another size than it had.
    CapacityChanged { then: u64, now: u64 },
    /// CBT does not run at all.
    TrackingOff,
    /// CBT began in the middle of a chain of snapshots.
    EnabledUnderSnapshots(String),
    /// vCenter has no answer for it.
    Refused(String),
    /// Everything has changed, which is what a CBT that lost its count answers.
    DeltaIsCapacity,
}

impl Suspect {
    /// The doubts that need no question to CBT.
    pub(super) fn before_asking(previous: &ChangeId, disk: &DiskFacts, capacity_then: Option<u64>) -> Vec<Self> {
        let Some(then) = previous.point() else { return vec![Self::Malformed(previous.clone())] };
        let mut doubts = Vec::new();
        if let Some((id, now)) = disk.change_id.as_ref().and_then(|id| Some((id, id.point()?))) {
            let (before, id) = (previous.clone(), id.clone());
            if then.uuid != now.uuid {
                doubts.push(Self::OtherUuid { before, now: id });
            }
        }
        if let Some(bytes) = capacity_then.filter(|bytes| *bytes != disk.capacity_bytes) {
            doubts.push(Self::CapacityChanged { then: bytes, now: disk.capacity_bytes });
        }
        doubts
    }
}

impl fmt::Display for Suspect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(id) => {
                write!(f, "the previous change id {:?} is not <uuid>/<counter>", bounded(id.as_str()))
            }
            Self::OtherUuid { before, now } => {
                let (before, now) = (before.as_str(), now.as_str());
                write!(f, "change tracking was reset: the disk is at {now}, which has another uuid than {before}")
            }
            Self::Ahead { then, now } => {
                write!(f, "the disk is at {now} and was at {then}, as where the VM went back to an earlier snapshot")
            }
            Self::CapacityChanged { then, now } => {
                write!(f, "the disk had {then} bytes at the previous change id and has {now} bytes now")
            }
            Self::TrackingOff => f.write_str("change tracking is off, so that nobody knows what changed since"),
            Self::EnabledUnderSnapshots(names) => {
                write!(
                    f,
                    "change tracking was enabled while the VM had snapshots ({names}), so that areas may be missing"
                )
            }
            Self::Refused(why) => {
                write!(f, "vCenter has no answer for the previous change id, which was reset ({why})")
            }
            Self::DeltaIsCapacity => {
                f.write_str("all of the disk is said to have changed, as where change tracking has lost its count")
            }
        }
    }
}
