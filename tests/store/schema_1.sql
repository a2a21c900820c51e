PRAGMA foreign_keys=OFF;
BEGIN TRANSACTION;
CREATE TABLE replication_jobs (
    id                 TEXT PRIMARY KEY NOT NULL CHECK (length(CAST(id AS BLOB)) BETWEEN 1 AND 255 AND instr(id, char(0)) = 0 AND id NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    vma                TEXT NOT NULL CHECK (length(CAST(vma AS BLOB)) BETWEEN 1 AND 255 AND instr(vma, char(0)) = 0 AND vma NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    vm_name            TEXT NOT NULL DEFAULT '',
    vm_path            TEXT NOT NULL DEFAULT '',
    replication_type   TEXT CHECK (replication_type = 'full' OR replication_type = 'incremental'),
    status             TEXT NOT NULL DEFAULT 'pending' CHECK (status = 'pending' OR status = 'preparing' OR status = 'snapshotting' OR status = 'streaming' OR status = 'finalizing' OR status = 'completed' OR status = 'failed'),
    current_operation  TEXT,
    progress_percent   REAL NOT NULL DEFAULT 0 CHECK (progress_percent BETWEEN 0 AND 100),
    bytes_transferred  INTEGER NOT NULL DEFAULT 0 CHECK (bytes_transferred >= 0),
    total_bytes        INTEGER NOT NULL DEFAULT 0 CHECK (total_bytes >= 0),
    total_basis        TEXT CHECK (total_basis = 'cbt-allocated' OR total_basis = 'cbt-delta' OR total_basis = 'layout' OR total_basis = 'mover' OR total_basis = 'capacity'),
    transfer_speed_bps INTEGER NOT NULL DEFAULT 0 CHECK (transfer_speed_bps >= 0),
    eta_seconds        INTEGER CHECK (eta_seconds >= 0),
    contact            TEXT NOT NULL DEFAULT 'fresh' CHECK (contact = 'fresh' OR contact = 'late' OR contact = 'tunnel_down' OR contact = 'vma_unreachable' OR contact = 'job_unknown' OR contact = 'lost'),
    stalled_since      TEXT,
    error_message      TEXT,
    correlation_id     TEXT,
    source_sequence    INTEGER NOT NULL DEFAULT 0 CHECK (source_sequence >= 0),
    source_updated_at  TEXT,
    created_at         TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    started_at         TEXT,
    updated_at         TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    last_contact_at    TEXT,
    completed_at       TEXT,
    source_epoch       TEXT
) STRICT;
INSERT INTO replication_jobs VALUES('demo-full','demo-site','demo','/DC0/vm/demo','full','completed','Transfer',100.0,234881024,234881024,'mover',0,0,'fresh',NULL,NULL,'01M8EAV5J0BK0VXTWDM5JRXV37',46,'2026-11-27T11:04:38.273Z','2026-11-27T11:04:27.970Z','2026-11-27T11:04:27.968Z','2026-11-27T11:04:38.521Z','2026-11-27T11:04:38.278Z','2026-11-27T11:04:38.521Z','01M8EAV5HT2XWA4HZXRNR914XX');
INSERT INTO replication_jobs VALUES('demo-incremental','demo-site','demo','/DC0/vm/demo','incremental','completed','Transfer',100.0,25165824,25165824,'mover',0,0,'fresh',NULL,NULL,'01M8EAVG45ANF73GC6J3Q45J8B',54,'2026-11-27T11:04:40.272Z','2026-11-27T11:04:38.789Z','2026-11-27T11:04:38.789Z','2026-11-27T11:04:40.409Z','2026-11-27T11:04:40.407Z','2026-11-27T11:04:40.409Z','01M8EAV5HT2XWA4HZXRNR914XX');
CREATE TABLE vm_disks (
    job_id                TEXT NOT NULL REFERENCES replication_jobs (id),
    disk_id               TEXT NOT NULL CHECK (length(CAST(disk_id AS BLOB)) BETWEEN 1 AND 255 AND instr(disk_id, char(0)) = 0 AND disk_id NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    label                 TEXT NOT NULL DEFAULT '',
    capacity_bytes        INTEGER CHECK (capacity_bytes >= 0),
    planned_bytes         INTEGER CHECK (planned_bytes >= 0),
    planned_basis         TEXT CHECK (planned_basis = 'cbt-allocated' OR planned_basis = 'cbt-delta' OR planned_basis = 'layout' OR planned_basis = 'mover' OR planned_basis = 'capacity'),
    sync_status           TEXT NOT NULL DEFAULT 'pending' CHECK (sync_status = 'pending' OR sync_status = 'snapshotting' OR sync_status = 'syncing' OR sync_status = 'completed' OR sync_status = 'failed'),
    sync_progress_percent REAL NOT NULL DEFAULT 0 CHECK (sync_progress_percent BETWEEN 0 AND 100),
    bytes_synced          INTEGER NOT NULL DEFAULT 0 CHECK (bytes_synced >= 0),
    transfer_speed_bps    INTEGER NOT NULL DEFAULT 0 CHECK (transfer_speed_bps >= 0),
    disk_change_id        TEXT,
    previous_change_id    TEXT,
    blocks_changed        INTEGER CHECK (blocks_changed >= 0),
    error_message         TEXT,
    updated_at            TEXT,
    ordinal               INTEGER NOT NULL DEFAULT 0 CHECK (ordinal >= 0),
    declared              INTEGER NOT NULL DEFAULT 1 CHECK (declared IN (0, 1)),
    device_key            INTEGER,
    mover_throughput_bps  INTEGER CHECK (mover_throughput_bps >= 0),
    suspect               TEXT,
    started_at            TEXT,
    ended_at              TEXT,
    PRIMARY KEY (job_id, disk_id)
) STRICT, WITHOUT ROWID;
INSERT INTO vm_disks VALUES('demo-full','disk-2000','Hard disk 1',134217728,134217728,'mover','completed',100.0,134217728,0,'52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81',NULL,NULL,NULL,'2026-11-27T11:04:34.699Z',0,1,NULL,19955059,NULL,'2026-11-27T11:04:28.279Z','2026-11-27T11:04:34.778Z');
INSERT INTO vm_disks VALUES('demo-full','disk-2001','Hard disk 2',100663296,100663296,'mover','completed',100.0,100663296,0,'52 00 7a 11 0c 5e 4f 92-8b 3d 10 aa 42 f6 71 0e/81',NULL,NULL,NULL,'2026-11-27T11:04:38.273Z',1,1,NULL,28605653,NULL,'2026-11-27T11:04:34.778Z','2026-11-27T11:04:38.278Z');
INSERT INTO vm_disks VALUES('demo-incremental','disk-2000','Hard disk 1',134217728,12582912,'mover','completed',100.0,12582912,0,'52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/97','52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81',NULL,NULL,'2026-11-27T11:04:39.512Z',0,1,NULL,12582912,NULL,'2026-11-27T11:04:38.908Z','2026-11-27T11:04:39.907Z');
INSERT INTO vm_disks VALUES('demo-incremental','disk-2001','Hard disk 2',100663296,12582912,'mover','completed',100.0,12582912,0,'52 00 7a 11 0c 5e 4f 92-8b 3d 10 aa 42 f6 71 0e/97','52 00 7a 11 0c 5e 4f 92-8b 3d 10 aa 42 f6 71 0e/81',NULL,NULL,'2026-11-27T11:04:40.272Z',1,1,NULL,12582912,NULL,'2026-11-27T11:04:39.907Z','2026-11-27T11:04:40.407Z');
CREATE TABLE job_exports (
    job_id     TEXT NOT NULL REFERENCES replication_jobs (id),
    name       TEXT NOT NULL CHECK (length(CAST(name AS BLOB)) BETWEEN 1 AND 255 AND instr(name, char(0)) = 0 AND name NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    ordinal    INTEGER NOT NULL DEFAULT 0 CHECK (ordinal >= 0),
    disk_id    TEXT,
    device     TEXT NOT NULL DEFAULT '',
    connected  INTEGER NOT NULL DEFAULT 0 CHECK (connected IN (0, 1)),
    started_at TEXT,
    PRIMARY KEY (job_id, name)
) STRICT, WITHOUT ROWID;
CREATE TABLE job_aliases (
    job_id  TEXT NOT NULL REFERENCES replication_jobs (id),
    alias   TEXT NOT NULL CHECK (length(CAST(alias AS BLOB)) BETWEEN 1 AND 255 AND instr(alias, char(0)) = 0 AND alias NOT GLOB '*[' || char(1) || '-' || char(31) || char(127) || '-' || char(159) || ']*'),
    ordinal INTEGER NOT NULL DEFAULT 0 CHECK (ordinal >= 0),
    PRIMARY KEY (job_id, alias)
) STRICT, WITHOUT ROWID;
CREATE TABLE cbt_history (
    id                    INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id                TEXT NOT NULL,
    vm_path               TEXT NOT NULL DEFAULT '',
    disk_id               TEXT NOT NULL,
    change_id             TEXT,
    previous_change_id    TEXT,
    sync_type             TEXT NOT NULL CHECK (sync_type = 'full' OR sync_type = 'incremental'),
    blocks_changed        INTEGER CHECK (blocks_changed >= 0),
    bytes_transferred     INTEGER NOT NULL DEFAULT 0 CHECK (bytes_transferred >= 0),
    sync_duration_seconds INTEGER NOT NULL DEFAULT 0 CHECK (sync_duration_seconds >= 0),
    sync_success          INTEGER NOT NULL DEFAULT 0 CHECK (sync_success IN (0, 1)),
    created_at            TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now'))
) STRICT;
INSERT INTO cbt_history VALUES(1,'demo-full','/DC0/vm/demo','disk-2000','52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81',NULL,'full',NULL,134217728,6,1,'2026-11-27T11:04:38.521Z');
INSERT INTO cbt_history VALUES(2,'demo-full','/DC0/vm/demo','disk-2001','52 00 7a 11 0c 5e 4f 92-8b 3d 10 aa 42 f6 71 0e/81',NULL,'full',NULL,100663296,3,1,'2026-11-27T11:04:38.521Z');
INSERT INTO cbt_history VALUES(3,'demo-incremental','/DC0/vm/demo','disk-2000','52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/97','52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81','incremental',NULL,12582912,1,1,'2026-11-27T11:04:40.409Z');
INSERT INTO cbt_history VALUES(4,'demo-incremental','/DC0/vm/demo','disk-2001','52 00 7a 11 0c 5e 4f 92-8b 3d 10 aa 42 f6 71 0e/97','52 00 7a 11 0c 5e 4f 92-8b 3d 10 aa 42 f6 71 0e/81','incremental',NULL,12582912,0,1,'2026-11-27T11:04:40.409Z');
CREATE TABLE job_steps (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id         TEXT NOT NULL REFERENCES replication_jobs (id),
    stage          TEXT NOT NULL,
    started_at     TEXT NOT NULL,
    completed_at   TEXT,
    duration_ms    INTEGER CHECK (duration_ms >= 0),
    outcome        TEXT CHECK (outcome = 'succeeded' OR outcome = 'failed'),
    correlation_id TEXT
) STRICT;
INSERT INTO job_steps VALUES(1,'demo-full','Transfer','2026-11-27T11:04:28.279Z','2026-11-27T11:04:38.521Z',10243,'succeeded','01M8EAV5J0BK0VXTWDM5JRXV37');
INSERT INTO job_steps VALUES(2,'demo-incremental','Transfer','2026-11-27T11:04:38.908Z','2026-11-27T11:04:40.409Z',1502,'succeeded','01M8EAVG45ANF73GC6J3Q45J8B');
CREATE TABLE job_events (
    id             INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id         TEXT NOT NULL,
    at             TEXT NOT NULL DEFAULT (strftime('%Y-%m-%dT%H:%M:%fZ', 'now')),
    level          TEXT NOT NULL DEFAULT 'info' CHECK (level = 'info' OR level = 'warning' OR level = 'error'),
    event          TEXT NOT NULL,
    message        TEXT NOT NULL DEFAULT '',
    attributes     TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(attributes)),
    correlation_id TEXT
) STRICT;
INSERT INTO job_events VALUES(1,'demo-full','2026-11-27T11:04:27.970Z','info','tracking_started','Starting progress polling for replication job at VMA demo-site','{"vma":"demo-site"}','01M8EAV5J20Z070XB73YD70HX9');
INSERT INTO job_events VALUES(2,'demo-full','2026-11-27T11:04:28.279Z','info','correlation_adopted','correlation id of the source adopted: 01M8EAV5J0BK0VXTWDM5JRXV37','{"adopted":"01M8EAV5J0BK0VXTWDM5JRXV37"}','01M8EAV5J20Z070XB73YD70HX9');
INSERT INTO job_events VALUES(3,'demo-full','2026-11-27T11:04:28.279Z','info','stage_changed','stage Transfer','{"to":"Transfer"}','01M8EAV5J0BK0VXTWDM5JRXV37');
INSERT INTO job_events VALUES(4,'demo-full','2026-11-27T11:04:28.279Z','info','status_changed','status Queued -> Streaming','{"from":"pending","to":"streaming"}','01M8EAV5J0BK0VXTWDM5JRXV37');
INSERT INTO job_events VALUES(5,'demo-full','2026-11-27T11:04:28.279Z','info','disk_status_changed','disk disk-2000: Queued -> Streaming','{"disk":"disk-2000","from":"pending","to":"syncing","bytes":7098368}','01M8EAV5J0BK0VXTWDM5JRXV37');
INSERT INTO job_events VALUES(6,'demo-full','2026-11-27T11:04:33.279Z','info','milestone','25 % reached: 60051456 of 234881024 bytes','{"percent":25,"bytes":60051456,"total":234881024}','01M8EAV5J0BK0VXTWDM5JRXV37');
INSERT INTO job_events VALUES(7,'demo-full','2026-11-27T11:04:34.750Z','info','change_id_received','change id of disk disk-2000: 52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81','{"disk":"disk-2000"}','01M8EAV5J0BK0VXTWDM5JRXV37');
INSERT INTO job_events VALUES(8,'demo-full','2026-11-27T11:04:34.778Z','info','disk_status_changed','disk disk-2000: Streaming -> Completed','{"disk":"disk-2000","from":"syncing","to":"completed","bytes":134217728}','01M8EAV5J0BK0VXTWDM5JRXV37');
INSERT INTO job_events VALUES(9,'demo-full','2026-11-27T11:04:34.778Z','info','disk_status_changed','disk disk-2001: Queued -> Streaming','{"disk":"disk-2001","from":"pending","to":"syncing","bytes":0}','01M8EAV5J0BK0VXTWDM5JRXV37');
INSERT INTO job_events VALUES(10,'demo-full','2026-11-27T11:04:34.778Z','info','milestone','50 % reached: 134217728 of 234881024 bytes','{"percent":50,"bytes":134217728,"total":234881024}','01M8EAV5J0BK0VXTWDM5JRXV37');
INSERT INTO job_events VALUES(11,'demo-full','2026-11-27T11:04:38.278Z','info','disk_status_changed','disk disk-2001: Streaming -> Completed','{"disk":"disk-2001","from":"syncing","to":"completed","bytes":100663296}','01M8EAV5J0BK0VXTWDM5JRXV37');
INSERT INTO job_events VALUES(12,'demo-full','2026-11-27T11:04:38.278Z','info','milestone','75 % reached: 234881024 of 234881024 bytes','{"percent":75,"bytes":234881024,"total":234881024}','01M8EAV5J0BK0VXTWDM5JRXV37');
INSERT INTO job_events VALUES(13,'demo-full','2026-11-27T11:04:38.520Z','info','change_id_received','change id of disk disk-2001: 52 00 7a 11 0c 5e 4f 92-8b 3d 10 aa 42 f6 71 0e/81','{"disk":"disk-2001"}','01M8EAV5J0BK0VXTWDM5JRXV37');
INSERT INTO job_events VALUES(14,'demo-full','2026-11-27T11:04:38.520Z','info','completion_judged','every declared disk is Completed and has its change id: telling the VMA','{}','01M8EAV5J0BK0VXTWDM5JRXV37');
INSERT INTO job_events VALUES(15,'demo-full','2026-11-27T11:04:38.521Z','info','finish_told','the VMA was told that the job has succeeded','{}','01M8EAV5J0BK0VXTWDM5JRXV37');
INSERT INTO job_events VALUES(16,'demo-full','2026-11-27T11:04:38.521Z','info','status_changed','status Streaming -> Succeeded','{"from":"streaming","to":"completed"}','01M8EAV5J0BK0VXTWDM5JRXV37');
INSERT INTO job_events VALUES(17,'demo-full','2026-11-27T11:04:38.521Z','info','tracking_stopped','Stopped progress polling for job','{}','01M8EAV5J0BK0VXTWDM5JRXV37');
INSERT INTO job_events VALUES(18,'demo-full','2026-11-27T11:04:38.521Z','info','milestone','100 % reached: 234881024 of 234881024 bytes','{"percent":100,"bytes":234881024,"total":234881024}','01M8EAV5J0BK0VXTWDM5JRXV37');
INSERT INTO job_events VALUES(19,'demo-full','2026-11-27T11:04:38.521Z','info','job_succeeded','Job completed: 234881024 bytes moved','{}','01M8EAV5J0BK0VXTWDM5JRXV37');
INSERT INTO job_events VALUES(20,'demo-incremental','2026-11-27T11:04:38.789Z','info','tracking_started','Starting progress polling for replication job at VMA demo-site','{"vma":"demo-site"}','01M8EAVG45M1E71AYDJE0VS360');
INSERT INTO job_events VALUES(21,'demo-incremental','2026-11-27T11:04:38.908Z','info','correlation_adopted','correlation id of the source adopted: 01M8EAVG45ANF73GC6J3Q45J8B','{"adopted":"01M8EAVG45ANF73GC6J3Q45J8B"}','01M8EAVG45M1E71AYDJE0VS360');
INSERT INTO job_events VALUES(22,'demo-incremental','2026-11-27T11:04:38.908Z','info','stage_changed','stage Transfer','{"to":"Transfer"}','01M8EAVG45ANF73GC6J3Q45J8B');
INSERT INTO job_events VALUES(23,'demo-incremental','2026-11-27T11:04:38.908Z','info','status_changed','status Queued -> Streaming','{"from":"pending","to":"streaming"}','01M8EAVG45ANF73GC6J3Q45J8B');
INSERT INTO job_events VALUES(24,'demo-incremental','2026-11-27T11:04:38.908Z','info','disk_status_changed','disk disk-2000: Queued -> Streaming','{"disk":"disk-2000","from":"pending","to":"syncing","bytes":0}','01M8EAVG45ANF73GC6J3Q45J8B');
INSERT INTO job_events VALUES(25,'demo-incremental','2026-11-27T11:04:39.546Z','info','change_id_received','change id of disk disk-2000: 52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/97','{"disk":"disk-2000"}','01M8EAVG45ANF73GC6J3Q45J8B');
INSERT INTO job_events VALUES(26,'demo-incremental','2026-11-27T11:04:39.907Z','info','disk_status_changed','disk disk-2000: Streaming -> Completed','{"disk":"disk-2000","from":"syncing","to":"completed","bytes":12582912}','01M8EAVG45ANF73GC6J3Q45J8B');
INSERT INTO job_events VALUES(27,'demo-incremental','2026-11-27T11:04:39.907Z','info','disk_status_changed','disk disk-2001: Queued -> Streaming','{"disk":"disk-2001","from":"pending","to":"syncing","bytes":0}','01M8EAVG45ANF73GC6J3Q45J8B');
INSERT INTO job_events VALUES(28,'demo-incremental','2026-11-27T11:04:40.303Z','info','change_id_received','change id of disk disk-2001: 52 00 7a 11 0c 5e 4f 92-8b 3d 10 aa 42 f6 71 0e/97','{"disk":"disk-2001"}','01M8EAVG45ANF73GC6J3Q45J8B');
INSERT INTO job_events VALUES(29,'demo-incremental','2026-11-27T11:04:40.407Z','info','disk_status_changed','disk disk-2001: Streaming -> Completed','{"disk":"disk-2001","from":"syncing","to":"completed","bytes":12582912}','01M8EAVG45ANF73GC6J3Q45J8B');
INSERT INTO job_events VALUES(30,'demo-incremental','2026-11-27T11:04:40.407Z','info','milestone','25 % reached: 25165824 of 25165824 bytes','{"percent":25,"bytes":25165824,"total":25165824}','01M8EAVG45ANF73GC6J3Q45J8B');
INSERT INTO job_events VALUES(31,'demo-incremental','2026-11-27T11:04:40.407Z','info','milestone','50 % reached: 25165824 of 25165824 bytes','{"percent":50,"bytes":25165824,"total":25165824}','01M8EAVG45ANF73GC6J3Q45J8B');
INSERT INTO job_events VALUES(32,'demo-incremental','2026-11-27T11:04:40.407Z','info','milestone','75 % reached: 25165824 of 25165824 bytes','{"percent":75,"bytes":25165824,"total":25165824}','01M8EAVG45ANF73GC6J3Q45J8B');
INSERT INTO job_events VALUES(33,'demo-incremental','2026-11-27T11:04:40.407Z','info','completion_judged','every declared disk is Completed and has its change id: telling the VMA','{}','01M8EAVG45ANF73GC6J3Q45J8B');
INSERT INTO job_events VALUES(34,'demo-incremental','2026-11-27T11:04:40.409Z','info','finish_told','the VMA was told that the job has succeeded','{}','01M8EAVG45ANF73GC6J3Q45J8B');
INSERT INTO job_events VALUES(35,'demo-incremental','2026-11-27T11:04:40.409Z','info','status_changed','status Streaming -> Succeeded','{"from":"streaming","to":"completed"}','01M8EAVG45ANF73GC6J3Q45J8B');
INSERT INTO job_events VALUES(36,'demo-incremental','2026-11-27T11:04:40.409Z','info','tracking_stopped','Stopped progress polling for job','{}','01M8EAVG45ANF73GC6J3Q45J8B');
INSERT INTO job_events VALUES(37,'demo-incremental','2026-11-27T11:04:40.409Z','info','milestone','100 % reached: 25165824 of 25165824 bytes','{"percent":100,"bytes":25165824,"total":25165824}','01M8EAVG45ANF73GC6J3Q45J8B');
INSERT INTO job_events VALUES(38,'demo-incremental','2026-11-27T11:04:40.409Z','info','job_succeeded','Job completed: 25165824 bytes moved','{}','01M8EAVG45ANF73GC6J3Q45J8B');
CREATE TABLE received_change_ids (
    id                 INTEGER PRIMARY KEY AUTOINCREMENT,
    job_id             TEXT NOT NULL,
    disk_id            TEXT NOT NULL,
    vm_path            TEXT,
    change_id          TEXT NOT NULL,
    previous_change_id TEXT,
    received_at        TEXT NOT NULL
) STRICT;
INSERT INTO received_change_ids VALUES(1,'demo-full','disk-2000','/DC0/vm/demo','52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81',NULL,'2026-11-27T11:04:34.750Z');
INSERT INTO received_change_ids VALUES(2,'demo-full','disk-2001','/DC0/vm/demo','52 00 7a 11 0c 5e 4f 92-8b 3d 10 aa 42 f6 71 0e/81',NULL,'2026-11-27T11:04:38.520Z');
INSERT INTO received_change_ids VALUES(3,'demo-incremental','disk-2000','/DC0/vm/demo','52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/97',NULL,'2026-11-27T11:04:39.546Z');
INSERT INTO received_change_ids VALUES(4,'demo-incremental','disk-2001','/DC0/vm/demo','52 00 7a 11 0c 5e 4f 92-8b 3d 10 aa 42 f6 71 0e/97',NULL,'2026-11-27T11:04:40.303Z');
CREATE TABLE status_transitions (
    subject     TEXT NOT NULL CHECK (subject = 'job' OR subject = 'disk'),
    from_status TEXT NOT NULL,
    to_status   TEXT NOT NULL,
    PRIMARY KEY (subject, from_status, to_status)
) STRICT, WITHOUT ROWID;
INSERT INTO status_transitions VALUES('disk','failed','syncing');
INSERT INTO status_transitions VALUES('disk','pending','completed');
INSERT INTO status_transitions VALUES('disk','pending','failed');
INSERT INTO status_transitions VALUES('disk','pending','snapshotting');
INSERT INTO status_transitions VALUES('disk','pending','syncing');
INSERT INTO status_transitions VALUES('disk','snapshotting','completed');
INSERT INTO status_transitions VALUES('disk','snapshotting','failed');
INSERT INTO status_transitions VALUES('disk','snapshotting','syncing');
INSERT INTO status_transitions VALUES('disk','syncing','completed');
INSERT INTO status_transitions VALUES('disk','syncing','failed');
INSERT INTO status_transitions VALUES('job','finalizing','completed');
INSERT INTO status_transitions VALUES('job','finalizing','failed');
INSERT INTO status_transitions VALUES('job','pending','completed');
INSERT INTO status_transitions VALUES('job','pending','failed');
INSERT INTO status_transitions VALUES('job','pending','finalizing');
INSERT INTO status_transitions VALUES('job','pending','preparing');
INSERT INTO status_transitions VALUES('job','pending','snapshotting');
INSERT INTO status_transitions VALUES('job','pending','streaming');
INSERT INTO status_transitions VALUES('job','preparing','completed');
INSERT INTO status_transitions VALUES('job','preparing','failed');
INSERT INTO status_transitions VALUES('job','preparing','finalizing');
INSERT INTO status_transitions VALUES('job','preparing','snapshotting');
INSERT INTO status_transitions VALUES('job','preparing','streaming');
INSERT INTO status_transitions VALUES('job','snapshotting','completed');
INSERT INTO status_transitions VALUES('job','snapshotting','failed');
INSERT INTO status_transitions VALUES('job','snapshotting','finalizing');
INSERT INTO status_transitions VALUES('job','snapshotting','preparing');
INSERT INTO status_transitions VALUES('job','snapshotting','streaming');
INSERT INTO status_transitions VALUES('job','streaming','completed');
INSERT INTO status_transitions VALUES('job','streaming','failed');
INSERT INTO status_transitions VALUES('job','streaming','finalizing');
CREATE TABLE appliance (
    key   TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
) STRICT, WITHOUT ROWID;
INSERT INTO appliance VALUES('alive_at','2026-11-27T11:04:38.463Z');
INSERT INTO appliance VALUES('epoch','01M8EAV5HZGP3C7B9FX94PFBT7');
INSERT INTO appliance VALUES('made_durable','0');
INSERT INTO appliance VALUES('sequence','0');
DELETE FROM sqlite_sequence;
INSERT INTO sqlite_sequence VALUES('job_events',38);
INSERT INTO sqlite_sequence VALUES('job_steps',2);
INSERT INTO sqlite_sequence VALUES('received_change_ids',4);
INSERT INTO sqlite_sequence VALUES('cbt_history',4);
CREATE INDEX replication_jobs_by_status ON replication_jobs (status);
CREATE INDEX replication_jobs_by_updated_at ON replication_jobs (updated_at);
CREATE UNIQUE INDEX cbt_history_once ON cbt_history (job_id, disk_id, coalesce(change_id, ''));
CREATE INDEX cbt_history_by_disk ON cbt_history (vm_path, disk_id);
CREATE INDEX cbt_history_by_created_at ON cbt_history (created_at);
CREATE UNIQUE INDEX job_steps_once ON job_steps (job_id, stage);
CREATE INDEX job_events_by_job ON job_events (job_id);
CREATE INDEX received_change_ids_by_job ON received_change_ids (job_id);
CREATE TRIGGER job_status_follows_the_table BEFORE UPDATE OF status ON replication_jobs
WHEN NEW.status <> OLD.status AND NOT EXISTS (SELECT 1 FROM status_transitions
    WHERE subject = 'job' AND from_status = OLD.status AND to_status = NEW.status)
BEGIN
    SELECT RAISE(ABORT, 'this job status may not follow the present one; see the table status_transitions');
END;
CREATE TRIGGER disk_status_follows_the_table BEFORE UPDATE OF sync_status ON vm_disks
WHEN NEW.sync_status <> OLD.sync_status AND NOT EXISTS (SELECT 1 FROM status_transitions
    WHERE subject = 'disk' AND from_status = OLD.sync_status AND to_status = NEW.sync_status)
BEGIN
    SELECT RAISE(ABORT, 'this disk status may not follow the present one; see the table status_transitions');
END;
CREATE VIEW active_jobs AS
SELECT id, status, current_operation, progress_percent, updated_at,
       vma, vm_name, bytes_transferred, total_bytes, transfer_speed_bps, eta_seconds, contact, stalled_since
FROM replication_jobs
WHERE status IN ('pending', 'preparing', 'snapshotting', 'streaming', 'finalizing');
CREATE VIEW recent_cbt_history AS
SELECT job_id, disk_id, sync_type, bytes_transferred, sync_success, created_at,
       vm_path, change_id, previous_change_id, blocks_changed, sync_duration_seconds
FROM cbt_history AS entry
WHERE NOT EXISTS (SELECT 1 FROM cbt_history AS later
                  WHERE later.job_id = entry.job_id AND later.disk_id = entry.disk_id AND later.id > entry.id)
ORDER BY created_at DESC, id DESC
LIMIT 10;
CREATE VIEW tracking_health AS
SELECT count(*) AS total_jobs,
       coalesce(sum(status = 'completed'), 0) AS completed,
       coalesce(sum(status = 'failed'), 0) AS failed
FROM replication_jobs
WHERE datetime(created_at) > datetime('now', '-24 hours');
COMMIT;
PRAGMA application_id=1466005858;
PRAGMA user_version=1;
