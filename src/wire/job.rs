//! Bodies of requests about jobs: declarations, ends. Here, what waybill's own commands send.

use nanoserde::SerJson;

use crate::model::job::Vm;
use crate::model::request::{DeclaredDisk, Outcome, TrackRequest};

#[derive(SerJson)]
struct TrackDoc {
    id: String,
    vma: String,
    vm: Option<VmDoc>,
    disks: Vec<DiskDoc>,
}

#[derive(SerJson)]
struct VmDoc {
    name: Option<String>,
    path: Option<String>,
}

#[derive(SerJson)]
struct DiskDoc {
    id: String,
    label: Option<String>,
    capacity_bytes: Option<u64>,
    device_key: Option<i64>,
    previous_change_id: Option<String>,
    export: Option<ExportDoc>,
}

#[derive(SerJson)]
struct ExportDoc {
    name: String,
    device: Option<String>,
}

#[derive(SerJson)]
struct FinishDoc {
    status: String,
    error: Option<String>,
}

/// The body of `POST /api/v1/jobs` at the OMA; what is unknown is left out.
pub fn render_track(request: &TrackRequest) -> String {
    let doc = TrackDoc {
        id: request.job.to_string(),
        vma: request.vma.to_string(),
        vm: request.vm.as_ref().map(vm_doc),
        disks: request.disks.iter().map(disk_doc).collect(),
    };
    doc.serialize_json()
}

/// The body of `POST /api/v1/jobs/{id}/finish`.
pub fn render_finish(outcome: &Outcome) -> String {
    let (status, error) = match outcome {
        Outcome::Succeeded => ("Succeeded", None),
        Outcome::Failed(error) => ("Failed", Some(error.clone())),
    };
    FinishDoc { status: status.to_owned(), error }.serialize_json()
}

fn vm_doc(vm: &Vm) -> VmDoc {
    let known = |text: &String| (!text.is_empty()).then(|| text.clone());
    VmDoc { name: known(&vm.name), path: known(&vm.path) }
}

fn disk_doc(disk: &DeclaredDisk) -> DiskDoc {
    DiskDoc {
        id: disk.id.to_string(),
        label: disk.label.clone(),
        capacity_bytes: disk.capacity_bytes,
        device_key: disk.device_key,
        previous_change_id: disk.previous_change_id.as_ref().map(|id| id.as_str().to_owned()),
        export: disk.export.as_ref().map(|(name, device)| ExportDoc { name: name.to_string(), device: device.clone() }),
    }
}
