//! Looks for damage and broken rules in a database: what SQLite itself can tell of the file, whether the schema is
//! the one that waybill made, and what must hold between rows. It reads only, also beside a daemon.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::error::StoreError;
use super::read::Queries;
use super::schema;
use super::writer::Store;
use crate::model::record::{Check, Finding};
use crate::policy::transition;

/// Findings of one rule that are told; a damaged file has thousands.
const TOLD: usize = 20;

const RESTORE: &str = "stop the daemon, keep a copy of the file, its -wal and its -shm, and restore a backup";
const SCHEMA: &str =
    "`waybill db backup` first; then look who changed the schema, and restore it from an earlier backup";
const EXTRA: &str = "somebody added it; drop it unless you know what it is for: it may refuse what the daemon writes";
const ROWS: &str = "somebody wrote past the rules, as with another trigger dropped; compare with a backup before anything relies on it";

const NOT_ALL: &str = "its VMA, or somebody by hand, called that a success: look at the target before it is relied on";
const BY_HAND: &str =
    "start the OMA's daemon, if another program ended the job while it was down; else compare with a backup";

/// Rules between rows: what holds, the SELECT that names the rows where it does not, and what to do then.
const RULES: [(&str, &str, &str); 14] = [
    (
        "what has ended has the time of its end, and what runs has none",
        "SELECT 'job ' || id || ' is ' || status || ', completed_at ' || ifnull(completed_at, 'is missing')
         FROM replication_jobs WHERE (status IN ('completed', 'failed')) <> (completed_at IS NOT NULL)",
        ROWS,
    ),
    (
        "a job shows 100 % when it has succeeded, and only then",
        "SELECT 'job ' || id || ' is ' || status || ' at ' || progress_percent || ' %'
         FROM replication_jobs WHERE (progress_percent = 100) <> (status = 'completed')",
        ROWS,
    ),
    (
        "a disk shows 100 % when it is completed, and only then",
        "SELECT 'disk ' || disk_id || ' of job ' || job_id || ' is ' || sync_status || ' at ' || sync_progress_percent || ' %'
         FROM vm_disks WHERE (sync_progress_percent = 100) <> (sync_status = 'completed')",
        ROWS,
    ),
    (
        "every row belongs to a job that is there",
        "SELECT kind || ' of job ' || job_id || ', which has no row' FROM (
             SELECT 'disk ' || disk_id AS kind, job_id FROM vm_disks
             UNION ALL SELECT 'export ' || name, job_id FROM job_exports
             UNION ALL SELECT 'alias ' || alias, job_id FROM job_aliases
             UNION ALL SELECT 'step ' || stage, job_id FROM job_steps)
         WHERE job_id NOT IN (SELECT id FROM replication_jobs)",
        ROWS,
    ),
    (
        "no job has vanished, and none is new past the rules",
        "SELECT 'job ' || id || ' has no row and left no word' FROM job_ids
         WHERE archived_at IS NULL AND id NOT IN (SELECT id FROM replication_jobs)
         UNION ALL SELECT 'job ' || id || ' is not in job_ids' FROM replication_jobs
         WHERE id NOT IN (SELECT id FROM job_ids)
         UNION ALL SELECT 'job ' || job_id || ' is named in leaving' FROM leaving",
        ROWS,
    ),
    (
        "the status of a job is the one of its last status_changed entry",
        "SELECT 'job ' || id || ' is ' || status || ', its log says ' || said FROM (
             SELECT job.id, job.status, (
                 SELECT json_extract(attributes, '$.to') FROM job_events
                 WHERE job_id = job.id AND event = 'status_changed' ORDER BY id DESC LIMIT 1) AS said
             FROM replication_jobs AS job
             WHERE NOT EXISTS (SELECT 1 FROM job_events WHERE job_id = job.id AND event = 'ended_elsewhere'))
         WHERE said <> status",
        BY_HAND,
    ),
    (
        "the history calls no run a success whose job did not succeed",
        "SELECT 'disk ' || disk_id || ' of job ' || job_id || ', whose job is ' || status
         FROM cbt_history JOIN replication_jobs AS job ON job.id = job_id
         WHERE sync_success = 1 AND status <> 'completed'",
        ROWS,
    ),
    (
        "the history is of jobs that are here or in the archive",
        "SELECT 'row ' || id || ' of disk ' || disk_id || ' of job ' || job_id FROM cbt_history
         WHERE job_id NOT IN (SELECT id FROM job_ids)
           AND NOT EXISTS (SELECT 1 FROM appliance WHERE key = 'archive_of')",
        ROWS,
    ),
    (
        "a job that has succeeded has no disk that is not completed",
        "SELECT 'disk ' || disk_id || ' of job ' || job_id || ' is ' || sync_status
         FROM vm_disks JOIN replication_jobs AS job ON job.id = job_id
         WHERE status = 'completed' AND sync_status <> 'completed' AND declared = 1",
        NOT_ALL,
    ),
    (
        "there are numbers left for what is to come",
        "SELECT name || ' has come to ' || seq FROM sqlite_sequence WHERE seq > 4611686018427387904",
        RESTORE,
    ),
    (
        "a step that has an end has an outcome and a duration",
        "SELECT 'step ' || stage || ' of job ' || job_id FROM job_steps
         WHERE (completed_at IS NULL) <> (outcome IS NULL) OR (completed_at IS NULL) <> (duration_ms IS NULL)",
        ROWS,
    ),
    (
        "times are times",
        "SELECT place || ' of ' || owner || ' is ' || quote(value) FROM (
             SELECT 'created_at' AS place, 'job ' || id AS owner, created_at AS value FROM replication_jobs
             UNION ALL SELECT 'updated_at', 'job ' || id, updated_at FROM replication_jobs
             UNION ALL SELECT 'completed_at', 'job ' || id, completed_at FROM replication_jobs
             UNION ALL SELECT 'created_at', 'row ' || id || ' of cbt_history', created_at FROM cbt_history
             UNION ALL SELECT 'at', 'row ' || id || ' of job_events', at FROM job_events
             UNION ALL SELECT 'seen_at', 'a row of disk_capacities', seen_at FROM disk_capacities)
         WHERE value IS NOT NULL AND datetime(value) IS NULL",
        ROWS,
    ),
    (
        "the database knows its epoch and its sequence",
        "SELECT key || ' is missing' FROM (SELECT 'epoch' AS key UNION SELECT 'sequence')
         WHERE key NOT IN (SELECT key FROM appliance)",
        ROWS,
    ),
    (
        "every change id that is still to be sent is there",
        "SELECT 'change id ' || received_id FROM unsent_change_ids
         WHERE received_id NOT IN (SELECT id FROM received_change_ids)",
        ROWS,
    ),
];

impl Queries {
    /// Looks for all of it; a check without findings has passed.
    ///
    /// Errors: `Corrupt`, where the file is too damaged to be looked at, `Io`, `Busy`.
    pub fn check(&self) -> Result<Vec<Check>, StoreError> {
        let reference = Store::in_memory()?;
        self.run("check", |conn| {
            let mut checks = vec![file(conn)?, schema_of(conn, &reference.conn)?, transitions(conn)?];
            for (rule, select, remedy) in RULES {
                checks.push(Check { rule, findings: texts(conn, select, remedy)? });
            }
            Ok(checks)
        })
    }
}

fn texts(conn: &Connection, select: &str, remedy: &'static str) -> rusqlite::Result<Vec<Finding>> {
    let mut select = conn.prepare(select)?;
    let rows = select.query_map([], |row| row.get(0))?;
    rows.take(TOLD).map(|text| text.map(|text| Finding { text, remedy })).collect()
}

/// Pages, indexes, `CHECK` and `NOT NULL` of every row.
fn file(conn: &Connection) -> rusqlite::Result<Check> {
    let mut findings = texts(conn, "SELECT integrity_check FROM pragma_integrity_check", RESTORE)?;
    findings.retain(|finding| finding.text != "ok");
    findings.extend(texts(
        conn,
        "SELECT 'row ' || ifnull(rowid, '') || ' of ' || \"table\" || ' points at nothing in ' || parent
         FROM pragma_foreign_key_check",
        ROWS,
    )?);
    Ok(Check { rule: "the file is sound", findings })
}

/// Tables, indexes, triggers and views are those that the migrations make.
fn schema_of(conn: &Connection, reference: &Connection) -> rusqlite::Result<Check> {
    let (found, wanted) = (objects(conn)?, objects(reference)?);
    let missing = wanted.iter().filter_map(|(name, sql)| {
        let what = match found.get(name) {
            Some(other) if other == sql => return None,
            Some(_) => "is another than waybill's",
            None => "is missing",
        };
        Some(Finding { text: format!("{name} {what}"), remedy: SCHEMA })
    });
    let extra = found.keys().filter(|name| !wanted.contains_key(*name));
    let extra = extra.map(|name| Finding { text: format!("{name} is not waybill's"), remedy: EXTRA });
    Ok(Check { rule: "the schema is waybill's", findings: missing.chain(extra).take(TOLD).collect() })
}

fn objects(conn: &Connection) -> rusqlite::Result<BTreeMap<String, String>> {
    let mut select = conn
        .prepare("SELECT type || ' ' || name, sql FROM sqlite_schema WHERE name NOT LIKE 'sqlite\\_%' ESCAPE '\\'")?;
    let objects = select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    objects.collect()
}

fn transitions(conn: &Connection) -> rusqlite::Result<Check> {
    let stored = schema::stored_transitions(conn)?;
    let wanted = schema::sorted(transition::stored_rows().into_iter());
    let differing = |these: &[schema::Edge], those: &[schema::Edge], what: &str| -> Vec<Finding> {
        let only = these.iter().filter(|edge| !those.contains(edge));
        only.map(|(subject, from, to)| Finding { text: format!("{subject} {from} -> {to} {what}"), remedy: REFILLED })
            .collect()
    };
    let mut findings = differing(&wanted, &stored, "is missing");
    findings.extend(differing(&stored, &wanted, "is not waybill's"));
    findings.truncate(TOLD);
    Ok(Check { rule: "status_transitions is the table of the program", findings })
}

const REFILLED: &str = "restart the daemon, which fills the table anew";
