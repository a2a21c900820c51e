//! The OMA's own interface: tracking, reading, cancelling, and change ids in every state (R-20, R-30, R-31, R-53).

use crate::harness::{Daemon, SOON, Site, until, waybill};
use crate::http::Answer;
use crate::mover::{self, Mover};

const FIRST: &str = "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81";
const LATER: &str = "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/82";

fn problem(answer: &Answer, kind: &str) -> String {
    assert_eq!(answer.content_type, "application/problem+json", "{answer:?}");
    let said = answer.json();
    assert_eq!(said["type"], format!("urn:waybill:problem:{kind}"), "{said}");
    assert!(said["remedy"].as_str().is_some_and(|remedy| !remedy.is_empty()), "{said}");
    said["detail"].as_str().unwrap().to_owned()
}

fn last_change_id(oma: &Daemon, path: &str, disk: &str) -> String {
    let said = oma.get(&format!("/api/v1/replications/changeid?vm_path={path}&disk_id={disk}")).json();
    said["change_id"].as_str().expect("always a text").to_owned()
}

#[test]
fn tracking_is_new_known_or_contradicted() {
    let site = Site::fast();
    let (vma, oma) = (site.vma(), site.oma());
    let body = r#"{"id":"job-1","vma":"site-a","vm":{"path":"/DC0/vm/a"},"disks":[{"id":"disk-2000"}]}"#;
    oma.post("/api/v1/jobs", body, 201);
    oma.post("/api/v1/jobs", body, 200);
    oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 200);
    let other = body.replace("/DC0/vm/a", "/DC0/vm/b");
    let detail = problem(&oma.post("/api/v1/jobs", &other, 409), "contradiction");
    assert!(detail.contains("vm.path: known \"/DC0/vm/a\", given \"/DC0/vm/b\""), "{detail}");
    let detail = problem(&oma.post("/api/v1/jobs", &body.replace("site-a", "site-z"), 400), "unknown-vma");
    assert!(detail.contains("known: site-a"), "{detail}");
    let output = waybill(&["track", "job-2", "--vma", "site-a", "--oma", &site.url("oma")]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let jobs = oma.get("/api/v1/jobs").json();
    let ids: Vec<&str> = jobs["jobs"].as_array().unwrap().iter().map(|job| job["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["job-1", "job-2"]);
    // Unseen jobs wait; a 404 is no failure (F4). What was declared with the wish is declared to the VMA.
    until("the VMA knows it", SOON, || (vma.get("/api/v1/progress/job-1").status == 200).then_some(()));
    assert_eq!(vma.document("job-1")["vm"]["path"], "/DC0/vm/a");
    site.until_rows("SELECT contact, status FROM replication_jobs WHERE id = 'job-1'", &["fresh|pending"]);
    until("several polls", SOON, || {
        let asked = site.rows("SELECT contact FROM replication_jobs WHERE id = 'job-2'");
        (asked == ["job_unknown"]).then_some(())
    });
    let unseen = oma.get("/api/v1/jobs/job-2").json();
    assert_eq!((&unseen["status"], &unseen["contact"]), (&"pending".into(), &"job_unknown".into()));
    let job = oma.get("/api/v1/jobs/job-1").json();
    assert_eq!(job["disks"][0]["disk_id"], "disk-2000");
    problem(&oma.call("GET", "/api/v1/jobs/nobody", b""), "unknown-job");
    Mover::new(&vma, "job-1").push(&mover::running(5, 10));
    site.until_status("job-1", "streaming");
}

#[test]
fn u04_a_job_can_be_cancelled_and_its_vma_is_told() {
    let site = Site::fast();
    let (vma, oma) = (site.vma(), site.oma());
    Mover::new(&vma, "job-1").push(&mover::running(5, 10));
    oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 201);
    site.until_status("job-1", "streaming");
    oma.post("/api/v1/jobs/job-1/cancel", r#"{"reason":"wrong VM"}"#, 200);
    // Durable before it was answered (R-28).
    let row = "SELECT status, error_message, completed_at IS NOT NULL FROM replication_jobs";
    assert_eq!(site.rows(row), ["failed|cancelled: wrong VM|1"]);
    assert_eq!(site.rows("SELECT disk_id, sync_success FROM cbt_history"), ["disk-0|0"]);
    let document = until("the VMA hears of it", SOON, || {
        Some(vma.document("job-1")).filter(|document| document["status"] == "Failed")
    });
    assert_eq!(document["error"], "cancelled: wrong VM");
    let detail = problem(&oma.call("POST", "/api/v1/jobs/job-1/cancel", b"{}"), "finished");
    assert_eq!(detail, "job job-1 has ended as Failed");
    problem(&oma.call("POST", "/api/v1/jobs/nobody/cancel", b"{}"), "unknown-job");
    let detail = problem(&oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 409), "finished");
    assert_eq!(detail, "job job-1 has ended as Failed");
    assert_eq!(oma.get("/api/v1/jobs/job-1").json()["error_message"], "cancelled: wrong VM");
}

#[test]
fn f38_change_ids_are_taken_in_every_state_and_served_only_where_they_are_sound() {
    let site = Site::fast();
    let (vma, oma) = (site.vma(), site.oma());
    let post = |job: &str, disk: &str, id: &str| {
        oma.post(&format!("/api/v1/replications/{job}/changeid"), &mover::change_id(disk, id), 200);
    };
    // Nobody knows the job, the disk, or even a valid id: failing the migration after the copy would be worse.
    post("unheard-of", "disk-2000", FIRST);
    post(&"x".repeat(300), "disk-2000", FIRST);
    let stored = site.rows("SELECT length(job_id), disk_id, change_id FROM received_change_ids ORDER BY id");
    assert_eq!(stored, [format!("10|disk-2000|{FIRST}"), format!("300|disk-2000|{FIRST}")]);
    assert_eq!(site.rows("SELECT count(*) FROM cbt_history"), ["0"]);

    let body = r#"{"vm":{"path":"/DC0/vm/a"},"disks":[{"id":"disk-2000"}]}"#;
    vma.put("/api/v1/jobs/job-1", body, 201);
    oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 201);
    let mut mover = Mover::new(&vma, "job-1");
    mover.push(mover::DISK_STARTS);
    mover.push(&mover::completed(1000));
    site.until_rows("SELECT sync_status FROM vm_disks", &["completed"]);
    post("job-1", "disk-9", FIRST);
    assert_eq!(last_change_id(&oma, "/DC0/vm/a", "disk-2000"), "", "not before the job has succeeded");
    let url = site.url("vma");
    let output = waybill(&["finish", "job-1", "--vma", &url]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    site.until_status("job-1", "completed");
    assert_eq!(last_change_id(&oma, "/DC0/vm/a", "disk-2000"), "");
    post("job-1", "disk-2000", FIRST);
    assert_eq!(last_change_id(&oma, "/DC0/vm/a", "disk-2000"), FIRST);
    post("job-1", "disk-2000", LATER);
    post("job-1", "disk-2000", LATER);
    post("job-1", "disk-2000", "*");
    assert_eq!(last_change_id(&oma, "/DC0/vm/a", "disk-2000"), LATER);
    assert_eq!(last_change_id(&oma, "/DC0/vm/b", "disk-2000"), "", "disk ids repeat in every VM (F34)");
    let history = site.rows("SELECT change_id, sync_success FROM cbt_history ORDER BY id");
    assert_eq!(history, ["|1".to_owned(), format!("{FIRST}|1"), format!("{LATER}|1")]);
    let recent = site.rows("SELECT job_id, disk_id, change_id FROM recent_cbt_history");
    assert_eq!(recent, [format!("job-1|disk-2000|{LATER}")]);
    assert_eq!(site.rows("SELECT count(*) FROM received_change_ids WHERE job_id = 'job-1'"), ["5"]);
}

#[test]
fn change_ids_that_come_before_their_job_or_disk_is_known_are_not_lost_to_it() {
    let site = Site::fast();
    let (vma, mut oma) = (site.vma(), site.oma());
    vma.put(
        "/api/v1/jobs/job-1",
        r#"{"vm":{"path":"/DC0/vm/a"},"disks":[{"id":"disk-2000"},{"id":"disk-2001"}]}"#,
        201,
    );
    let mut mover = Mover::new(&vma, "job-1");
    for _ in 0..2 {
        mover.push(mover::DISK_STARTS);
        mover.push(&mover::completed(1000));
    }
    // The copy is over before the OMA has heard of the job, and it restarts in between.
    let target = "/api/v1/replications/job-1/changeid";
    oma.post(target, &mover::change_id("disk-2000", "*"), 200);
    oma.post(target, &mover::change_id("disk-2000", FIRST), 200);
    oma.kill();
    oma = site.oma();
    oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 201);
    oma.post(target, &mover::change_id("disk-2001", LATER), 200);
    site.until_status("job-1", "completed");
    let history = site.rows("SELECT disk_id, change_id, sync_success FROM cbt_history ORDER BY disk_id");
    assert_eq!(history, [format!("disk-2000|{FIRST}|1"), format!("disk-2001|{LATER}|1")]);
    assert_eq!(last_change_id(&oma, "/DC0/vm/a", "disk-2000"), FIRST);
    assert_eq!(vma.document("job-1")["status"], "Succeeded");
}

#[test]
fn r55_an_id_that_is_in_the_archive_begins_no_other_run() {
    let site = Site::fast();
    let (vma, oma) = (site.vma(), site.oma());
    vma.put("/api/v1/jobs/job-1", r#"{"vm":{"path":"/DC0/vm/a"},"disks":[{"id":"disk-2000"}]}"#, 201);
    oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 201);
    let mut mover = Mover::new(&vma, "job-1");
    mover.push(mover::DISK_STARTS);
    mover.push(&mover::completed(1000));
    oma.post("/api/v1/replications/job-1/changeid", &mover::change_id("disk-2000", FIRST), 200);
    site.until_status("job-1", "completed");
    let archive = |older: &str| {
        let ended =
            waybill(&["db", "archive", "--older-than", older, "--db"]).arg(site.path("oma.db")).output().unwrap();
        assert!(ended.status.success(), "{ended:?}");
        String::from_utf8(ended.stdout).unwrap()
    };
    // Beside the running daemon; what has just ended is old enough in a millisecond.
    until("it is old enough", SOON, || archive("1ms").contains(": 1 jobs and 0 rows").then_some(()));
    let refused = oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 409).json();
    assert_eq!(refused["detail"], "job job-1 has ended and is in the archive", "{refused}");
    let typed = site.sqlite3_refused("INSERT INTO replication_jobs (id, vma) VALUES ('job-1', 'site-a')");
    assert!(typed.contains("is here or in the archive"), "{typed}");
    let last = oma.get("/api/v1/replications/changeid?vm_path=/DC0/vm/a&disk_id=disk-2000").json();
    assert_eq!(last["change_id"], FIRST, "the next incremental still starts there");
}

#[test]
fn r54_a_run_that_starts_elsewhere_says_so_in_its_log_when_it_ends() {
    let site = Site::fast();
    let (vma, oma) = (site.vma(), site.oma());
    let run = |job: &str, sync: &str, given: &str| {
        let declared = format!(r#"{{"vm":{{"path":"/DC0/vm/a"}},"sync":"{sync}","disks":[{{"id":"disk-2000"}}]}}"#);
        vma.put(&format!("/api/v1/jobs/{job}"), &declared, 201);
        oma.post("/api/v1/jobs", &format!(r#"{{"id":"{job}","vma":"site-a"}}"#), 201);
        let mut mover = Mover::new(&vma, job);
        mover.push(&mover::running(500, 1000));
        mover.push(&mover::completed(1000));
        oma.post(&format!("/api/v1/replications/{job}/changeid"), given, 200);
        site.until_status(job, "completed");
    };
    let given = |last: &str, from: &str| {
        format!(r#"{{"disk_id":"disk-2000","change_id":"{last}","previous_change_id":"{from}"}}"#)
    };
    run("job-1", "full", &mover::change_id("disk-2000", FIRST));
    run("job-2", "incremental", &given(LATER, FIRST));
    assert_eq!(site.events("job-2", "chain_broken"), [""; 0]);
    run("job-3", "incremental", &given(&LATER.replace("/82", "/99"), &LATER.replace("/82", "/90")));
    let told = site.events("job-3", "chain_broken").pop().expect("it is told");
    assert!(
        told.contains("/90, and the last good run ended with ") && told.contains("history job-3 --verify"),
        "{told}"
    );
    let judged = waybill(&["history", "job-3", "--verify", "--db"]).arg(site.path("oma.db")).output().unwrap();
    assert_eq!(judged.status.code(), Some(7), "{judged:?}");
}
