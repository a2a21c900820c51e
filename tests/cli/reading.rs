//! `jobs` and `show` on a database file that no daemon holds open, and while somebody else writes it.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::Value;
use tempfile::TempDir;
use waybill::model::change::{Change, ReceivedChangeId, Step, StepEnd};
use waybill::model::disk::{Basis, Disk};
use waybill::model::event::{Event, LogEntry};
use waybill::model::id::{ChangeId, CorrelationId, DiskId, JobId, VmaName};
use waybill::model::job::{Contact, Job, SyncKind, Totals, Vm};
use waybill::model::percent::Percent;
use waybill::model::stage::Stage;
use waybill::model::status::{DiskStatus, JobStatus};
use waybill::model::time::Wall;
use waybill::store::{Durability, Store};

use crate::binary::{command, waybill, waybill_with};

const GIB: u64 = 1 << 30;

/// A moment so many seconds ago.
fn ago(seconds: i64) -> Wall {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("after 1970").as_millis();
    Wall::from_unix_millis(i64::try_from(now).expect("a date") - seconds * 1000)
}

fn job(id: &str, created_at: Wall) -> Job {
    Job::new(JobId::parse(id).expect("an id"), VmaName::parse("site-a").expect("a name"), created_at)
}

fn ended(id: &str, status: JobStatus, seconds_ago: i64) -> Job {
    let mut job = job(id, ago(seconds_ago + 60));
    job.status = status;
    job.started_at = Some(ago(seconds_ago + 60));
    job.completed_at = Some(ago(seconds_ago));
    if status == JobStatus::Succeeded {
        job.totals.percent = Percent::DONE;
    } else {
        job.error = Some("mover: no space left on device".to_owned());
    }
    job
}

fn streaming() -> Job {
    let mut job = job("job-1", ago(600));
    job.vm = Vm { name: "web01".to_owned(), path: "/DC0/vm/web01".to_owned() };
    job.sync = Some(SyncKind::Full);
    (job.status, job.stage) = (JobStatus::Streaming, Some(Stage::Transfer));
    job.totals = Totals {
        total_bytes: 40 * GIB,
        bytes_transferred: 10 * GIB,
        throughput_bps: 100 << 20,
        percent: Percent::from_hundredths(2500),
        eta_seconds: Some(307),
        basis: Some(Basis::Layout),
    };
    job.contact = Contact::Fresh;
    job.correlation = CorrelationId::parse("01JDCQ5ZK0000000000000000A").ok();
    job.started_at = Some(ago(600));
    job.source_updated_at = Some(ago(30));
    job.last_contact_at = Some(ago(30));
    let mut disk = Disk::new(DiskId::parse("disk-2000").expect("an id"));
    disk.status = DiskStatus::Streaming;
    (disk.planned_bytes, disk.basis) = (Some(40 * GIB), Some(Basis::Layout));
    (disk.bytes_transferred, disk.percent) = (10 * GIB, Percent::from_hundredths(2500));
    disk.previous_change_id = ChangeId::from_text("52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/80");
    job.disks = vec![disk];
    job
}

/// A database that a daemon wrote and left.
fn database() -> (TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let file: PathBuf = directory.path().join("oma.db");
    let running = streaming();
    let (id, correlation) = (running.id.clone(), running.correlation.clone());
    let step =
        |stage, seconds| Step { job: id.clone(), stage, started_at: ago(seconds), correlation: correlation.clone() };
    let changes = [
        Change::Declared(Box::new(running.clone())),
        Change::Declared(Box::new(job("job-0", ago(900)))),
        Change::Ended(Box::new(ended("job-failed", JobStatus::Failed, 3600))),
        Change::Ended(Box::new(ended("job-done", JobStatus::Succeeded, 60))),
        Change::Ended(Box::new(ended("job-old", JobStatus::Succeeded, 25 * 3600))),
        Change::StepBegan(step(Stage::Snapshot, 600)),
        Change::StepEnded(StepEnd {
            job: id.clone(),
            stage: Stage::Snapshot,
            completed_at: ago(598),
            duration_ms: Some(2100),
            succeeded: true,
        }),
        Change::StepBegan(step(Stage::Transfer, 598)),
        Change::Entry(LogEntry {
            job: id.clone(),
            at: ago(600),
            event: Event::JobDeclared,
            message: "declared with 1 disk".to_owned(),
            attributes: vec![("disks", 1_u64.into())],
            correlation: correlation.clone(),
        }),
        Change::ChangeIdReceived(ReceivedChangeId {
            job: "job-1".to_owned(),
            disk: "disk-2000".to_owned(),
            vm_path: None,
            change_id: "x/1".to_owned(),
            previous_change_id: None,
            received_at: ago(10),
        }),
    ];
    let mut store = Store::open(&file).expect("a new database");
    let refused = store.commit(&changes, Durability::OnDisk).expect("written");
    assert!(refused.is_empty(), "{refused:?}");
    let file = file.to_str().expect("UTF-8").to_owned();
    (directory, file)
}

fn lines(json: &str) -> Vec<Value> {
    json.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect()
}

fn ids(json: &str) -> Vec<String> {
    lines(json).iter().map(|job| job["id"].as_str().expect("an id").to_owned()).collect()
}

#[test]
fn jobs_lists_what_runs_and_what_ended_lately_and_all_the_rest() {
    let (_directory, db) = database();
    let recent = waybill(&["jobs", "--json", "--db", &db]).succeeded();
    assert_eq!(ids(&recent), ["job-0", "job-1", "job-done", "job-failed"]);
    let all = waybill(&["jobs", "--all", "--json", "--db", &db]).succeeded();
    assert_eq!(ids(&all), ["job-0", "job-1", "job-done", "job-failed", "job-old"]);

    let running = &lines(&recent)[1];
    assert_eq!(running["status"], "streaming");
    assert_eq!(running["progress_percent"], 25.0);
    assert_eq!(running["bytes_transferred"], 10 * GIB);
    assert_eq!(running["contact"], "fresh");
    assert_eq!(running["disks"][0]["disk_id"], "disk-2000");
    assert_eq!(running["disks"][0]["sync_status"], "syncing");
}

/// The promise is every stored column under its own name, so the tables themselves say which those are.
#[test]
fn json_has_every_column_of_the_tables() {
    let (_directory, db) = database();
    let show = waybill(&["show", "job-1", "--json", "--db", &db]).succeeded();
    let show = &lines(&show)[0];
    let conn = rusqlite::Connection::open(&db).expect("the database");
    let columns = |table: &str| -> Vec<String> {
        let mut query = conn.prepare(&format!("SELECT name FROM pragma_table_info('{table}')")).expect("SQL");
        query.query_map([], |row| row.get(0)).expect("rows").collect::<Result<_, _>>().expect("names")
    };
    for (table, object) in [("replication_jobs", show), ("vm_disks", &show["disks"][0])] {
        for column in columns(table) {
            // The order of the array says what `ordinal` does.
            assert!(object.get(&column).is_some() || column == "ordinal", "{table}.{column} is missing");
        }
    }
}

#[test]
fn jobs_reads_beside_a_writer_in_the_middle_of_its_transaction() {
    let (_directory, db) = database();
    let writer = rusqlite::Connection::open(&db).expect("the database");
    writer
        .execute_batch("BEGIN IMMEDIATE; UPDATE replication_jobs SET vm_name = 'unwritten' WHERE id = 'job-1'")
        .expect("a transaction");
    let jobs = waybill(&["jobs", "--json", "--db", &db]).succeeded();
    assert_eq!(lines(&jobs)[1]["vm_name"], "web01");
    writer.execute_batch("COMMIT").expect("the end of it");
    let jobs = waybill(&["jobs", "--json", "--db", &db]).succeeded();
    assert_eq!(lines(&jobs)[1]["vm_name"], "unwritten");
}

#[test]
fn the_table_has_a_line_a_job_and_no_colour_in_a_pipe() {
    let (_directory, db) = database();
    let table = waybill(&["jobs", "--db", &db]).succeeded();
    assert!(!table.contains('\x1b'), "{table}");
    let rows: Vec<Vec<&str>> = table.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["JOB", "VM", "STATUS", "STAGE", "DONE", "MOVED", "RATE", "ETA", "REPORT", "NOTE"]);
    let first_words: Vec<&str> = rows.iter().skip(1).map(|row| row[0]).collect();
    assert_eq!(first_words, ["job-0", "job-1", "job-done", "job-failed"]);
    assert!(table.contains("[#####...............]  25.00%  10.0/40.0 GiB  100.0 MiB/s  5m 07s"), "{table}");
    assert!(table.contains("waiting for the first report") && table.contains("done, took 1m 00s"), "{table}");
    assert!(table.contains("mover: no space left on device"), "{table}");

    let narrow = waybill_with("COLUMNS", "80", &["jobs", "--db", &db]).succeeded();
    assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
    assert!(narrow.contains("job-failed") && narrow.contains("25.00%"), "{narrow}");
}

#[test]
fn show_tells_everything_that_is_remembered() {
    let (_directory, db) = database();
    let page = waybill(&["show", "job-1", "--db", &db]).succeeded();
    for part in [
        "job           job-1\n",
        "VM            web01  /DC0/vm/web01\n",
        "status        Streaming, stage Transfer, full copy\n",
        "progress      [#######.......................] 25.00 %\n",
        "moved         10.0/40.0 GiB, total from layout\n",
        "rate          100.0 MiB/s, 5m 07s remain\n",
        "correlation   01JDCQ5ZK0000000000000000A\n",
        "\ndisks (1)\n  disk-2000  Streaming\n",
        "    previous  52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/80\n",
        "  Snapshot              2.1s  succeeded\n",
        "  Transfer                 -  running\n",
        "  info     declared with 1 disk\n",
        "  disk-2000  x/1\n",
    ] {
        assert!(page.contains(part), "{part:?} in\n{page}");
    }
    let failed = waybill(&["show", "job-failed", "--db", &db]).succeeded();
    assert!(failed.contains("error         mover: no space left on device, since 20"), "{failed}");

    let json = waybill(&["show", "job-1", "--json", "--db", &db]).succeeded();
    let [record] = &lines(&json)[..] else { panic!("one line, not {json}") };
    assert_eq!(record["steps"][0]["stage"], "Snapshot");
    assert_eq!(record["steps"][0]["outcome"], "succeeded");
    assert_eq!(record["events"][0]["event"], "job_declared");
    assert_eq!(record["events"][0]["attributes"]["disks"], 1);
    assert_eq!(record["received_change_ids"][0]["change_id"], "x/1");
    assert_eq!(record["waits_for"], Value::Null);
}

#[test]
fn a_job_that_is_not_there_is_exit_4() {
    let (_directory, db) = database();
    let message = waybill(&["show", "job-9", "--db", &db]).refused_with(4);
    let expected = "waybill: job job-9: not in this database\n  \
                    remedy: `waybill jobs --all` lists the jobs of this database\n";
    assert_eq!(message, expected);
    assert_eq!(waybill(&["show", "job-9", "--json", "--db", &db]).refused_with(4), expected);
    // Never by guess: the beginning of an id is no id.
    waybill(&["show", "job", "--db", &db]).refused_with(4);
}

#[test]
fn the_database_is_the_named_one_then_that_of_the_environment() {
    let (_directory, db) = database();
    assert!(waybill_with("WAYBILL_DB", &db, &["jobs"]).succeeded().contains("job-1"));
    let absent = format!("{db}.absent");
    assert!(waybill_with("WAYBILL_DB", &absent, &["jobs", "--db", &db]).succeeded().contains("job-1"));
    let message = waybill_with("WAYBILL_DB", &absent, &["jobs"]).refused_with(1);
    assert!(message.contains(&absent) && message.contains("does not exist") && message.contains("--db"), "{message}");

    let other = format!("{db}.txt");
    std::fs::write(&other, "no database at all, but long enough to have a header of one hundred bytes".repeat(3))
        .expect("written");
    let message = waybill(&["jobs", "--db", &other]).refused_with(1);
    assert!(message.contains("not a waybill database"), "{message}");
}

#[test]
fn an_empty_list_says_so_and_is_no_failure() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("oma.db");
    drop(Store::open(&file).expect("a new database"));
    let db = file.to_str().expect("UTF-8");
    let (out, message) = waybill(&["jobs", "--db", db]).succeeded_with_message();
    assert_eq!(out, "");
    assert!(message.contains("no job is running") && message.contains("waybill jobs --all"), "{message}");
    assert_eq!(waybill(&["jobs", "--json", "--db", db]).succeeded(), "");
}

/// A value that somebody typed into `sqlite3` and that means nothing is named, and does not hide the job.
#[test]
fn a_value_typed_by_hand_is_named() {
    let (_directory, db) = database();
    let conn = rusqlite::Connection::open(&db).expect("the database");
    conn.execute_batch("UPDATE replication_jobs SET current_operation = 'Dreaming' WHERE id = 'job-1'").expect("typed");
    let (out, message) = waybill(&["jobs", "--json", "--db", &db]).succeeded_with_message();
    assert!(ids(&out).contains(&"job-1".to_owned()), "{out}");
    assert!(message.contains("waybill: note: ") && message.contains("Dreaming"), "{message}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let (_directory, db) = database();
    let mut child = command(&["jobs", "--json", "--db", &db])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary runs");
    drop(child.stdout.take());
    let ended = child.wait_with_output().expect("ended");
    assert_eq!((ended.status.code(), String::from_utf8_lossy(&ended.stderr).as_ref()), (Some(0), ""));
}
