//! What operators and programs ask for: declare (R-4), track (R-30), finish, cancel. Unknown keys are errors here, unlike
//! in movers' pushes: who writes these bodies can mend a typing error, and a disk that was not declared is no trifle.

use nanoserde::SerJson;
use serde::Deserialize;

use super::{BadBody, read_mended, read_object, storable};
use crate::limits;
use crate::model::id::{Alias, BadId, ChangeId, DiskId, ExportName, JobId, VmaName};
use crate::model::job::{SyncKind, Vm};
use crate::model::request::{Declaration, DeclaredDisk, Outcome, TrackRequest};
use crate::model::text::bounded;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DeclareDoc {
    vm: Option<VmDoc>,
    sync: Option<String>,
    disks: Option<Vec<DiskDoc>>,
    disk_count: Option<u32>,
    aliases: Option<Vec<String>>,
    again: Option<bool>,
    only_adds: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TrackDoc {
    id: String,
    vma: String,
    vm: Option<VmDoc>,
    disks: Option<Vec<DiskDoc>>,
    disk_count: Option<u32>,
}

#[derive(Deserialize, SerJson)]
#[serde(deny_unknown_fields)]
struct VmDoc {
    name: Option<String>,
    path: Option<String>,
    uuid: Option<String>,
}

#[derive(Deserialize, SerJson)]
#[serde(deny_unknown_fields)]
struct DiskDoc {
    id: String,
    label: Option<String>,
    capacity_bytes: Option<u64>,
    device_key: Option<i64>,
    previous_change_id: Option<String>,
    export: Option<ExportDoc>,
}

#[derive(Deserialize, SerJson)]
#[serde(deny_unknown_fields)]
struct ExportDoc {
    name: String,
    device: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct FinishDoc {
    status: String,
    error: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CancelDoc {
    reason: Option<String>,
}

/// Reads the body of `PUT /api/v1/jobs/{id}`; an empty one declares nothing but the job.
pub fn parse_declaration(body: &[u8]) -> Result<Declaration, BadBody> {
    let doc: DeclareDoc = read_object(if body.is_empty() { b"{}" } else { body })?;
    let sync = match doc.sync.as_deref() {
        None | Some("") => None,
        Some(text) => Some(
            SyncKind::from_wire_name(text)
                .ok_or_else(|| BadBody(format!("sync is {text:?}; \"full\" or \"incremental\" is expected")))?,
        ),
    };
    let aliases: Result<Vec<Alias>, BadBody> =
        doc.aliases.unwrap_or_default().iter().map(|alias| Alias::parse(alias).map_err(named("aliases[]"))).collect();
    let disks = disks(doc.disks)?;
    Ok(Declaration {
        vm: doc.vm.map(VmDoc::into_vm).transpose()?,
        sync,
        disk_count: disk_count(doc.disk_count, &disks)?,
        disks,
        aliases: aliases?,
        again: doc.again.unwrap_or(false),
        only_adds: doc.only_adds.unwrap_or(false),
    })
}

/// Reads the body of `POST /api/v1/jobs` on the OMA.
pub fn parse_track(body: &[u8]) -> Result<TrackRequest, BadBody> {
    let doc: TrackDoc = read_object(body)?;
    let disks = disks(doc.disks)?;
    Ok(TrackRequest {
        job: JobId::parse(&doc.id).map_err(named("id"))?,
        vma: VmaName::parse(&doc.vma).map_err(named("vma"))?,
        vm: doc.vm.map(VmDoc::into_vm).transpose()?,
        disk_count: disk_count(doc.disk_count, &disks)?,
        disks,
    })
}

/// Reads the body of `POST /api/v1/jobs/{id}/finish`.
pub fn parse_finish(body: &[u8]) -> Result<Outcome, BadBody> {
    let (doc, _): (FinishDoc, bool) = read_mended(body)?;
    match doc.status.as_str() {
        "Succeeded" => Ok(Outcome::Succeeded),
        "Failed" => Ok(Outcome::Failed(doc.error.unwrap_or_default())),
        other => Err(BadBody(format!("status is {other:?}; \"Succeeded\" or \"Failed\" is expected"))),
    }
}

/// Reads the body of `POST /api/v1/jobs/{id}/cancel`: the reason, which may be missing.
pub fn parse_cancel(body: &[u8]) -> Result<String, BadBody> {
    let (doc, _): (CancelDoc, bool) = read_mended(if body.is_empty() { b"{}" } else { body })?;
    Ok(doc.reason.unwrap_or_default())
}

impl VmDoc {
    fn into_vm(self) -> Result<Vm, BadBody> {
        let text = |text: Option<String>| text.unwrap_or_default();
        let vm = Vm { name: text(self.name), path: text(self.path), uuid: text(self.uuid) };
        match vm.name.len().max(vm.path.len()).max(vm.uuid.len()) {
            long if long > limits::TEXT_BYTES => {
                Err(BadBody(format!("vm.name, vm.path and vm.uuid have at most {} bytes each", limits::TEXT_BYTES)))
            }
            _ => Ok(vm),
        }
    }
}

/// A declared number of disks: at least as many as are named, and no more than a job may have.
fn disk_count(count: Option<u32>, disks: &[DeclaredDisk]) -> Result<Option<u32>, BadBody> {
    let Some(count) = count else { return Ok(None) };
    let most = limits::DISKS_PER_JOB;
    match usize::try_from(count).unwrap_or(usize::MAX) {
        0 => Err(BadBody("disk_count is 0; a job has one disk at least".to_owned())),
        many if many > most => Err(BadBody(format!("disk_count is {many}; a job has at most {most} disks"))),
        few if few < disks.len() => Err(BadBody(format!("disk_count is {few}, and disks names {}", disks.len()))),
        _ => Ok(Some(count)),
    }
}

fn named(key: &'static str) -> impl Fn(BadId) -> BadBody {
    move |why| BadBody(format!("{key} {why}"))
}

fn disks(docs: Option<Vec<DiskDoc>>) -> Result<Vec<DeclaredDisk>, BadBody> {
    let disks: Result<Vec<DeclaredDisk>, BadBody> = docs.unwrap_or_default().into_iter().map(declared).collect();
    let disks = disks?;
    for (at, disk) in disks.iter().enumerate() {
        if disks[..at].iter().any(|earlier| earlier.id == disk.id) {
            return Err(BadBody(format!("disks[{at}].id {:?} stands there twice", disk.id.as_str())));
        }
    }
    Ok(disks)
}

fn declared(doc: DiskDoc) -> Result<DeclaredDisk, BadBody> {
    let export = doc.export.map(|export| {
        let name = ExportName::parse(&export.name).map_err(named("disks[].export.name"))?;
        Ok((name, export.device))
    });
    Ok(DeclaredDisk {
        id: DiskId::parse(&doc.id).map_err(named("disks[].id"))?,
        label: doc.label,
        capacity_bytes: storable("disks[].capacity_bytes", doc.capacity_bytes)?,
        device_key: doc.device_key,
        previous_change_id: previous(doc.previous_change_id.as_deref())?,
        export: export.transpose()?,
    })
}

/// Where an incremental is to start; `None` for a full copy, which VMware calls `*`.
fn previous(text: Option<&str>) -> Result<Option<ChangeId>, BadBody> {
    let given = text.and_then(ChangeId::from_text).filter(|id| id.as_str().trim() != "*");
    match given {
        Some(id) if !id.is_well_formed() => Err(BadBody(format!(
            "disks[].previous_change_id is {:?}; a change id is <uuid>/<counter>, as \"52 de c0 d9 b9 43 9d 10-61 d5 4c 1b \
             e9 7b 65 63/81\"; \"*\" or none means a full copy",
            bounded(id.as_str())
        ))),
        other => Ok(other),
    }
}

#[derive(SerJson)]
struct WriteDeclareDoc {
    vm: Option<VmDoc>,
    sync: Option<String>,
    disks: Vec<DiskDoc>,
    disk_count: Option<u32>,
    aliases: Vec<String>,
    again: Option<bool>,
    only_adds: Option<bool>,
}

/// The body that declares a job to a VMA.
pub fn render_declaration(declaration: &Declaration) -> String {
    WriteDeclareDoc {
        vm: declaration.vm.as_ref().map(VmDoc::of),
        sync: declaration.sync.map(|sync| sync.wire_name().to_owned()),
        disks: declaration.disks.iter().map(DiskDoc::of).collect(),
        disk_count: declaration.disk_count,
        aliases: declaration.aliases.iter().map(ToString::to_string).collect(),
        again: declaration.again.then_some(true),
        only_adds: declaration.only_adds.then_some(true),
    }
    .serialize_json()
}

#[derive(SerJson)]
struct WriteTrackDoc {
    id: String,
    vma: String,
    vm: Option<VmDoc>,
    disks: Vec<DiskDoc>,
    disk_count: Option<u32>,
}

/// The body that asks an OMA to track a job.
pub fn render_track(request: &TrackRequest) -> String {
    WriteTrackDoc {
        id: request.job.to_string(),
        vma: request.vma.to_string(),
        vm: request.vm.as_ref().map(VmDoc::of),
        disks: request.disks.iter().map(DiskDoc::of).collect(),
        disk_count: request.disk_count,
    }
    .serialize_json()
}

impl VmDoc {
    fn of(vm: &Vm) -> Self {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Self { name: some(&vm.name), path: some(&vm.path), uuid: some(&vm.uuid) }
    }
}

impl DiskDoc {
    fn of(disk: &DeclaredDisk) -> Self {
        let export = disk.export.as_ref();
        Self {
            id: disk.id.to_string(),
            label: disk.label.clone(),
            capacity_bytes: disk.capacity_bytes,
            device_key: disk.device_key,
            previous_change_id: disk.previous_change_id.as_ref().map(|id| id.as_str().to_owned()),
            export: export.map(|(name, device)| ExportDoc { name: name.to_string(), device: device.clone() }),
        }
    }
}

#[derive(SerJson)]
struct WriteFinishDoc {
    status: String,
    error: Option<String>,
}

/// The body that ends a job.
pub fn render_finish(outcome: &Outcome) -> String {
    let (status, error) = match outcome {
        Outcome::Succeeded => ("Succeeded", None),
        Outcome::Failed(error) => ("Failed", Some(error.clone())),
    };
    WriteFinishDoc { status: status.to_owned(), error }.serialize_json()
}

#[derive(SerJson)]
struct WriteCancelDoc {
    reason: String,
}

/// The body that cancels a job.
pub fn render_cancel(reason: &str) -> String {
    WriteCancelDoc { reason: reason.to_owned() }.serialize_json()
}

#[derive(SerJson)]
struct StateDoc {
    job_id: String,
    status: String,
}

/// The answer to a request that names a job: its id and its status (`Streaming`, ...).
pub fn render_state(job: &JobId, status: crate::model::status::JobStatus) -> String {
    StateDoc { job_id: job.to_string(), status: status.wire_name().to_owned() }.serialize_json()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_declaration_is_read_with_all_its_parts() {
        let body =
            br#"{"vm":{"name":"web01","path":"/DC0/vm/web01"},"sync":"incremental","aliases":["migration-vol-1"],
            "disks":[{"id":"disk-2000","label":"Hard disk 1","capacity_bytes":10,"device_key":2000,
            "previous_change_id":"52dec0d9b9439d1061d54c1be97b6563/1","export":{"name":"e0","device":"/dev/nbd0"}}]}"#;
        let declaration = parse_declaration(body).expect("read");
        assert_eq!(declaration.sync, Some(SyncKind::Incremental));
        assert_eq!(declaration.disks[0].export.as_ref().map(|(name, _)| name.as_str()), Some("e0"));
        assert_eq!(parse_declaration(render_declaration(&declaration).as_bytes()), Ok(declaration));
        assert_eq!(parse_declaration(b"").expect("empty"), Declaration::default());
    }

    #[test]
    fn a_fault_is_named_with_its_place() {
        for (body, part) in [
            (r#"{"disk":[]}"#, "unknown field `disk`"),
            (r#"{"sync":"both"}"#, r#"sync is "both""#),
            (r#"{"disks":[{"label":"x"}]}"#, "missing field `id`"),
            (r#"{"disks":[{"id":""}]}"#, "disks[].id is empty"),
            (r#"{"disks":[{"id":"a"},{"id":"a"}]}"#, r#"disks[1].id "a" stands there twice"#),
            (r#"{"disks":[{"id":"a","capacity_bytes":9223372036854775808}]}"#, "at most 9223372036854775807"),
        ] {
            let error = parse_declaration(body.as_bytes()).expect_err(body).to_string();
            assert!(error.contains(part), "{body}: {error}");
        }
        assert!(parse_finish(br#"{"status":"completed"}"#).expect_err("refused").to_string().contains("Succeeded"));
    }

    #[test]
    fn a_previous_change_id_that_is_none_is_refused_with_what_one_looks_like() {
        let disk = |id: &str| format!(r#"{{"id":"j","vma":"a","disks":[{{"id":"d","previous_change_id":{id}}}]}}"#);
        for no_id in [r#""...""#, r#""completed""#, r#""52 de/81""#] {
            let why = parse_track(disk(no_id).as_bytes()).expect_err(no_id).to_string();
            let wanted =
                format!("disks[].previous_change_id is {no_id}; a change id is <uuid>/<counter>, as \"52 de c0 ");
            assert!(why.starts_with(&wanted) && why.ends_with("\"*\" or none means a full copy"), "{why}");
        }
        for full in [r#""*""#, r#""""#, "null", r#"" * ""#] {
            let read = parse_track(disk(full).as_bytes()).expect(full);
            assert_eq!(read.disks[0].previous_change_id, None, "{full}");
        }
    }

    #[test]
    fn what_is_written_is_read_again() {
        let request =
            parse_track(br#"{"id":"j","vma":"site-a","vm":{"path":"/p"},"disks":[{"id":"d"}]}"#).expect("read");
        assert_eq!(parse_track(render_track(&request).as_bytes()), Ok(request));
        for outcome in [Outcome::Succeeded, Outcome::Failed("why \"so\"\n".to_owned())] {
            assert_eq!(parse_finish(render_finish(&outcome).as_bytes()), Ok(outcome));
        }
    }
}
