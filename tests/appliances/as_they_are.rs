//! Movers as they are (`wire.md`): they declare nothing, send no disk id, ask for each disk's last change id before they
//! copy it and post the new one after it, never say that the job is over, start again under the same id, and say `failed`
//! once and exit. Their exact messages, in their strict order, against both appliances.

use std::net::SocketAddr;

use serde_json::Value;

use crate::harness::{Daemon, FAST, SOON, Site, until, waybill};
use crate::http::Peer;
use crate::mover::{self, Mover};

const JOB: &str = "job-20250925-134230.513-8034ee";
const VM: &str = "/DC0/vm/web05";
const UUID: &str = "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63";
const MIB: u64 = 1 << 20;

/// A site whose VMA serves the movers' change-id calls and ends failed jobs soon.
pub fn site() -> Site {
    let site = Site::new(FAST);
    let (spool, oma) = (spool(&site), site.url("oma"));
    let text = format!("failed_grace = \"1s\"\n[changeid_spool]\nlisten = \"{spool}\"\noma = \"{oma}\"");
    site.configure_vma(&text);
    site
}

fn spool(site: &Site) -> SocketAddr {
    SocketAddr::new(site.address("vma").ip(), 8083)
}

/// A real mover: its pushes and its change-id calls.
pub struct RealMover {
    spool: Peer,
    pushes: Mover,
    job: String,
    vm: String,
}

impl RealMover {
    pub fn new(site: &Site, vma: &Daemon, job: &str, vm: &str) -> Self {
        let (spool, pushes) = (Peer::new(spool(site)), Mover::new(vma, job));
        Self { spool, pushes, job: job.to_owned(), vm: vm.to_owned() }
    }
    /// The stages before the first disk.
    pub fn start(&mut self) -> Value {
        self.pushes.push(mover::INITIALIZING);
        self.pushes.push(mover::SNAPSHOT)
    }
    /// What it is served for a disk, and the words with it.
    pub fn ask(&mut self, disk: &str) -> (String, String) {
        let target = format!("/api/v1/replications/changeid?vm_path={}&disk_id={disk}", self.vm);
        let answer = self.spool.call("GET", &target, b"").expect("the VMA answers");
        assert_eq!(answer.status, 200, "{answer:?}");
        let said = answer.json();
        let text = |key: &str| said[key].as_str().expect("a text").to_owned();
        (text("change_id"), text("message"))
    }
    /// Copies a disk; a full copy names its kind, as the field's movers do.
    pub fn copy(&mut self, bytes: u64, kind: &str) {
        self.pushes.push(&mover::DISK_STARTS.replace("initial", kind));
        for step in 1..=2 {
            self.pushes.push(&mover::running(bytes * step / 2, bytes));
        }
        self.pushes.push(&mover::completed(bytes));
    }
    /// Hands a disk's change id over.
    pub fn post(&mut self, disk: &str, change_id: &str) {
        let target = format!("/api/v1/replications/{}/changeid", self.job);
        let body = mover::change_id(disk, change_id);
        let answer = self.spool.call("POST", &target, body.as_bytes()).expect("the VMA answers");
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    /// A run of two disks from its first message to its last.
    pub fn run(&mut self, sizes: [u64; 2], kind: &str, counter: u32) -> [String; 2] {
        self.start();
        let mut served = Vec::new();
        for (disk, bytes) in ["disk-2000", "disk-2001"].into_iter().zip(sizes) {
            served.push(self.ask(disk).0);
            self.copy(bytes, kind);
            self.post(disk, &id(counter));
        }
        served.try_into().expect("two")
    }
}

pub fn id(counter: u32) -> String {
    format!("{UUID}/{counter}")
}

/// Runs a command and gives its exit code and what it said.
fn command(args: &[&str]) -> (i32, String) {
    let output = waybill(args).output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned());
    (output.status.code().expect("it ended"), said.concat())
}

fn track(site: &Site, more: &[&str]) -> (i32, String) {
    let oma = site.url("oma");
    command(&[&["track", JOB, "--vma", "site-a", "--oma", &oma], more].concat())
}

fn view(site: &Site, command_name: &str, more: &[&str]) -> (i32, String) {
    let db = site.path("oma.db");
    command(&[&[command_name, "--db", &db.to_string_lossy()], more].concat())
}

fn until_view(site: &Site, command_name: &str, more: &[&str], part: &str) {
    let mut last = String::new();
    until(&format!("{command_name} shows {part:?}"), SOON, || {
        last = view(site, command_name, more).1;
        last.contains(part).then_some(())
    });
}

const HISTORY: &str = "SELECT job_id, disk_id, sync_type, bytes_transferred, change_id, previous_change_id, previous_source, \
                       sync_success FROM cbt_history ORDER BY id";

#[test]
fn f48_f51_a_full_and_an_incremental_run_by_their_count_end_alone() {
    let site = site();
    let (vma, _oma) = (site.vma(), site.oma());
    assert_eq!(track(&site, &["--vm", VM, "--disks", "2"]).0, 0);
    let mut real = RealMover::new(&site, &vma, JOB, VM);
    assert_eq!(real.run([50 * MIB, 90 * MIB], "initial", 1), ["", ""]);
    site.until_status(JOB, "completed");
    // The next night: the OMA follows the next run of the id by itself, and what was served is where it started.
    assert_eq!(real.run([5 * MIB, 9 * MIB], "incremental", 2), [id(1), id(1)]);
    let again = format!("{JOB}~2");
    site.until_status(&again, "completed");
    let row = |job: &str, disk, kind, bytes: u64, now, before: &str| {
        let source = if before.is_empty() { "" } else { "served" };
        format!("{job}|{disk}|{kind}|{bytes}|{}|{before}|{source}|1", id(now))
    };
    let expected = [
        row(JOB, "disk-2000", "full", 50 * MIB, 1, ""),
        row(JOB, "disk-2001", "full", 90 * MIB, 1, ""),
        row(&again, "disk-2000", "incremental", 5 * MIB, 2, &id(1)),
        row(&again, "disk-2001", "incremental", 9 * MIB, 2, &id(1)),
    ];
    assert_eq!(site.rows(HISTORY), expected);
    let (code, said) = view(&site, "history", &["--verify"]);
    assert_eq!(code, 0, "{said}");
    assert_eq!(real.ask("disk-2000").0, id(2), "the third run starts at the second's end");
    let named = site.rows_of("vma.db", "SELECT message FROM job_events WHERE event = 'disk_named' ORDER BY id");
    assert_eq!(named[0], "disk disk-0 is disk-2000, as its change id says");
}

#[test]
fn f48_without_a_count_a_job_waits_and_its_ids_are_served_all_the_same() {
    let site = site();
    let (vma, _oma) = (site.vma(), site.oma());
    assert_eq!(track(&site, &["--vm", VM]).0, 0);
    let mut real = RealMover::new(&site, &vma, JOB, VM);
    real.run([50 * MIB, 90 * MIB], "initial", 1);
    site.until_rows(
        "SELECT disk_id, sync_status, disk_change_id FROM vm_disks ORDER BY disk_id",
        &[&format!("disk-2000|completed|{}", id(1)), &format!("disk-2001|completed|{}", id(1))],
    );
    until_view(&site, "jobs", &[], "2 disks done; how many there are was never declared");
    assert_eq!(site.rows("SELECT status FROM replication_jobs"), ["streaming"], "no guess ends it");
    assert_eq!((real.ask("disk-2000").0, real.ask("disk-2001").0), (id(1), id(1)));
    // Said later, the number ends it.
    assert_eq!(track(&site, &["--disks", "2"]).0, 0);
    site.until_status(JOB, "completed");
}

#[test]
fn undeclared_copies_fill_the_disks_that_were_declared_in_their_order() {
    for is_declared_first in [true, false] {
        let site = site();
        let (vma, _oma) = (site.vma(), site.oma());
        let declare = || track(&site, &["--vm", VM, "--disk", "disk-2000", "--disk", "disk-2001"]);
        if is_declared_first {
            assert_eq!(declare().0, 0);
        }
        let mut real = RealMover::new(&site, &vma, JOB, VM);
        real.start();
        real.copy(50 * MIB, "initial");
        if !is_declared_first {
            assert_eq!(declare().0, 0);
        }
        until("the OMA declares the job on its VMA", SOON, || (vma.document(JOB)["vm"]["path"] == VM).then_some(()));
        real.post("disk-2000", &id(1));
        real.copy(90 * MIB, "initial");
        real.post("disk-2001", &id(1));
        site.until_status(JOB, "completed");
        let disks = site.rows("SELECT disk_id, sync_status, bytes_synced FROM vm_disks ORDER BY disk_id");
        let expected = [(2000, 50 * MIB), (2001, 90 * MIB)].map(|(key, bytes)| format!("disk-{key}|completed|{bytes}"));
        assert_eq!(disks, expected, "declared first: {is_declared_first}");
        assert_eq!(vma.document(JOB)["status"], "Succeeded");
    }
}

#[test]
fn a_vm_path_that_was_never_named_is_shown_and_mended_after_the_end() {
    let site = site();
    let (vma, _oma) = (site.vma(), site.oma());
    assert_eq!(track(&site, &["--disks", "2"]).0, 0);
    let mut real = RealMover::new(&site, &vma, JOB, VM);
    real.run([50 * MIB, 90 * MIB], "initial", 1);
    site.until_status(JOB, "completed");
    let path = "VM path unknown: its change ids cannot serve the next incremental";
    assert!(view(&site, "show", &[JOB]).1.contains(path), "{}", view(&site, "show", &[JOB]).1);
    assert_eq!(real.ask("disk-2000").0, "");
    let (code, said) = track(&site, &["--vm", VM]);
    assert_eq!(code, 0, "{said}");
    assert_eq!((real.ask("disk-2000").0, real.ask("disk-2001").0), (id(1), id(1)));
    let rows = "SELECT count(*), count(DISTINCT vm_path) FROM cbt_history";
    assert_eq!(site.rows(rows), ["4|2"], "rows that supersede; nothing is rewritten");
    assert_eq!(view(&site, "history", &["--verify"]).0, 0);
    assert_eq!(track(&site, &["--vm", "/DC0/vm/other"]).0, 6, "a path that is known is not changed after the end");
}

#[test]
fn a_change_id_without_a_disk_is_in_the_note_until_its_disk_is_declared() {
    let site = site();
    let (vma, _oma) = (site.vma(), site.oma());
    assert_eq!(track(&site, &["--vm", VM]).0, 0);
    let mut real = RealMover::new(&site, &vma, JOB, VM);
    real.start();
    real.copy(50 * MIB, "initial");
    real.copy(90 * MIB, "initial");
    // Two copied disks have no name: whose it is cannot be known.
    real.post("disk-2001", &id(1));
    let unplaced = "a change id came for disk \"disk-2001\", which this job does not have";
    until_view(&site, "jobs", &[], unplaced);
    until_view(&site, "show", &[JOB], "name the disks of the job");
    assert_eq!(track(&site, &["--disk", "disk-2000", "--disk", "disk-2001"]).0, 0);
    site.until_rows(
        "SELECT disk_id, disk_change_id FROM vm_disks ORDER BY disk_id",
        &["disk-2000|", &format!("disk-2001|{}", id(1))],
    );
    real.post("disk-2000", &id(1));
    site.until_status(JOB, "completed");
}

#[test]
fn f49_two_undeclared_disks_never_look_nearly_done_after_the_first() {
    let site = site();
    let (vma, _oma) = (site.vma(), site.oma());
    assert_eq!(track(&site, &["--vm", VM]).0, 0);
    let mut real = RealMover::new(&site, &vma, JOB, VM);
    real.start();
    real.copy(50 * MIB, "initial");
    for name in ["jobs", "show", "watch"] {
        let more: &[&str] = if name == "jobs" { &[] } else { &[JOB] };
        if name != "watch" {
            until_view(&site, name, more, if name == "jobs" { "1 disk done" } else { "1 disk so far" });
        }
    }
    real.pushes.push(mover::DISK_STARTS);
    real.pushes.push(&mover::running(0, 90 * MIB));
    let percent = "SELECT progress_percent FROM replication_jobs";
    site.until_rows(percent, &["35.71"]);
    assert_eq!(vma.document(JOB)["aggregate"]["percent"], 35.71);
    assert_eq!(site.events(JOB, "plan_revised").len(), 1);
    real.pushes.push(&mover::running(45 * MIB, 90 * MIB));
    site.until_rows(percent, &["67.85"]);
    let milestones = site.events(JOB, "milestone");
    assert_eq!(milestones.last().map(String::as_str), Some("50 % reached: 99614720 of 146800640 bytes"));
}

#[test]
fn f50_a_mover_that_is_started_again_opens_the_next_run_which_the_oma_follows() {
    let site = site();
    let (vma, oma) = (site.vma(), site.oma());
    assert_eq!(track(&site, &["--vm", VM, "--disks", "2"]).0, 0);
    let mut real = RealMover::new(&site, &vma, JOB, VM);
    real.start();
    real.copy(50 * MIB, "initial");
    real.post("disk-2000", &id(1));
    real.pushes.push(mover::DISK_STARTS);
    real.pushes.push(&mover::running(30 * MIB, 90 * MIB));
    site.until_rows("SELECT bytes_transferred FROM replication_jobs", &[&(80 * MIB).to_string()]);
    // It dies and is started again under the same id.
    let again = format!("{JOB}~2");
    assert_eq!(real.start()["job_id"], again.as_str());
    site.until_rows(
        &format!("SELECT status, error_message FROM replication_jobs WHERE id = '{JOB}'"),
        &["failed|its mover was started again"],
    );
    assert_eq!(real.ask("disk-2000").0, id(1), "the disk that was whole is served, whatever became of its run");
    assert_eq!(real.ask("disk-2001").0, "");
    real.copy(5 * MIB, "incremental");
    real.post("disk-2000", &id(2));
    real.copy(90 * MIB, "initial");
    real.post("disk-2001", &id(2));
    site.until_status(&again, "completed");
    let moved = format!("SELECT bytes_transferred FROM replication_jobs WHERE id = '{again}'");
    assert_eq!(site.rows(&moved), [(95 * MIB).to_string()]);
    // The plain id means the newest run.
    assert_eq!(vma.document(JOB)["job_id"], again.as_str());
    assert_eq!(oma.get(&format!("/api/v1/jobs/{JOB}")).json()["id"], again.as_str());
    assert_eq!(view(&site, "history", &["--verify"]).0, 0);
}

#[test]
fn a_run_whose_end_was_never_reported_keeps_its_ids_when_the_next_begins() {
    let site = site();
    let (vma, _oma) = (site.vma(), site.oma());
    assert_eq!(track(&site, &["--vm", VM]).0, 0);
    let mut real = RealMover::new(&site, &vma, JOB, VM);
    real.run([50 * MIB, 90 * MIB], "initial", 1);
    site.until_rows("SELECT count(disk_change_id) FROM vm_disks", &["2"]);
    assert_eq!(real.run([5 * MIB, 9 * MIB], "incremental", 2), [id(1), id(1)]);
    let error = format!("SELECT error_message FROM replication_jobs WHERE id = '{JOB}'");
    until("the first run ends", SOON, || site.rows(&error)[0].starts_with("its end was never reported").then_some(()));
    until("the new ids are served", SOON, || (real.ask("disk-2001").0 == id(2)).then_some(()));
    assert_eq!(view(&site, "history", &["--verify"]).0, 0);
}

#[test]
fn f52_a_mover_that_says_failed_and_exits_ends_its_job_with_its_words() {
    let site = site();
    let (vma, _oma) = (site.vma(), site.oma());
    assert_eq!(track(&site, &["--vm", VM]).0, 0);
    let mut real = RealMover::new(&site, &vma, JOB, VM);
    real.start();
    real.pushes.push(mover::DISK_STARTS);
    real.pushes.push(&mover::running(30 * MIB, 90 * MIB));
    real.pushes.push(
        r#"{"stage":"Transfer","status":"failed","bytes_transferred":0,"throughput_bps":0,"error_message":"write: no space left on device"}"#,
    );
    site.until_status(JOB, "failed");
    let error = site.rows("SELECT error_message, bytes_transferred FROM replication_jobs");
    assert_eq!(error, [format!("write: no space left on device|{}", 30 * MIB)]);
    // Started again, it goes on as the next run.
    assert_eq!(real.start()["job_id"], format!("{JOB}~2").as_str());
}

#[test]
fn f65_two_unfinished_jobs_on_one_vm_are_both_warned() {
    let site = site();
    let (vma, oma) = (site.vma(), site.oma());
    for job in ["one", "two"] {
        let body = format!(r#"{{"vm":{{"path":"{VM}"}},"disks":[{{"id":"disk-2000"}}]}}"#);
        vma.put(&format!("/api/v1/jobs/{job}"), &body, 201);
        oma.post("/api/v1/jobs", &format!(r#"{{"id":"{job}","vma":"site-a"}}"#), 201);
    }
    for rival in ["one", "two"] {
        until_view(&site, "jobs", &[], &format!("unfinished job {rival} copies the same VM {VM}"));
    }
    vma.post("/api/v1/jobs/two/finish", r#"{"status":"Failed","error":"a mistake"}"#, 200);
    let warnings = "SELECT warnings FROM replication_jobs WHERE id = 'one'";
    site.until_rows(warnings, &["[]"]);
}

#[test]
fn f53_no_order_of_documented_commands_completes_a_job_without_all_declared_disks() {
    let site = site();
    let (vma, _oma) = (site.vma(), site.oma());
    assert_eq!(track(&site, &["--vm", VM, "--disk", "disk-2000", "--disk", "disk-2001"]).0, 0);
    until("the VMA knows the disks", SOON, || {
        (vma.get(&format!("/api/v1/progress/{JOB}")).status == 200).then_some(())
    });
    let named = |body: &str| body.replacen('{', r#"{"disk_id":"disk-2000","#, 1);
    let mut mover = Mover::new(&vma, JOB);
    mover.push(&named(mover::DISK_STARTS));
    mover.push(&named(&mover::completed(50 * MIB)));
    let url = site.url("vma");
    let (code, said) = command(&["finish", JOB, "--vma", &url]);
    assert!(code == 6 && said.contains("disk disk-2001 is Queued"), "{code} {said}");
    let oma = site.url("oma");
    let (code, said) = command(&["finish", JOB, "--oma", &oma]);
    assert!(code == 6 && said.contains("disk disk-2001 is Queued"), "{code} {said}");
    // Nor does the database take it from a person.
    site.until_rows("SELECT sync_status FROM vm_disks ORDER BY disk_id", &["completed", "pending"]);
    let said = site.sqlite3_refused(&format!(
        "UPDATE replication_jobs SET status = 'completed', completed_at = '2026-12-01T00:00:00Z' WHERE id = '{JOB}'"
    ));
    assert!(said.contains("is not completed"), "{said}");
}

#[test]
fn f53_a_vma_that_ends_a_job_well_without_a_disk_declared_here_does_not_complete_it() {
    let site = site();
    let (vma, _oma) = (site.vma(), site.oma());
    // Another disk was declared to the VMA first, and the VMA keeps to it.
    vma.put(&format!("/api/v1/jobs/{JOB}"), r#"{"disks":[{"id":"disk-200"}]}"#, 201);
    assert_eq!(track(&site, &["--vm", VM, "--disk", "disk-2000"]).0, 0);
    until_view(&site, "jobs", &[], "the VMA does not take what was declared here");
    let mut mover = Mover::new(&vma, JOB);
    mover.push(mover::DISK_STARTS);
    mover.push(&mover::completed(50 * MIB));
    vma.post(&format!("/api/v1/jobs/{JOB}/finish"), r#"{"status":"Succeeded"}"#, 200);
    site.until_status(JOB, "failed");
    let error = site.rows("SELECT error_message FROM replication_jobs").remove(0);
    assert!(error.contains("not all that was declared here was copied: disk disk-2000 is Queued"), "{error}");
}

#[test]
fn f54_a_mover_that_starts_after_a_cancel_is_warned_of() {
    let site = site();
    let (vma, oma) = (site.vma(), site.oma());
    assert_eq!(track(&site, &["--vm", VM, "--disks", "1"]).0, 0);
    let mut real = RealMover::new(&site, &vma, JOB, VM);
    real.start();
    real.copy(50 * MIB, "initial");
    oma.post(&format!("/api/v1/jobs/{JOB}/cancel"), r#"{"reason":"wrong target volume"}"#, 200);
    until("the VMA hears of it", SOON, || (vma.document(JOB)["status"] == "Failed").then_some(()));
    real.post("disk-2000", &id(1));
    real.start();
    until_view(&site, "jobs", &[], "was cancelled: wrong target volume; its mover started again");
    assert_eq!(real.ask("disk-2000").0, "", "no id of a cancelled run is served");
}

#[test]
fn a_declaration_of_a_job_that_waits_can_be_corrected_and_a_started_one_cannot() {
    let site = site();
    let (vma, _oma) = (site.vma(), site.oma());
    assert_eq!(track(&site, &["--vm", VM, "--disk", "disk-2010"]).0, 0);
    site.until_rows("SELECT disk_id FROM vm_disks", &["disk-2010"]);
    until("the VMA knows it", SOON, || (vma.get(&format!("/api/v1/progress/{JOB}")).status == 200).then_some(()));
    assert_eq!(track(&site, &["--disk", "disk-2000"]).0, 0);
    site.until_rows("SELECT disk_id FROM vm_disks", &["disk-2000"]);
    until("the VMA's is corrected", SOON, || {
        let document = vma.document(JOB);
        let disks = document["disks"].as_array().expect("disks");
        (disks.len() == 1 && disks[0]["id"] == "disk-2000").then_some(())
    });
    Mover::new(&vma, JOB).push(mover::DISK_STARTS);
    site.until_status(JOB, "streaming");
    assert_eq!(track(&site, &["--disk", "disk-2010"]).0, 6);
    vma.put(&format!("/api/v1/jobs/{JOB}"), r#"{"disks":[{"id":"disk-2010"}]}"#, 409);
}

#[test]
fn a_disk_that_the_declaration_does_not_name_is_warned_of() {
    let site = site();
    let (vma, _oma) = (site.vma(), site.oma());
    assert_eq!(track(&site, &["--vm", VM, "--disk", "disk-2000", "--disk", "disk-2001"]).0, 0);
    until("the VMA knows it", SOON, || (vma.get(&format!("/api/v1/progress/{JOB}")).status == 200).then_some(()));
    Mover::new(&vma, JOB).push(&mover::DISK_STARTS.replacen('{', r#"{"disk_id":"disk-2010","#, 1));
    until_view(&site, "jobs", &[], "disk disk-2010 is copied, and the job was declared with disk-2000, disk-2001");
}

#[test]
fn a_mover_that_goes_on_with_a_smaller_total_counts_over_both_passes() {
    let site = site();
    let (vma, _oma) = (site.vma(), site.oma());
    assert_eq!(track(&site, &["--vm", VM, "--disks", "1"]).0, 0);
    let mut mover = Mover::new(&vma, JOB);
    mover.push(mover::DISK_STARTS);
    mover.push(&mover::running(80, 100));
    mover.push(&mover::running(5, 20));
    let figures = "SELECT bytes_transferred, total_bytes, progress_percent FROM replication_jobs";
    site.until_rows(figures, &["85|100|85"]);
    // The count over both passes outlives the VMA.
    drop(vma);
    let vma = site.vma();
    let mut mover = Mover::new(&vma, JOB);
    mover.push(&mover::running(15, 20));
    site.until_rows(figures, &["95|100|95"]);
    assert_eq!(site.rows_of("vma.db", "SELECT count(*) FROM job_events WHERE event = 'pass_started'"), ["1"]);
}

#[test]
fn u10_a_phase_that_moves_no_byte_is_named_in_the_movers_own_words() {
    let site = site();
    let (vma, _oma) = (site.vma(), site.oma());
    assert_eq!(track(&site, &["--vm", VM, "--disks", "1"]).0, 0);
    let mut mover = Mover::new(&vma, JOB);
    mover.push(mover::DISK_STARTS);
    mover.push(&mover::running(100, 200));
    mover.push(r#"{"stage":"Verifying","status":"in_progress","bytes_transferred":0,"throughput_bps":0}"#);
    until_view(&site, "jobs", &[], "mover says: Verifying");
    until_view(&site, "show", &[JOB], "Verifying");
    mover.push(&mover::running(150, 200));
    site.until_rows("SELECT mover_says IS NULL FROM replication_jobs", &["1"]);
}

#[test]
fn a_disk_that_has_another_size_is_served_no_change_id_and_its_log_says_why() {
    let site = site();
    let (vma, _oma) = (site.vma(), site.oma());
    let sized = |gib: u64, again: &str| {
        format!(r#"{{"vm":{{"path":"{VM}"}},"disks":[{{"id":"disk-2000","capacity_bytes":{}}}]{again}}}"#, gib << 30)
    };
    vma.put(&format!("/api/v1/jobs/{JOB}"), &sized(40, ""), 201);
    assert_eq!(track(&site, &["--vm", VM]).0, 0);
    let mut real = RealMover::new(&site, &vma, JOB, VM);
    real.start();
    real.copy(50 * MIB, "initial");
    real.post("disk-2000", &id(1));
    site.until_status(JOB, "completed");
    // A nightly job declares its next run under the same id.
    let refused = vma.put(&format!("/api/v1/jobs/{JOB}"), &sized(200, ""), 409).json();
    assert!(refused["remedy"].as_str().unwrap().contains("\"again\": true"), "{refused}");
    let said = vma.put(&format!("/api/v1/jobs/{JOB}"), &sized(200, r#","again":true"#), 201).json();
    assert_eq!(said["job_id"], format!("{JOB}~2").as_str());
    site.until_status(&format!("{JOB}~2"), "pending");
    let (served, why) = real.ask("disk-2000");
    assert_eq!(served, "");
    assert_eq!(
        why,
        "the disk had 42949672960 bytes at its last change id, and has 214748364800 now: copy this disk in full"
    );
    let told = site.events(&format!("{JOB}~2"), "change_id_not_served");
    assert!(told[0].contains("disk-2000") && told[0].contains("42949672960"), "{told:?}");
}

#[test]
fn a_vm_that_was_made_again_under_its_path_is_served_nothing_and_a_renamed_one_is() {
    let site = site();
    let (vma, _oma) = (site.vma(), site.oma());
    let body = |path: &str, uuid: &str| {
        format!(r#"{{"vm":{{"path":"{path}","uuid":"{uuid}"}},"disks":[{{"id":"disk-2000"}}]}}"#)
    };
    let run = |job: &str, path: &str, uuid: &str, counter| {
        vma.put(&format!("/api/v1/jobs/{job}"), &body(path, uuid), 201);
        let oma = site.url("oma");
        assert_eq!(command(&["track", job, "--vma", "site-a", "--vm", path, "--oma", &oma]).0, 0);
        site.until_rows(&format!("SELECT vm_uuid FROM replication_jobs WHERE id = '{job}'"), &[uuid]);
        let mut real = RealMover::new(&site, &vma, job, path);
        real.start();
        let served = real.ask("disk-2000");
        real.copy(50 * MIB, "initial");
        real.post("disk-2000", &id(counter));
        site.until_status(job, "completed");
        served
    };
    assert_eq!(run("first", VM, "5029b1a2", 1).0, "");
    let (served, why) = run("other", VM, "5029ffff", 2);
    assert_eq!(served, "");
    assert!(why.starts_with("the VM at this path is another one"), "{why}");
    assert_eq!(run("renamed", "/DC0/vm/folder/web05", "5029b1a2", 3).0, id(1), "a rename is followed");
}
