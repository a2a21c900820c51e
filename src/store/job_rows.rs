//! Reads jobs with their disks, exports and aliases.

use std::collections::BTreeMap;

use rusqlite::Params;

use super::error::StoreError;
use super::read::{Cells, Queries, id};
use super::warnings;
use crate::model::disk::{Basis, Disk};
use crate::model::id::{Alias, ChangeId, CorrelationId, DiskId, Epoch, ExportName, JobId, VmaName};
use crate::model::job::{Contact, Export, Job, SyncKind, Totals, Vm};
use crate::model::percent::Percent;
use crate::model::record::{JobRecord, Side};
use crate::model::stage::Stage;
use crate::model::status::{DiskStatus, JobStatus};

macro_rules! select_jobs {
    ($condition:literal) => {
        concat!(
            "SELECT id, vma, vm_name, vm_path, replication_type, status, current_operation, progress_percent,
                 bytes_transferred, total_bytes, total_basis, transfer_speed_bps, eta_seconds, contact, stalled_since,
                 error_message, correlation_id, source_sequence, source_updated_at, created_at, started_at, updated_at,
                 last_contact_at, completed_at, source_epoch, vm_uuid, disk_count, warnings, quiet_since, bytes_moved_at,
                 mover_says
             FROM replication_jobs ",
            $condition
        )
    };
}

/// Spelled out rather than as the complement of the final ones, so that the index on status serves it.
macro_rules! unfinished {
    () => {
        "status IN ('pending', 'preparing', 'snapshotting', 'streaming', 'finalizing')"
    };
}

const OPERATION: &str = "read the jobs in";
const TABLE: &str = "replication_jobs";

impl Queries {
    /// Every job, oldest first.
    pub fn jobs(&self) -> Result<Vec<Job>, StoreError> {
        self.jobs_of(select_jobs!("ORDER BY created_at, id"), [])
    }
    /// Every job that is neither `completed` nor `failed`, oldest first.
    pub fn unfinished_jobs(&self) -> Result<Vec<Job>, StoreError> {
        const SELECT: &str = concat!(select_jobs!("WHERE "), unfinished!(), " ORDER BY created_at, id");
        self.jobs_of(SELECT, [])
    }
    /// The newest run under an id, the id itself if it is the only one.
    pub fn newest_run(&self, id: &JobId) -> Result<JobId, StoreError> {
        // The key's index serves this: `~` and digits lie between these two.
        const SELECT: &str = "SELECT id FROM replication_jobs WHERE id > ?1 || '~' AND id < ?1 || '~:'";
        let runs = self.rows(OPERATION, TABLE, SELECT, [id.as_str()], |cells| {
            cells.parsed("left out", super::read::id(JobId::parse))
        })?;
        let numbered = runs.into_iter().filter_map(|run| Some((run.run_number(id)?, run)));
        Ok(numbered.max_by_key(|(number, _)| *number).map_or_else(|| id.clone(), |(_, run)| run))
    }
    /// True where the job of that id has ended and was moved to the archive.
    pub fn is_archived(&self, id: &JobId) -> Result<bool, StoreError> {
        self.run(OPERATION, |conn| {
            let select = "SELECT EXISTS (SELECT 1 FROM job_ids WHERE id = ?1 AND archived_at IS NOT NULL)";
            conn.prepare_cached(select)?.query_row([id.as_str()], |row| row.get(0))
        })
    }
    /// Jobs that were tracked and that another program ended while no daemon saw it: a step of theirs is still open, or a
    /// disk has no history.
    pub fn ended_unseen(&self) -> Result<Vec<Job>, StoreError> {
        const SELECT: &str = select_jobs!(
            "WHERE status IN ('completed', 'failed') AND correlation_id IS NOT NULL
               AND (EXISTS (SELECT 1 FROM job_steps AS step WHERE step.job_id = replication_jobs.id
                            AND step.completed_at IS NULL)
                    OR EXISTS (SELECT 1 FROM vm_disks AS disk WHERE disk.job_id = replication_jobs.id
                               AND NOT EXISTS (SELECT 1 FROM cbt_history AS entry
                                               WHERE entry.job_id = disk.job_id AND entry.disk_id = disk.disk_id)))
             ORDER BY created_at, id"
        );
        self.jobs_of(SELECT, [])
    }
    /// The job of that id; `None` where there is none.
    pub fn job(&self, id: &JobId) -> Result<Option<Job>, StoreError> {
        Ok(self.jobs_of(select_jobs!("WHERE id = ?1"), [id.as_str()])?.pop())
    }
    /// The unfinished jobs with their status: enough to notice what another program did.
    pub fn unfinished_ids(&self) -> Result<BTreeMap<JobId, JobStatus>, StoreError> {
        const SELECT: &str = concat!("SELECT id, status FROM replication_jobs WHERE ", unfinished!());
        let pairs = self.rows(OPERATION, TABLE, SELECT, [], |cells| {
            let id = cells.parsed("left out", id(JobId::parse))?;
            Ok(id.zip(cells.parsed("left out", JobStatus::from_stored_name)?))
        })?;
        Ok(pairs.into_iter().collect())
    }

    fn jobs_of(&self, select: &'static str, params: impl Params) -> Result<Vec<Job>, StoreError> {
        self.run(OPERATION, |conn| {
            // One read transaction, so that a job and its disks are of one moment.
            let moment = conn.unchecked_transaction()?;
            let jobs = self.collect_jobs(select, params)?;
            moment.commit()?;
            Ok(jobs)
        })
    }

    /// All that is remembered of a job, of one moment; `None` where there is no such job.
    pub fn record(&self, job: &JobId) -> Result<Option<JobRecord>, StoreError> {
        self.run(OPERATION, |conn| {
            let moment = conn.unchecked_transaction()?;
            let Some(found) = self.collect_jobs(select_jobs!("WHERE id = ?1"), [job.as_str()])?.pop() else {
                return Ok(None);
            };
            let (steps, log) = (self.collect_steps(job)?, self.collect_events(job)?);
            let (source_log, received) = (self.collect_source_events(job)?, self.collect_received(job)?);
            // A VMA's own jobs bear the epoch of its database, an OMA's that of their VMA, or none yet.
            let own = "SELECT EXISTS (SELECT 1 FROM appliance WHERE key IN ('epoch', 'archive_of') AND value = ?1)";
            let epoch = found.source_epoch.as_ref().map(Epoch::as_str);
            let is_source: bool = conn.prepare_cached(own)?.query_row([epoch], |row| row.get(0))?;
            moment.commit()?;
            let side = if is_source { Side::Vma } else { Side::Oma };
            Ok(Some(JobRecord { job: found, steps, side, log, source_log, received }))
        })
    }

    fn collect_jobs(&self, select: &'static str, params: impl Params) -> rusqlite::Result<Vec<Job>> {
        let mut jobs = self.collect(TABLE, select, params, job_row)?;
        for job in &mut jobs {
            job.disks = self.collect("vm_disks", SELECT_DISKS, [job.id.as_str()], disk_row)?;
            job.exports = self.collect("job_exports", SELECT_EXPORTS, [job.id.as_str()], export_row)?;
            job.aliases = self.collect("job_aliases", SELECT_ALIASES, [job.id.as_str()], alias_row)?;
            // A daemon keeps what it reads here.
            job.disks.shrink_to_fit();
            job.exports.shrink_to_fit();
            job.aliases.shrink_to_fit();
        }
        Ok(jobs)
    }
}

fn job_row(cells: &mut Cells<'_, '_>) -> rusqlite::Result<Option<Job>> {
    let Some(job) = cells.parsed("left out", id(JobId::parse))? else { return Ok(None) };
    let Some(vma) = cells.parsed("left out", id(VmaName::parse))? else { return Ok(None) };
    let (name, path) = (cells.text()?.unwrap_or_default(), cells.text()?.unwrap_or_default());
    let sync = cells.parsed("none", SyncKind::from_wire_name)?;
    let Some(status) = cells.parsed("left out", JobStatus::from_stored_name)? else { return Ok(None) };
    let stage = cells.parsed("none", Stage::from_wire_name)?;
    let percent = percent(cells)?;
    let (bytes_transferred, total_bytes) = (cells.count()?.unwrap_or(0), cells.count()?.unwrap_or(0));
    let basis = cells.parsed("none", Basis::from_wire_name)?;
    let (throughput_bps, eta_seconds) = (cells.count()?.unwrap_or(0), cells.count()?);
    let contact = cells.parsed("fresh", Contact::from_stored_name)?.unwrap_or(Contact::Fresh);
    let stalled_since = cells.time()?;
    let error = cells.text()?;
    let correlation = cells.parsed("none", id(CorrelationId::parse))?;
    let source_sequence = cells.count()?.unwrap_or(0);
    let source_updated_at = cells.time()?;
    let (created_at, started_at) = (cells.time()?.unwrap_or_default(), cells.time()?);
    let (updated_at, last_contact_at) = (cells.time()?.unwrap_or_default(), cells.time()?);
    let completed_at = cells.time()?;
    let source_epoch = cells.parsed("none", id(Epoch::parse))?;
    let vm = Vm { name, path, uuid: cells.text()?.unwrap_or_default() };
    let disk_count = cells.count()?.and_then(|count| u32::try_from(count).ok());
    let warnings = cells.parsed("none", warnings::from_json)?.unwrap_or_default();
    let (quiet_since, bytes_moved_at, mover_says) = (cells.time()?, cells.time()?, cells.text()?);
    let totals = Totals { total_bytes, bytes_transferred, throughput_bps, percent, eta_seconds, basis };
    Ok(Some(Job {
        id: job,
        vma,
        vm,
        sync,
        status,
        stage,
        totals,
        contact,
        stalled_since,
        quiet_since,
        bytes_moved_at,
        mover_says,
        disk_count,
        warnings,
        error,
        correlation,
        source_sequence,
        source_epoch,
        source_updated_at,
        created_at,
        started_at,
        updated_at,
        last_contact_at,
        completed_at,
        disks: Vec::new(),
        exports: Vec::new(),
        aliases: Vec::new(),
    }))
}

/// More digits than hundredths, which another program may have written, are cut off.
fn percent(cells: &mut Cells<'_, '_>) -> rusqlite::Result<Percent> {
    Ok(cells.real()?.and_then(Percent::from_f64).unwrap_or_default())
}

const SELECT_DISKS: &str = "
SELECT disk_id, label, capacity_bytes, planned_bytes, planned_basis, sync_status, sync_progress_percent, bytes_synced,
    transfer_speed_bps, disk_change_id, previous_change_id, blocks_changed, error_message, updated_at, declared,
    device_key, mover_throughput_bps, suspect, started_at, ended_at, named, earlier_id, previous_source,
    earlier_passes_bytes, job_id
FROM vm_disks WHERE job_id = ?1 ORDER BY ordinal, disk_id";

fn disk_row(cells: &mut Cells<'_, '_>) -> rusqlite::Result<Option<Disk>> {
    let Some(disk) = cells.parsed("left out", id(DiskId::parse))? else { return Ok(None) };
    let label = cells.text()?.unwrap_or_default();
    let (capacity_bytes, planned_bytes) = (cells.count()?, cells.count()?);
    let basis = cells.parsed("none", Basis::from_wire_name)?;
    let Some(status) = cells.parsed("left out", DiskStatus::from_stored_name)? else { return Ok(None) };
    let percent = percent(cells)?;
    Ok(Some(Disk {
        id: disk,
        label,
        capacity_bytes,
        planned_bytes,
        basis,
        status,
        percent,
        // The fields are evaluated as they stand here, in the order of the SELECT.
        bytes_transferred: cells.count()?.unwrap_or(0),
        throughput_bps: cells.count()?.unwrap_or(0),
        change_id: cells.text()?.and_then(|text| ChangeId::from_text(&text)),
        previous_change_id: cells.text()?.and_then(|text| ChangeId::from_text(&text)),
        blocks_changed: cells.count()?,
        error: cells.text()?,
        updated_at: cells.time()?,
        declared: cells.count()? != Some(0),
        device_key: cells.signed()?,
        mover_throughput_bps: cells.count()?,
        suspect: cells.text()?,
        started_at: cells.time()?,
        ended_at: cells.time()?,
        named: cells.count()? != Some(0),
        earlier_id: cells.parsed("none", id(DiskId::parse))?,
        previous_served: cells.text()?.is_some(),
        earlier_passes_bytes: cells.count()?.unwrap_or(0),
    }))
}

const SELECT_EXPORTS: &str = "
SELECT name, disk_id, device, connected, started_at, job_id FROM job_exports WHERE job_id = ?1 ORDER BY ordinal, name";

fn export_row(cells: &mut Cells<'_, '_>) -> rusqlite::Result<Option<Export>> {
    let Some(name) = cells.parsed("left out", id(ExportName::parse))? else { return Ok(None) };
    Ok(Some(Export {
        name,
        disk: cells.parsed("none", id(DiskId::parse))?,
        device: cells.text()?.unwrap_or_default(),
        connected: cells.count()? == Some(1),
        started_at: cells.time()?,
    }))
}

const SELECT_ALIASES: &str = "SELECT alias, job_id FROM job_aliases WHERE job_id = ?1 ORDER BY ordinal, alias";

fn alias_row(cells: &mut Cells<'_, '_>) -> rusqlite::Result<Option<Alias>> {
    cells.parsed("left out", id(Alias::parse))
}
