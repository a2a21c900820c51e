//! `waybill track`: asks the OMA to follow a job that a VMA carries.

use std::ffi::OsString;

use super::args::{self, Spec};
use super::request::{self, Addressee, Appliance};
use super::{help, output};
use crate::exit::{Exit, Failure};
use crate::model::id::{DiskId, JobId, VmaName};
use crate::model::job::Vm;
use crate::model::request::{DeclaredDisk, TrackRequest};
use crate::wire::job;

const SPEC: Spec = Spec {
    name: "track",
    words: &["JOB"],
    options: &[
        ("vma", "NAME", false),
        ("vm", "PATH", false),
        ("disk", "ID", true),
        ("disks", "N", false),
        ("oma", "URL", false),
    ],
    switches: &[],
    help: help::TRACK,
};

/// Runs the command with the arguments after `track`.
pub fn main(args: Vec<OsString>) -> Result<Exit, Failure> {
    let Some(given) = args::read(&SPEC, args)? else { return output::print(SPEC.help) };
    let job = args::id(&SPEC, "JOB", &given.word(&SPEC, 0)?, JobId::parse)?;
    let vma = args::id(&SPEC, "--vma", &given.required(&SPEC, "vma")?, VmaName::parse)?;
    let vm = given.value(&SPEC, "vm")?.map(|path| Vm { path, ..Vm::default() });
    let disk_count = given.value(&SPEC, "disks")?.map(|count| disk_count(&count)).transpose()?;
    let mut disks = Vec::new();
    for id in given.values(&SPEC, "disk")? {
        let disk = declared(args::id(&SPEC, "--disk", &id, DiskId::parse)?);
        if disks.contains(&disk) {
            let twice = Failure::new(Exit::Usage, "track", format!("--disk {id} is given twice"));
            return Err(twice.with_remedy("name each disk once"));
        }
        disks.push(disk);
    }
    let oma = Appliance::of(Addressee::Oma, given.value(&SPEC, "oma")?);
    let body = job::render_track(&TrackRequest { job: job.clone(), vma: vma.clone(), vm, disks, disk_count });
    let status = request::post(&oma, "/api/v1/jobs", &body, &format!("cannot track job {job}"))?;
    let already = if status == 201 { "" } else { " already" };
    output::print(&format!("job {job} of VMA {vma} is{already} tracked; follow it with: waybill watch {job}\n"))
}

/// How many disks the job has; what is too many the OMA says.
fn disk_count(text: &str) -> Result<u32, Failure> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| {
        let why = format!("--disks is {text:?}, which is no number of disks");
        Failure::new(Exit::Usage, "track", why).with_remedy("give how many disks the job has, as --disks 2")
    })
}

/// A disk of which only the id is known.
fn declared(id: DiskId) -> DeclaredDisk {
    DeclaredDisk { id, label: None, capacity_bytes: None, device_key: None, previous_change_id: None, export: None }
}
