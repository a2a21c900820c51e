//! The run that every peer got wrong: two disks, a mover that sends no disk ids, and change ids at the end
//! (F9, F10, F12, F33, F36, F39; R-41, R-44, R-45, R-53).

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::{Daemon, Site, until};
use crate::mover::{self, Mover};

const JOB: &str = "job-20250925-134230.513-8034ee";
const MIB: u64 = 1 << 20;
const FIRST: &str = "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81";
const SECOND: &str = "52 aa c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 64/7";

fn declare(vma: &Daemon, oma: &Daemon) {
    let vm = r#""vm":{"name":"web01","path":"/DC0/vm/web01"}"#;
    let disks = r#"[{"id":"disk-2000","label":"Hard disk 1"},{"id":"disk-2001","label":"Hard disk 2"}]"#;
    vma.put(&format!("/api/v1/jobs/{JOB}"), &format!(r#"{{{vm},"disks":{disks}}}"#), 201);
    oma.post("/api/v1/jobs", &format!(r#"{{"id":"{JOB}","vma":"site-a"}}"#), 201);
}

fn post_change_id(oma: &Daemon, disk: &str, change_id: &str) {
    oma.post(&format!("/api/v1/replications/{JOB}/changeid"), &mover::change_id(disk, change_id), 200);
}

/// Pushes a disk's bytes in steps, each only when the OMA has stored the one before.
fn copy(site: &Site, mover: &mut Mover, before: u64, total: u64) {
    mover.push(mover::DISK_STARTS);
    for step in 1..=4 {
        let bytes = total * step / 4;
        mover.push(&mover::running(bytes, total));
        let stored = format!("SELECT bytes_transferred FROM replication_jobs WHERE id = '{JOB}'");
        site.until_rows(&stored, &[&(before + bytes).to_string()]);
    }
}

fn disk_statuses(site: &Site, expected: &[&str]) {
    site.until_rows("SELECT disk_id, sync_status FROM vm_disks ORDER BY disk_id", expected);
}

/// What one look at both appliances saw.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
struct Look {
    vma_percent: f64,
    vma_bytes: u64,
    oma_percent: f64,
    oma_bytes: u64,
    is_completed: bool,
    might_be: bool,
}

fn look(site: &Site, vma: &Daemon, may_complete: &AtomicBool) -> Look {
    let document = vma.document(JOB);
    let sql = "SELECT status, progress_percent, bytes_transferred FROM replication_jobs";
    let row = site.rows(sql).remove(0);
    let cells: Vec<&str> = row.split('|').collect();
    Look {
        vma_percent: document["aggregate"]["percent"].as_f64().unwrap(),
        vma_bytes: document["aggregate"]["bytes_transferred"].as_u64().unwrap(),
        oma_percent: cells[1].parse().unwrap(),
        oma_bytes: cells[2].parse().unwrap(),
        is_completed: cells[0] == "completed" || document["status"] == "Succeeded",
        // Read last: what was completed before it might be is told, never the other way round.
        might_be: may_complete.load(Ordering::SeqCst),
    }
}

/// Looks at both appliances while `run` goes on, and holds what was seen to the rules.
fn watched(site: &Site, vma: &Daemon, run: impl FnOnce(&AtomicBool)) {
    let (may_complete, is_over) = (AtomicBool::new(false), AtomicBool::new(false));
    let looks = thread::scope(|scope| {
        let looking = scope.spawn(|| {
            let mut looks = Vec::new();
            while !is_over.load(Ordering::SeqCst) {
                looks.push(look(site, vma, &may_complete));
                thread::sleep(Duration::from_millis(3));
            }
            looks
        });
        let ran = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| run(&may_complete)));
        is_over.store(true, Ordering::SeqCst);
        ran.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        looking.join().unwrap()
    });
    assert!(looks.len() > 20, "{} looks", looks.len());
    for pair in looks.windows(2) {
        let (before, after) = (&pair[0], &pair[1]);
        assert!(before.vma_percent <= after.vma_percent && before.oma_percent <= after.oma_percent, "{pair:#?}");
        assert!(before.vma_bytes <= after.vma_bytes && before.oma_bytes <= after.oma_bytes, "{pair:#?}");
        assert!(after.vma_percent <= 100.0 && after.oma_percent <= 100.0, "{after:#?}");
        assert!(!after.is_completed || after.might_be, "completed before its time: {after:#?}");
        assert_eq!(after.vma_percent == 100.0 || after.oma_percent == 100.0, after.is_completed, "{after:#?}");
    }
}

const JOB_ROW: &str = "SELECT status, progress_percent, bytes_transferred, total_bytes, total_basis, replication_type, \
                       eta_seconds, contact, error_message, vm_name, vm_path, current_operation FROM replication_jobs";
const DISK_ROWS: &str = "SELECT disk_id, label, sync_status, sync_progress_percent, bytes_synced, disk_change_id, \
                         declared FROM vm_disks ORDER BY disk_id";
const HISTORY: &str = "SELECT disk_id, vm_path, change_id, previous_change_id, sync_type, bytes_transferred, \
                       sync_success FROM cbt_history ORDER BY disk_id";

/// What a mover is told that asks for a disk's last change id.
fn last_change_id(oma: &Daemon, disk: &str) -> String {
    let answer = oma.get(&format!("/api/v1/replications/changeid?vm_path=/DC0/vm/web01&disk_id={disk}"));
    assert_eq!(answer.status, 200, "{answer:?}");
    let said = answer.json();
    let object = said.as_object().expect("an object");
    assert!(object.values().all(serde_json::Value::is_string), "{said}");
    let keys: Vec<&str> = object.keys().map(String::as_str).collect();
    assert_eq!(keys, ["change_id", "disk_id", "message", "vm_path"]);
    said["change_id"].as_str().unwrap().to_owned()
}

#[test]
fn f09_f10_two_disks_without_ids_end_when_both_are_copied_and_both_change_ids_are_there() {
    let site = Site::fast();
    let (vma, oma) = (site.vma(), site.oma());
    declare(&vma, &oma);
    let mut mover = Mover::new(&vma, JOB);
    watched(&site, &vma, |may_complete| {
        mover.push(mover::INITIALIZING);
        site.until_status(JOB, "preparing");
        mover.push(mover::SNAPSHOT);
        site.until_status(JOB, "snapshotting");
        assert_eq!(vma.document(JOB)["aggregate"]["percent"], 0.0, "percents before Transfer are of the stages (F14)");
        copy(&site, &mut mover, 0, 64 * MIB);
        mover.push(&mover::completed(64 * MIB));
        disk_statuses(&site, &["disk-2000|completed", "disk-2001|pending"]);
        copy(&site, &mut mover, 64 * MIB, 16 * MIB);
        mover.push(&mover::completed(16 * MIB));
        // A client's retry is a duplicate and ends nothing.
        mover.push(&mover::completed(16 * MIB));
        disk_statuses(&site, &["disk-2000|completed", "disk-2001|completed"]);
        post_change_id(&oma, "disk-2000", FIRST);
        site.until_rows("SELECT disk_change_id FROM vm_disks WHERE disk_id = 'disk-2000'", &[FIRST]);
        assert_eq!(site.rows("SELECT status FROM replication_jobs"), ["streaming"]);
        may_complete.store(true, Ordering::SeqCst);
        post_change_id(&oma, "disk-2001", SECOND);
        site.until_status(JOB, "completed");
    });
    let expected = "completed|100|83886080|83886080|mover|full|0|fresh||web01|/DC0/vm/web01|Transfer";
    assert_eq!(site.rows(JOB_ROW), [expected]);
    let disk = |id, label, bytes, change_id| format!("{id}|{label}|completed|100|{bytes}|{change_id}|1");
    assert_eq!(
        site.rows(DISK_ROWS),
        [disk("disk-2000", "Hard disk 1", 67108864, FIRST), disk("disk-2001", "Hard disk 2", 16777216, SECOND)]
    );
    let entry = |disk, change_id, bytes| format!("{disk}|/DC0/vm/web01|{change_id}||full|{bytes}|1");
    assert_eq!(site.rows(HISTORY), [entry("disk-2000", FIRST, 67108864), entry("disk-2001", SECOND, 16777216)]);
    let document = vma.document(JOB);
    assert_eq!((&document["status"], &document["aggregate"]["percent"]), (&"Succeeded".into(), &100.0.into()));
    assert_eq!((last_change_id(&oma, "disk-2000"), last_change_id(&oma, "disk-2001")), (FIRST.into(), SECOND.into()));
    assert_eq!(last_change_id(&oma, "disk-9"), "");
    let judged = site.events(JOB, "completion_judged");
    assert_eq!(judged.len(), 1, "{judged:?}");
    assert_eq!(site.rows_of("vma.db", "SELECT count(*) FROM job_events WHERE event = 'duplicate_completion'"), ["1"]);
}

#[test]
fn f39_change_ids_may_come_before_the_completion_is_seen_and_a_disk_may_have_nothing_to_copy() {
    let site = Site::fast();
    let (vma, oma) = (site.vma(), site.oma());
    declare(&vma, &oma);
    let mut mover = Mover::new(&vma, JOB);
    watched(&site, &vma, |may_complete| {
        copy(&site, &mut mover, 0, 32 * MIB);
        post_change_id(&oma, "disk-2000", FIRST);
        disk_statuses(&site, &["disk-2000|syncing", "disk-2001|pending"]);
        post_change_id(&oma, "disk-2001", SECOND);
        mover.push(&mover::completed(32 * MIB));
        disk_statuses(&site, &["disk-2000|completed", "disk-2001|pending"]);
        mover.push(mover::DISK_STARTS);
        disk_statuses(&site, &["disk-2000|completed", "disk-2001|syncing"]);
        may_complete.store(true, Ordering::SeqCst);
        mover.push(mover::NOTHING_CHANGED);
        site.until_status(JOB, "completed");
    });
    let entry = |disk, change_id, bytes| format!("{disk}|/DC0/vm/web01|{change_id}||full|{bytes}|1");
    assert_eq!(site.rows(HISTORY), [entry("disk-2000", FIRST, 33554432), entry("disk-2001", SECOND, 0)]);
    assert_eq!(vma.document(JOB)["status"], "Succeeded");
}

#[test]
fn f36_a_malformed_change_id_never_ends_a_job_and_finish_does() {
    let site = Site::fast();
    let (vma, oma) = (site.vma(), site.oma());
    declare(&vma, &oma);
    let mut mover = Mover::new(&vma, JOB);
    watched(&site, &vma, |may_complete| {
        copy(&site, &mut mover, 0, 8 * MIB);
        mover.push(&mover::completed(8 * MIB));
        let finish = |code| {
            let output = crate::harness::waybill(&["finish", JOB, "--vma", &site.url("vma")]).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert_eq!(output.status.code(), Some(code), "{said}");
            said
        };
        let refused = finish(6);
        assert!(refused.contains("disk-2001 is Queued"), "{refused}");
        mover.push(mover::DISK_STARTS);
        mover.push(&mover::completed(4 * MIB));
        disk_statuses(&site, &["disk-2000|completed", "disk-2001|completed"]);
        post_change_id(&oma, "disk-2000", FIRST);
        post_change_id(&oma, "disk-2001", "completed");
        let suspects = until("the suspect id is told", Duration::from_secs(5), || {
            Some(site.events(JOB, "change_id_suspect")).filter(|told| !told.is_empty())
        });
        assert_eq!(suspects, ["change id of disk disk-2001 is not <uuid>/<counter>: \"completed\""]);
        // Two more rounds of polls, seen by the source's time, end nothing.
        for bytes in [1, 2] {
            mover.push(&mover::running(4 * MIB + bytes, 4 * MIB));
            let sequence = vma.document(JOB)["sequence"].to_string();
            site.until_rows("SELECT source_sequence FROM replication_jobs", &[&sequence]);
        }
        assert_eq!(site.rows("SELECT status FROM replication_jobs"), ["streaming"]);
        may_complete.store(true, Ordering::SeqCst);
        finish(0);
        site.until_status(JOB, "completed");
    });
    let entry = |disk, change_id, bytes| format!("{disk}|/DC0/vm/web01|{change_id}||full|{bytes}|1");
    assert_eq!(site.rows(HISTORY)[0], entry("disk-2000", FIRST, 8388608), "the sound change id is the first disk's");
    assert_eq!(site.rows(HISTORY)[1], "disk-2001|/DC0/vm/web01|||full|4194304|1");
    assert_eq!((last_change_id(&oma, "disk-2000"), last_change_id(&oma, "disk-2001")), (FIRST.into(), "".into()));
    let raw = site.rows("SELECT disk_id, change_id, vm_path FROM received_change_ids ORDER BY id");
    assert_eq!(raw[1], "disk-2001|completed|/DC0/vm/web01");
}
