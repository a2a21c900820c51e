//! What was declared on the OMA is declared to the VMA too: otherwise the VMA, which alone hears the mover, would end
//! the job after its first disk (F53). The VMA's own document says whether it knows; so nothing of this is stored, and a VMA
//! that lost its database gets the declaration again.

use super::board::Fleet;
use super::port::{Action, DeclareAnswer};
use super::tracked::Declaring;
use crate::model::disk::Disk;
use crate::model::id::JobId;
use crate::model::job::{Job, Vm};
use crate::model::progress::Progress;
use crate::model::request::{Declaration, DeclaredDisk};
use crate::model::status::JobStatus;
use crate::model::time::Now;
use crate::model::warning::WarningKind;

impl Fleet {
    /// A document came, or the VMA does not know the job yet: declares what it lacks.
    pub(super) fn declare_what_is_missing(&mut self, id: &JobId, said: Option<&Progress>) {
        let Some(tracked) = self.jobs.get_mut(id) else { return };
        let Some(declaration) = missing(&tracked.job, said) else { return };
        let Declaring { is_asking, refused, corrects } = &mut tracked.declaring;
        let declaration = Declaration { only_adds: !*corrects, ..declaration };
        if *is_asking || refused.as_ref() == Some(&declaration) {
            return;
        }
        *is_asking = true;
        let (job, vma, correlation) = (id.clone(), tracked.job.vma.clone(), tracked.job.correlation.clone());
        self.actions.push_back(Action::Declare { job, vma, declaration: Box::new(declaration), correlation });
    }

    pub(super) fn declare_answered(&mut self, now: Now, id: &JobId, sent: Declaration, answer: &DeclareAnswer) {
        let Some(tracked) = self.jobs.get_mut(id) else { return };
        tracked.declaring.is_asking = false;
        match answer {
            DeclareAnswer::Taken => {
                (tracked.declaring.refused, tracked.declaring.corrects) = (None, false);
                if tracked.job.unwarn(WarningKind::DeclarationRefused) {
                    tracked.note_difference();
                }
            }
            // It is said again with the next poll that brings something.
            DeclareAnswer::Unreachable => {}
            DeclareAnswer::Refused(why) => {
                tracked.declaring.refused = Some(sent);
                let text = format!("the VMA does not take what was declared here: {why}");
                tracked.warn(now, WarningKind::DeclarationRefused, text, &mut self.journal);
                self.settle(now, id);
            }
        }
    }
}

/// What the OMA knows by declaration and the document lacks. A job that has been seen is not declared to a VMA that has
/// lost it: only its mover can bring it back.
fn missing(job: &Job, said: Option<&Progress>) -> Option<Declaration> {
    if job.status.is_final() || said.is_none() && job.status != JobStatus::Queued {
        return None;
    }
    // A VMA without an epoch knows no declarations as they are today.
    if said.is_some_and(|said| said.epoch.is_none() || said.status.is_final()) {
        return None;
    }
    let theirs = said.and_then(|said| said.vm.clone()).unwrap_or_default();
    let lacks = |ours: &str, theirs: &str| if theirs.is_empty() { ours.to_owned() } else { String::new() };
    let vm = Vm {
        name: lacks(&job.vm.name, &theirs.name),
        path: lacks(&job.vm.path, &theirs.path),
        uuid: lacks(&job.vm.uuid, &theirs.uuid),
    };
    let is_known = |disk: &Disk| said.is_some_and(|said| said.disks.iter().any(|it| it.declared && it.id == disk.id));
    let declared = job.disks.iter().filter(|disk| disk.declared);
    let lacks_disk = declared.clone().any(|disk| !is_known(disk));
    let disks: Vec<DeclaredDisk> = if lacks_disk { declared.map(declared_disk).collect() } else { Vec::new() };
    let disk_count = job.disk_count.filter(|count| said.and_then(|said| said.disk_count) != Some(*count));
    let is_empty = vm == Vm::default() && disks.is_empty() && disk_count.is_none();
    let vm = (vm != Vm::default()).then_some(vm);
    (!is_empty).then(|| Declaration { vm, disks, disk_count, ..Declaration::default() })
}

fn declared_disk(disk: &Disk) -> DeclaredDisk {
    let label = (!disk.label.is_empty()).then(|| disk.label.clone());
    DeclaredDisk {
        id: disk.id.clone(),
        label,
        capacity_bytes: disk.capacity_bytes,
        device_key: disk.device_key,
        previous_change_id: disk.previous_change_id.clone().filter(|_| !disk.previous_served),
        export: None,
    }
}
