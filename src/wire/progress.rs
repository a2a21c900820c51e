//! The progress document (R-1) and the list of them (R-10).
//!
//! Writing gives every key of the specification with its type, and R-9's added keys. Reading needs the specification's
//! keys that say how far a job is; all added keys are optional, because older VMAs lack them. A body that is not the
//! document is an error and never a state (F6).

use nanoserde::SerJson;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::{is_storable, text_or_empty};
use crate::model::disk::{Basis, Disk};
use crate::model::id::{Alias, ChangeId, CorrelationId, DiskId, Epoch, ExportName, JobId};
use crate::model::job::{Export, SyncKind, Totals, Vm};
use crate::model::percent::Percent;
use crate::model::progress::Progress;
use crate::model::stage::Stage;
use crate::model::status::{DiskStatus, JobStatus};
use crate::model::text::bounded;
use crate::model::time::Wall;
use crate::model::warning::{Warning, WarningKind};

/// Why a body is not a progress document.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadDocument {
    /// It is not JSON of the document's shape; the text says where and why, and shows the beginning.
    #[error("{why}; it begins {beginning:?}")]
    Shape {
        /// What the JSON reader said.
        why: String,
        /// The first characters of the body.
        beginning: String,
    },
    /// A value is not one of those that are known.
    #[error("{key} is {value:?}, which is not known")]
    Value {
        /// The key.
        key: &'static str,
        /// What was met.
        value: String,
    },
}

/// Reads one document.
pub fn parse(body: &[u8]) -> Result<Progress, BadDocument> {
    let doc: ReadDoc = read_json(body)?;
    doc.into_progress()
}

/// What a VMA answers to a list request (R-10).
#[derive(Debug, Clone, PartialEq)]
pub struct ReadListing {
    /// The VMA's epoch.
    pub epoch: Option<String>,
    /// The highest sequence that the answer covers.
    pub sequence: u64,
    /// True where the rest is to be asked for from `sequence` on.
    pub more: bool,
    /// The documents that could be read.
    pub jobs: Vec<Progress>,
    /// Why others could not.
    pub bad: Vec<BadDocument>,
}

/// Reads a list. One bad document in it does not cost the others.
pub fn parse_listing(body: &[u8]) -> Result<ReadListing, BadDocument> {
    let doc: ReadListingDoc = read_json(body)?;
    let (mut jobs, mut bad) = (Vec::new(), Vec::new());
    for one in doc.jobs {
        match one.into_progress() {
            Ok(progress) => jobs.push(progress),
            Err(error) => bad.push(error),
        }
    }
    let (sequence, more) = (doc.sequence.unwrap_or(0), doc.more.unwrap_or(false));
    Ok(ReadListing { epoch: doc.epoch, sequence, more, jobs, bad })
}

/// Writes one document.
pub fn render(progress: &Progress) -> String {
    WriteDoc::of(progress).serialize_json()
}

/// Writes a list.
pub fn render_listing(epoch: &Epoch, sequence: u64, more: bool, jobs: &[Progress]) -> String {
    let jobs = jobs.iter().map(WriteDoc::of).collect();
    WriteListingDoc { epoch: epoch.to_string(), sequence, more, jobs }.serialize_json()
}

fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, BadDocument> {
    super::read_mended(body).map(|(read, _)| read).map_err(|error| BadDocument::Shape {
        why: error.to_string(),
        beginning: String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned(),
    })
}

#[derive(Deserialize)]
struct ReadListingDoc {
    epoch: Option<String>,
    sequence: Option<u64>,
    more: Option<bool>,
    jobs: Vec<ReadDoc>,
}

#[derive(Deserialize)]
struct ReadDoc {
    job_id: String,
    stage: String,
    status: String,
    started_at: Option<String>,
    updated_at: Option<String>,
    aggregate: ReadAggregate,
    cbt: Option<ReadCbt>,
    nbd: Option<ReadNbd>,
    disks: Option<Vec<ReadDisk>>,
    aliases: Option<Vec<String>>,
    sequence: Option<u64>,
    epoch: Option<String>,
    correlation_id: Option<String>,
    disk_count: Option<u32>,
    next_run: Option<String>,
    mover_says: Option<String>,
    warnings: Option<Vec<WarningDoc>>,
    error: Option<String>,
    vm: Option<ReadVm>,
    log: Option<u64>,
}

#[derive(Deserialize)]
struct ReadAggregate {
    total_bytes: u64,
    bytes_transferred: u64,
    throughput_bps: Option<u64>,
    percent: Option<f64>,
    eta_seconds: Option<u64>,
    basis: Option<String>,
}

#[derive(Deserialize)]
struct ReadCbt {
    #[serde(rename = "type")]
    kind: Option<String>,
    previous_change_id: Option<String>,
    change_id: Option<String>,
}

#[derive(Deserialize)]
struct ReadNbd {
    exports: Option<Vec<ReadExport>>,
}

#[derive(Deserialize)]
struct ReadExport {
    name: String,
    device: Option<String>,
    connected: Option<bool>,
    started_at: Option<String>,
}

#[derive(Deserialize)]
struct ReadVm {
    name: Option<String>,
    path: Option<String>,
    uuid: Option<String>,
}

#[derive(Deserialize, SerJson)]
struct WarningDoc {
    kind: String,
    text: String,
}

#[derive(Deserialize)]
struct ReadDisk {
    id: String,
    label: Option<String>,
    planned_bytes: Option<u64>,
    bytes_transferred: u64,
    throughput_bps: Option<u64>,
    percent: Option<f64>,
    status: String,
    basis: Option<String>,
    change_id: Option<String>,
    previous_change_id: Option<String>,
    blocks_changed: Option<u64>,
    suspect: Option<String>,
    mover_throughput_bps: Option<u64>,
    updated_at: Option<String>,
    error: Option<String>,
    capacity_bytes: Option<u64>,
    declared: Option<bool>,
    device_key: Option<i64>,
    named: Option<bool>,
    earlier_id: Option<String>,
    previous_source: Option<String>,
}

impl ReadDoc {
    fn into_progress(self) -> Result<Progress, BadDocument> {
        let unknown = |key, value: &str| BadDocument::Value { key, value: value.to_owned() };
        let aggregate = self.aggregate;
        for bytes in [aggregate.total_bytes, aggregate.bytes_transferred] {
            check_storable("aggregate", bytes)?;
        }
        let cbt = self.cbt.as_ref();
        let id = |text: Option<&String>| text.and_then(|text| ChangeId::from_text(text));
        let disks: Result<Vec<Disk>, BadDocument> =
            self.disks.unwrap_or_default().into_iter().map(ReadDisk::into_disk).collect();
        let mut disks = disks?;
        if let [only] = disks.as_mut_slice() {
            // Older VMAs say the change ids of the only disk for the whole job alone.
            only.change_id = only.change_id.take().or_else(|| cbt.and_then(|cbt| id(cbt.change_id.as_ref())));
            let previous = || cbt.and_then(|cbt| id(cbt.previous_change_id.as_ref()));
            only.previous_change_id = only.previous_change_id.take().or_else(previous);
        }
        Ok(Progress {
            job: JobId::parse(&self.job_id).map_err(|_| unknown("job_id", &self.job_id))?,
            stage: Stage::from_wire_name(&self.stage).ok_or_else(|| unknown("stage", &self.stage))?,
            status: JobStatus::from_wire_name(&self.status).ok_or_else(|| unknown("status", &self.status))?,
            started_at: self.started_at.as_deref().and_then(Wall::parse),
            updated_at: self.updated_at.as_deref().and_then(Wall::parse),
            totals: Totals {
                total_bytes: aggregate.total_bytes,
                bytes_transferred: aggregate.bytes_transferred,
                throughput_bps: bounded_rate(aggregate.throughput_bps),
                percent: percent(aggregate.percent, aggregate.bytes_transferred, aggregate.total_bytes),
                eta_seconds: aggregate.eta_seconds.filter(|seconds| is_storable(*seconds)),
                basis: aggregate.basis.as_deref().and_then(Basis::from_wire_name),
            },
            sync: cbt.and_then(|cbt| cbt.kind.as_deref()).and_then(SyncKind::from_wire_name),
            previous_change_id: cbt.and_then(|cbt| id(cbt.previous_change_id.as_ref())),
            change_id: cbt.and_then(|cbt| id(cbt.change_id.as_ref())),
            exports: self.nbd.and_then(|nbd| nbd.exports).unwrap_or_default().into_iter().filter_map(export).collect(),
            aliases: self.aliases.unwrap_or_default().iter().filter_map(|name| Alias::parse(name).ok()).collect(),
            disks,
            sequence: self.sequence.filter(|sequence| is_storable(*sequence)),
            epoch: self.epoch.as_deref().and_then(|text| Epoch::parse(text).ok()),
            correlation: self.correlation_id.as_deref().and_then(|text| CorrelationId::parse(text).ok()),
            disk_count: self.disk_count.filter(|count| *count > 0),
            next_run: self.next_run.as_deref().and_then(|id| JobId::parse(id).ok()),
            mover_says: self.mover_says.filter(|text| !text.is_empty()).map(|text| bounded(&text)),
            warnings: self.warnings.unwrap_or_default().into_iter().filter_map(warning).collect(),
            error: self.error.filter(|text| !text.is_empty()).map(|text| bounded(&text)),
            vm: self.vm.map(|vm| Vm {
                name: bounded(&vm.name.unwrap_or_default()),
                path: bounded(&vm.path.unwrap_or_default()),
                uuid: bounded(&vm.uuid.unwrap_or_default()),
            }),
            log: self.log.filter(|id| is_storable(*id)),
        })
    }
}

impl ReadDisk {
    fn into_disk(self) -> Result<Disk, BadDocument> {
        let unknown = |key, value: &str| BadDocument::Value { key, value: value.to_owned() };
        let mut disk = Disk::new(DiskId::parse(&self.id).map_err(|_| unknown("disks[].id", &self.id))?);
        for bytes in [Some(self.bytes_transferred), self.planned_bytes, self.capacity_bytes, self.blocks_changed] {
            check_storable("disks[]", bytes.unwrap_or(0))?;
        }
        disk.status =
            DiskStatus::from_wire_name(&self.status).ok_or_else(|| unknown("disks[].status", &self.status))?;
        disk.label = bounded(&self.label.unwrap_or_default());
        disk.declared = self.declared.unwrap_or(false);
        disk.device_key = self.device_key;
        disk.capacity_bytes = self.capacity_bytes;
        disk.basis = self.basis.as_deref().and_then(Basis::from_wire_name);
        // Zero is "unknown", but for what is over and for what CBT says has not changed.
        let is_known = disk.status == DiskStatus::Completed || disk.basis.is_some_and(Basis::is_of_cbt);
        disk.planned_bytes = self.planned_bytes.filter(|bytes| *bytes > 0 || is_known);
        disk.bytes_transferred = self.bytes_transferred;
        disk.percent = percent(self.percent, self.bytes_transferred, self.planned_bytes.unwrap_or(0));
        disk.throughput_bps = bounded_rate(self.throughput_bps);
        disk.mover_throughput_bps = self.mover_throughput_bps.map(|rate| bounded_rate(Some(rate)));
        disk.change_id = self.change_id.as_deref().and_then(ChangeId::from_text);
        disk.previous_change_id = self.previous_change_id.as_deref().and_then(ChangeId::from_text);
        disk.previous_served = self.previous_source.as_deref() == Some(SERVED);
        // An older VMA says nothing, and its ids are names like all others.
        disk.named = self.named.unwrap_or(true);
        disk.earlier_id = self.earlier_id.as_deref().and_then(|id| DiskId::parse(id).ok());
        disk.blocks_changed = self.blocks_changed;
        disk.suspect = self.suspect.map(|text| bounded(&text));
        disk.error = self.error.filter(|text| !text.is_empty()).map(|text| bounded(&text));
        disk.updated_at = self.updated_at.as_deref().and_then(Wall::parse);
        Ok(disk)
    }
}

/// `disks[].previous_source` of a run whose mover did not say where it started: it is what the mover had been served.
const SERVED: &str = "served";

/// A warning of a kind that is known; a newer VMA may have others. Each kind counts once.
fn warning(doc: WarningDoc) -> Option<Warning> {
    Some(Warning { kind: WarningKind::from_name(&doc.kind)?, text: bounded(&doc.text) })
}

/// A figure that somebody sent, where it is one; else what the bytes say (F15: 130 % is no figure).
fn percent(sent: Option<f64>, moved: u64, total: u64) -> Percent {
    sent.and_then(Percent::from_f64).unwrap_or_else(|| Percent::unfinished(moved, total))
}

fn check_storable(key: &'static str, bytes: u64) -> Result<(), BadDocument> {
    if is_storable(bytes) { Ok(()) } else { Err(BadDocument::Value { key, value: bytes.to_string() }) }
}

fn bounded_rate(rate: Option<u64>) -> u64 {
    rate.unwrap_or(0).min(i64::MAX as u64)
}

fn export(read: ReadExport) -> Option<Export> {
    Some(Export {
        name: ExportName::parse(&read.name).ok()?,
        disk: None,
        device: bounded(&read.device.unwrap_or_default()),
        connected: read.connected.unwrap_or(false),
        started_at: read.started_at.as_deref().and_then(Wall::parse),
    })
}

#[derive(SerJson)]
struct WriteListingDoc {
    epoch: String,
    sequence: u64,
    more: bool,
    jobs: Vec<WriteDoc>,
}

#[derive(SerJson)]
#[nserde(serialize_none_as_null)]
struct WriteDoc {
    job_id: String,
    stage: String,
    status: String,
    started_at: String,
    updated_at: String,
    aggregate: WriteAggregate,
    cbt: WriteCbt,
    nbd: WriteNbd,
    disks: Vec<WriteDisk>,
    aliases: Vec<String>,
    sequence: Option<u64>,
    epoch: Option<String>,
    correlation_id: Option<String>,
    disk_count: Option<u32>,
    next_run: Option<String>,
    mover_says: Option<String>,
    warnings: Vec<WarningDoc>,
    error: Option<String>,
    vm: Option<WriteVm>,
    log: Option<u64>,
}

#[derive(SerJson)]
#[nserde(serialize_none_as_null)]
struct WriteAggregate {
    total_bytes: u64,
    bytes_transferred: u64,
    throughput_bps: u64,
    percent: f64,
    eta_seconds: Option<u64>,
    basis: Option<String>,
}

#[derive(SerJson)]
struct WriteCbt {
    #[nserde(rename = "type")]
    kind: String,
    previous_change_id: String,
    change_id: String,
}

#[derive(SerJson)]
struct WriteNbd {
    exports: Vec<WriteExport>,
}

#[derive(SerJson)]
struct WriteExport {
    name: String,
    device: String,
    connected: bool,
    started_at: String,
}

#[derive(SerJson)]
#[nserde(serialize_none_as_null)]
struct WriteVm {
    name: String,
    path: String,
    uuid: Option<String>,
}

#[derive(SerJson)]
#[nserde(serialize_none_as_null)]
struct WriteDisk {
    id: String,
    label: String,
    planned_bytes: u64,
    bytes_transferred: u64,
    throughput_bps: u64,
    percent: f64,
    status: String,
    basis: Option<String>,
    change_id: Option<String>,
    previous_change_id: Option<String>,
    blocks_changed: Option<u64>,
    suspect: Option<String>,
    mover_throughput_bps: Option<u64>,
    updated_at: Option<String>,
    error: Option<String>,
    capacity_bytes: Option<u64>,
    declared: bool,
    device_key: Option<i64>,
    named: bool,
    earlier_id: Option<String>,
    previous_source: Option<String>,
}

impl WriteDoc {
    fn of(progress: &Progress) -> Self {
        let totals = &progress.totals;
        Self {
            job_id: progress.job.to_string(),
            stage: progress.stage.wire_name().to_owned(),
            status: progress.status.wire_name().to_owned(),
            started_at: text_or_empty(progress.started_at.as_ref()),
            updated_at: text_or_empty(progress.updated_at.as_ref()),
            aggregate: WriteAggregate {
                total_bytes: totals.total_bytes,
                bytes_transferred: totals.bytes_transferred,
                throughput_bps: totals.throughput_bps,
                percent: totals.percent.as_f64(),
                eta_seconds: totals.eta_seconds,
                basis: totals.basis.map(|basis| basis.wire_name().to_owned()),
            },
            cbt: WriteCbt {
                kind: progress.sync.map_or("", SyncKind::wire_name).to_owned(),
                previous_change_id: change_id(progress.previous_change_id.as_ref()).unwrap_or_default(),
                change_id: change_id(progress.change_id.as_ref()).unwrap_or_default(),
            },
            nbd: WriteNbd { exports: progress.exports.iter().map(WriteExport::of).collect() },
            disks: progress.disks.iter().map(WriteDisk::of).collect(),
            aliases: progress.aliases.iter().map(ToString::to_string).collect(),
            sequence: progress.sequence,
            epoch: progress.epoch.as_ref().map(ToString::to_string),
            correlation_id: progress.correlation.as_ref().map(ToString::to_string),
            disk_count: progress.disk_count,
            next_run: progress.next_run.as_ref().map(ToString::to_string),
            mover_says: progress.mover_says.clone(),
            warnings: progress.warnings.iter().map(WarningDoc::of).collect(),
            error: progress.error.clone(),
            vm: progress.vm.as_ref().map(WriteVm::of),
            log: progress.log,
        }
    }
}

impl WarningDoc {
    fn of(warning: &Warning) -> Self {
        Self { kind: warning.kind.name().to_owned(), text: warning.text.clone() }
    }
}

impl WriteVm {
    fn of(vm: &Vm) -> Self {
        let uuid = (!vm.uuid.is_empty()).then(|| vm.uuid.clone());
        Self { name: vm.name.clone(), path: vm.path.clone(), uuid }
    }
}

impl WriteExport {
    fn of(export: &Export) -> Self {
        Self {
            name: export.name.to_string(),
            device: export.device.clone(),
            connected: export.connected,
            started_at: text_or_empty(export.started_at.as_ref()),
        }
    }
}

impl WriteDisk {
    fn of(disk: &Disk) -> Self {
        Self {
            id: disk.id.to_string(),
            label: disk.label.clone(),
            planned_bytes: disk.planned_bytes.unwrap_or(0),
            bytes_transferred: disk.bytes_transferred,
            throughput_bps: disk.throughput_bps,
            percent: disk.percent.as_f64(),
            status: disk.status.wire_name().to_owned(),
            basis: disk.basis.map(|basis| basis.wire_name().to_owned()),
            change_id: change_id(disk.change_id.as_ref()),
            previous_change_id: change_id(disk.previous_change_id.as_ref()),
            blocks_changed: disk.blocks_changed,
            suspect: disk.suspect.clone(),
            mover_throughput_bps: disk.mover_throughput_bps,
            updated_at: disk.updated_at.map(|at| at.to_string()),
            error: disk.error.clone(),
            capacity_bytes: disk.capacity_bytes,
            declared: disk.declared,
            device_key: disk.device_key,
            named: disk.named,
            earlier_id: disk.earlier_id.as_ref().map(ToString::to_string),
            previous_source: disk.previous_served.then(|| SERVED.to_owned()),
        }
    }
}

fn change_id(id: Option<&ChangeId>) -> Option<String> {
    id.map(|id| id.as_str().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The answer that the specification shows.
    const SPECIFIED: &str = r#"{"job_id":"j","stage":"Transfer","status":"Streaming","started_at":"2025-09-04T12:00:00Z",
        "updated_at":"2025-09-04T12:00:10Z","aggregate":{"total_bytes":1234567890,"bytes_transferred":456789012,
        "throughput_bps":98765432,"percent":37.0},"cbt":{"type":"incremental","previous_change_id":"123-abc",
        "change_id":"456-def"},"nbd":{"exports":[{"name":"job-123-disk-0","device":"/dev/nbdX","connected":true,
        "started_at":"2025-09-04T12:00:02Z"}]},"disks":[{"id":"disk-0","label":"Hard disk 1","planned_bytes":987654321,
        "bytes_transferred":345678901,"throughput_bps":54321098,"percent":35.0,"status":"Streaming"}]}"#;

    #[test]
    fn the_specified_document_is_read_without_any_added_key() {
        let read = parse(SPECIFIED.as_bytes()).expect("the specification's document");
        assert_eq!((read.status, read.totals.percent.to_string().as_str()), (JobStatus::Streaming, "37.00"));
        assert_eq!((read.sequence, read.disks[0].declared), (None, false));
        assert_eq!(read.exports[0].name.as_str(), "job-123-disk-0");
    }

    #[test]
    fn what_is_written_is_read_again_with_every_key_of_the_specification() {
        let read = parse(SPECIFIED.as_bytes()).expect("read");
        let written = render(&read);
        assert_eq!(parse(written.as_bytes()), Ok(read));
        let (ours, theirs): (serde_json::Value, serde_json::Value) =
            (serde_json::from_str(&written).expect("JSON"), serde_json::from_str(SPECIFIED).expect("JSON"));
        fn keys_are_there(ours: &serde_json::Value, theirs: &serde_json::Value) {
            for (key, value) in theirs.as_object().into_iter().flatten() {
                let own = ours.get(key).unwrap_or_else(|| panic!("{key} is missing"));
                assert_eq!(std::mem::discriminant(own), std::mem::discriminant(value), "{key} has another type");
                keys_are_there(own, value);
                if let (Some(own), Some(value)) = (own.get(0), value.get(0)) {
                    keys_are_there(own, value);
                }
            }
        }
        keys_are_there(&ours, &theirs);
    }

    #[test]
    fn f06_what_is_not_the_document_is_an_error_and_never_a_state() {
        for (body, part) in [
            ("job not found", "it begins \"job not found\""),
            ("404 page not found\n", "not a JSON object"),
            ("{}", "missing field"),
            (r#"{"status":"ok"}"#, "missing field"),
            (&SPECIFIED.replace("Streaming", "Swimming"), "status is \"Swimming\""),
            (&SPECIFIED.replace("\"Transfer\"", "\"completed\""), "stage is \"completed\""),
            (&SPECIFIED.replace("456789012", "-1"), "expected u64"),
            (&SPECIFIED.replace("456789012", "9223372036854775808"), "aggregate is \"9223372036854775808\""),
        ] {
            let error = parse(body.as_bytes()).expect_err(body).to_string();
            assert!(error.contains(part), "{body}: {error}");
        }
    }

    #[test]
    fn f15_a_percent_beyond_the_range_gives_way_to_the_bytes() {
        let read = parse(SPECIFIED.replace("37.0", "137.0").as_bytes()).expect("read");
        assert_eq!(read.totals.percent.to_string(), "36.99");
    }

    #[test]
    fn texts_with_every_kind_of_character_come_back_as_they_were() {
        let mut progress = parse(SPECIFIED.as_bytes()).expect("read");
        let text: String = (1..0x250_u32).filter_map(char::from_u32).chain("\u{2028}\u{1f980}".chars()).collect();
        progress.error = Some(text.clone());
        assert_eq!(parse(render(&progress).as_bytes()).expect("read").error, Some(text));
    }
}
