//! Writes jobs with their disks, exports and aliases.
//!
//! A finished row is never written again, whoever finished it. A row that the database refuses is
//! handed back and holds up no other; any other failure fails the transaction.

use rusqlite::{Connection, params};

use super::refused::{RefusedRow, RefusedWhat, Written, row_result};
use super::schema;
use super::warnings;
use crate::model::disk::{Basis, Disk};
use crate::model::id::{ChangeId, CorrelationId, DiskId, Epoch, JobId};
use crate::model::job::{Job, SyncKind};
use crate::model::stage::Stage;
use crate::model::status::JobStatus;
use crate::model::time::Wall;

/// What changes in a job's row from write to write, without its status.
macro_rules! changing_columns {
    () => {
        "vma = ?2, vm_name = ?3, vm_path = ?4, replication_type = ?5, current_operation = ?7, progress_percent = ?8,
         bytes_transferred = ?9, total_bytes = ?10, total_basis = ?11, transfer_speed_bps = ?12, eta_seconds = ?13,
         contact = ?14, stalled_since = ?15, error_message = ?16, correlation_id = ?17, source_sequence = ?18,
         source_updated_at = ?19, started_at = ?21, updated_at = ?22, last_contact_at = ?23, completed_at = ?24,
         source_epoch = ?25, vm_uuid = ?26, disk_count = ?27, warnings = ?28, quiet_since = ?29, bytes_moved_at = ?30,
         mover_says = ?31"
    };
}

/// Most writes leave the status as it is. Naming it would rewrite its entry in the index all the same.
const UPDATE_JOB: &str = concat!(
    "UPDATE replication_jobs SET ",
    changing_columns!(),
    " WHERE id = ?1 AND status = ?6 AND status NOT IN ('completed', 'failed')"
);

const WRITE_JOB: &str = concat!(
    "INSERT INTO replication_jobs (id, vma, vm_name, vm_path, replication_type, status, current_operation,
         progress_percent, bytes_transferred, total_bytes, total_basis, transfer_speed_bps, eta_seconds, contact,
         stalled_since, error_message, correlation_id, source_sequence, source_updated_at, created_at, started_at,
         updated_at, last_contact_at, completed_at, source_epoch, vm_uuid, disk_count, warnings, quiet_since,
         bytes_moved_at, mover_says)
     VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23,
         ?24, ?25, ?26, ?27, ?28, ?29, ?30, ?31)
     ON CONFLICT (id) DO UPDATE SET status = ?6, ",
    changing_columns!(),
    " WHERE replication_jobs.status NOT IN ('completed', 'failed')"
);

const UPDATE_DISK: &str = "
UPDATE vm_disks SET label = ?3, capacity_bytes = ?4, planned_bytes = ?5, planned_basis = ?6, sync_status = ?7,
    sync_progress_percent = ?8, bytes_synced = ?9, transfer_speed_bps = ?10, disk_change_id = ?11,
    previous_change_id = ?12, blocks_changed = ?13, error_message = ?14, updated_at = ?15, ordinal = ?16, declared = ?17,
    device_key = ?18, mover_throughput_bps = ?19, suspect = ?20, started_at = ?21, ended_at = ?22, named = ?23,
    earlier_id = ?24, previous_source = ?25, earlier_passes_bytes = ?26
WHERE job_id = ?1 AND disk_id = ?2";

const NAME_DISK: &str = "
UPDATE vm_disks SET disk_id = ?3, named = 1
WHERE job_id = ?1 AND disk_id = ?2 AND named = 0
    AND NOT EXISTS (SELECT 1 FROM vm_disks WHERE job_id = ?1 AND disk_id = ?3)";

const INSERT_DISK: &str = "
INSERT INTO vm_disks (job_id, disk_id, label, capacity_bytes, planned_bytes, planned_basis, sync_status,
    sync_progress_percent, bytes_synced, transfer_speed_bps, disk_change_id, previous_change_id, blocks_changed,
    error_message, updated_at, ordinal, declared, device_key, mover_throughput_bps, suspect, started_at, ended_at, named,
    earlier_id, previous_source, earlier_passes_bytes)
VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24,
    ?25, ?26)";

/// Which parts of a job are written besides its own row and its disks.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Extent {
    /// Of the exports that are stored, whether they are connected.
    Progress,
    /// All exports and aliases; what is stored and no longer named goes.
    Everything,
}

/// `previous_source` of a run whose mover did not say where it started.
pub(super) const SERVED: &str = "served";

/// SQLite's integers have a sign: counts past 2^63-1 are stored as that.
pub(super) fn integer(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}
pub(super) fn time(at: Option<Wall>) -> Option<String> {
    at.map(|at| at.to_string())
}

/// Writes one job. An end is written last: what belongs to a job that has ended stands still, whoever writes.
pub(super) fn write(
    conn: &Connection,
    job: &Job,
    extent: Extent,
    refused: &mut Vec<RefusedRow>,
) -> rusqlite::Result<()> {
    let mut refuse = |what, reason| refused.push(RefusedRow { job: job.id.clone(), what, reason });
    if !job.status.is_final() {
        return match write_own_row(conn, job, &mut refuse)? {
            true => write_what_belongs(conn, job, extent, &mut refuse),
            false => Ok(()),
        };
    }
    match stored_status(conn, &job.id)? {
        Some(stored) if stored.is_final() => {}
        Some(_) => write_what_belongs(conn, job, extent, &mut refuse)?,
        None => {
            let begun = Job { status: JobStatus::Queued, completed_at: None, ..job.clone() };
            if !write_own_row(conn, &begun, &mut refuse)? {
                return Ok(());
            }
            write_what_belongs(conn, job, extent, &mut refuse)?;
        }
    }
    write_own_row(conn, job, &mut refuse).map(drop)
}

/// True where the job's own row is now as it is given.
fn write_own_row(conn: &Connection, job: &Job, refuse: &mut impl FnMut(RefusedWhat, String)) -> rusqlite::Result<bool> {
    match row_result(write_job_row(conn, job))? {
        Written::Rows(0) => {
            let stored = stored_status(conn, &job.id)?;
            // The same end once more changes nothing and is no fault: a commit may be repeated after an error.
            if let Some(stored) = stored.filter(|stored| *stored != job.status) {
                refuse(RefusedWhat::EndedElsewhere(stored), "a finished job does not change".to_owned());
            }
            Ok(false)
        }
        Written::Rows(_) => Ok(true),
        Written::Refused(reason) => {
            refuse(RefusedWhat::Job, reason);
            Ok(false)
        }
    }
}

/// Writes the rows of other tables that belong to the job.
fn write_what_belongs(
    conn: &Connection,
    job: &Job,
    extent: Extent,
    refuse: &mut impl FnMut(RefusedWhat, String),
) -> rusqlite::Result<()> {
    for (ordinal, disk) in (0_i64..).zip(&job.disks) {
        if let Written::Refused(reason) = row_result(write_disk_row(conn, &job.id, ordinal, disk))? {
            refuse(RefusedWhat::Disk(disk.id.clone()), reason);
        }
    }
    match extent {
        Extent::Progress => update_exports(conn, job),
        Extent::Everything => {
            if job.status == JobStatus::Queued {
                remove_undeclared(conn, job)?;
            }
            replace_exports(conn, job, refuse)?;
            replace_aliases(conn, job, refuse)
        }
    }
}

fn write_job_row(conn: &Connection, job: &Job) -> rusqlite::Result<usize> {
    match execute_for_job(conn, UPDATE_JOB, job)? {
        0 => execute_for_job(conn, WRITE_JOB, job),
        rows => Ok(rows),
    }
}

fn execute_for_job(conn: &Connection, sql: &'static str, job: &Job) -> rusqlite::Result<usize> {
    conn.prepare_cached(sql)?.execute(params![
        job.id.as_str(),
        job.vma.as_str(),
        job.vm.name,
        job.vm.path,
        job.sync.map(SyncKind::wire_name),
        job.status.stored_name(),
        job.stage.map(Stage::wire_name),
        job.totals.percent.as_f64(),
        integer(job.totals.bytes_transferred),
        integer(job.totals.total_bytes),
        job.totals.basis.map(Basis::wire_name),
        integer(job.totals.throughput_bps),
        job.totals.eta_seconds.map(integer),
        job.contact.stored_name(),
        time(job.stalled_since),
        job.error,
        job.correlation.as_ref().map(CorrelationId::as_str),
        integer(job.source_sequence),
        time(job.source_updated_at),
        job.created_at.to_string(),
        time(job.started_at),
        job.updated_at.to_string(),
        time(job.last_contact_at),
        time(job.completed_at),
        job.source_epoch.as_ref().map(Epoch::as_str),
        job.vm.uuid,
        job.disk_count,
        warnings::to_json(&job.warnings),
        time(job.quiet_since),
        time(job.bytes_moved_at),
        job.mover_says,
    ])
}

fn write_disk_row(conn: &Connection, job: &JobId, ordinal: i64, disk: &Disk) -> rusqlite::Result<usize> {
    if let Some(earlier) = &disk.earlier_id {
        // Its row may still be that of the placeholder.
        conn.prepare_cached(NAME_DISK)?.execute([job.as_str(), earlier.as_str(), disk.id.as_str()])?;
    }
    match execute_for_disk(conn, UPDATE_DISK, job, ordinal, disk)? {
        0 => execute_for_disk(conn, INSERT_DISK, job, ordinal, disk),
        rows => Ok(rows),
    }
}

fn execute_for_disk(
    conn: &Connection,
    sql: &'static str,
    job: &JobId,
    ordinal: i64,
    disk: &Disk,
) -> rusqlite::Result<usize> {
    conn.prepare_cached(sql)?.execute(params![
        job.as_str(),
        disk.id.as_str(),
        disk.label,
        disk.capacity_bytes.map(integer),
        disk.planned_bytes.map(integer),
        disk.basis.map(Basis::wire_name),
        disk.status.stored_name(),
        disk.percent.as_f64(),
        integer(disk.bytes_transferred),
        integer(disk.throughput_bps),
        disk.change_id.as_ref().map(ChangeId::as_str),
        disk.previous_change_id.as_ref().map(ChangeId::as_str),
        disk.blocks_changed.map(integer),
        disk.error,
        time(disk.updated_at),
        ordinal,
        disk.declared,
        disk.device_key,
        disk.mover_throughput_bps.map(integer),
        disk.suspect,
        time(disk.started_at),
        time(disk.ended_at),
        disk.named,
        disk.earlier_id.as_ref().map(DiskId::as_str),
        disk.previous_served.then_some(SERVED),
        integer(disk.earlier_passes_bytes),
    ])
}

fn stored_status(conn: &Connection, job: &JobId) -> rusqlite::Result<Option<JobStatus>> {
    let mut select = conn.prepare_cached("SELECT status FROM replication_jobs WHERE id = ?1")?;
    let mut rows = select.query([job.as_str()])?;
    Ok(match rows.next()? {
        Some(row) => JobStatus::from_stored_name(&row.get::<_, String>(0)?),
        None => None,
    })
}

/// The declaration of a job that has not begun may name other disks than before.
fn remove_undeclared(conn: &Connection, job: &Job) -> rusqlite::Result<()> {
    let mut select = conn.prepare_cached("SELECT disk_id FROM vm_disks WHERE job_id = ?1")?;
    let stored = select.query_map([job.id.as_str()], |row| row.get::<_, String>(0))?;
    for disk in stored.collect::<rusqlite::Result<Vec<String>>>()? {
        if !job.disks.iter().any(|known| known.id.as_str() == disk) {
            let delete = "DELETE FROM vm_disks WHERE job_id = ?1 AND disk_id = ?2";
            conn.prepare_cached(delete)?.execute([job.id.as_str(), &disk])?;
        }
    }
    Ok(())
}

/// Exports hardly ever change, so a poll's worth of progress costs one look-up each.
fn update_exports(conn: &Connection, job: &Job) -> rusqlite::Result<()> {
    for export in &job.exports {
        let started_at = time(export.started_at);
        conn.prepare_cached(
            "UPDATE job_exports SET connected = ?3, started_at = ?4
             WHERE job_id = ?1 AND name = ?2 AND (connected <> ?3 OR started_at IS NOT ?4)",
        )?
        .execute(params![job.id.as_str(), export.name.as_str(), export.connected, started_at])?;
    }
    Ok(())
}

fn replace_exports(conn: &Connection, job: &Job, refuse: &mut impl FnMut(RefusedWhat, String)) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM job_exports WHERE job_id = ?1")?.execute([job.id.as_str()])?;
    for (ordinal, export) in (0_i64..).zip(&job.exports) {
        let mut insert = conn.prepare_cached(
            "INSERT INTO job_exports (job_id, name, ordinal, disk_id, device, connected, started_at)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
        )?;
        let disk = export.disk.as_ref().map(|disk| disk.as_str());
        let (name, started_at) = (export.name.as_str(), time(export.started_at));
        let row = params![job.id.as_str(), name, ordinal, disk, export.device, export.connected, started_at];
        if let Written::Refused(reason) = row_result(insert.execute(row))? {
            refuse(RefusedWhat::Export(export.name.clone()), reason);
        }
    }
    Ok(())
}

fn replace_aliases(conn: &Connection, job: &Job, refuse: &mut impl FnMut(RefusedWhat, String)) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM job_aliases WHERE job_id = ?1")?.execute([job.id.as_str()])?;
    for (ordinal, alias) in (0_i64..).zip(&job.aliases) {
        let mut insert = conn.prepare_cached("INSERT INTO job_aliases (job_id, alias, ordinal) VALUES (?1, ?2, ?3)")?;
        if let Written::Refused(reason) = row_result(insert.execute(params![job.id.as_str(), alias.as_str(), ordinal]))?
        {
            refuse(RefusedWhat::Aliases, reason);
        }
    }
    Ok(())
}

/// Removes a job, its disks, names, steps and log (VMA, R-10). The history and the change ids that arrived stay: they
/// outlive every job.
///
/// Only the first statement can be refused, where the stored job has not ended; then nothing is removed.
pub(super) fn forget(conn: &Connection, job: &JobId) -> rusqlite::Result<usize> {
    if stored_status(conn, job)?.is_none() {
        return Ok(0);
    }
    let execute = |statement: &str| conn.prepare_cached(statement)?.execute([job.as_str()]);
    let mut removed = execute("INSERT INTO leaving (job_id) VALUES (?1)")?;
    for table in schema::OF_A_JOB {
        removed += execute(&format!("DELETE FROM {table} WHERE job_id = ?1"))?;
    }
    removed += execute("DELETE FROM replication_jobs WHERE id = ?1")?;
    removed += execute("DELETE FROM job_ids WHERE id = ?1")?;
    removed += execute("DELETE FROM leaving WHERE job_id = ?1")?;
    Ok(removed)
}
