//! `waybill plan`: asks vCenter how much there is to copy of a VM, before anything is copied, and names every change
//! id that cannot be trusted, which its exit code says too. Nothing is changed, neither there nor here.

use std::ffi::OsString;
use std::path::Path;
use std::rc::Rc;

use smol::LocalExecutor;

use super::args::{self, Given, Spec};
use super::{daemon, database, help, output};
use crate::config::{VcenterConfig, VmaConfig};
use crate::exit::{Exit, Failure};
use crate::model::id::{ChangeId, DiskId, JobId};
use crate::model::plan::{PlanRequest, VmPlan, WantedDisk};
use crate::model::stage::Stage;
use crate::model::vmware::{Fault, FaultKind};
use crate::store::Reader;
use crate::view::{self, units};
use crate::vma::planner;
use crate::vsphere::Vcenter;

const SPEC: Spec = Spec {
    name: "plan",
    words: &[],
    options: &[
        ("config", "FILE", false),
        ("vm", "PATH", false),
        ("previous", "DISK=CHANGEID", true),
        ("job", "JOB", false),
    ],
    switches: &["json"],
    help: help::PLAN,
};

/// Runs the command with the arguments after `plan`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let file = given.required(&SPEC, "config")?;
    let config =
        VmaConfig::parse(&daemon::read(Path::new(&file))?, &file).map_err(|errors| daemon::refused(&errors))?;
    let Some(vcenter) = config.vcenter.clone() else {
        let why = "it has no section [vcenter]";
        return Err(
            Failure::new(Exit::Configuration, file, why).with_remedy("write one, as the shipped vma.toml shows")
        );
    };
    let reader = Reader::open(&config.database).map_err(|error| database::failure(&error));
    let mut request = match given.value(&SPEC, "job")? {
        Some(job) => of_job(reader.as_ref().map_err(Clone::clone)?, &args::id(&SPEC, "--job", &job, JobId::parse)?)?,
        None => PlanRequest {
            job: JobId::parse("plan").map_err(|bad| args::usage(&SPEC, &bad))?,
            vm_path: String::new(),
            sync: None,
            generation: 0,
            // Whoever asks means the snapshot that is there.
            is_after_snapshot: true,
            disks: Vec::new(),
        },
    };
    if let Some(vm) = given.value(&SPEC, "vm")? {
        request.vm_path = vm;
    }
    if request.vm_path.is_empty() {
        return Err(args::usage(&SPEC, &"--vm PATH is missing, and no --job names a VM"));
    }
    add_previous(&given, &mut request)?;
    // What is remembered of sizes helps to judge; a VMA that never ran remembers nothing.
    if let Ok(reader) = &reader {
        for disk in &mut request.disks {
            let Some(previous) = &disk.previous else { continue };
            let then = reader.capacities_at(&request.vm_path, previous).map_err(|error| database::failure(&error))?;
            disk.capacities_then = then;
        }
    }
    show(&ask(vcenter, &request)?, given.has("json"))
}

/// The disks and change ids of a job, as the VMA's daemon would plan them.
fn of_job(reader: &Reader, id: &JobId) -> Result<PlanRequest, Failure> {
    let job = database::record(reader, id)?.job;
    let is_after_snapshot = job.stage.is_some_and(|stage| stage > Stage::Snapshot);
    let disks = job.disks.into_iter().map(|disk| WantedDisk {
        id: disk.id,
        device_key: disk.device_key,
        label: disk.label,
        previous: disk.previous_change_id,
        capacities_then: Vec::new(),
    });
    Ok(PlanRequest {
        job: job.id,
        vm_path: job.vm.path,
        sync: job.sync,
        generation: 0,
        is_after_snapshot,
        disks: disks.collect(),
    })
}

fn add_previous(given: &Given, request: &mut PlanRequest) -> Result<(), Failure> {
    for text in given.values(&SPEC, "previous")? {
        let parts = text.split_once('=').and_then(|(disk, id)| Some((disk, ChangeId::from_text(id)?)));
        let Some((disk, previous)) = parts else {
            return Err(args::usage(&SPEC, &format!("--previous {text:?} is not DISK=CHANGEID")));
        };
        let id = args::id(&SPEC, "--previous", disk, DiskId::parse)?;
        match request.disks.iter_mut().find(|known| known.id == id) {
            Some(known) => known.previous = Some(previous),
            None => {
                let (device_key, label, capacities_then) = (None, String::new(), Vec::new());
                request.disks.push(WantedDisk { id, device_key, label, previous: Some(previous), capacities_then });
            }
        }
    }
    Ok(())
}

fn ask(config: VcenterConfig, request: &PlanRequest) -> Result<VmPlan, Failure> {
    let executor = Rc::new(LocalExecutor::new());
    let planned = async_io::block_on(executor.run(async {
        let vcenter = Vcenter::new(config);
        let planned = planner::plan(&vcenter, request, async || {}).await;
        vcenter.log_out().await;
        planned
    }));
    planned.map_err(|fault| failure(&request.vm_path, &fault))
}

fn failure(vm: &str, fault: &Fault) -> Failure {
    let exit = match fault.kind {
        FaultKind::Unreachable | FaultKind::Untrusted => Exit::Unreachable,
        FaultKind::NoSuchVm => Exit::NotFound,
        FaultKind::Secrets => Exit::Configuration,
        FaultKind::LoginRefused | FaultKind::NotAuthenticated | FaultKind::NoPermission => Exit::Failed,
        FaultKind::SnapshotGone | FaultKind::ChangeIdRefused | FaultKind::InvalidArgument => Exit::Failed,
        FaultKind::NotSupported | FaultKind::Other | FaultKind::Broken => Exit::Failed,
    };
    // A terminal is not steered by what a server says.
    Failure::new(exit, format!("cannot plan {vm:?}"), units::plain(&fault.message)).with_remedy(fault.kind.remedy())
}

fn show(plan: &VmPlan, as_json: bool) -> Result<Exit, Failure> {
    let text = match as_json {
        true => view::plan::json(plan) + "\n",
        false => {
            let screen = output::Screen::of_stdout();
            view::plan::table(plan, screen.width, screen.colour)
        }
    };
    let printed = output::print(&text)?;
    Ok(if plan.is_suspect() || !plan.missing.is_empty() { Exit::Faults } else { printed })
}
