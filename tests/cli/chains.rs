//! `waybill history --verify` on a real database: what it draws, what programs get, and its exit code (R-54, R-70).

use waybill::model::change::{CbtEntry, Change};
use waybill::model::id::{ChangeId, DiskId};
use waybill::model::job::SyncKind;
use waybill::store::{Durability, Store};

use crate::binary::waybill;
use crate::sample::{GIB, ago, database, job, lines};

const UUID: &str = "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63";

fn entry(id: &str, sync: SyncKind, previous: Option<u32>, left: Option<u32>) -> CbtEntry {
    let change_id =
        |counter: Option<u32>| counter.and_then(|counter| ChangeId::from_text(&format!("{UUID}/{counter}")));
    CbtEntry {
        job: job(id, ago(0)).id,
        vm_path: "/DC0/vm/web01".to_owned(),
        disk: DiskId::parse("disk-2000").expect("an id"),
        change_id: change_id(left),
        previous_change_id: change_id(previous),
        sync,
        blocks_changed: None,
        bytes_transferred: GIB,
        sync_duration_seconds: 61,
        sync_success: true,
        created_at: ago(5),
        device_key: None,
        previous_served: false,
        vma: None,
        vm_uuid: String::new(),
        capacity_bytes: None,
    }
}

fn full(id: &str, left: Option<u32>) -> CbtEntry {
    entry(id, SyncKind::Full, None, left)
}
fn incremental(id: &str, previous: u32, left: Option<u32>) -> CbtEntry {
    entry(id, SyncKind::Incremental, Some(previous), left)
}

fn write(db: &str, entries: &[CbtEntry]) {
    let changes: Vec<Change> = entries.iter().cloned().map(Change::History).collect();
    let mut store = Store::open(db.as_ref()).expect("the database");
    assert_eq!(store.commit(&changes, Durability::OnDisk), Ok(Vec::new()));
}

#[test]
fn a_sound_chain_ends_with_0_and_a_gap_with_7_until_a_full_copy() {
    let (_directory, db) = database();
    let verify = ["history", "--verify", "--db", &db];
    let (out, message) = waybill(&verify).succeeded_with_message();
    assert_eq!((out.as_str(), message.as_str()), ("", "no run has ended yet\n"));

    write(&db, &[full("run-1", Some(1)), incremental("run-2", 1, Some(2))]);
    let page = waybill(&verify).succeeded();
    assert!(page.starts_with("/DC0/vm/web01  disk-2000: 2 runs, no fault\n"), "{page}");
    assert!(page.contains(&format!("\n   next    an incremental may start from {UUID}/2\n")), "{page}");
    assert!(page.ends_with("\n1 disk, 2 runs, no fault\n") && !page.contains('\x1b'), "{page}");

    write(&db, &[incremental("run-3", 4, Some(5))]);
    let page = waybill(&verify).ended_with(7);
    assert!(page.contains("\n!  gap "), "{page}");
    let fault = format!("\n   fault   started from {UUID}/4, but the last good run, job run-2, ended with {UUID}/2: ");
    assert!(page.contains(&fault), "{page}");
    assert!(page.contains("\n   remedy  copy this disk in full once\n"), "{page}");
    assert!(page.ends_with("\n1 disk, 3 runs, 1 fault\n"), "{page}");
    assert_eq!(waybill(&["history", "--db", &db]).succeeded().lines().count(), 4, "without --verify nobody judges");

    write(&db, &[full("run-4", Some(9))]);
    let page = waybill(&verify).succeeded();
    assert!(page.contains("gap, mended") && page.contains("\n|  mended  by job run-4\n"), "{page}");
    assert!(page.ends_with("\n1 disk, 4 runs, no fault, 1 mended since\n"), "{page}");
}

#[test]
fn f37_a_run_that_succeeded_without_a_change_id_is_told_until_the_id_comes() {
    let (_directory, db) = database();
    write(&db, &[full("run-1", Some(1)), incremental("run-2", 1, None)]);
    let page = waybill(&["history", "--verify", "--db", &db]).ended_with(7);
    assert!(
        page.contains("fault   succeeded and left no change id: no incremental can start where it ended\n"),
        "{page}"
    );
    assert!(
        page.contains("remedy  see that its mover hands change ids to the OMA; let the next incremental"),
        "{page}"
    );
    write(&db, &[incremental("run-2", 1, Some(2))]);
    let page = waybill(&["history", "--verify", "--db", &db]).succeeded();
    assert!(page.ends_with("\n1 disk, 2 runs, no fault\n"), "{page}");
}

#[test]
fn programs_get_each_run_with_its_verdict_and_one_jobs_disks_come_with_their_whole_chain() {
    let (_directory, db) = database();
    let elsewhere = CbtEntry { vm_path: "/DC0/vm/web02".to_owned(), ..full("run-9", None) };
    write(&db, &[full("run-1", Some(1)), elsewhere, incremental("run-2", 1, Some(2))]);
    let told = |json: &str| -> Vec<String> {
        let told = |run: &serde_json::Value| format!("{} {} {}", run["job_id"], run["verdict"], run["fault"]);
        lines(json).iter().map(told).collect()
    };
    let all = waybill(&["history", "--verify", "--json", "--db", &db]).ended_with(7);
    let expected = [r#""run-1" "starts" false"#, r#""run-2" "continues" false"#, r#""run-9" "missing" true"#];
    assert_eq!(told(&all), expected);
    assert_eq!(lines(&all)[2]["findings"][1]["severity"], "fault");
    let one = waybill(&["history", "run-2", "--verify", "--json", "--db", &db]).succeeded();
    assert_eq!(told(&one), expected[..2]);
    assert_eq!(told(&waybill(&["history", "run-9", "--verify", "--json", "--db", &db]).ended_with(7)), expected[2..]);

    assert!(waybill(&["history", "job-9", "--verify", "--db", &db]).refused_with(4).contains("not in this database"));
    let (out, message) = waybill(&["history", "job-1", "--verify", "--db", &db]).succeeded_with_message();
    assert_eq!((out.as_str(), message.as_str()), ("", "no run has ended yet\n"));
    let message = waybill(&["history", "--all", "--verify", "--db", &db]).refused_with(2);
    assert!(message.contains("--all and --verify exclude each other"), "{message}");
}

#[test]
fn a_chain_goes_on_through_another_spelling_of_its_change_id() {
    let (_directory, db) = database();
    let upper = format!(" {}/01\n", UUID.to_uppercase().replace([' ', '-'], ""));
    let spelled = CbtEntry { previous_change_id: ChangeId::from_text(&upper), ..incremental("run-2", 1, Some(2)) };
    write(&db, &[full("run-1", Some(1)), spelled]);
    let page = waybill(&["history", "--verify", "--db", &db]).succeeded();
    assert!(page.ends_with("\n1 disk, 2 runs, no fault\n"), "{page}");
}

#[test]
fn vms_say_whether_the_next_run_can_be_incremental_and_why_not() {
    let (_directory, db) = database();
    let vms = ["vms", "--db", &db];
    let line = |page: &str| page.lines().last().unwrap_or("").split_whitespace().collect::<Vec<_>>().join(" ");
    // The sample's job streams; no run has ended yet.
    let page = waybill(&vms).succeeded();
    assert_eq!(line(&page), "/DC0/vm/web01 job-1 Streaming never 0 0 full no run has left a change id");
    write(&db, &[full("run-1", Some(1)), incremental("run-2", 1, Some(2))]);
    let page = waybill(&vms).succeeded();
    let line_of_it = line(&page);
    assert!(line_of_it.starts_with("/DC0/vm/web01 job-1 Streaming run-2, "), "{page}");
    assert!(line_of_it.ends_with("s ago 2 0 incremental"), "{page}");
    write(&db, &[CbtEntry { sync_success: false, ..incremental("run-3", 2, None) }, incremental("run-4", 9, Some(11))]);
    let page = waybill(&vms).succeeded();
    let why =
        "disk-2000: started from 52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/9, but the last good run, job run-2,";
    assert!(page.contains(" run-4, ") && line(&page).contains(&format!("s ago 4 1 full {why}")), "{page}");
    let json = &lines(&waybill(&["vms", "--json", "--db", &db]).succeeded())[0];
    assert_eq!((&json["incremental"], &json["failures"]), (&false.into(), &1.into()));
    assert_eq!(json["disks"][0]["remedy"], "copy this disk in full once");
    let fifth = full("run-5", Some(12));
    let tenth =
        CbtEntry { job: job("run-10", ago(0)).id, change_id: full("run-10", Some(13)).change_id, ..fifth.clone() };
    write(&db, &[fifth, tenth]);
    let json = &lines(&waybill(&["vms", "--json", "--db", &db]).succeeded())[0];
    assert_eq!(json["last_good_job"], "run-10", "of two that ended at one time the later row");
    assert_eq!(json["disks"][0]["next_change_id"], format!("{UUID}/13"));
}
