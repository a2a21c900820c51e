//! Migration 3: how large a disk was when it had a change id, so that an incremental that would start there can be refused
//! after the disk was resized (R-6). VMA only. Rows come and go, the oldest of a disk first, and do not change.

pub(super) const THIRD: &str = r"
CREATE TABLE disk_capacities (
    vm_path        TEXT NOT NULL,
    device_key     INTEGER NOT NULL,
    change_id      TEXT NOT NULL CHECK (change_id <> ''),
    capacity_bytes INTEGER NOT NULL CHECK (capacity_bytes >= 0),
    seen_at        TEXT NOT NULL,
    PRIMARY KEY (vm_path, device_key, change_id)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER disk_capacities_do_not_change BEFORE UPDATE ON disk_capacities
BEGIN SELECT RAISE(ABORT, 'how large a disk was does not change: delete the row, and it is forgotten'); END;
";
