//! How far jobs and disks are, each with its name on the wire and its name in SQLite. Which status may follow
//! which is a decision and stands in `policy::transition`.

use std::fmt;

macro_rules! statuses {
    ($(#[$doc:meta])* $name:ident { $($(#[$vdoc:meta])* $variant:ident = $wire:literal / $stored:literal,)* }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name { $($(#[$vdoc])* $variant,)* }

        impl $name {
            /// All of them, in the order of a run.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// The specification's spelling in JSON.
            pub const fn wire_name(self) -> &'static str {
                match self { $(Self::$variant => $wire,)* }
            }
            /// The spelling in SQLite.
            pub const fn stored_name(self) -> &'static str {
                match self { $(Self::$variant => $stored,)* }
            }
            /// The status of that wire name, in any case of letters.
            pub fn from_wire_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|status| status.wire_name().eq_ignore_ascii_case(name))
            }
            /// The status of that stored name, letter for letter.
            pub fn from_stored_name(name: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|status| status.stored_name() == name)
            }
        }
        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.wire_name())
            }
        }
    };
}

statuses! {
    /// A job's status.
    JobStatus {
        /// Waiting to start.
        Queued = "Queued" / "pending",
        /// Initial set-up.
        Preparing = "Preparing" / "preparing",
        /// The VM's snapshot is being made.
        Snapshotting = "Snapshotting" / "snapshotting",
        /// Data is being transferred.
        Streaming = "Streaming" / "streaming",
        /// Clean-up.
        Finalizing = "Finalizing" / "finalizing",
        /// Ended well; final.
        Succeeded = "Succeeded" / "completed",
        /// Ended badly; final.
        Failed = "Failed" / "failed",
    }
}

statuses! {
    /// A disk's status.
    DiskStatus {
        /// Waiting to start.
        Queued = "Queued" / "pending",
        /// Its snapshot is being made.
        Snapshotting = "Snapshotting" / "snapshotting",
        /// Its data is being transferred.
        Streaming = "Streaming" / "syncing",
        /// All of it has arrived; final.
        Completed = "Completed" / "completed",
        /// Its copy ended badly; it may stream again while its job is unfinished.
        Failed = "Failed" / "failed",
    }
}

impl JobStatus {
    /// True for the two that nothing follows.
    pub const fn is_final(self) -> bool {
        matches!(self, Self::Succeeded | Self::Failed)
    }
}
