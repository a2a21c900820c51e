//! The database under a plain `sqlite3` shell, as Debian 12 has it (3.40): defaults, rules, views, indexes.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use waybill::model::change::Change;
use waybill::model::job::Contact;
use waybill::model::status::JobStatus;
use waybill::policy::transition;
use waybill::store::{Durability, Store};

use super::{Dir, at, change_id, ended, history, job, job_id, progress, write};

/// What the shell prints, or its complaint.
pub(super) fn sqlite3(path: &Path, sql: &str) -> Result<String, String> {
    let ran = Command::new("sqlite3").arg("-bail").arg(path).arg(sql).output().expect("sqlite3 is installed");
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap().trim_end().to_owned();
    if ran.status.success() { Ok(text(ran.stdout)) } else { Err(text(ran.stderr)) }
}

#[test]
fn r30_a_job_typed_in_by_hand_is_a_valid_pending_job() {
    let dir = Dir::new();
    let store = Store::open(&dir.file()).unwrap();
    sqlite3(&dir.file(), "INSERT INTO replication_jobs(id, vma) VALUES ('job-1','site-a')").unwrap();
    let read = store.job(&job_id("job-1")).unwrap().unwrap();
    let mut expected = job("job-1");
    (expected.created_at, expected.updated_at) = (read.created_at, read.updated_at);
    assert_eq!(read, expected);
    assert_eq!((read.status, read.contact, &read.correlation), (JobStatus::Queued, Contact::Fresh, &None));
    let age =
        "SELECT abs(julianday('now') - julianday(created_at)) * 86400 < 60, created_at LIKE '____-__-__T__:__:__.___Z',
               updated_at GLOB '*Z' FROM replication_jobs";
    assert_eq!(sqlite3(&dir.file(), age).unwrap(), "1|1|1");
    assert_eq!(store.take_odd_values(), Vec::new());
}

#[test]
fn the_shell_reads_times_as_they_are_stored() {
    let dir = Dir::new();
    write(&mut Store::open(&dir.file()).unwrap(), &[progress(&job("j"))]).unwrap();
    let seen = sqlite3(&dir.file(), "SELECT created_at, datetime(created_at) FROM replication_jobs").unwrap();
    assert_eq!(seen, "2026-11-23T17:14:01.123Z|2026-11-23 17:14:01");
}

#[test]
fn r43_the_shell_cannot_type_in_what_the_rules_forbid() {
    let dir = Dir::new();
    write(&mut Store::open(&dir.file()).unwrap(), &[progress(&job("j"))]).unwrap();
    let job = |column: &str, value: &str| format!("UPDATE replication_jobs SET {column} = {value}");
    let id = |id: &str| format!("INSERT INTO replication_jobs (id, vma) VALUES ({id}, 'site-a')");
    let disk = |column: &str, value: &str| {
        format!("INSERT INTO vm_disks (job_id, disk_id, {column}) VALUES ('j', 'd', {value})")
    };
    let forbidden = [
        job("progress_percent", "100.01"),
        job("progress_percent", "-0.01"),
        job("progress_percent", "'much'"),
        job("bytes_transferred", "-1"),
        job("total_bytes", "-1"),
        job("transfer_speed_bps", "-1"),
        job("eta_seconds", "-1"),
        job("status", "'Succeeded'"),
        job("status", "NULL"),
        job("contact", "'gone'"),
        job("replication_type", "'initial'"),
        job("total_basis", "'guess'"),
        job("created_at", "NULL"),
        id("''"),
        id("NULL"),
        id("'a' || char(10)"),
        id("'a' || char(0)"),
        id("'a' || char(133)"),
        id("printf('%256s', 'x')"),
        disk("sync_status", "'streaming'"),
        disk("sync_progress_percent", "101"),
        disk("bytes_synced", "-1"),
        disk("capacity_bytes", "-1"),
        disk("planned_bytes", "-1"),
        disk("blocks_changed", "-1"),
        "INSERT INTO vm_disks (job_id, disk_id) VALUES ('nobody', 'd')".to_owned(),
        "INSERT INTO cbt_history (job_id, disk_id, sync_type) VALUES ('j', 'd', 'completed')".to_owned(),
        "INSERT INTO job_events (job_id, event, attributes) VALUES ('j', 'x', 'no JSON')".to_owned(),
    ];
    for sql in forbidden {
        let complaint = sqlite3(&dir.file(), &sql).expect_err(&sql);
        assert!(
            complaint.contains("constraint failed")
                || complaint.contains("cannot store TEXT")
                || complaint.contains("status may not follow the present one")
                || complaint.contains("vm_disks.job_id names no job"),
            "{sql}: {complaint}"
        );
    }
    for sql in [id("'VM mit Ümlaut'"), id("printf('%255s', 'x')"), disk("bytes_synced", "9223372036854775807")] {
        sqlite3(&dir.file(), &sql).expect(&sql);
    }
}

#[test]
fn the_columns_stand_in_the_promised_order() {
    let dir = Dir::new();
    drop(Store::open(&dir.file()).unwrap());
    let promised = [
        "replication_jobs: id, vma, vm_name, vm_path, replication_type, status, current_operation, progress_percent, \
         bytes_transferred, total_bytes, total_basis, transfer_speed_bps, eta_seconds, contact, stalled_since, \
         error_message, correlation_id, source_sequence, source_updated_at, created_at, started_at, updated_at, \
         last_contact_at, completed_at, source_epoch, vm_uuid, disk_count, warnings, quiet_since, bytes_moved_at, \
         mover_says",
        "vm_disks: job_id, disk_id, label, capacity_bytes, planned_bytes, planned_basis, sync_status, \
         sync_progress_percent, bytes_synced, transfer_speed_bps, disk_change_id, previous_change_id, blocks_changed, \
         error_message, updated_at, ordinal, declared, device_key, mover_throughput_bps, suspect, started_at, ended_at, \
         named, earlier_id, previous_source, earlier_passes_bytes",
        "cbt_history: id, job_id, vm_path, disk_id, change_id, previous_change_id, sync_type, blocks_changed, \
         bytes_transferred, sync_duration_seconds, sync_success, created_at, device_key, previous_source, vma, vm_uuid, \
         capacity_bytes",
        "job_steps: id, job_id, stage, started_at, completed_at, duration_ms, outcome, correlation_id",
        "job_events: id, job_id, at, level, event, message, attributes, correlation_id",
        "status_transitions: subject, from_status, to_status",
    ];
    for table in promised {
        let (name, columns) = table.split_once(": ").unwrap();
        let sql = format!("SELECT group_concat(name, ', ') FROM pragma_table_info('{name}')");
        assert_eq!(sqlite3(&dir.file(), &sql).unwrap(), columns, "{name}");
    }
    let strict = "SELECT count(*), sum(strict) FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite_%'";
    assert_eq!(sqlite3(&dir.file(), strict).unwrap(), "20|20");
    assert_eq!(sqlite3(&dir.file(), "PRAGMA integrity_check; PRAGMA foreign_key_check").unwrap(), "ok");
    assert_eq!(sqlite3(&dir.file(), "PRAGMA user_version; PRAGMA application_id").unwrap(), "5\n1466005858");
}

#[test]
fn r41_the_transitions_are_those_of_the_code_also_after_somebody_changed_them() {
    let dir = Dir::new();
    let wanted: BTreeSet<String> =
        transition::stored_rows().into_iter().map(|(subject, from, to)| format!("{subject}|{from}|{to}")).collect();
    for _ in 0..2 {
        drop(Store::open(&dir.file()).unwrap());
        let stored = sqlite3(&dir.file(), "SELECT * FROM status_transitions").unwrap();
        assert_eq!(stored.lines().map(str::to_owned).collect::<BTreeSet<_>>(), wanted);
        let meddle = "DELETE FROM status_transitions WHERE subject = 'disk'";
        let complaint = sqlite3(&dir.file(), meddle).unwrap_err();
        assert!(complaint.contains("status_transitions is the table of the program"), "{complaint}");
        let unguarded =
            "DROP TRIGGER status_transitions_are_not_deleted; DROP TRIGGER status_transitions_are_not_added;
                         INSERT INTO status_transitions VALUES ('job', 'failed', 'streaming');";
        sqlite3(&dir.file(), &format!("{unguarded} {meddle}")).unwrap();
    }
}

#[test]
fn r71_the_three_monitoring_queries_work_as_views() {
    let dir = Dir::new();
    let mut store = Store::open(&dir.file()).unwrap();
    let mut changes = Vec::new();
    for (at_second, status) in (0..).zip(JobStatus::ALL) {
        let mut job = job(status.stored_name());
        job.status = *status;
        job.created_at = at(at_second);
        job.completed_at = status.is_final().then_some(at(at_second));
        changes.push(if status.is_final() { ended(&job) } else { progress(&job) });
    }
    for run in 0..12 {
        let mut row = history(&format!("run-{run:02}"), "disk-2000", None);
        row.created_at = at(i64::from(run) * 60);
        changes.push(Change::History(row.clone()));
        row.change_id = Some(change_id(run));
        row.created_at = at(i64::from(run) * 60 + 1);
        changes.push(Change::History(row));
    }
    store.commit(&changes, Durability::OnDisk).unwrap();
    let ask = |sql: &str| sqlite3(&dir.file(), sql).unwrap();

    // The specification's first query, its columns first; every job that is not finished.
    let active = ask("SELECT group_concat(id, ' ') FROM (SELECT id FROM active_jobs ORDER BY id)");
    assert_eq!(active, "finalizing pending preparing snapshotting streaming");
    let specified =
        "SELECT id, status, current_operation, progress_percent, updated_at FROM active_jobs WHERE id = 'pending'";
    assert_eq!(ask(specified), "pending|pending||0.0|2026-11-23T17:14:01.123Z");

    // The second: ten rows, newest first, and of each disk the row that supersedes the others.
    let recent =
        ask("SELECT job_id, disk_id, sync_type, bytes_transferred, sync_success, created_at FROM recent_cbt_history");
    let rows: Vec<_> = recent.lines().collect();
    assert_eq!(rows.len(), 10);
    assert_eq!(rows[0], "run-11|disk-2000|full|7|1|2026-11-23T17:25:02.123Z");
    assert_eq!(rows[9], "run-02|disk-2000|full|7|1|2026-11-23T17:16:02.123Z");
    assert_eq!(ask("SELECT count(*) FROM recent_cbt_history WHERE change_id IS NULL"), "0");

    // The third looks 24 hours back; the test's jobs are of a fixed day, so another program brings some of today's.
    assert_eq!(ask("SELECT total_jobs, completed, failed FROM tracking_health"), "0|0|0");
    let today = "INSERT INTO replication_jobs (id, vma, status, created_at)
                 SELECT 'today-' || value, 'site-a', value, strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-23 hours')
                 FROM json_each('[\"completed\", \"failed\", \"streaming\"]')";
    sqlite3(&dir.file(), today).unwrap();
    assert_eq!(ask("SELECT total_jobs, completed, failed FROM tracking_health"), "3|1|1");
}

#[test]
fn the_frequent_questions_are_answered_from_an_index() {
    let dir = Dir::new();
    drop(Store::open(&dir.file()).unwrap());
    let questions = [
        ("SELECT * FROM active_jobs", "replication_jobs_by_status (status=?)"),
        ("SELECT id FROM replication_jobs WHERE status IN ('pending', 'streaming')", "replication_jobs_by_status"),
        ("SELECT id FROM replication_jobs ORDER BY updated_at DESC LIMIT 5", "replication_jobs_by_updated_at"),
        ("SELECT * FROM vm_disks WHERE job_id = 'j'", "PRIMARY KEY (job_id=?)"),
        ("SELECT * FROM job_events WHERE job_id = 'j' ORDER BY id", "job_events_by_job (job_id=?)"),
        ("SELECT * FROM job_steps WHERE job_id = 'j'", "job_steps_once (job_id=?)"),
        ("SELECT * FROM cbt_history WHERE job_id = 'j'", "cbt_history_once (job_id=?)"),
        ("SELECT * FROM recent_cbt_history", "SCAN entry USING INDEX cbt_history_by_created_at"),
        (
            "SELECT * FROM recent_cbt_history",
            "SEARCH later USING COVERING INDEX cbt_history_once (job_id=? AND disk_id=?",
        ),
        (
            "SELECT change_id FROM cbt_history WHERE vm_path = 'v' AND disk_id = 'd' AND sync_success = 1 ORDER BY id DESC",
            "cbt_history_by_disk (vm_path=? AND disk_id=?)",
        ),
        ("SELECT * FROM received_change_ids WHERE job_id = 'j'", "received_change_ids_by_job (job_id=?)"),
    ];
    for (sql, index) in questions {
        let plan = sqlite3(&dir.file(), &format!("EXPLAIN QUERY PLAN {sql}")).unwrap();
        assert!(plan.contains(index), "{sql}\n{plan}");
        assert!(!plan.contains("TEMP B-TREE"), "{sql}\n{plan}");
    }
}
