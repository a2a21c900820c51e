//! Writes and reads the history of change ids: what each ended run left behind, and what movers sent.
//! Rows are only ever added.

use rusqlite::{Connection, params};

use super::error::StoreError;
use super::jobs::{SERVED, integer};
use super::read::{self, Cells, Queries};
use crate::model::change::{CbtEntry, ReceivedChangeId, ServedChangeId};
use crate::model::id::{ChangeId, DiskId, JobId, VmaName};
use crate::model::job::SyncKind;
use crate::model::record::HistoryRecord;
use crate::model::request::DiskQuestion;
use crate::model::time::Wall;
use crate::policy::serving::Candidate;

/// Adds a row; one of the same job, disk and change id is there once (R-53, F35), and once more only
/// to name the VM's path that the first one lacks. No row is ever replaced.
pub(super) fn write(conn: &Connection, entry: &CbtEntry) -> rusqlite::Result<usize> {
    conn.prepare_cached(
        "INSERT INTO cbt_history (job_id, vm_path, disk_id, change_id, previous_change_id, sync_type, blocks_changed,
             bytes_transferred, sync_duration_seconds, sync_success, created_at, device_key, previous_source, vma, vm_uuid,
             capacity_bytes)
         SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16
         WHERE NOT EXISTS (SELECT 1 FROM cbt_history WHERE job_id = ?1 AND disk_id = ?3
                           AND (vm_path = ?2 OR vm_path <> '') AND coalesce(change_id, '') = coalesce(?4, ''))",
    )?
    .execute(params![
        entry.job.as_str(),
        entry.vm_path,
        entry.disk.as_str(),
        entry.change_id.as_ref().map(ChangeId::as_str),
        entry.previous_change_id.as_ref().map(ChangeId::as_str),
        entry.sync.wire_name(),
        entry.blocks_changed.map(integer),
        integer(entry.bytes_transferred),
        integer(entry.sync_duration_seconds),
        entry.sync_success,
        entry.created_at.to_string(),
        entry.device_key,
        entry.previous_served.then_some(SERVED),
        entry.vma.as_ref().map(VmaName::as_str),
        entry.vm_uuid,
        entry.capacity_bytes.map(integer),
    ])
}

/// Keeps what a mover was served of a disk, in place of what it was served before.
pub(super) fn write_served(conn: &Connection, served: &ServedChangeId) -> rusqlite::Result<()> {
    let ServedChangeId { vma, vm_path, disk, change_id, served_at } = served;
    conn.prepare_cached(
        "INSERT INTO served_change_ids (vma, vm_path, disk_id, change_id, served_at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (vma, vm_path, disk_id) DO UPDATE SET change_id = excluded.change_id, served_at = excluded.served_at",
    )?
    .execute(params![vma, vm_path, disk, change_id.as_str(), served_at.to_string()])
    .map(drop)
}

/// Keeps a change id as it arrived; a mover's retry is a row of its own. The run that the mover was served a change id for
/// is over with it.
pub(super) fn write_received(conn: &Connection, received: &ReceivedChangeId) -> rusqlite::Result<usize> {
    let vma = received.vma.as_ref().map_or("", VmaName::as_str);
    let used = "DELETE FROM served_change_ids WHERE (vma = ?1 OR ?1 = '') AND vm_path = ?2 AND disk_id = ?3";
    conn.prepare_cached(used)?.execute(params![vma, received.vm_path, received.disk])?;
    conn.prepare_cached(
        "INSERT INTO received_change_ids (job_id, disk_id, vm_path, change_id, previous_change_id, received_at, vma)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?
    .execute(params![
        received.job,
        received.disk,
        received.vm_path,
        received.change_id,
        received.previous_change_id,
        received.received_at.to_string(),
        received.vma.as_ref().map(VmaName::as_str),
    ])
}

/// Rows of Completed disks that left a change id, whatever became of their runs, of each run's disk the last, the latest run first: a run
/// stands where its first row does, also where it got its id later. What is served and what no archive may take
/// are both found among them.
macro_rules! select_good_runs {
    ($columns:literal, $condition:literal, $order:literal) => {
        concat!(
            "SELECT ",
            $columns,
            " FROM cbt_history AS entry
             WHERE sync_success = 1 AND change_id IS NOT NULL AND ",
            $condition,
            " AND NOT EXISTS (SELECT 1 FROM cbt_history AS later WHERE later.job_id = entry.job_id
                              AND later.disk_id = entry.disk_id AND later.id > entry.id)
             ORDER BY ",
            $order,
            "(SELECT min(first.id) FROM cbt_history AS first
              WHERE first.job_id = entry.job_id AND first.disk_id = entry.disk_id) DESC"
        )
    };
}
pub(super) use select_good_runs;

macro_rules! select_history {
    ($condition:literal) => {
        concat!(
            "SELECT id, job_id, vm_path, disk_id, change_id, previous_change_id, sync_type, blocks_changed,
                 bytes_transferred, sync_duration_seconds, sync_success, created_at, device_key,
                 EXISTS (SELECT 1 FROM cbt_history AS later WHERE later.job_id = entry.job_id
                         AND later.disk_id = entry.disk_id AND later.id > entry.id),
                 previous_source, vma, vm_uuid, capacity_bytes
             FROM cbt_history AS entry ",
            $condition,
            " ORDER BY id"
        )
    };
}

impl Queries {
    /// The history of one job, or all of it, oldest first, superseded rows included and marked.
    pub fn history(&self, job: Option<&JobId>) -> Result<Vec<HistoryRecord>, StoreError> {
        const OPERATION: &str = "read the history in";
        match job {
            Some(job) => {
                let select = select_history!("WHERE job_id = ?1");
                self.rows(OPERATION, "cbt_history", select, [job.as_str()], cbt_row)
            }
            None => self.rows(OPERATION, "cbt_history", select_history!(""), [], cbt_row),
        }
    }

    /// Completed disks of ended runs that may be the one in question, the latest run first, each with its change id. A
    /// run stands at its first row, also if it got its id later. None for the empty path, which every VM without a known
    /// path shares (F34). A disk also answers to `disk-<its device key>`, as older movers call it (`wire.md`).
    pub fn served_candidates(&self, question: &DiskQuestion) -> Result<Vec<Candidate>, StoreError> {
        // The very name before the device key, by which another disk may be called.
        const SELECT: &str = select_good_runs!(
            "change_id, vma, vm_path, vm_uuid, capacity_bytes, created_at, job_id",
            "(vm_path = ?1 OR (vm_uuid = ?2 AND vm_uuid <> '')) AND (disk_id = ?3 OR device_key = ?4)",
            "disk_id = ?3 DESC, "
        );
        if question.vm_path.is_empty() {
            return Ok(Vec::new());
        }
        let DiskQuestion { vm_path, vm_uuid, disk, .. } = question;
        let device_key = disk.strip_prefix("disk-").and_then(|key| key.parse::<i64>().ok());
        let asked = (vm_path, vm_uuid, disk, device_key);
        self.rows("read the last change id in", "cbt_history", SELECT, asked, |cells| {
            let change_id = cells.text()?.and_then(|text| ChangeId::from_text(&text));
            let vma = cells.parsed("unknown", read::id(VmaName::parse))?;
            let (vm_path, vm_uuid) = (cells.text()?.unwrap_or_default(), cells.text()?.unwrap_or_default());
            let (capacity_bytes, at) = (cells.count()?, cells.time()?.unwrap_or_default());
            Ok(change_id.map(|change_id| Candidate { change_id, vma, vm_path, vm_uuid, capacity_bytes, at }))
        })
    }

    /// What a mover was last served of a disk since its last change id came.
    pub fn served_change_id(
        &self,
        vma: Option<&VmaName>,
        vm_path: &str,
        disk: &str,
    ) -> Result<Option<ServedChangeId>, StoreError> {
        const SELECT: &str = "SELECT change_id, served_at, vma, vm_path, disk_id FROM served_change_ids
                              WHERE vma = ?1 AND vm_path = ?2 AND disk_id = ?3";
        let asked = (vma.map_or("", VmaName::as_str), vm_path, disk);
        let found = self.rows("read what was served in", "served_change_ids", SELECT, asked, |cells| {
            let (change_id, served_at) = (cells.text()?.and_then(|text| ChangeId::from_text(&text)), cells.time()?);
            let mut text = || cells.text().map(Option::unwrap_or_default);
            let (vma, vm_path, disk) = (text()?, text()?, text()?);
            let served_at = served_at.unwrap_or_default();
            Ok(change_id.map(|change_id| ServedChangeId { vma, vm_path, disk, change_id, served_at }))
        });
        found.map(|rows| rows.into_iter().next())
    }

    /// The change ids that arrived under this job id, oldest first, as they were sent.
    pub fn received_change_ids(&self, job: &JobId) -> Result<Vec<ReceivedChangeId>, StoreError> {
        self.run("read the received change ids in", |_| self.collect_received(job))
    }

    pub(super) fn collect_received(&self, job: &JobId) -> rusqlite::Result<Vec<ReceivedChangeId>> {
        const SELECT: &str = "SELECT job_id, disk_id, vm_path, change_id, previous_change_id, received_at, vma
                              FROM received_change_ids WHERE job_id = ?1 ORDER BY id";
        self.collect("received_change_ids", SELECT, [job.as_str()], |cells| received_row(cells).map(Some))
    }
}

pub(super) fn received_row(cells: &mut Cells<'_, '_>) -> rusqlite::Result<ReceivedChangeId> {
    Ok(ReceivedChangeId {
        job: cells.text()?.unwrap_or_default(),
        disk: cells.text()?.unwrap_or_default(),
        vm_path: cells.text()?,
        change_id: cells.text()?.unwrap_or_default(),
        previous_change_id: cells.text()?,
        received_at: cells.time()?.unwrap_or_default(),
        vma: cells.parsed("unknown", read::id(VmaName::parse))?,
    })
}

fn cbt_row(cells: &mut Cells<'_, '_>) -> rusqlite::Result<Option<HistoryRecord>> {
    let id = cells.signed()?.unwrap_or_default();
    let Some(job) = cells.parsed("left out", read::id(JobId::parse))? else { return Ok(None) };
    let vm_path = cells.text()?.unwrap_or_default();
    let Some(disk) = cells.parsed("left out", read::id(DiskId::parse))? else { return Ok(None) };
    let mut entry = CbtEntry {
        job,
        vm_path,
        disk,
        change_id: cells.text()?.and_then(|text| ChangeId::from_text(&text)),
        previous_change_id: cells.text()?.and_then(|text| ChangeId::from_text(&text)),
        sync: cells.parsed("full", SyncKind::from_wire_name)?.unwrap_or(SyncKind::Full),
        blocks_changed: cells.count()?,
        bytes_transferred: cells.count()?.unwrap_or(0),
        sync_duration_seconds: cells.count()?.unwrap_or(0),
        sync_success: cells.count()? == Some(1),
        created_at: cells.time()?.unwrap_or(Wall::from_unix_millis(0)),
        device_key: cells.signed()?,
        previous_served: false,
        vma: None,
        vm_uuid: String::new(),
        capacity_bytes: None,
    };
    let superseded = cells.count()? == Some(1);
    entry.previous_served = cells.text()?.is_some();
    entry.vma = cells.parsed("unknown", read::id(VmaName::parse))?;
    entry.vm_uuid = cells.text()?.unwrap_or_default();
    entry.capacity_bytes = cells.count()?;
    Ok(Some(HistoryRecord { id, entry, superseded }))
}
