//! What one `waybill run` is to do: one mover, or several in turn, for one job. Before the first one starts, the VMA is
//! asked how far the job is, and the job is declared as far as that is known.
//!
//! An absent VMA keeps no copy from starting: it costs a moment, and the reporter makes up for it.

use std::ffi::OsString;
use std::time::Duration;

use super::command::Mover;
use super::copy::copy;
use super::message::say;
use super::reporter::{Assignment, Ending, not_declared};
use super::standing::JobStanding;
use super::vm_mover::Errand;
use super::vma::{Vma, VmaError};
use super::wrapper;
use crate::model::id::{DiskId, JobId};
use crate::model::job::Vm;
use crate::model::request::{Declaration, DeclaredDisk};

/// The exit status where nothing was started, because the job was cancelled.
const REFUSED: u8 = 6;

/// One mover.
#[derive(Debug)]
pub struct Part {
    /// The disks that it copies, in order; may be empty for a mover of a whole VM.
    pub disks: Vec<DiskId>,
    /// How much there is to copy, in bytes.
    pub total: Option<u64>,
    /// The program.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
}

impl Part {
    /// What the command line of a mover of a whole VM tells; `None` for a mover of one disk.
    pub fn errand(&self) -> Option<Errand> {
        let behind = wrapper::look_through(&self.program, &self.arguments);
        Errand::of(&behind.name, &behind.arguments)
    }
}

/// Everything that a command line asks for.
#[derive(Debug)]
pub struct Order {
    /// The VMA.
    pub vma: Vma,
    /// The job.
    pub job: JobId,
    /// The VM's inventory path, where given.
    pub vm: Option<String>,
    /// End the job too.
    pub finish: bool,
    /// This was the job's last disk.
    pub last: bool,
    /// Go on although the job was cancelled.
    pub again: bool,
    /// Let the mover run on when the job is cancelled.
    pub keep_running: bool,
    /// How long after a mover's end its reports are insisted on.
    pub grace: Duration,
    /// The movers, in turn; at least one.
    pub parts: Vec<Part>,
}

/// Runs the movers and reports for them; answers the exit status to pass on: that of the first mover that fails, or
/// 6 where the job was cancelled before anything started.
pub fn run(mut order: Order) -> u8 {
    let parts = std::mem::take(&mut order.parts);
    let declaration = match order.vma.briefly().standing(&order.job) {
        Ok(known) => {
            if is_refused(&order.job, known.as_ref(), order.again) {
                return REFUSED;
            }
            known.iter().for_each(|known| name_strangers(&order.job, &parts, known));
            let wanted = wanted(&order, &parts, known.as_ref());
            // A job that has ended takes no declaration: the reporter opens a new run first.
            let is_open = known.is_none_or(|known| !known.status.is_final());
            wanted.filter(|wanted| !is_open || !is_declared(&order, wanted))
        }
        Err(_) => wanted(&order, &parts, None),
    };
    in_turn(&order, parts, declaration)
}

/// Says so where nothing is to be started, because the job was cancelled.
fn is_refused(job: &JobId, known: Option<&JobStanding>, again: bool) -> bool {
    let reason = known.and_then(JobStanding::cancelled).filter(|_| !again);
    if let Some(reason) = reason {
        say(&format!("job {job} was cancelled: {reason}; nothing is started. To go on all the same: --again"));
    }
    reason.is_some()
}

/// Declares the job; false where that is worth another try.
fn is_declared(order: &Order, declaration: &Declaration) -> bool {
    match order.vma.briefly().declare(&order.job, declaration) {
        Ok(()) => true,
        Err(VmaError::Away(_)) => false,
        Err(refused) => {
            say(&not_declared(&order.job, &refused));
            true
        }
    }
}

fn in_turn(order: &Order, parts: Vec<Part>, mut declaration: Option<Declaration>) -> u8 {
    let copies = parts.len();
    for (at, part) in parts.into_iter().enumerate() {
        if at > 0 {
            let known = order.vma.briefly().standing(&order.job).ok().flatten();
            if is_refused(&order.job, known.as_ref(), order.keep_running) {
                return REFUSED;
            }
        }
        let mover = Mover::of(part.program, part.arguments);
        // Who names all disks, or leaves the whole VM to a mover, has said which one is the last.
        let last = order.last || copies > 1 || part.disks.len() > 1 || mover.errand.is_some();
        let ending = match (order.finish, at + 1 < copies) {
            (false, _) => Ending::Disk,
            (true, true) => Ending::Failure,
            (true, false) => Ending::Job { last },
        };
        let assignment = Assignment {
            vma: order.vma.clone(),
            job: order.job.clone(),
            disks: part.disks,
            ending,
            grace: order.grace,
            declaration: declaration.take(),
            again: order.again && at == 0,
            keep_running: order.keep_running,
            has_stages: mover.errand.is_some(),
        };
        let ran = copy(&assignment, part.total, mover);
        if ran.is_cancelled && ran.status == 0 {
            return REFUSED;
        }
        if ran.status != 0 {
            if at + 1 < copies {
                let left = copies - at - 1;
                say(&format!("{left} more of {copies} copies of job {} are not started", order.job));
            }
            return ran.status;
        }
    }
    0
}

/// Warns of disks that the job's declaration does not have.
fn name_strangers(job: &JobId, parts: &[Part], known: &JobStanding) {
    let declared: Vec<&str> = known.declared().map(DiskId::as_str).collect();
    if declared.is_empty() {
        return;
    }
    for disk in parts.iter().flat_map(|part| &part.disks).filter(|disk| !declared.contains(&disk.as_str())) {
        let list = declared.join(", ");
        say(&format!("warning: job {job} is declared with {list}, and {disk} is none of them; the copy goes on"));
    }
}

/// What is to be declared: the VM, and the disks where all of them are named and none is declared yet.
fn wanted(order: &Order, parts: &[Part], known: Option<&JobStanding>) -> Option<Declaration> {
    let is_named = known.is_some_and(|known| !known.vm_path.is_empty());
    let from_mover = || parts.iter().find_map(|part| part.errand()?.vm).filter(|_| !is_named);
    let vm = order.vm.clone().or_else(from_mover).map(|path| Vm { path, ..Vm::default() });
    let disks: Vec<&DiskId> = parts.iter().flat_map(|part| &part.disks).collect();
    let has_declared = known.is_some_and(|known| known.declared().next().is_some());
    let disks = if disks.len() > 1 && !has_declared { disks } else { Vec::new() };
    let declared = |id: &DiskId| DeclaredDisk {
        id: id.clone(),
        label: None,
        capacity_bytes: None,
        device_key: None,
        previous_change_id: None,
        export: None,
    };
    let declaration = Declaration { vm, disks: disks.into_iter().map(declared).collect(), ..Declaration::default() };
    (declaration.vm.is_some() || !declaration.disks.is_empty()).then_some(declaration)
}
