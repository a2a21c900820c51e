//! Another program holds the OMA's database (R-27, R-28): polling goes on, nothing that was decided is lost, and nobody
//! is told of a record before it is written.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;

use crate::harness::{FAST, SOON, Site, until};
use crate::http::Peer;
use crate::mover::{self, Mover};
use crate::recorder::Recorder;

const CHANGE_ID: &str = "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81";

/// A document of a job that has moved that many bytes.
fn document(bytes: u64) -> String {
    format!(
        r#"{{"job_id":"job-1","stage":"Transfer","status":"Streaming","started_at":"2026-11-23T17:14:01Z",
            "updated_at":"2026-11-23T17:14:01Z","aggregate":{{"total_bytes":1000000,"bytes_transferred":{bytes},
            "throughput_bps":1,"percent":1.0}},"cbt":{{"type":"full","previous_change_id":"","change_id":""}},
            "nbd":{{"exports":[]}},"disks":[{{"id":"disk-2000","label":"","planned_bytes":1000000,
            "bytes_transferred":{bytes},"throughput_bps":1,"percent":1.0,"status":"Streaming"}}]}}"#
    )
}

/// Another program's transaction, until it commits.
fn lock(site: &Site, database: &str) -> Connection {
    let other = Connection::open(site.path(database)).unwrap();
    other.busy_timeout(SOON).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

#[test]
fn a_locked_database_stops_neither_polls_nor_records() {
    let bytes = Arc::new(AtomicU64::new(0));
    let moved = Arc::clone(&bytes);
    let recorder = Recorder::start(move |_| (200, document(moved.fetch_add(1, Ordering::SeqCst) + 1)));
    let site = Site::fast();
    site.configure_oma(FAST, &recorder.url());
    let oma = site.oma();
    oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 201);
    site.until_status("job-1", "streaming");

    let other = lock(&site, "oma.db");
    let stored = || site.rows("SELECT bytes_transferred FROM replication_jobs").remove(0).parse::<u64>().unwrap();
    let before = stored();
    let (answered, answer) = mpsc::channel();
    let address = oma.address();
    thread::spawn(move || {
        let body = mover::change_id("disk-2000", CHANGE_ID);
        let called = Peer::new(address).call("POST", "/api/v1/replications/job-1/changeid", body.as_bytes());
        answered.send(called.map(|answer| answer.status)).unwrap();
    });
    let polls = recorder.count("job-1");
    until("polls go on while nothing can be written", SOON, || (recorder.count("job-1") >= polls + 8).then_some(()));
    assert_eq!(stored(), before, "the lock is real");
    assert!(oma.is_healthy());
    assert!(answer.try_recv().is_err(), "nobody is told of a record that is not written");
    other.execute_batch("COMMIT").unwrap();
    assert_eq!(answer.recv_timeout(Duration::from_secs(3)).expect("held, then answered").expect("an answer"), 200);
    assert_eq!(site.rows("SELECT change_id FROM received_change_ids"), [CHANGE_ID]);
    assert_eq!(site.rows("SELECT disk_change_id FROM vm_disks"), [CHANGE_ID]);
    until("progress is stored again", SOON, || (stored() > before + 8).then_some(()));
    let log = oma.log();
    assert!(log.contains("locked by another program") && log.contains("the database is written again"), "{log}");
    assert_eq!(site.rows("SELECT status, contact FROM replication_jobs"), ["streaming|fresh"]);
}

#[test]
fn a_push_that_cannot_be_kept_is_refused_while_its_mover_still_waits_and_is_kept_all_the_same() {
    let site = Site::fast();
    let vma = site.vma();
    let mut mover = Mover::new(&vma, "job-1");
    mover.push(&mover::running(250, 1000));
    let stored = || site.rows_of("vma.db", "SELECT bytes_transferred FROM replication_jobs");
    let other = lock(&site, "vma.db");
    let started = Instant::now();
    let answer = mover.try_push(&mover::running(500, 1000)).expect("within the 5 s of a mover");
    assert_eq!((answer.status, answer.content_type.as_str()), (503, "application/problem+json"), "{answer:?}");
    assert!(started.elapsed() > Duration::from_secs(3), "held before it was refused: {:?}", started.elapsed());
    assert_eq!(stored(), ["250"], "the lock is real");
    assert!(vma.is_healthy());
    other.execute_batch("COMMIT").unwrap();
    until("what was refused is kept", SOON, || (stored() == ["500"]).then_some(()));
    mover.push(&mover::running(750, 1000));
    assert_eq!(stored(), ["750"], "in the database before it was answered");
}

#[test]
fn a_change_id_that_waits_for_the_database_reaches_a_job_that_is_tracked_meanwhile() {
    let site = Site::fast();
    let (vma, oma) = (site.vma(), site.oma());
    vma.put("/api/v1/jobs/job-1", r#"{"disks":[{"id":"disk-2000"}]}"#, 201);
    let mut mover = Mover::new(&vma, "job-1");
    mover.push(mover::DISK_STARTS);
    mover.push(&mover::completed(1000));
    let other = lock(&site, "oma.db");
    let post = |target: &'static str, body: String| {
        let address = oma.address();
        thread::spawn(move || Peer::new(address).call("POST", target, body.as_bytes()).map(|answer| answer.status))
    };
    let change_id = post("/api/v1/replications/job-1/changeid", mover::change_id("disk-2000", CHANGE_ID));
    until("the failed write is told", SOON, || oma.log().contains("locked by another program").then_some(()));
    let track = post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#.to_owned());
    until("the job is tracked", SOON, || oma.get("/api/v1/jobs").body.contains("job-1").then_some(()));
    other.execute_batch("COMMIT").unwrap();
    assert_eq!((change_id.join().unwrap().unwrap(), track.join().unwrap().unwrap()), (200, 201));
    site.until_rows("SELECT status FROM replication_jobs", &["completed"]);
    assert_eq!(site.rows("SELECT change_id FROM cbt_history"), [CHANGE_ID]);
}
