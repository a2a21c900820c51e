//! Migration 5: movers as they are (R-31, R-40, R-45). A disk may get its name while it is copied; a job may know how many
//! disks it has and carries its warnings; a row of the history says which VM of which VMA it is of, how large the disk was,
//! and whether its run's beginning was said by the mover or served to it.

pub(super) const FIFTH: &str = r"
ALTER TABLE replication_jobs ADD COLUMN vm_uuid TEXT NOT NULL DEFAULT '';
ALTER TABLE replication_jobs ADD COLUMN disk_count INTEGER CHECK (disk_count > 0);
ALTER TABLE replication_jobs ADD COLUMN warnings TEXT NOT NULL DEFAULT '[]' CHECK (json_valid(warnings));
ALTER TABLE replication_jobs ADD COLUMN quiet_since TEXT;
ALTER TABLE replication_jobs ADD COLUMN bytes_moved_at TEXT;
ALTER TABLE replication_jobs ADD COLUMN mover_says TEXT;

ALTER TABLE vm_disks ADD COLUMN named INTEGER NOT NULL DEFAULT 1 CHECK (named IN (0, 1));
ALTER TABLE vm_disks ADD COLUMN earlier_id TEXT;
ALTER TABLE vm_disks ADD COLUMN previous_source TEXT CHECK (previous_source = 'served');
ALTER TABLE vm_disks ADD COLUMN earlier_passes_bytes INTEGER NOT NULL DEFAULT 0 CHECK (earlier_passes_bytes >= 0);

ALTER TABLE cbt_history ADD COLUMN previous_source TEXT CHECK (previous_source = 'served');
ALTER TABLE cbt_history ADD COLUMN vma TEXT;
ALTER TABLE cbt_history ADD COLUMN vm_uuid TEXT NOT NULL DEFAULT '';
ALTER TABLE cbt_history ADD COLUMN capacity_bytes INTEGER CHECK (capacity_bytes >= 0);
CREATE INDEX cbt_history_by_uuid ON cbt_history (vm_uuid, disk_id) WHERE vm_uuid <> '';

-- The VM's path may be given after the end: then a row with it supersedes the one without (R-31, R-53).
DROP INDEX cbt_history_once;
CREATE UNIQUE INDEX cbt_history_once ON cbt_history (job_id, disk_id, coalesce(change_id, ''), vm_path);
DROP TRIGGER cbt_history_is_there_once;
CREATE TRIGGER cbt_history_is_there_once BEFORE INSERT ON cbt_history
WHEN EXISTS (SELECT 1 FROM cbt_history WHERE job_id = NEW.job_id AND disk_id = NEW.disk_id
             AND (vm_path = NEW.vm_path OR vm_path <> '') AND coalesce(change_id, '') = coalesce(NEW.change_id, ''))
BEGIN SELECT RAISE(ABORT, 'cbt_history has this change id of this disk of this job, once and for ever'); END;

-- The declaration of a job that has not begun may be corrected.
DROP TRIGGER vm_disks_are_not_deleted;
CREATE TRIGGER vm_disks_are_not_deleted BEFORE DELETE ON vm_disks
WHEN NOT EXISTS (SELECT 1 FROM leaving WHERE job_id = OLD.job_id)
    AND NOT (OLD.sync_status = 'pending' AND OLD.started_at IS NULL
        AND EXISTS (SELECT 1 FROM replication_jobs WHERE id = OLD.job_id AND status = 'pending'))
BEGIN SELECT RAISE(ABORT, 'disks are not deleted: they leave with their job'); END;

-- A placeholder gets its name once; a name stays.
DROP TRIGGER vm_disks_keep_their_id;
CREATE TRIGGER vm_disks_keep_their_id BEFORE UPDATE OF disk_id ON vm_disks
WHEN NEW.disk_id <> OLD.disk_id AND OLD.named = 1
BEGIN SELECT RAISE(ABORT, 'vm_disks.disk_id does not change: the disk goes by it'); END;

-- No program completes a job while a disk of it is missing (R-45).
CREATE TRIGGER jobs_complete_with_all_disks BEFORE UPDATE OF status ON replication_jobs
WHEN NEW.status = 'completed' AND OLD.status <> 'completed'
    AND (EXISTS (SELECT 1 FROM vm_disks WHERE job_id = OLD.id AND declared = 1 AND sync_status <> 'completed')
        OR NEW.disk_count > (SELECT count(*) FROM vm_disks WHERE job_id = OLD.id AND sync_status = 'completed'))
BEGIN SELECT RAISE(ABORT, 'a declared disk of this job is not completed: what is not all there has not succeeded'); END;

-- What a mover was last served of a disk; its run starts there if the mover does not say where (R-31).
CREATE TABLE served_change_ids (
    vma       TEXT NOT NULL,
    vm_path   TEXT NOT NULL,
    disk_id   TEXT NOT NULL,
    change_id TEXT NOT NULL,
    served_at TEXT NOT NULL,
    PRIMARY KEY (vma, vm_path, disk_id)
) STRICT, WITHOUT ROWID;
";
