//! What an operator should know of a job that goes on: a closed list, one warning of each kind a job, with its remedy. A
//! warning stays with the job's row, so that it is seen without reading the log.

/// What a warning is about. The order is that of their weight: the first is shown first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WarningKind {
    /// Another unfinished job of the same VMA copies the same VM and disk.
    SameVm,
    /// The VM at this path is another one than that of the last run.
    OtherVm,
    /// A change id came for a disk that the job does not have.
    ChangeIdUnplaced,
    /// A disk is copied that the declaration does not name.
    DiskUndeclared,
    /// More disks are copied than were declared.
    TooManyDisks,
    /// The VMA does not take what was declared on the OMA.
    DeclarationRefused,
    /// The run before this one was cancelled, and its mover started again all the same.
    AfterCancel,
    /// The mover ended well and moved no byte, though no plan says that there was nothing to move.
    NothingMoved,
}

impl WarningKind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::SameVm,
        Self::OtherVm,
        Self::ChangeIdUnplaced,
        Self::DiskUndeclared,
        Self::TooManyDisks,
        Self::DeclarationRefused,
        Self::AfterCancel,
        Self::NothingMoved,
    ];
    /// The name in JSON and in SQLite.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SameVm => "same_vm",
            Self::OtherVm => "other_vm",
            Self::ChangeIdUnplaced => "change_id_unplaced",
            Self::DiskUndeclared => "disk_undeclared",
            Self::TooManyDisks => "too_many_disks",
            Self::DeclarationRefused => "declaration_refused",
            Self::AfterCancel => "after_cancel",
            Self::NothingMoved => "nothing_moved",
        }
    }
    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }
    /// What can be done about it.
    pub const fn remedy(self) -> &'static str {
        match self {
            Self::SameVm => {
                "stop the mover of one of the two jobs, and end that job: `waybill cancel JOB --reason TEXT`"
            }
            Self::OtherVm => "this VM is copied in full; check that its target is not that of the VM before it",
            Self::ChangeIdUnplaced => {
                "name the disks of the job, as `waybill track JOB --vma NAME --disk ID` does, and the change id finds its disk"
            }
            Self::DiskUndeclared => {
                "check the disk's id; a queued job can be declared again with other disks, else cancel and start again"
            }
            Self::TooManyDisks => "declare the right number: `waybill track JOB --vma NAME --disks N`",
            Self::DeclarationRefused => {
                "compare `waybill show JOB` on both appliances, and declare the disks that the mover really copies"
            }
            Self::AfterCancel => "check that the mover writes to the right target, or cancel this run too",
            Self::NothingMoved => "see the mover's own output, and check the target before it is used",
        }
    }
}

/// One warning of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    /// What it is about.
    pub kind: WarningKind,
    /// A sentence without its end.
    pub text: String,
}
