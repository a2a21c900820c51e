//! The nine stages of a run, in their order.

use std::fmt;

/// What a run is doing. The order of the variants is the order of a run: a stage only ever gives way to a later one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stage {
    /// The VM and its disks are looked up.
    Discover,
    /// Changed Block Tracking is switched on.
    EnableCbt,
    /// VMware is asked which areas are to be copied.
    QueryCbt,
    /// The VM's snapshot is taken.
    Snapshot,
    /// Target volumes are made.
    PrepareVolumes,
    /// NBD exports are started.
    StartExports,
    /// Blocks are copied.
    Transfer,
    /// What was needed for the copy is cleaned up.
    Finalize,
    /// Change ids are stored for the next incremental.
    PersistChangeIds,
}

impl Stage {
    /// All stages in order.
    pub const ALL: [Self; 9] = [
        Self::Discover,
        Self::EnableCbt,
        Self::QueryCbt,
        Self::Snapshot,
        Self::PrepareVolumes,
        Self::StartExports,
        Self::Transfer,
        Self::Finalize,
        Self::PersistChangeIds,
    ];

    /// The specification's spelling, on the wire and in SQLite.
    pub const fn wire_name(self) -> &'static str {
        match self {
            Self::Discover => "Discover",
            Self::EnableCbt => "EnableCBT",
            Self::QueryCbt => "QueryCBT",
            Self::Snapshot => "Snapshot",
            Self::PrepareVolumes => "PrepareVolumes",
            Self::StartExports => "StartExports",
            Self::Transfer => "Transfer",
            Self::Finalize => "Finalize",
            Self::PersistChangeIds => "PersistChangeIDs",
        }
    }
    /// The stage of that name, in any case of letters.
    pub fn from_wire_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|stage| stage.wire_name().eq_ignore_ascii_case(name))
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wire_name())
    }
}
