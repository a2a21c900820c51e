//! One id that is started again each night for a year: what lists show of its runs, and which of them a command means.

use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;
use waybill::model::change::{CbtEntry, Change};
use waybill::model::event::{Event, LogEntry};
use waybill::model::id::{ChangeId, DiskId, JobId};
use waybill::model::job::{Job, SyncKind, Vm};
use waybill::model::status::JobStatus;
use waybill::store::{Durability, Store};

use crate::binary::waybill;
use crate::sample::{ago, ended, job, lines};

const NIGHTLY: &str = "nightly-web01";

fn id_of(run: u32) -> String {
    if run == 1 { NIGHTLY.to_owned() } else { format!("{NIGHTLY}~{run}") }
}

/// A database with so many runs of one VM that ended well, the last an hour ago.
fn nights(runs: u32) -> (TempDir, String) {
    let directory = tempfile::tempdir().expect("a directory");
    let db = directory.path().join("oma.db");
    let mut store = Store::open(&db).expect("a new database");
    let mut changes = Vec::new();
    for run in 1..=runs {
        let seconds = 3600 + i64::from(runs - run) * 600;
        let mut job = ended(&id_of(run), JobStatus::Succeeded, seconds);
        job.vm = Vm { name: "web01".to_owned(), path: "/DC0/vm/web01".to_owned(), uuid: String::new() };
        let point = |counter: u32| ChangeId::from_text(&format!("52dec0d9b9439d1061d54c1be97b6563/{counter}"));
        changes.push(Change::History(CbtEntry {
            job: job.id.clone(),
            vm_path: job.vm.path.clone(),
            disk: DiskId::parse("disk-2000").expect("an id"),
            change_id: point(run),
            previous_change_id: if run == 1 { None } else { point(run - 1) },
            sync: if run == 1 { SyncKind::Full } else { SyncKind::Incremental },
            blocks_changed: None,
            bytes_transferred: 1,
            sync_duration_seconds: 60,
            sync_success: true,
            created_at: ago(seconds),
            device_key: None,
            previous_served: false,
            vma: None,
            vm_uuid: String::new(),
            capacity_bytes: None,
        }));
        changes.push(Change::Entry(entry(&job, &format!("run {run} ended"))));
        changes.push(Change::Ended(Box::new(job)));
    }
    assert_eq!(store.commit(&changes, Durability::OnDisk), Ok(Vec::new()));
    (directory, db.to_str().expect("UTF-8").to_owned())
}

fn entry(job: &Job, message: &str) -> LogEntry {
    let (event, message) = (Event::JobSucceeded, message.to_owned());
    LogEntry { job: job.id.clone(), at: ago(1), event, message, attributes: Vec::new(), correlation: None }
}

fn ids(json: &str, key: &str) -> Vec<String> {
    let text = |line: &Value| line[key].as_str().expect("an id").to_owned();
    lines(json).iter().map(text).collect()
}

#[test]
fn jobs_shows_the_newest_run_of_a_name_and_every_run_that_goes_on() {
    let (_directory, db) = nights(365);
    let table = waybill(&["jobs", "--db", &db]).succeeded();
    assert!(table.lines().count() == 2 && table.contains("\nnightly-web01 (run 365)  web01  Succeeded "), "{table}");
    assert_eq!(ids(&waybill(&["jobs", "--json", "--db", &db]).succeeded(), "id"), [id_of(365)]);
    let all = waybill(&["jobs", "--all", "--db", &db]).succeeded();
    assert!(all.lines().count() == 366 && all.contains("\nnightly-web01~365  "), "{all}");

    // Two more are tracked, and the later of them has ended first.
    let mut store = Store::open(db.as_ref()).expect("the database");
    let going_on = Change::Declared(Box::new(job(&id_of(366), ago(30))));
    let later = Change::Ended(Box::new(ended(&id_of(367), JobStatus::Failed, 5)));
    assert_eq!(store.commit(&[going_on, later], Durability::OnDisk), Ok(Vec::new()));
    let table = waybill(&["jobs", "--db", &db]).succeeded();
    let names: Vec<&str> = table.lines().skip(1).filter_map(|line| line.split("  ").next()).collect();
    assert_eq!(names, ["nightly-web01~366", "nightly-web01 (run 367)"]);
}

#[test]
fn a_command_means_the_newest_run_by_the_plain_id_and_any_by_its_own() {
    let (_directory, db) = nights(12);
    let of = |args: &[&str]| waybill(&[args, &["--db", &db]].concat()).succeeded();
    for (said, run) in [(NIGHTLY, 12), ("nightly-web01~1", 1), ("nightly-web01~9", 9)] {
        let shown: Value = serde_json::from_str(&of(&["show", said, "--json"])).expect("JSON");
        assert_eq!(shown["id"], id_of(run), "{said}");
        let log = of(&["log", said]);
        assert!(log.ends_with(&format!("  run {run} ended\n")) && log.lines().count() == 1, "{said}: {log}");
        assert!(of(&["log", said, "--follow"]).ends_with(&format!("  run {run} ended\n")), "{said}");
        assert!(of(&["watch", said]).contains(&format!(" {} Succeeded ", id_of(run))), "{said}");
    }
    waybill(&["show", "nightly-web01~13", "--db", &db]).refused_with(4);
    waybill(&["show", "nightly-web0", "--db", &db]).refused_with(4);
}

#[test]
fn history_of_the_plain_id_has_all_of_its_runs() {
    let (_directory, db) = nights(365);
    let of = |said: &str| ids(&waybill(&["history", said, "--json", "--db", &db]).succeeded(), "job_id");
    assert_eq!(of(NIGHTLY), (1..=365).map(id_of).collect::<Vec<_>>());
    assert_eq!(of("nightly-web01~1"), [NIGHTLY]);
    assert_eq!(of("nightly-web01~77"), [id_of(77)]);
    let verified = waybill(&["history", NIGHTLY, "--verify", "--db", &db]).succeeded();
    assert!(verified.ends_with("\n1 disk, 365 runs, no fault\n"), "{verified}");
    assert_eq!(JobId::parse(&id_of(365)).expect("an id").run(), (NIGHTLY, 365));
}

/// On two cores with a debug build: `cargo test --test cli how_long -- --ignored --nocapture`.
#[test]
#[ignore = "a measurement"]
fn how_long_many_runs_take() {
    let (_directory, db) = nights(5000);
    for args in [&["jobs"][..], &["history", NIGHTLY], &["history", "--verify"], &["show", NIGHTLY]] {
        let begun = Instant::now();
        let printed = waybill(&[args, &["--db", &db]].concat()).succeeded();
        println!("{args:?}: {} lines in {:?}", printed.lines().count(), begun.elapsed());
    }
}
