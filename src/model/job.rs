//! A job: one run of the replication of one VM, as both appliances keep it. On the VMA it is what movers reported, on
//! the OMA what the VMA's documents said, held to the rules of.

use std::fmt;

use super::disk::{Basis, Disk};
use super::id::{Alias, CorrelationId, DiskId, Epoch, ExportName, JobId, VmaName};
use super::percent::Percent;
use super::stage::Stage;
use super::status::{DiskStatus, JobStatus};
use super::text::bounded;
use super::time::Wall;
use super::warning::{Warning, WarningKind};

/// A VM by the names that people know; "" when unknown.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Vm {
    /// Display name.
    pub name: String,
    /// Inventory path, for example `/DC0/vm/web01`.
    pub path: String,
    /// vCenter's instance UUID, which a renamed VM keeps and a new VM of the same path does not have.
    pub uuid: String,
}

/// The kind of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SyncKind {
    /// Everything that is allocated.
    Full,
    /// What changed since the previous change id.
    Incremental,
}

impl SyncKind {
    /// The spelling in JSON and in SQLite.
    pub const fn wire_name(self) -> &'static str {
        match self {
            Self::Full => "full",
            Self::Incremental => "incremental",
        }
    }
    /// The kind of that name; `initial` is a mover's word for full (`wire.md`).
    pub fn from_wire_name(name: &str) -> Option<Self> {
        match name.to_ascii_lowercase().as_str() {
            "full" | "initial" => Some(Self::Full),
            "incremental" => Some(Self::Incremental),
            _ => None,
        }
    }
}

/// One NBD export of a job.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Export {
    /// Its name; movers may push under it.
    pub name: ExportName,
    /// The disk behind it, where one was named.
    pub disk: Option<DiskId>,
    /// The device on the target, "" when unknown.
    pub device: String,
    /// True while its disk streams.
    pub connected: bool,
    /// When its disk started to stream.
    pub started_at: Option<Wall>,
}

/// The figures of a whole job.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Bytes to move; 0 while unknown.
    pub total_bytes: u64,
    /// Bytes moved; may exceed the plan.
    pub bytes_transferred: u64,
    /// Bytes per second over the last seconds.
    pub throughput_bps: u64,
    /// Share of the plan.
    pub percent: Percent,
    /// Seconds that remain at the present rate; `None` = unknown, 0 = done.
    pub eta_seconds: Option<u64>,
    /// The weakest basis among the disks.
    pub basis: Option<Basis>,
}

/// How a job's silence is told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Silence {
    /// The tunnel to the VMA is not up.
    TunnelDown,
    /// The VMA does not answer, or answers rubbish.
    VmaUnreachable,
    /// The VMA answers that it does not know the job.
    JobUnknown,
}

impl Silence {
    /// The spelling in SQLite and in messages.
    pub const fn stored_name(self) -> &'static str {
        match self {
            Self::TunnelDown => "tunnel_down",
            Self::VmaUnreachable => "vma_unreachable",
            Self::JobUnknown => "job_unknown",
        }
    }
}

impl fmt::Display for Silence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.stored_name())
    }
}

/// The OMA's contact with a job's source.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Contact {
    /// The last poll brought a document.
    Fresh,
    /// One or two polls did not.
    Late,
    /// Three or more did not.
    Silent(Silence),
    /// The silence failed the job.
    Lost,
}

impl Contact {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Fresh,
        Self::Late,
        Self::Silent(Silence::TunnelDown),
        Self::Silent(Silence::VmaUnreachable),
        Self::Silent(Silence::JobUnknown),
        Self::Lost,
    ];
    /// The spelling in SQLite.
    pub const fn stored_name(self) -> &'static str {
        match self {
            Self::Fresh => "fresh",
            Self::Late => "late",
            Self::Silent(silence) => silence.stored_name(),
            Self::Lost => "lost",
        }
    }
    /// The contact of that stored name.
    pub fn from_stored_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|contact| contact.stored_name() == name)
    }
}

impl fmt::Display for Contact {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.stored_name())
    }
}

/// How the reason of a cancelled job begins (`POST /api/v1/jobs/{id}/cancel`).
pub const CANCELLED: &str = "cancelled: ";

/// One run of the replication of one VM.
#[derive(Debug, Clone, PartialEq)]
pub struct Job {
    /// Its id.
    pub id: JobId,
    /// The VMA that carries it.
    pub vma: VmaName,
    /// The VM that it replicates.
    pub vm: Vm,
    /// Full or incremental, where known.
    pub sync: Option<SyncKind>,
    /// How far it is.
    pub status: JobStatus,
    /// What it is doing; `None` until the source has said so.
    pub stage: Option<Stage>,
    /// The figures of all disks together.
    pub totals: Totals,
    /// The OMA's contact with the source; always fresh on the VMA itself.
    pub contact: Contact,
    /// Since when the mover has been silent while streaming.
    pub stalled_since: Option<Wall>,
    /// Since when the mover has been silent for a minute while streaming; the OMA's own observation.
    pub quiet_since: Option<Wall>,
    /// When the byte count last rose, by this appliance's clock.
    pub bytes_moved_at: Option<Wall>,
    /// The mover's own name for what it does, where waybill knows no stage of that name.
    pub mover_says: Option<String>,
    /// How many disks the job has, if their number was declared.
    pub disk_count: Option<u32>,
    /// What an operator should know of it; one of each kind at most.
    pub warnings: Vec<Warning>,
    /// Why it failed.
    pub error: Option<String>,
    /// Joins what both appliances record of it; `None` only in a row that another program inserted.
    pub correlation: Option<CorrelationId>,
    /// The VMA's sequence at the job's last change.
    pub source_sequence: u64,
    /// The epoch that the sequence belongs to; not stored on the OMA.
    pub source_epoch: Option<Epoch>,
    /// When the source last reported.
    pub source_updated_at: Option<Wall>,
    /// When this appliance learned of it.
    pub created_at: Wall,
    /// When it was declared at the source; does not change with restarts.
    pub started_at: Option<Wall>,
    /// When this row last changed.
    pub updated_at: Wall,
    /// When the VMA last answered for it.
    pub last_contact_at: Option<Wall>,
    /// When it ended.
    pub completed_at: Option<Wall>,
    /// Its disks, in the order in which they were declared or met.
    pub disks: Vec<Disk>,
    /// Its NBD exports (VMA only).
    pub exports: Vec<Export>,
    /// Its other names (VMA only).
    pub aliases: Vec<Alias>,
}

impl Job {
    /// A job of which nothing is known but who carries it.
    pub fn new(id: JobId, vma: VmaName, created_at: Wall) -> Self {
        Self {
            id,
            vma,
            vm: Vm::default(),
            sync: None,
            status: JobStatus::Queued,
            stage: None,
            totals: Totals::default(),
            contact: Contact::Fresh,
            stalled_since: None,
            quiet_since: None,
            bytes_moved_at: None,
            mover_says: None,
            disk_count: None,
            warnings: Vec::new(),
            error: None,
            correlation: None,
            source_sequence: 0,
            source_epoch: None,
            source_updated_at: None,
            created_at,
            started_at: None,
            updated_at: created_at,
            last_contact_at: None,
            completed_at: None,
            disks: Vec::new(),
            exports: Vec::new(),
            aliases: Vec::new(),
        }
    }
    /// Adds a disk and takes no more room than it needs: a job hardly ever gets another, and there are many jobs.
    pub fn add_disk(&mut self, disk: Disk) {
        self.disks.reserve_exact(1);
        self.disks.push(disk);
    }
    /// The disk of that id.
    pub fn disk(&self, id: &DiskId) -> Option<&Disk> {
        self.disks.iter().find(|disk| disk.id == *id)
    }
    /// True of a found disk that nobody has opened, where somebody has named disks since: those count, and it would count
    /// twice.
    pub fn is_shadowed(&self, disk: &Disk) -> bool {
        disk.is_found() && disk.status == DiskStatus::Queued && self.disks.iter().any(|other| !other.is_found())
    }
    /// Shadowed disks have nothing to copy.
    pub fn clear_shadowed(&mut self) {
        for at in 0..self.disks.len() {
            if self.is_shadowed(&self.disks[at]) {
                (self.disks[at].planned_bytes, self.disks[at].suspect) = (Some(0), None);
            }
        }
    }
    /// The place of the disk that a mover calls so: by its id, as `disk-<VMware device key>` (`wire.md`), or by the
    /// placeholder under which it was known before it was named.
    pub fn place_of(&self, named: &DiskId) -> Option<usize> {
        let by_id = self.disks.iter().position(|disk| disk.id == *named);
        let by_key = || {
            let key = named.device_key()?;
            self.disks.iter().position(|disk| disk.device_key == Some(key))
        };
        let by_placeholder = || self.disks.iter().position(|disk| disk.earlier_id.as_ref() == Some(named));
        by_id.or_else(by_key).or_else(by_placeholder)
    }
    /// How many disks the job is known to have: by their declaration, by a declared number, or by vCenter. `None` while
    /// only the disks that were met so far are known.
    pub fn known_disk_count(&self) -> Option<usize> {
        let counted = self.disks.iter().filter(|disk| disk.is_expected() && !self.is_shadowed(disk)).count();
        let declared = self.disk_count.and_then(|count| usize::try_from(count).ok());
        (counted > 0 || declared.is_some()).then(|| declared.unwrap_or(0).max(counted))
    }
    /// What keeps the job from having succeeded, as `disk disk-2001 is Queued`: every disk that is not Completed, whether
    /// it was declared, opened or named, and disks that were only counted and have not begun.
    pub fn missing_disks(&self) -> Vec<String> {
        let open = self.disks.iter().filter(|disk| disk.status != DiskStatus::Completed && !self.is_shadowed(disk));
        let mut missing: Vec<String> = open.map(|disk| format!("disk {} is {}", disk.id, disk.status)).collect();
        let done = self.disks.iter().filter(|disk| disk.status == DiskStatus::Completed).count();
        let declared = self.disk_count.map_or(0, |count| usize::try_from(count).unwrap_or(usize::MAX));
        let is_named = self.disks.iter().any(|disk| disk.declared);
        let found = if is_named { 0 } else { self.disks.iter().filter(|disk| disk.is_found()).count() };
        if missing.is_empty() && done < declared.max(found) {
            let (count, whose) = if declared >= found { (declared, "declared") } else { (found, "the VM's") };
            missing.push(format!("{done} of {count} {whose} disks are Completed"));
        }
        missing
    }
    /// True of a run that an operator cancelled: its target may be the wrong one, and none of its change ids is served.
    pub fn is_cancelled(&self) -> bool {
        self.error.as_deref().is_some_and(|error| error.starts_with(CANCELLED))
    }
    /// The warning of a kind.
    pub fn warning(&self, kind: WarningKind) -> Option<&Warning> {
        self.warnings.iter().find(|warning| warning.kind == kind)
    }
    /// Adds a warning, or replaces that of its kind; true if this changes anything.
    pub fn warn(&mut self, kind: WarningKind, text: impl Into<String>) -> bool {
        let warning = Warning { kind, text: bounded(&text.into()) };
        match self.warnings.iter_mut().find(|known| known.kind == kind) {
            Some(known) if *known == warning => return false,
            Some(known) => *known = warning,
            None => {
                self.warnings.push(warning);
                self.warnings.sort_by_key(|warning| warning.kind);
            }
        }
        true
    }
    /// Takes a warning back; true if there was one.
    pub fn unwarn(&mut self, kind: WarningKind) -> bool {
        let before = self.warnings.len();
        self.warnings.retain(|warning| warning.kind != kind);
        self.warnings.len() < before
    }
    /// The disk of that id, to change it.
    pub fn disk_mut(&mut self, id: &DiskId) -> Option<&mut Disk> {
        self.disks.iter_mut().find(|disk| disk.id == *id)
    }
}
