//! JSON for programs: every stored column under its SQLite name, null where unknown. One object is one line.

use nanoserde::{SerJson, SerJsonState};

use super::{Moment, note};
use crate::model::change::ReceivedChangeId;
use crate::model::disk::{Basis, Disk};
use crate::model::id::{CorrelationId, JobId};
use crate::model::job::{Job, SyncKind};
use crate::model::record::{HistoryRecord, JobRecord, LogRecord, Side, StepRecord};
use crate::model::time::Wall;
use crate::model::warning::Warning;
use crate::policy::chain::{Finding, Run};

#[derive(SerJson)]
#[nserde(serialize_none_as_null)]
struct JobRow {
    id: String,
    vma: String,
    vm_name: String,
    vm_path: String,
    replication_type: Option<String>,
    status: String,
    current_operation: Option<String>,
    progress_percent: f64,
    bytes_transferred: u64,
    total_bytes: u64,
    total_basis: Option<String>,
    transfer_speed_bps: u64,
    eta_seconds: Option<u64>,
    contact: String,
    stalled_since: Option<String>,
    error_message: Option<String>,
    correlation_id: Option<String>,
    source_sequence: u64,
    source_updated_at: Option<String>,
    created_at: String,
    started_at: Option<String>,
    updated_at: String,
    last_contact_at: Option<String>,
    completed_at: Option<String>,
    source_epoch: Option<String>,
    vm_uuid: String,
    disk_count: Option<u32>,
    warnings: Vec<WarningRow>,
    quiet_since: Option<String>,
    bytes_moved_at: Option<String>,
    mover_says: Option<String>,
    disks: Vec<DiskRow>,
}

#[derive(SerJson)]
struct WarningRow {
    kind: String,
    text: String,
}

#[derive(SerJson)]
#[nserde(serialize_none_as_null)]
struct DiskRow {
    job_id: String,
    disk_id: String,
    label: String,
    capacity_bytes: Option<u64>,
    planned_bytes: Option<u64>,
    planned_basis: Option<String>,
    sync_status: String,
    sync_progress_percent: f64,
    bytes_synced: u64,
    transfer_speed_bps: u64,
    disk_change_id: Option<String>,
    previous_change_id: Option<String>,
    blocks_changed: Option<u64>,
    error_message: Option<String>,
    updated_at: Option<String>,
    declared: bool,
    device_key: Option<i64>,
    mover_throughput_bps: Option<u64>,
    suspect: Option<String>,
    started_at: Option<String>,
    ended_at: Option<String>,
    named: bool,
    earlier_id: Option<String>,
    previous_source: Option<String>,
    earlier_passes_bytes: u64,
}

#[derive(SerJson)]
#[nserde(serialize_none_as_null)]
struct StepRow {
    stage: String,
    started_at: Option<String>,
    completed_at: Option<String>,
    duration_ms: Option<u64>,
    outcome: Option<String>,
    correlation_id: Option<String>,
}

#[derive(SerJson)]
#[nserde(serialize_none_as_null)]
struct EventRow {
    at: Option<String>,
    level: String,
    event: String,
    message: String,
    attributes: Raw,
    correlation_id: Option<String>,
}

#[derive(SerJson)]
#[nserde(serialize_none_as_null)]
struct ReceivedRow {
    job_id: String,
    disk_id: String,
    vm_path: Option<String>,
    change_id: String,
    previous_change_id: Option<String>,
    received_at: String,
}

#[derive(SerJson)]
#[nserde(serialize_none_as_null)]
struct HistoryRow {
    id: i64,
    job_id: String,
    vm_path: String,
    disk_id: String,
    change_id: Option<String>,
    previous_change_id: Option<String>,
    sync_type: String,
    blocks_changed: Option<u64>,
    bytes_transferred: u64,
    sync_duration_seconds: u64,
    sync_success: bool,
    created_at: String,
    device_key: Option<i64>,
    previous_source: Option<String>,
    vma: Option<String>,
    vm_uuid: String,
    capacity_bytes: Option<u64>,
    superseded: bool,
}

#[derive(SerJson)]
#[nserde(serialize_none_as_null)]
struct FindingRow {
    verdict: String,
    severity: String,
    message: String,
    remedy: Option<String>,
    mended_by: Option<String>,
}

/// JSON that is JSON already.
struct Raw(String);

impl SerJson for Raw {
    fn ser_json(&self, _depth: usize, state: &mut SerJsonState) {
        state.out.push_str(&self.0);
    }
}

/// One job with its disks, `{"id": ..., "disks": [...]}`, without a line end.
pub fn job(job: &Job) -> String {
    job_row(job).serialize_json()
}

/// One entry of a job's log and the side that wrote it, without a line end.
pub fn log_entry(job: &JobId, side: Side, entry: &LogRecord) -> String {
    let mut out = format!("{{\"job_id\":{},\"side\":\"{}\",", job.as_str().to_owned().serialize_json(), side.name());
    out.push_str(&event_row(entry).serialize_json()[1..]); // without the opening brace: the object has begun
    out
}

/// One row of the history, `superseded` with it, without a line end.
pub fn history(row: &HistoryRecord) -> String {
    history_row(row).serialize_json()
}

/// As [`history`], with what there is to say of the run in its disk's chain: the weightiest verdict, whether it is a fault
/// that stands, and all of them.
pub fn chain_run(run: &Run) -> String {
    let mut out = history(&run.record);
    out.pop(); // the closing brace: the object goes on
    let worst = run.worst().map(|worst| worst.verdict.name().to_owned());
    let has_fault = run.findings.iter().any(Finding::is_open);
    let findings: Vec<FindingRow> = run.findings.iter().map(finding_row).collect();
    let (worst, findings) = (worst.serialize_json(), findings.serialize_json());
    out + &format!(",\"verdict\":{worst},\"fault\":{has_fault},\"findings\":{findings}}}")
}

/// As [`job`], with how the job stands (`well`, `failed`, `unknown`, `silent`) and since when nobody polls it, which no row
/// says: a daemon that has died changes none.
pub fn seen(job: &Job, now: Moment) -> String {
    let mut out = self::job(job);
    out.pop(); // the closing brace: the object goes on
    let standing = note::standing(job, now).name().to_owned().serialize_json();
    let not_polled = note::not_polled_since(now).filter(|_| !job.status.is_final());
    let not_polled = not_polled.map_or("null".to_owned(), |at| at.to_string().serialize_json());
    out + &format!(",\"standing\":{standing},\"not_polled_since\":{not_polled}}}")
}

/// One job with all that is remembered of it: as [`seen`], with `waits_for`, `steps`, `events` and `received_change_ids`.
pub fn record(record: &JobRecord, now: Moment) -> String {
    let mut out = seen(&record.job, now);
    out.pop(); // the closing brace: the object goes on
    let steps: Vec<StepRow> = record.steps.iter().map(step_row).collect();
    let events: Vec<EventRow> = record.log.iter().map(event_row).collect();
    let received: Vec<ReceivedRow> = record.received.iter().map(received_row).collect();
    let waits_for = note::waits_for(&record.job, now).map(|note| note.text);
    for (key, value) in [
        ("waits_for", waits_for.serialize_json()),
        ("steps", steps.serialize_json()),
        ("events", events.serialize_json()),
        ("received_change_ids", received.serialize_json()),
    ] {
        out.push_str(&format!(",\"{key}\":{value}"));
    }
    out.push('}');
    out
}

fn time(at: Option<Wall>) -> Option<String> {
    at.map(|at| at.to_string())
}

fn text(id: Option<&CorrelationId>) -> Option<String> {
    id.map(|id| id.as_str().to_owned())
}

/// How a stage ended, in the word of `job_steps.outcome`.
pub(super) fn outcome(succeeded: bool) -> &'static str {
    if succeeded { "succeeded" } else { "failed" }
}

fn basis(basis: Option<Basis>) -> Option<String> {
    basis.map(|basis| basis.wire_name().to_owned())
}

fn job_row(job: &Job) -> JobRow {
    JobRow {
        id: job.id.to_string(),
        vma: job.vma.to_string(),
        vm_name: job.vm.name.clone(),
        vm_path: job.vm.path.clone(),
        replication_type: job.sync.map(SyncKind::wire_name).map(str::to_owned),
        status: job.status.stored_name().to_owned(),
        current_operation: job.stage.map(|stage| stage.wire_name().to_owned()),
        progress_percent: job.totals.percent.as_f64(),
        bytes_transferred: job.totals.bytes_transferred,
        total_bytes: job.totals.total_bytes,
        total_basis: basis(job.totals.basis),
        transfer_speed_bps: job.totals.throughput_bps,
        eta_seconds: job.totals.eta_seconds,
        contact: job.contact.stored_name().to_owned(),
        stalled_since: time(job.stalled_since),
        error_message: job.error.clone(),
        correlation_id: text(job.correlation.as_ref()),
        source_sequence: job.source_sequence,
        source_updated_at: time(job.source_updated_at),
        created_at: job.created_at.to_string(),
        started_at: time(job.started_at),
        updated_at: job.updated_at.to_string(),
        last_contact_at: time(job.last_contact_at),
        completed_at: time(job.completed_at),
        source_epoch: job.source_epoch.as_ref().map(|epoch| epoch.to_string()),
        vm_uuid: job.vm.uuid.clone(),
        disk_count: job.disk_count,
        warnings: job.warnings.iter().map(warning_row).collect(),
        quiet_since: time(job.quiet_since),
        bytes_moved_at: time(job.bytes_moved_at),
        mover_says: job.mover_says.clone(),
        disks: job.disks.iter().map(|disk| disk_row(&job.id, disk)).collect(),
    }
}

fn disk_row(job: &JobId, disk: &Disk) -> DiskRow {
    DiskRow {
        job_id: job.to_string(),
        disk_id: disk.id.to_string(),
        label: disk.label.clone(),
        capacity_bytes: disk.capacity_bytes,
        planned_bytes: disk.planned_bytes,
        planned_basis: basis(disk.basis),
        sync_status: disk.status.stored_name().to_owned(),
        sync_progress_percent: disk.percent.as_f64(),
        bytes_synced: disk.bytes_transferred,
        transfer_speed_bps: disk.throughput_bps,
        disk_change_id: disk.change_id.as_ref().map(|id| id.as_str().to_owned()),
        previous_change_id: disk.previous_change_id.as_ref().map(|id| id.as_str().to_owned()),
        blocks_changed: disk.blocks_changed,
        error_message: disk.error.clone(),
        updated_at: time(disk.updated_at),
        declared: disk.declared,
        device_key: disk.device_key,
        mover_throughput_bps: disk.mover_throughput_bps,
        suspect: disk.suspect.clone(),
        started_at: time(disk.started_at),
        ended_at: time(disk.ended_at),
        named: disk.named,
        earlier_id: disk.earlier_id.as_ref().map(|id| id.to_string()),
        previous_source: served(disk.previous_served),
        earlier_passes_bytes: disk.earlier_passes_bytes,
    }
}

fn warning_row(warning: &Warning) -> WarningRow {
    WarningRow { kind: warning.kind.name().to_owned(), text: warning.text.clone() }
}

/// `previous_source` of a run whose mover did not say where it started.
fn served(is_served: bool) -> Option<String> {
    is_served.then(|| "served".to_owned())
}

fn step_row(step: &StepRecord) -> StepRow {
    StepRow {
        stage: step.stage.clone(),
        started_at: time(step.started_at),
        completed_at: time(step.completed_at),
        duration_ms: step.duration_ms,
        outcome: step.succeeded.map(outcome).map(str::to_owned),
        correlation_id: text(step.correlation.as_ref()),
    }
}

fn event_row(event: &LogRecord) -> EventRow {
    // The column is text that anybody may have written; what is no JSON must not break the whole object.
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&event.attributes).is_ok();
    let attributes = if is_json { event.attributes.clone() } else { event.attributes.serialize_json() };
    EventRow {
        at: time(event.at),
        level: event.level.stored_name().to_owned(),
        event: event.event.clone(),
        message: event.message.clone(),
        // JSON may be spread over lines; the object is one line.
        attributes: Raw(attributes.replace(['\n', '\r'], " ")),
        correlation_id: text(event.correlation.as_ref()),
    }
}

fn history_row(row: &HistoryRecord) -> HistoryRow {
    let entry = &row.entry;
    HistoryRow {
        id: row.id,
        job_id: entry.job.to_string(),
        vm_path: entry.vm_path.clone(),
        disk_id: entry.disk.to_string(),
        change_id: entry.change_id.as_ref().map(|id| id.as_str().to_owned()),
        previous_change_id: entry.previous_change_id.as_ref().map(|id| id.as_str().to_owned()),
        sync_type: entry.sync.wire_name().to_owned(),
        blocks_changed: entry.blocks_changed,
        bytes_transferred: entry.bytes_transferred,
        sync_duration_seconds: entry.sync_duration_seconds,
        sync_success: entry.sync_success,
        created_at: entry.created_at.to_string(),
        device_key: entry.device_key,
        previous_source: served(entry.previous_served),
        vma: entry.vma.as_ref().map(|vma| vma.to_string()),
        vm_uuid: entry.vm_uuid.clone(),
        capacity_bytes: entry.capacity_bytes,
        superseded: row.superseded,
    }
}

fn finding_row(finding: &Finding) -> FindingRow {
    let verdict = &finding.verdict;
    FindingRow {
        verdict: verdict.name().to_owned(),
        severity: verdict.severity().name().to_owned(),
        message: verdict.message(),
        remedy: verdict.remedy().filter(|_| finding.mended_by.is_none()),
        mended_by: finding.mended_by.as_ref().map(|by| by.to_string()),
    }
}

fn received_row(received: &ReceivedChangeId) -> ReceivedRow {
    ReceivedRow {
        job_id: received.job.clone(),
        disk_id: received.disk.clone(),
        vm_path: received.vm_path.clone(),
        change_id: received.change_id.clone(),
        previous_change_id: received.previous_change_id.clone(),
        received_at: received.received_at.to_string(),
    }
}
