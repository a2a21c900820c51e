//! Which job a push belongs to: by id, by a declared name, never by guess (R-2, F1, F25), and what happens to an id that
//! has ended (R-40, R-42, F28). And that it all stays in one thread (R-80).

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crate::harness::{SOON, Site, until};
use crate::mover::{self, Mover};

const EXPORT: &str = "migration-vol-2f0f6f8e-7f1b-4cb5-93f4-5a4ab4c1d8a5";

#[test]
fn f01_a_push_by_export_name_is_found_under_the_jobs_id() {
    let site = Site::fast();
    let (vma, oma) = (site.vma(), site.oma());
    let disk =
        |name: &str| format!(r#"{{"disks":[{{"id":"disk-2000","export":{{"name":"{name}","device":"/dev/nbd0"}}}}]}}"#);
    vma.put("/api/v1/jobs/job-1", &disk(EXPORT), 201);
    oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 201);
    let said = Mover::new(&vma, EXPORT).push(&mover::running(250, 1000));
    assert_eq!((&said["job_id"], said.get("auto_initialized")), (&"job-1".into(), None));
    site.until_rows("SELECT id, status, bytes_transferred FROM replication_jobs", &["job-1|streaming|250"]);
    assert_eq!(site.rows("SELECT disk_id, bytes_synced FROM vm_disks"), ["disk-2000|250"]);
    // The document is the job's under both names.
    let document = vma.document(EXPORT);
    assert_eq!((&document["job_id"], &document["nbd"]["exports"][0]["connected"]), (&"job-1".into(), &true.into()));

    // No name is found by a part of it (F25).
    assert_eq!(vma.get("/api/v1/progress/migration-vol-").status, 404);
    assert_eq!(vma.get(&format!("/api/v1/progress/{EXPORT}-2")).status, 404);
    let refused = vma.put("/api/v1/jobs/job-2", &disk(EXPORT), 409).json();
    let detail = refused["detail"].as_str().unwrap();
    assert!(detail.contains("job-1") && detail.contains("job-2") && detail.contains(EXPORT), "{refused}");
    let line = vma.log().lines().find(|line| line.contains("alias_conflict")).expect("told in the log").to_owned();
    assert!(line.contains("job-1") && line.contains("job-2"), "{line}");
    assert_eq!(vma.get("/api/v1/progress/job-2").status, 404, "nothing of a refused declaration is taken");

    // A name is free again when its job has ended.
    vma.post("/api/v1/jobs/job-1/finish", r#"{"status":"Failed","error":"enough"}"#, 200);
    vma.put("/api/v1/jobs/job-2", &disk(EXPORT), 201);
    assert_eq!(Mover::new(&vma, EXPORT).push(mover::DISK_STARTS)["job_id"], "job-2");
}

#[test]
fn f28_a_late_push_changes_nothing_and_a_start_opens_a_new_run() {
    let site = Site::fast();
    let (vma, oma) = (site.vma(), site.oma());
    let mut mover = Mover::new(&vma, "job-1");
    assert_eq!(mover.push(&mover::running(250, 1000))["auto_initialized"], true);
    oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 201);
    site.until_status("job-1", "streaming");
    vma.post("/api/v1/jobs/job-1/finish", r#"{"status":"Failed","error":"enough"}"#, 200);
    site.until_status("job-1", "failed");
    let of_first = |vma: &crate::harness::Daemon| vma.document("job-1?run=exact");
    let ended = of_first(&vma);
    for _ in 0..3 {
        assert_eq!(mover.push(&mover::running(500, 1000))["job_id"], "job-1");
    }
    let late = of_first(&vma);
    assert_eq!(late["log"].as_u64(), ended["log"].as_u64().map(|id| id + 1), "one line tells of them");
    let at_rest = |mut document: serde_json::Value| (document["log"].take(), document).1;
    assert_eq!(at_rest(late), at_rest(ended.clone()));
    let refused = site.rows_of("vma.db", "SELECT message FROM job_events WHERE event = 'transition_refused'");
    assert_eq!(refused, ["a push came after the end and changes nothing: Failed -> Transfer in_progress"]);
    let contradiction = vma.put("/api/v1/jobs/job-1", "{}", 409).json();
    assert!(contradiction["remedy"].as_str().unwrap().contains("<id>~2"), "{contradiction}");

    assert_eq!(mover.push(mover::INITIALIZING)["job_id"], "job-1~2");
    assert_eq!(mover.push(&mover::running(100, 1000))["job_id"], "job-1~2");
    // The plain id means the newest run; only that the first has a next one is new of it.
    assert_eq!(vma.document("job-1")["job_id"], "job-1~2");
    let first = of_first(&vma);
    assert_eq!((&first["status"], &first["next_run"]), (&"Failed".into(), &"job-1~2".into()));
    assert_eq!(first["aggregate"], ended["aggregate"], "the first run is over");
    let opened = site.rows_of("vma.db", "SELECT job_id FROM job_events WHERE event = 'run_opened' ORDER BY job_id");
    assert_eq!(opened, ["job-1", "job-1~2"]);
    // The OMA follows it by itself (R-30).
    site.until_rows("SELECT status, bytes_transferred FROM replication_jobs WHERE id = 'job-1~2'", &["streaming|100"]);
    // Also over a restart the run stays the present one.
    drop(vma);
    let vma = site.vma();
    assert_eq!(Mover::new(&vma, "job-1").push(&mover::running(200, 1000))["job_id"], "job-1~2");
    assert_eq!(of_first(&vma)["status"], "Failed");
}

#[test]
fn two_threads_are_enough_for_both_daemons_under_load() {
    let site = Site::fast();
    let (vma, oma) = (site.vma(), site.oma());
    let jobs = 40;
    for n in 0..jobs {
        Mover::new(&vma, &format!("job-{n}")).push(mover::DISK_STARTS);
        oma.post("/api/v1/jobs", &format!(r#"{{"id":"job-{n}","vma":"site-a"}}"#), 201);
    }
    let is_over = AtomicBool::new(false);
    let most = thread::scope(|scope| {
        for n in 0..jobs {
            let (mut mover, is_over) = (Mover::new(&vma, &format!("job-{n}")), &is_over);
            scope.spawn(move || {
                let mut bytes = 0;
                while !is_over.load(Ordering::SeqCst) {
                    bytes += 1;
                    mover.push(&mover::running(bytes, 1_000_000));
                }
            });
        }
        let mut most = (0, 0);
        let watched = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            until("the OMA has every job stream", SOON, || {
                most = (most.0.max(vma.threads()), most.1.max(oma.threads()));
                let sql = "SELECT count(*) FROM replication_jobs WHERE status = 'streaming' AND bytes_transferred > 20";
                (site.rows(sql) == [jobs.to_string()]).then_some(())
            });
        }));
        is_over.store(true, Ordering::SeqCst);
        watched.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        most
    });
    assert!(most.0 <= 2 && most.1 <= 2, "threads of VMA and OMA: {most:?}");
}

#[test]
fn f33_the_change_id_of_a_second_run_is_not_served_as_that_of_the_first() {
    let uuid = "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63";
    let (first, second) = (format!("{uuid}/1"), format!("{uuid}/2"));
    let site = Site::fast();
    let (vma, oma) = (site.vma(), site.oma());
    vma.put("/api/v1/jobs/job-1", r#"{"vm":{"path":"/vm"},"disks":[{"id":"disk-2000"}]}"#, 201);
    oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a","vm":{"path":"/vm"}}"#, 201);
    let mut mover = Mover::new(&vma, "job-1");
    mover.push(mover::DISK_STARTS);
    mover.push(&mover::completed(1000));
    let hand_over = |id: &str| {
        oma.post("/api/v1/replications/job-1/changeid", &mover::change_id("disk-2000", id), 200);
    };
    hand_over(&first);
    site.until_status("job-1", "completed");
    let served = || oma.get("/api/v1/replications/changeid?vm_path=/vm&disk_id=disk-2000").json()["change_id"].clone();
    assert_eq!(served(), first.as_str());

    // The id is started again; the OMA does not know of the run, and the mover hands its id over under the first name.
    assert_eq!(mover.push(mover::INITIALIZING)["job_id"], "job-1~2");
    hand_over(&second);
    assert_eq!(served(), first.as_str(), "nothing has shown that the second run was completed");
    assert_eq!(site.rows("SELECT count(*) FROM received_change_ids"), ["2"], "and nothing is thrown away");
    // A run that is tracked gets what comes under the first name.
    oma.post("/api/v1/jobs", r#"{"id":"job-1~2","vma":"site-a","vm":{"path":"/vm"}}"#, 201);
    mover.push(mover::DISK_STARTS);
    mover.push(&mover::completed(500));
    hand_over(&second);
    site.until_status("job-1~2", "completed");
    assert_eq!(served(), second.as_str());
}

#[test]
fn f01_another_name_of_a_job_leads_to_it_on_the_oma_too() {
    let site = Site::fast();
    let (vma, oma) = (site.vma(), site.oma());
    vma.put("/api/v1/jobs/job-1", r#"{"disks":[{"id":"disk-2000"}],"aliases":["alias-1"]}"#, 201);
    oma.post("/api/v1/jobs", r#"{"id":"alias-1","vma":"site-a"}"#, 201);
    site.until_rows(
        "SELECT id, error_message FROM replication_jobs ORDER BY id",
        &["alias-1|alias-1 is another name of job job-1, which is tracked under its own id instead", "job-1|"],
    );
    let mut mover = Mover::new(&vma, "alias-1");
    mover.push(mover::DISK_STARTS);
    mover.push(&mover::completed(1000));
    let id = "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/7";
    site.until_rows("SELECT sync_status FROM vm_disks", &["completed"]);
    oma.post("/api/v1/replications/alias-1/changeid", &mover::change_id("disk-2000", id), 200);
    site.until_status("job-1", "completed");

    // The id of a running job is no free name for another.
    vma.put("/api/v1/jobs/job-2", "", 201);
    let refused = vma.put("/api/v1/jobs/job-3", r#"{"aliases":["job-2"]}"#, 409).json();
    assert!(refused["detail"].as_str().unwrap().contains("belongs to unfinished job job-2"), "{refused}");
}
