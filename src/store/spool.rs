//! The change ids that wait on the VMA for the OMA, and what the OMA last said of each disk. What waits is read one
//! at a time, when its turn has come: an OMA that is away for days fills the file and not the memory.

use rusqlite::{Connection, params};

use super::error::StoreError;
use super::history::{self, received_row};
use super::read::{self, Queries};
use crate::model::change::{KnownChangeId, ReceivedChangeId};
use crate::model::id::ChangeId;
use crate::model::time::Wall;

/// A change id that the OMA has not confirmed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsent {
    /// Its number; later ones have higher numbers.
    pub number: i64,
    /// As it arrived.
    pub received: ReceivedChangeId,
}

/// Keeps a change id as it arrived, and that the OMA does not have it yet.
pub(super) fn add(conn: &Connection, received: &ReceivedChangeId) -> rusqlite::Result<()> {
    history::write_received(conn, received)?;
    let number = conn.last_insert_rowid();
    conn.prepare_cached("INSERT INTO unsent_change_ids (received_id) VALUES (?1)")?.execute([number]).map(drop)
}

/// The OMA has it; what was received stays.
pub(super) fn sent(conn: &Connection, number: i64) -> rusqlite::Result<()> {
    conn.prepare_cached("DELETE FROM unsent_change_ids WHERE received_id = ?1")?.execute([number]).map(drop)
}

/// Only the OMA's last answer counts: where it no longer has a change id, none is remembered.
pub(super) fn remember(conn: &Connection, known: &KnownChangeId) -> rusqlite::Result<()> {
    let key = (&known.vm_path, &known.disk);
    match &known.change_id {
        Some(change_id) => conn
            .prepare_cached(
                "INSERT INTO known_change_ids (vm_path, disk_id, change_id, answered_at, oma) VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (vm_path, disk_id)
                 DO UPDATE SET change_id = excluded.change_id, answered_at = excluded.answered_at, oma = excluded.oma",
            )?
            .execute(params![key.0, key.1, change_id.as_str(), known.answered_at.to_string(), known.oma]),
        None => conn.prepare_cached("DELETE FROM known_change_ids WHERE vm_path = ?1 AND disk_id = ?2")?.execute(key),
    }
    .map(drop)
}

impl Queries {
    /// The first change id after this number that the OMA has not confirmed; numbers begin at 1.
    pub fn next_unsent(&self, after: i64) -> Result<Option<Unsent>, StoreError> {
        const SELECT: &str = "SELECT job_id, disk_id, vm_path, change_id, previous_change_id, received_at, vma, id
                              FROM unsent_change_ids JOIN received_change_ids ON id = received_id
                              WHERE received_id > ?1 ORDER BY received_id LIMIT 1";
        let found = self.rows("read what waits for the OMA in", "received_change_ids", SELECT, [after], |cells| {
            let received = received_row(cells)?;
            Ok(cells.signed()?.map(|number| Unsent { number, received }))
        });
        found.map(|rows| rows.into_iter().next())
    }

    /// How many change ids the OMA has not confirmed.
    pub fn unsent_count(&self) -> Result<u64, StoreError> {
        self.run("count what waits for the OMA in", |conn| {
            let count = conn.query_row("SELECT count(*) FROM unsent_change_ids", [], |row| row.get::<_, i64>(0))?;
            Ok(u64::try_from(count).unwrap_or(0))
        })
    }

    /// The change ids that have come of a disk since a moment, oldest first.
    pub fn received_since(&self, vm_path: &str, disk: &str, since: Wall) -> Result<Vec<ReceivedChangeId>, StoreError> {
        const SELECT: &str = "SELECT job_id, disk_id, vm_path, change_id, previous_change_id, received_at, vma
                              FROM received_change_ids WHERE vm_path = ?1 AND disk_id = ?2 AND received_at >= ?3
                              ORDER BY id";
        let asked = (vm_path, disk, since.to_string());
        self.rows("read the received change ids in", "received_change_ids", SELECT, asked, |cells| {
            received_row(cells).map(Some)
        })
    }

    /// What this OMA last said of a disk, where that was a change id.
    pub fn known_change_id(&self, vm_path: &str, disk: &str, oma: &str) -> Result<Option<KnownChangeId>, StoreError> {
        self.run("read the OMA's last answer in", |conn| {
            let mut select = conn.prepare_cached(
                "SELECT change_id, answered_at FROM known_change_ids WHERE vm_path = ?1 AND disk_id = ?2 AND oma = ?3",
            )?;
            let mut rows = select.query((vm_path, disk, oma))?;
            let Some(row) = rows.next()? else { return Ok(None) };
            let text = |at| row.get_ref(at).map(|cell| read::lossy(cell).unwrap_or_default());
            Ok(Some(KnownChangeId {
                vm_path: vm_path.to_owned(),
                disk: disk.to_owned(),
                change_id: ChangeId::from_text(&text(0)?),
                answered_at: Wall::parse(&text(1)?).unwrap_or_default(),
                oma: oma.to_owned(),
            }))
        })
    }
}
