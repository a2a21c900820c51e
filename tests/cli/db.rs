//! `waybill db`: check, backup and archive of real files, also when they are cut short.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;
use waybill::model::change::{CbtEntry, Change, ReceivedChangeId, Step, StepEnd};
use waybill::model::disk::Disk;
use waybill::model::event::{Event, Level, LogEntry, Value};
use waybill::model::id::{Alias, ChangeId, DiskId, Epoch, ExportName};
use waybill::model::job::{Export, SyncKind};
use waybill::model::percent::Percent;
use waybill::model::record::LogRecord;
use waybill::model::request::DiskQuestion;
use waybill::model::source_log::SourceEntry;
use waybill::model::stage::Stage;
use waybill::model::status::{DiskStatus, JobStatus};
use waybill::model::time::Wall;
use waybill::policy::serving::serve;
use waybill::store::{Durability, Store};

use crate::binary::{command, waybill};
use crate::sample::{ago, database, ended, job};

const DAY: i64 = 24 * 3600;
/// The tables that an archive takes from, each with its key.
const TABLES: [(&str, &str); 9] = [
    ("replication_jobs", "id"),
    ("vm_disks", "job_id || '|' || disk_id"),
    ("job_exports", "job_id || '|' || name"),
    ("job_aliases", "job_id || '|' || alias"),
    ("job_steps", "id"),
    ("job_events", "id"),
    ("source_events", "job_id || '|' || source_id"),
    ("received_change_ids", "id"),
    ("cbt_history", "id"),
];

/// What a run of web01's disk leaves behind, `number` counting the runs of this VM.
fn run(id: &str, vm: usize, number: u64, days_ago: i64) -> Vec<Change> {
    let at = |seconds| ago(days_ago * DAY - seconds);
    let mut over = ended(id, JobStatus::Succeeded, days_ago * DAY);
    over.vm.path = format!("/DC0/vm/web{vm:04}");
    let change_id = |counter: u64| ChangeId::from_text(&format!("{vm:08x}-0000-4000-8000-000000000000/{counter}"));
    let (previous, sync) = match number {
        0 => (None, SyncKind::Full),
        _ => (change_id(number), SyncKind::Incremental),
    };
    let disk = DiskId::parse("disk-2000").expect("an id");
    let step = Step { job: over.id.clone(), stage: Stage::Transfer, started_at: at(0), correlation: None };
    let (stage, completed_at) = (step.stage, at(60));
    let end = StepEnd { job: over.id.clone(), stage, completed_at, duration_ms: None, succeeded: true };
    let entry = |event, attributes| {
        let (job, message) = (over.id.clone(), "as it was".to_owned());
        Change::Entry(LogEntry { job, at: at(60), event, message, attributes, correlation: None })
    };
    let to = vec![("to", Value::from("completed"))];
    let history = CbtEntry {
        job: over.id.clone(),
        vm_path: over.vm.path.clone(),
        disk,
        change_id: change_id(number + 1),
        previous_change_id: previous,
        sync,
        blocks_changed: None,
        bytes_transferred: 4096,
        sync_duration_seconds: 60,
        sync_success: true,
        created_at: at(60),
        device_key: Some(2000),
        previous_served: false,
        vma: None,
        vm_uuid: String::new(),
        capacity_bytes: None,
    };
    let mut begun = job(id, over.created_at);
    begun.disks = vec![Disk::new(history.disk.clone())];
    let (name, disk) = (ExportName::parse(&format!("{id}-export")).expect("a name"), Some(history.disk.clone()));
    begun.exports = vec![Export { name, disk, device: String::new(), connected: false, started_at: None }];
    begun.aliases = vec![Alias::parse(&format!("{id}-alias")).expect("a name")];
    let received = ReceivedChangeId {
        job: id.to_owned(),
        disk: "disk-2000".to_owned(),
        vm_path: None,
        change_id: format!("of run {number}"),
        previous_change_id: None,
        received_at: at(30),
        vma: None,
    };
    let told = SourceEntry {
        job: over.id.clone(),
        epoch: Epoch::parse("epoch-1").expect("an epoch"),
        id: 7,
        record: LogRecord {
            at: Some(at(40)),
            level: Level::Info,
            event: "milestone".to_owned(),
            message: "as the VMA saw it".to_owned(),
            attributes: "{}".to_owned(),
            correlation: None,
        },
    };
    (over.disks, over.exports, over.aliases) = (begun.disks.clone(), begun.exports.clone(), begun.aliases.clone());
    (over.disks[0].status, over.disks[0].percent) = (DiskStatus::Completed, Percent::DONE);
    vec![
        Change::Declared(Box::new(begun)),
        Change::ChangeIdReceived(received),
        Change::SourceEntry(told),
        Change::StepBegan(step),
        Change::StepEnded(end),
        entry(Event::StatusChanged, to),
        entry(Event::JobSucceeded, Vec::new()),
        Change::Ended(Box::new(over.clone())),
        Change::History(history),
    ]
}

/// A database of so many VMs with as many ended runs each, 100 days ago and later by a day each, and one that runs.
fn filled(vms: usize, runs: u64) -> (TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("oma.db");
    let mut store = Store::open(&file).expect("a database");
    for number in 0..runs {
        let days = 100 + i64::try_from(runs - number).expect("a day");
        let changes: Vec<Change> =
            (0..vms).flat_map(|vm| run(&format!("job-{vm}-{number}"), vm, number, days)).collect();
        assert_eq!(store.commit(&changes, Durability::HandedToSystem).expect("written"), Vec::new());
    }
    let running = Change::Progress(Box::new(job("running", Wall::from_unix_millis(0))));
    store.commit(&[running], Durability::OnDisk).expect("written");
    (directory, file.to_string_lossy().into_owned())
}

/// How many rows the files have together, a row that is in both counted once.
fn counts(files: &[&str]) -> BTreeMap<&'static str, usize> {
    let keys = |file: &str, table: &str, key: &str| -> Vec<String> {
        let conn = Connection::open(file).expect("a database");
        let mut select = conn.prepare(&format!("SELECT CAST({key} AS TEXT) FROM {table}")).expect("a table");
        select.query_map([], |row| row.get(0)).expect("rows").collect::<rusqlite::Result<_>>().expect("keys")
    };
    let count = |table, key| files.iter().flat_map(|file| keys(file, table, key)).collect::<BTreeSet<_>>().len();
    TABLES.iter().map(|(table, key)| (*table, count(table, key))).collect()
}

fn is_sound(file: &str) {
    let said = waybill(&["db", "check", "--db", file]).succeeded();
    assert!(said.ends_with("rules hold\n") && !said.contains("FAULT"), "{said}");
}

fn archive_of(file: &str) -> String {
    file.replace("oma.db", "oma-archive.db")
}

#[test]
fn r55_ten_thousand_ended_jobs_move_to_the_archive_and_nothing_is_lost() {
    let (_directory, db) = filled(1000, 10);
    let before = counts(&[&db]);
    assert_eq!(before["replication_jobs"], 10_001);
    let all: Vec<String> = lines(&waybill(&["history", "--json", "--db", &db]).succeeded());
    let (said, _) = waybill(&["db", "archive", "--older-than", "90d", "--db", &db]).succeeded_with_message();
    let archive = archive_of(&db);
    assert_eq!(said, format!("{archive}: 10000 jobs and 9000 rows of history moved here\n"));

    assert_eq!(counts(&[&db, &archive]), before, "every row is in one of the two files");
    assert!(before.values().all(|rows| *rows >= 10_000), "{before:?}");
    let here = counts(&[&db]);
    assert_eq!((here["replication_jobs"], here["job_events"]), (1, 0));
    assert_eq!(here["cbt_history"], 1000, "the last good row of each disk stays");
    is_sound(&db);
    is_sound(&archive);
    let across = lines(&waybill(&["history", "--json", "--db", &db]).succeeded());
    assert!(across == all, "the history is read across both: {} of {} rows", across.len(), all.len());
    let chains = waybill(&["history", "--verify", "--db", &db]).succeeded();
    assert!(chains.ends_with("\n1000 disks, 10000 runs, no fault\n"), "{}", &chains[chains.len() - 200..]);
    let shown = waybill(&["show", "job-7-3", "--db", &db]).succeeded();
    assert!(shown.contains("/DC0/vm/web0007") && shown.contains("Succeeded"), "{shown}");
    assert_eq!(waybill(&["log", "job-7-3", "--db", &db]).succeeded().lines().count(), 3, "of both sides");
    let again = waybill(&["db", "archive", "--older-than", "90d", "--db", &db]).succeeded();
    assert!(again.ends_with(": 0 jobs and 0 rows of history moved here\n"), "{again}");

    // Both together in a plain shell, as the help says.
    let sql = format!(
        "ATTACH '{archive}' AS archive;
         SELECT count(*), count(DISTINCT id) FROM (SELECT * FROM cbt_history UNION SELECT * FROM archive.cbt_history)"
    );
    let shell = Command::new("sqlite3").arg(&db).arg(sql).output().expect("sqlite3 is installed");
    assert_eq!(String::from_utf8_lossy(&shell.stdout), "10000|10000\n", "{shell:?}");
}

fn lines(text: &str) -> Vec<String> {
    text.lines().map(str::to_owned).collect()
}

#[test]
fn r55_what_an_incremental_starts_from_is_never_archived_and_follows_later() {
    let (_directory, db) = filled(1, 3);
    waybill(&["db", "archive", "--older-than", "90d", "--db", &db]).succeeded();
    let last = || {
        let store = Store::open(Path::new(&db)).expect("a database");
        let (vm_path, disk) = ("/DC0/vm/web0000".to_owned(), "disk-2000".to_owned());
        let question = DiskQuestion { vm_path, disk, ..DiskQuestion::default() };
        let candidates = store.served_candidates(&question).expect("readable");
        serve(&question, &candidates).expect("a change id").change_id.as_str().to_owned()
    };
    assert!(last().ends_with("/3"), "{}", last());
    // A later run makes the one that stayed an old row like any other.
    let later = run("job-0-3", 0, 3, 1);
    Store::open(Path::new(&db)).expect("a database").commit(&later, Durability::OnDisk).expect("written");
    let said = waybill(&["db", "archive", "--older-than", "90d", "--db", &db]).succeeded();
    assert!(said.ends_with(": 0 jobs and 1 rows of history moved here\n"), "{said}");
    assert!(last().ends_with("/4"), "{}", last());
    is_sound(&db);
    is_sound(&archive_of(&db));
}

/// Kills `waybill db archive` at its Nth sync, and at every so manieth write, until one is through.
#[test]
fn r55_an_archive_that_is_killed_anywhere_loses_nothing_and_can_be_repeated() {
    let mut deaths = 0;
    for (call, step) in [("fdatasync,fsync", 1), ("pwrite64", 37), ("unlink,ftruncate", 1)] {
        let (_directory, db) = filled(83, 3);
        let before = counts(&[&db]);
        for at in (1..).map(|round| round * step) {
            let inject = format!("inject={call}:signal=SIGKILL:when={at}");
            let mut traced = Command::new("strace");
            traced.args(["-f", "-qq", "-o", "/dev/null", "-e", &inject]).arg(command(&[]).get_program());
            let ended =
                traced.args(["db", "archive", "--older-than", "90d", "--db", &db]).output().expect("strace runs");
            let archive = archive_of(&db);
            if Path::new(&archive).exists() && Connection::open(&archive).is_ok_and(|conn| has_tables(&conn)) {
                let (here, both) = (counts(&[&db]), counts(&[&db, &archive]));
                assert_eq!(both, before, "{call} {at}: every row is in one of the two files, or in both");
                assert!(here["replication_jobs"] >= 1);
            }
            if ended.status.success() {
                let (here, there) = (counts(&[&db]), counts(&[&archive]));
                let sums = before.iter().all(|(table, rows)| here[table] + there[table] == *rows);
                assert!(sums, "{call}: no row is in both any more: {here:?} {there:?} {before:?}");
                is_sound(&db);
                is_sound(&archive);
                break;
            }
            deaths += 1;
            assert!(at < 2000, "{call}: it never gets through: {ended:?}");
        }
    }
    println!("db archive was killed {deaths} times");
    assert!(deaths > 20, "{deaths}");
}

fn has_tables(conn: &Connection) -> bool {
    conn.prepare("SELECT 1 FROM source_events").is_ok()
}

#[test]
fn r55_an_archive_beside_a_daemon_that_writes_late_entries_moves_all_and_cries_no_damage() {
    let (_directory, db) = filled(50, 8);
    let (before, is_over) = (counts(&[&db]), AtomicBool::new(false));
    let written = std::thread::scope(|scope| {
        let writing = scope.spawn(|| {
            let mut store = Store::open(db.as_ref()).expect("a database");
            let mut written = 0;
            while !is_over.load(Ordering::SeqCst) {
                let job = job(&format!("job-{}-{}", written % 50, written % 8), Wall::from_unix_millis(0)).id;
                let (event, message) = (Event::ChangeIdSuspect, "late".to_owned());
                let entry = LogEntry { job, at: ago(1), event, message, attributes: Vec::new(), correlation: None };
                // A daemon waits a moment and tries again.
                written += usize::from(store.commit(&[Change::Entry(entry)], Durability::OnDisk).is_ok());
                std::thread::sleep(Duration::from_millis(5));
            }
            written
        });
        let ended = waybill(&["db", "archive", "--older-than", "90d", "--db", &db]);
        is_over.store(true, Ordering::SeqCst);
        let said = ended.succeeded();
        assert!(said.ends_with(": 400 jobs and 350 rows of history moved here\n"), "{said}");
        writing.join().expect("it writes")
    });
    let after = counts(&[&db, &archive_of(&db)]);
    assert_eq!(after["job_events"], before["job_events"] + written, "no entry is lost, however late it came");
    assert_eq!((after["replication_jobs"], after["cbt_history"]), (before["replication_jobs"], before["cbt_history"]));
    is_sound(&archive_of(&db));
}

#[test]
fn r55_an_archive_of_another_database_is_not_touched() {
    let ((_first, ours), (_second, theirs)) = (filled(1, 2), filled(1, 2));
    waybill(&["db", "archive", "--older-than", "90d", "--db", &theirs]).succeeded();
    let archive = archive_of(&theirs);
    let before = std::fs::read(&archive).expect("a file");
    let said = waybill(&["db", "archive", "--older-than", "90d", "--to", &archive, "--db", &ours]).refused_with(1);
    assert!(said.contains("it is the archive of another database") && said.contains("name another file"), "{said}");
    let said = waybill(&["db", "archive", "--older-than", "90d", "--to", &theirs, "--db", &ours]).refused_with(1);
    assert!(said.contains("it is a daemon's own database and no archive"), "{said}");
    assert!(std::fs::read(&archive).expect("a file") == before, "it is left as it is");
    for age in ["0d", "90", "soon"] {
        let said = waybill(&["db", "archive", "--older-than", age, "--db", &ours]).refused_with(2);
        assert!(said.contains("--older-than 90d"), "{said}");
    }
    std::fs::remove_file(&archive).expect("removed");
    let (out, said) = waybill(&["history", "--db", &theirs]).succeeded_with_message();
    assert!(out.contains("job-0-1") && said.contains("what was archived in") && said.contains("is missing"), "{said}");
    let said = waybill(&["history", "--verify", "--db", &theirs]).refused_with(1);
    assert!(said.contains("cannot judge the history") && said.contains("--to FILE"), "{said}");
}

#[test]
fn r55_a_backup_is_a_whole_database_of_one_moment_and_overwrites_nothing() {
    let (directory, db) = database();
    let to = directory.path().join("copy.db").to_string_lossy().into_owned();
    let said = waybill(&["db", "backup", &to, "--db", &db]).succeeded();
    assert!(said.contains("copy.db: 5 jobs, 0 rows of history") && said.contains("checked"), "{said}");
    is_sound(&to);
    assert_eq!(waybill(&["jobs", "--db", &to]).succeeded(), waybill(&["jobs", "--db", &db]).succeeded());
    let said = waybill(&["db", "backup", &to, "--db", &db]).refused_with(1);
    assert!(said.contains("it is there already"), "{said}");
    let beside = waybill(&["db", "backup", "--db", &db]).succeeded();
    assert!(beside.starts_with(&format!("{db}.20")), "{beside}");
    let said = waybill(&["db", "backup", "/dev/null/copy", "--db", &db]).refused_with(1);
    assert!(said.contains("cannot back up to /dev/null/copy"), "{said}");
}

#[test]
fn r55_a_check_names_what_is_wrong_and_what_to_do() {
    let (_directory, db) = database();
    is_sound(&db);
    let meddle = "DROP TRIGGER jobs_stand_still; DROP TRIGGER cbt_history_are_not_changed;
                  CREATE TABLE notes (x);
                  UPDATE replication_jobs SET progress_percent = 40 WHERE status = 'completed'";
    Connection::open(&db).expect("a database").execute_batch(meddle).expect("by hand");
    let out = command(&["db", "check", "--db", &db]).output().expect("the binary runs");
    let text = String::from_utf8_lossy(&out.stdout).into_owned();
    assert_eq!(out.status.code(), Some(7), "{text}");
    for expected in [
        "FAULT  the schema is waybill's",
        "trigger jobs_stand_still is missing",
        "trigger cbt_history_are_not_changed is missing",
        "table notes is not waybill's",
        "is completed at 40.0 %",
        "remedy:",
        "ok     the file is sound",
        "faults\n",
    ] {
        assert!(text.contains(expected), "{expected}: {text}");
    }
    let out = command(&["db", "check", "--json", "--db", &db]).output().expect("the binary runs");
    let first: serde_json::Value =
        serde_json::from_slice(out.stdout.split(|byte| *byte == b'\n').next().expect("a line")).expect("JSON");
    assert_eq!(first, serde_json::json!({"rule": "the file is sound", "holds": true, "findings": []}));
    let said = waybill(&["db", "chek"]).refused_with(2);
    assert!(said.contains("did you mean `waybill db check`?"), "{said}");
}
