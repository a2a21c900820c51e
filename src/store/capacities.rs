//! How large the disks of a VM were at their last change ids.

use rusqlite::{Connection, params};

use super::error::StoreError;
use super::read::Queries;
use crate::model::change::SeenCapacity;
use crate::model::id::ChangeId;

/// Change ids of one disk whose sizes are kept; an incremental starts from one of the last.
const KEPT: i64 = 16;

/// Keeps what a disk measured; of each disk the newest [`KEPT`] stay.
pub(super) fn keep(conn: &Connection, seen: &SeenCapacity) -> rusqlite::Result<()> {
    let SeenCapacity { vm_path, device_key, change_id, capacity_bytes, seen_at } = seen;
    let bytes = i64::try_from(*capacity_bytes).unwrap_or(i64::MAX);
    conn.prepare_cached(
        "INSERT INTO disk_capacities (vm_path, device_key, change_id, capacity_bytes, seen_at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT DO NOTHING",
    )?
    .execute(params![vm_path, device_key, change_id.as_str(), bytes, seen_at.to_string()])?;
    conn.prepare_cached(
        "DELETE FROM disk_capacities WHERE vm_path = ?1 AND device_key = ?2 AND change_id NOT IN (
            SELECT change_id FROM disk_capacities WHERE vm_path = ?1 AND device_key = ?2 ORDER BY seen_at DESC LIMIT ?3)",
    )?
    .execute(params![vm_path, device_key, KEPT])
    .map(drop)
}

impl Queries {
    /// The device keys and sizes in bytes of a VM's disks that had this change id, in whichever spelling.
    pub fn capacities_at(&self, vm_path: &str, change_id: &ChangeId) -> Result<Vec<(i64, u64)>, StoreError> {
        const SELECT: &str = "SELECT change_id, device_key, capacity_bytes FROM disk_capacities WHERE vm_path = ?1";
        let is_same = |kept: &str| match (change_id.point(), ChangeId::from_text(kept).and_then(|id| id.point())) {
            (Some(asked), Some(kept)) => asked == kept,
            _ => kept == change_id.as_str(),
        };
        self.rows("read the disks' sizes in", "disk_capacities", SELECT, [vm_path], |cells| {
            let kept = cells.text()?.unwrap_or_default();
            let found = cells.signed()?.zip(cells.count()?);
            Ok(found.filter(|_| is_same(&kept)))
        })
    }
}
