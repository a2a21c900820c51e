//! `kill -9` in mid-transfer, ten times each side (R-11, R-29, F3, F27): what was answered is there again, nothing goes
//! back, and the job still ends.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Daemon, SOON, Site, until};
use crate::mover::{self, Mover};

const TOTAL: u64 = 1 << 40;
const STEP: u64 = 1 << 20;
const CHANGE_ID: &str = "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81";

/// A mover that pushes without a pause until it is told to stop, whatever becomes of its pushes.
struct Pushing<'a> {
    acknowledged: &'a AtomicU64,
    is_over: &'a AtomicBool,
}

impl Pushing<'_> {
    fn run(&self, mut mover: Mover) -> Mover {
        let mut bytes = 0;
        while !self.is_over.load(Ordering::SeqCst) {
            bytes += STEP;
            match mover.try_push(&mover::running(bytes, TOTAL)) {
                Ok(answer) => {
                    assert_eq!(answer.status, 200, "{answer:?}");
                    self.acknowledged.store(bytes, Ordering::SeqCst);
                }
                // The VMA is away: a mover goes on copying.
                Err(_) => thread::sleep(Duration::from_millis(2)),
            }
        }
        mover
    }
}

/// Waits until the mover had this many more pushes acknowledged.
fn pushes_go_on(acknowledged: &AtomicU64, pushes: u64) {
    let from = acknowledged.load(Ordering::SeqCst);
    until("pushes are answered", SOON, || (acknowledged.load(Ordering::SeqCst) >= from + pushes * STEP).then_some(()));
}

fn figures(document: &Value) -> (u64, u64) {
    let bytes = document["aggregate"]["bytes_transferred"].as_u64().expect("bytes");
    (bytes, document["sequence"].as_u64().expect("a sequence"))
}

/// Bytes, sequence and updates of the OMA's row must never go back; looks until told to stop.
fn watch_rows(site: &Site, is_over: &AtomicBool) -> usize {
    let sql = "SELECT bytes_transferred, source_sequence, progress_percent, status FROM replication_jobs";
    let (mut last, mut looks) = ((0, 0, 0.0), 0);
    while !is_over.load(Ordering::SeqCst) {
        let row = site.rows(sql).remove(0);
        let cells: Vec<&str> = row.split('|').collect();
        let now: (u64, u64, f64) = (cells[0].parse().unwrap(), cells[1].parse().unwrap(), cells[2].parse().unwrap());
        assert!(now.0 >= last.0 && now.1 >= last.1 && now.2 >= last.2, "{last:?} -> {now:?}");
        assert!(["pending", "streaming"].contains(&cells[3]), "{row}");
        (last, looks) = (now, looks + 1);
        thread::sleep(Duration::from_millis(5));
    }
    looks
}

/// Kills one side ten times while a mover pushes; `check` gets the last acknowledged bytes before each kill.
fn killed_ten_times(role: &str, check: impl Fn(&Daemon, u64)) {
    let site = Site::fast();
    let (mut vma, mut oma) = (site.vma(), site.oma());
    vma.put("/api/v1/jobs/job-1", r#"{"vm":{"path":"/DC0/vm/a"},"disks":[{"id":"disk-2000"}]}"#, 201);
    oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 201);
    let (acknowledged, is_over) = (AtomicU64::new(0), AtomicBool::new(false));
    let mut mover = Mover::new(&vma, "job-1");
    mover.push(mover::DISK_STARTS);
    let mut mover = thread::scope(|scope| {
        let pushing = scope.spawn(|| Pushing { acknowledged: &acknowledged, is_over: &is_over }.run(mover));
        let watching = scope.spawn(|| watch_rows(&site, &is_over));
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for _ in 0..10 {
                pushes_go_on(&acknowledged, 20);
                let killed = if role == "vma" { &mut vma } else { &mut oma };
                killed.kill();
                let before = acknowledged.load(Ordering::SeqCst);
                *killed = if role == "vma" { site.vma() } else { site.oma() };
                check(killed, before);
            }
        }));
        is_over.store(true, Ordering::SeqCst);
        ran.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        assert!(watching.join().unwrap() > 10);
        pushing.join().unwrap()
    });
    // A connection from before the last kill is dead; the mover's next one is not.
    until("the mover is back", SOON, || mover.try_push(&mover::completed(TOTAL)).ok());
    oma.post("/api/v1/replications/job-1/changeid", &mover::change_id("disk-2000", CHANGE_ID), 200);
    site.until_status("job-1", "completed");
    let expected = format!("completed|100|{TOTAL}|");
    let row = site.rows("SELECT status, progress_percent, bytes_transferred, error_message FROM replication_jobs");
    assert_eq!(row, [expected]);
    assert_eq!(site.rows("SELECT change_id, sync_success FROM cbt_history"), [format!("{CHANGE_ID}|1")]);
    assert_eq!(vma.document("job-1")["status"], "Succeeded");
    assert_eq!(site.events("job-1", "tracking_started").len(), 1);
    let resumed = site.events("job-1", "tracking_resumed").len();
    assert_eq!(resumed, if role == "oma" { 10 } else { 0 });
}

#[test]
fn f27_a_vma_that_is_killed_remembers_all_it_has_acknowledged() {
    let last = std::cell::RefCell::new((0, None));
    killed_ten_times("vma", |vma, acknowledged| {
        let document = vma.document("job-1");
        let (bytes, sequence) = figures(&document);
        assert!(bytes >= acknowledged, "{bytes} bytes after {acknowledged} were acknowledged");
        let identity = ["started_at", "epoch", "correlation_id"].map(|key| document[key].clone());
        let mut last = last.borrow_mut();
        assert!(sequence > last.0, "sequence {sequence} after {}", last.0);
        let known = last.1.get_or_insert_with(|| identity.clone());
        assert_eq!(identity, *known);
        last.0 = sequence;
    });
}

#[test]
fn f03_an_oma_that_is_killed_goes_on_with_its_jobs() {
    killed_ten_times("oma", |oma, _| {
        let jobs = oma.get("/api/v1/jobs").json();
        assert_eq!(jobs["jobs"][0]["id"], "job-1", "{jobs}");
    });
}
