//! Facts that somebody announces of a job, to the VMA before it starts or to the OMA with the wish to track it
//! how they compare with what is known, and what they add to it.

use crate::limits;
use crate::model::disk::Disk;
use crate::model::job::{Job, Vm};
use crate::model::request::DeclaredDisk;
use crate::model::status::JobStatus;
use crate::model::text::bounded;
use crate::model::warning::WarningKind;

/// What is said otherwise than is known, each as `key: known ..., given ...`. What is left out or not yet known is no
/// difference, nor is the order of the disks.
pub fn differences(job: &Job, vm: Option<&Vm>, disks: &[DeclaredDisk]) -> Vec<String> {
    let mut found = Vec::new();
    let mut compare = |key: String, known: Option<String>, given: Option<String>| {
        if let (Some(known), Some(given)) = (known, given)
            && known != given
        {
            found.push(format!("{key}: known {known}, given {given}"));
        }
    };
    // What is known was cut where it was too long.
    let text = |text: &str| (!text.is_empty()).then(|| format!("{:?}", bounded(text)));
    if let Some(vm) = vm {
        compare("vm.name".to_owned(), text(&job.vm.name), text(&vm.name));
        compare("vm.path".to_owned(), text(&job.vm.path), text(&vm.path));
        compare("vm.uuid".to_owned(), text(&job.vm.uuid), text(&vm.uuid));
    }
    for given in disks {
        let Some(known) = job.disk(&given.id) else { continue };
        let key = |field: &str| format!("disks[{}].{field}", given.id);
        let number = |value: Option<u64>| value.map(|value| value.to_string());
        compare(key("label"), text(&known.label), given.label.as_deref().and_then(text));
        compare(key("capacity_bytes"), number(known.capacity_bytes), number(given.capacity_bytes));
        let keys = (known.device_key, given.device_key);
        compare(key("device_key"), keys.0.map(|k| k.to_string()), keys.1.map(|k| k.to_string()));
        let ids = (known.previous_change_id.as_ref(), given.previous_change_id.as_ref());
        compare(key("previous_change_id"), ids.0.and_then(|c| text(c.as_str())), ids.1.and_then(|c| text(c.as_str())));
        let known_export = job.exports.iter().find(|export| export.disk.as_ref() == Some(&given.id));
        let given_export = given.export.as_ref().and_then(|(name, _)| text(name.as_str()));
        compare(key("export.name"), known_export.and_then(|export| text(export.name.as_str())), given_export);
    }
    found.extend(other_disks(job, disks));
    found
}

/// The two sets of declared disks, if they differ.
fn other_disks(job: &Job, disks: &[DeclaredDisk]) -> Option<String> {
    let known: Vec<&str> = job.disks.iter().filter(|disk| disk.declared).map(|disk| disk.id.as_str()).collect();
    let given: Vec<&str> = disks.iter().map(|disk| disk.id.as_str()).collect();
    let is_same_set = known.len() == given.len() && known.iter().all(|id| given.contains(id));
    let differs = !known.is_empty() && !given.is_empty() && !is_same_set;
    differs.then(|| format!("disks: known {}, given {}", known.join(" "), given.join(" ")))
}

/// True if both name a VM and mean different ones: no correction makes one job of two VMs.
pub fn is_other_vm(job: &Job, vm: Option<&Vm>) -> bool {
    let differs = |known: &str, given: &str| !known.is_empty() && !given.is_empty() && known != bounded(given);
    vm.is_some_and(|vm| differs(&job.vm.path, &vm.path) || differs(&job.vm.uuid, &vm.uuid))
}

/// True while nothing has been reported of the job: its declaration can be corrected.
pub fn is_correctable(job: &Job) -> bool {
    job.status == JobStatus::Queued && !job.disks.iter().any(Disk::is_opened)
}

/// Puts other facts in place of those that were declared before. Disks that are no longer named go.
pub fn correct(job: &mut Job, disks: &[DeclaredDisk]) {
    if disks.is_empty() {
        return;
    }
    job.disks.retain(|disk| !disk.declared || disks.iter().any(|given| given.id == disk.id));
    for given in disks {
        let Some(disk) = job.disk_mut(&given.id) else { continue };
        if let Some(label) = &given.label {
            disk.label = bounded(label);
        }
        disk.capacity_bytes = given.capacity_bytes.or(disk.capacity_bytes);
        disk.device_key = given.device_key.or(disk.device_key);
        disk.previous_change_id = given.previous_change_id.clone().or_else(|| disk.previous_change_id.take());
    }
}

/// Takes a declared number of disks over, which may be corrected while the job goes on.
pub fn count_disks(job: &mut Job, count: Option<u32>) {
    let Some(count) = count else { return };
    job.disk_count = Some(count);
    if job.disks.len() as u64 <= u64::from(count) {
        job.unwarn(WarningKind::TooManyDisks);
    }
}

/// Adds what the job did not know yet; the facts have been found to agree with it.
pub fn enrich(job: &mut Job, vm: Option<&Vm>, disks: &[DeclaredDisk]) {
    if let Some(vm) = vm {
        fill(&mut job.vm.name, &vm.name);
        fill(&mut job.vm.path, &vm.path);
        fill(&mut job.vm.uuid, &vm.uuid);
    }
    for given in disks {
        if job.disk(&given.id).is_none() {
            // What was copied before it had a name is what is declared now, in the same order.
            match job.disks.iter().position(|disk| !disk.named) {
                Some(at) => job.disks[at].name(given.id.clone()),
                None if job.disks.len() < limits::DISKS_PER_JOB => job.add_disk(Disk::new(given.id.clone())),
                None => {}
            }
        }
        if let Some(disk) = job.disk_mut(&given.id) {
            enrich_disk(disk, given);
        }
    }
}

fn enrich_disk(disk: &mut Disk, given: &DeclaredDisk) {
    disk.declared = true;
    fill(&mut disk.label, given.label.as_deref().unwrap_or(""));
    disk.capacity_bytes = disk.capacity_bytes.or(given.capacity_bytes);
    disk.device_key = disk.device_key.or(given.device_key);
    disk.previous_change_id = disk.previous_change_id.take().or_else(|| given.previous_change_id.clone());
}

fn fill(known: &mut String, given: &str) {
    if known.is_empty() {
        *known = bounded(given);
    }
}
