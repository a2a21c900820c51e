//! `jobs` and `show` on a database file that no daemon holds open, and while somebody else writes it.

use std::process::Stdio;

use serde_json::Value;
use waybill::store::Store;

use crate::binary::{command, waybill, waybill_with};

use crate::sample::{GIB, database, lines};

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
