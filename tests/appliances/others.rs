//! Rows that other programs insert and change, and jobs that a VMA lists (R-30).

use std::time::{Duration, Instant};

use crate::harness::{FAST, SOON, Site, until};
use crate::mover::{self, Mover};
use crate::recorder::Recorder;

const NOT_FOUND: &str = r#"{"title":"The job is not known"}"#;

#[test]
fn a_row_of_the_sqlite3_shell_is_noticed_within_one_interval() {
    let site = Site::new("");
    let (vma, _oma) = (site.vma(), site.oma());
    Mover::new(&vma, "job-1").push(&mover::running(250, 1000));
    site.sqlite3("INSERT INTO replication_jobs(id, vma) VALUES ('job-1', 'site-a')");
    let inserted = Instant::now();
    until("the row is noticed", SOON, || (!site.events("job-1", "tracking_started").is_empty()).then_some(()));
    let took = inserted.elapsed();
    assert!(took < Duration::from_millis(2500), "noticed after {took:?}, the interval is 2 s");
    site.until_rows(
        "SELECT status, bytes_transferred, current_operation FROM replication_jobs",
        &["streaming|250|Transfer"],
    );
}

#[test]
fn a_row_failed_by_hand_stays_failed_and_is_polled_no_more() {
    let recorder = Recorder::start(|_| (404, NOT_FOUND.to_owned()));
    let site = Site::fast();
    site.configure_oma(FAST, &recorder.url());
    let oma = site.oma();
    for job in ["by-hand", "clock"] {
        oma.post("/api/v1/jobs", &format!(r#"{{"id":"{job}","vma":"site-a"}}"#), 201);
        until("it is polled", SOON, || (recorder.count(job) >= 3).then_some(()));
    }
    site.sqlite3("UPDATE replication_jobs SET status = 'failed', error_message = 'enough' WHERE id = 'by-hand'");
    until("the end is noticed", SOON, || (!site.events("by-hand", "ended_elsewhere").is_empty()).then_some(()));
    // One that was on its way may still arrive; after it none does, while the other job is polled eight times.
    let clock = recorder.count("clock");
    until("polls go on", SOON, || (recorder.count("clock") >= clock + 2).then_some(()));
    let polls = recorder.count("by-hand");
    until("polls go on", SOON, || (recorder.count("clock") >= clock + 10).then_some(()));
    assert_eq!(recorder.count("by-hand"), polls);
    site.until_rows("SELECT status, error_message FROM replication_jobs WHERE id = 'by-hand'", &["failed|enough"]);
    assert_eq!(oma.get("/api/v1/jobs/by-hand").json()["status"], "failed");
    assert!(oma.log().contains("another program set this job to failed"), "{}", oma.log());
}

#[test]
fn u02_a_job_that_is_failed_by_hand_while_no_oma_runs_is_complete_at_the_next_start() {
    let site = Site::fast();
    let (vma, oma) = (site.vma(), site.oma());
    vma.put("/api/v1/jobs/job-1", r#"{"vm":{"path":"/DC0/vm/a"},"disks":[{"id":"disk-2000"}]}"#, 201);
    Mover::new(&vma, "job-1").push(&mover::running(250, 1000));
    oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 201);
    site.until_status("job-1", "streaming");
    drop(oma);
    site.sqlite3("UPDATE replication_jobs SET status = 'failed', error_message = 'enough' WHERE id = 'job-1'");
    let row = "SELECT status, completed_at > created_at, transfer_speed_bps, eta_seconds, error_message FROM replication_jobs";
    assert_eq!(site.rows(row), ["failed|1|0||enough"]);
    let disk = "SELECT sync_status, transfer_speed_bps, ended_at IS NULL FROM vm_disks";
    assert_eq!(site.rows(disk), ["failed|0|0"], "no disk of a failed job is shown as being copied");

    let _oma = site.oma();
    site.until_rows("SELECT stage, outcome, duration_ms >= 0 FROM job_steps", &["Transfer|failed|1"]);
    site.until_rows("SELECT disk_id, sync_success FROM cbt_history", &["disk-2000|0"]);
    assert_eq!(site.events("job-1", "ended_elsewhere").len(), 1);
    drop(_oma);
    let _oma = site.oma();
    assert_eq!(site.events("job-1", "ended_elsewhere").len(), 1, "once");
}

#[test]
fn a_row_that_names_an_unknown_vma_is_failed_with_the_known_ones() {
    let site = Site::fast();
    let _oma = site.oma();
    site.sqlite3("INSERT INTO replication_jobs(id, vma) VALUES ('job-1', 'site-z')");
    site.until_status("job-1", "failed");
    let row = site.rows("SELECT error_message, completed_at IS NOT NULL FROM replication_jobs").remove(0);
    assert!(row.starts_with("VMA \"site-z\" is not configured; known: site-a; ") && row.ends_with("|1"), "{row}");
    assert_eq!(site.events("job-1", "job_failed").len(), 1);
}

#[test]
fn a_row_inserted_as_finished_is_left_alone() {
    let site = Site::fast();
    let (vma, _oma) = (site.vma(), site.oma());
    Mover::new(&vma, "old").push(&mover::running(250, 1000));
    Mover::new(&vma, "new").push(&mover::running(250, 1000));
    site.sqlite3(
        "INSERT INTO replication_jobs(id, vma, status) VALUES ('old', 'site-a', 'completed'), ('strange', 'site-z', 'completed');
         INSERT INTO replication_jobs(id, vma) VALUES ('new', 'site-a')",
    );
    // What was inserted together with them is under way, so they have been looked at.
    site.until_status("new", "streaming");
    let left = site.rows("SELECT id, status, bytes_transferred, error_message FROM replication_jobs WHERE id <> 'new'");
    assert_eq!(left, ["old|completed|0|", "strange|completed|0|"]);
    assert_eq!(site.rows("SELECT DISTINCT job_id FROM job_events"), ["new"]);
}

#[test]
fn what_a_vma_lists_is_tracked_where_the_configuration_says_so() {
    let site = Site::new(&format!("discover = true\n{FAST}"));
    let (vma, _oma) = (site.vma(), site.oma());
    Mover::new(&vma, "first").push(&mover::running(250, 1000));
    site.until_status("first", "streaming");
    vma.put("/api/v1/jobs/second", r#"{"vm":{"path":"/DC0/vm/b"},"disks":[{"id":"d"}]}"#, 201);
    Mover::new(&vma, "second").push(mover::INITIALIZING);
    site.until_status("second", "preparing");
    site.until_rows(
        "SELECT id, vma, vm_path FROM replication_jobs ORDER BY id",
        &["first|site-a|", "second|site-a|/DC0/vm/b"],
    );
}

#[test]
fn a_row_that_is_not_noticed_yet_is_a_job_like_any_other() {
    let site = Site::new("[poll]\ninterval = '5s'\n");
    let (_vma, oma) = (site.vma(), site.oma());
    for job in ["early", "unwanted"] {
        site.sqlite3(&format!("INSERT INTO replication_jobs(id, vma, vm_path) VALUES ('{job}', 'site-a', '/vm')"));
        site.sqlite3(&format!("INSERT INTO vm_disks(job_id, disk_id) VALUES ('{job}', 'disk-2000')"));
    }
    let change_id = "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81";
    let body = format!(r#"{{"change_id":"{change_id}","disk_id":"disk-2000"}}"#);
    oma.post("/api/v1/replications/early/changeid", &body, 200);
    let kept = site.rows("SELECT disk_change_id FROM vm_disks WHERE job_id = 'early'");
    assert_eq!(kept, [change_id], "it waits for the end of the job");
    assert_eq!(site.rows("SELECT count(*) FROM cbt_history"), ["0"], "nothing has ended");
    oma.post("/api/v1/jobs/unwanted/cancel", r#"{"reason":"wrong VM"}"#, 200);
    let row = site.rows("SELECT error_message FROM replication_jobs WHERE id = 'unwanted'");
    assert_eq!(row, ["cancelled: wrong VM"]);
}

#[test]
fn a_step_that_the_table_does_not_have_is_refused_to_every_program() {
    let site = Site::new("");
    let _oma = site.oma();
    site.sqlite3("INSERT INTO replication_jobs(id, vma, status) VALUES ('j', 'site-a', 'streaming')");
    let refused = site.sqlite3_refused("UPDATE replication_jobs SET status = 'pending' WHERE id = 'j'");
    assert!(refused.contains("this job status may not follow the present one"), "{refused}");
}
