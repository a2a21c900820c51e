//! A VM as vCenter describes it: what a plan is made from. Facts only; what follows from them is
//! `policy::baseline`'s. Every size is in bytes.

use std::fmt;

use super::id::ChangeId;

/// A VM at the moment when it was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VmFacts {
    /// Its display name.
    pub name: String,
    /// Its managed object id, for example `vm-57`.
    pub id: String,
    /// True unless it runs or is suspended; only then the areas can be had without a snapshot.
    pub is_powered_off: bool,
    /// `config.changeTrackingEnabled`.
    pub tracks_changes: bool,
    /// `capability.changeTrackingSupported`.
    pub can_track_changes: bool,
    /// `config.version`, for example `vmx-13`; "" where it was not told.
    pub hardware_version: String,
    /// The managed object id of its current snapshot.
    pub snapshot: Option<String>,
    /// Names of the snapshots that were made before change tracking was enabled.
    pub untracked_snapshots: Vec<String>,
    /// Its virtual disks, in the order of their keys.
    pub disks: Vec<DiskFacts>,
}

/// One virtual disk of a VM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DiskFacts {
    /// VMware's device key; unique within the VM, for example 2000.
    pub key: i64,
    /// VMware's label, for example `Hard disk 1`.
    pub label: String,
    /// Where it is plugged in, as `scsi0:1`; `None` where that was not told.
    pub node: Option<String>,
    /// Its size as the VM sees it; in the snapshot, where there is one.
    pub capacity_bytes: u64,
    /// Its change id in the snapshot, which is where the next incremental would start.
    pub change_id: Option<ChangeId>,
    /// The sizes of its own files, those of its snapshots included (`layoutEx`); `None` where they were not told.
    pub layout_bytes: Option<u64>,
    /// Why VMware leaves it out of snapshots and of change tracking.
    pub excluded: Option<Exclusion>,
}

/// Why VMware tracks no changes of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exclusion {
    /// Its mode is `independent_persistent` or `independent_nonpersistent`.
    Independent,
    /// A raw device mapping in physical compatibility mode.
    PhysicalRdm,
}

impl fmt::Display for Exclusion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Independent => "an independent disk",
            Self::PhysicalRdm => "a raw device mapping in physical mode",
        })
    }
}

/// The areas of a disk that `QueryChangedDiskAreas` named, all pages together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Areas {
    /// Bytes in them; none is counted twice.
    pub bytes: u64,
    /// How many there are.
    pub count: u64,
    /// Calls that it took.
    pub pages: u64,
}

/// Why vCenter did not tell something. The text of [`Fault::message`] names what was asked and what came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which kind it is.
    pub kind: FaultKind,
    /// What was asked and what was answered, in a sentence without a full stop.
    pub message: String,
}

/// The kinds of [`Fault`], as far as somebody has to act on them differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum FaultKind {
    /// No connection, or no answer in time.
    Unreachable,
    /// Its certificate is not the one that was agreed on.
    Untrusted,
    /// The files with user, password or authority cannot be used.
    Secrets,
    /// The user or the password is wrong.
    LoginRefused,
    /// The session has ended (`NotAuthenticated`).
    NotAuthenticated,
    /// The user may not do this (`NoPermission`).
    NoPermission,
    /// There is no such VM.
    NoSuchVm,
    /// The snapshot is gone (`NotFound`, `ManagedObjectNotFound`).
    SnapshotGone,
    /// `FileFault`, or `InvalidArgument` on the change id: CBT was reset, or is not active yet.
    ChangeIdRefused,
    /// Another `InvalidArgument`: not a disk, an offset past the end, tracking not supported.
    InvalidArgument,
    /// vCenter does not offer the call, or not for this VM.
    NotSupported,
    /// Any other fault of vCenter.
    Other,
    /// What came is not what the protocol says.
    Broken,
}

impl FaultKind {
    /// What to do about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::Unreachable => "see that vCenter runs and that this machine reaches it on the port of `url`",
            Self::Untrusted => "set `thumbprint` or `ca_file` to vCenter's own, compared on its console",
            Self::Secrets => {
                "write the secret into its file, mode 0600, or give the unit a LoadCredential= of that name"
            }
            Self::LoginRefused => "correct `username_file` and `password_file`; the account may be locked by now",
            Self::NotAuthenticated => "see on vCenter whether its sessions are ended by somebody",
            Self::NoPermission => {
                "give the user System.Read on the VM and VirtualMachine.Provisioning.DiskRandomRead on its disks"
            }
            Self::NoSuchVm => {
                "write the inventory path, such as /DC0/vm/web01, or the managed object id, such as vm-57"
            }
            Self::SnapshotGone => "nothing: it is asked again with the next snapshot",
            Self::ChangeIdRefused => {
                "power the VM on, or take a snapshot, so that change tracking begins; then copy in full once"
            }
            Self::InvalidArgument | Self::NotSupported => "see that the VM's hardware version is at least 7",
            Self::Other | Self::Broken => "see vCenter's own log at that time",
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Fault {}
