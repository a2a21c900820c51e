//! The VMA plans by itself when a job is declared with its VM. Goal: the bar has its denominator before the mover begins, what
//! comes late is said, and a vCenter that hangs, dies or refuses never holds up a push or a poll. Method: both daemons, the
//! simulator killed and started again.

use std::net::SocketAddr;

use rustix::process::Signal;
use serde_json::Value;

use crate::harness::{Daemon, SOON, Site, until, waybill};
use crate::http::Peer;
use crate::vcsim::{PATH, VM, Vcsim};

const AREA: u64 = 65_536;

/// Both appliances beside a vCenter.
struct Plant {
    vcsim: Vcsim,
    vma: Daemon,
    _oma: Daemon,
    site: Site,
}

impl Plant {
    fn new() -> Self {
        let (vcsim, site) = (Vcsim::start(), Site::fast());
        site.configure_vma(&vcsim.section());
        let (vma, oma) = (site.vma(), site.oma());
        Self { vcsim, vma, _oma: oma, site }
    }
    /// Declares a job of the first VM and lets the OMA track it; `disks` is JSON.
    fn declare(&self, job: &str, disks: &str) {
        self.vma.put(&format!("/api/v1/jobs/{job}"), &declaration(disks), 201);
        self._oma.post("/api/v1/jobs", &format!(r#"{{"id":"{job}","vma":"site-a"}}"#), 201);
    }
    fn document(&self, job: &str) -> Value {
        self.vma.get(&format!("/api/v1/progress/{job}")).json()
    }
    fn until(&self, job: &str, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        until(what, SOON, || Some(self.document(job)).filter(&is_so))
    }
    fn until_basis(&self, job: &str, basis: &str) -> Value {
        self.until(job, basis, |document| document["aggregate"]["basis"] == basis)
    }
    fn push(&self, job: &str, body: &str) {
        self.vma.post(&format!("/api/v1/progress/{job}/update"), body, 200);
    }
    fn copied(&self, job: &str, bytes: u64) {
        self.push(job, &format!(r#"{{"stage":"Transfer","status":"in_progress","disk_id":"disk-2000","bytes_transferred":{bytes},"throughput_bps":0}}"#));
    }
    /// Messages of the VMA's log of a job.
    fn log(&self, job: &str, event: &str) -> Vec<String> {
        let sql = format!("SELECT message FROM job_events WHERE job_id = '{job}' AND event = '{event}' ORDER BY id");
        self.site.rows_of("vma.db", &sql)
    }
}

fn declaration(disks: &str) -> String {
    format!(r#"{{"vm":{{"name":"{VM}","path":"{PATH}"}},"disks":{disks}}}"#)
}

#[test]
fn a_declared_job_has_its_total_and_its_disks_before_its_mover_begins() {
    let plant = Plant::new();
    plant.vcsim.tell("disk", &[("vm", VM), ("key", "2001"), ("bytes", "1048576")]);
    plant.vcsim.mark(2000, 0, 3);
    plant.vcsim.mark(2001, 0, 1);
    plant.vcsim.snapshot("s");
    plant.declare("web01", "[]");
    let document = plant.until_basis("web01", "cbt-allocated");
    assert_eq!(document["aggregate"]["total_bytes"], 4 * AREA, "{document}");
    assert_eq!((&document["stage"], &document["status"]), (&"QueryCBT".into(), &"Queued".into()), "{document}");
    let disks: Vec<_> = document["disks"].as_array().expect("disks").iter().collect();
    let told: Vec<_> =
        disks.iter().map(|disk| (&disk["id"], &disk["planned_bytes"], &disk["blocks_changed"])).collect();
    let expected = [("disk-2000", 3 * AREA, 3), ("disk-2001", AREA, 1)]
        .map(|(id, bytes, areas)| (id.into(), bytes.into(), areas.into()));
    assert_eq!(
        told,
        expected.iter().map(|(id, bytes, areas): &(Value, Value, Value)| (id, bytes, areas)).collect::<Vec<_>>()
    );
    assert_eq!(
        (&disks[0]["label"], &disks[0]["change_id"]),
        (&"Hard disk 1".into(), &Value::Null),
        "a plan gives no change id"
    );
    plant.site.until_rows(
        "SELECT total_bytes, total_basis, current_operation FROM replication_jobs",
        &[&format!("{}|cbt-allocated|QueryCBT", 4 * AREA)],
    );

    // The mover comes, begins where it begins, and copies a third of one of the two; nothing of that is refused.
    plant.push(
        "web01",
        r#"{"stage":"Initializing","status":"in_progress","bytes_transferred":0,"throughput_bps":0,"percent":5}"#,
    );
    plant.push(
        "web01",
        r#"{"stage":"Creating Snapshot","status":"in_progress","bytes_transferred":0,"throughput_bps":0,"percent":10}"#,
    );
    plant.copied("web01", AREA);
    assert_eq!(plant.document("web01")["aggregate"]["percent"], 25.0);
    assert_eq!(plant.log("web01", "transition_refused"), [""; 0]);
    until("no job waits for vCenter, and the session ends", SOON, || (plant.vcsim.sessions() == 0).then_some(()));
    let succeeded = r#"{"status":"Succeeded"}"#;
    let refused = plant.vma.post("/api/v1/jobs/web01/finish", succeeded, 409);
    assert!(refused.body.contains("disk disk-2000 is Streaming, disk disk-2001 is Queued"), "{refused:?}");
    for (disk, bytes) in [("disk-2000", 3 * AREA), ("disk-2001", AREA)] {
        plant.push("web01", &format!(r#"{{"stage":"Transfer","status":"completed","disk_id":"{disk}","bytes_transferred":{bytes},"throughput_bps":0}}"#));
    }
    plant.vma.post("/api/v1/jobs/web01/finish", succeeded, 200);
    let accuracy = plant.log("web01", "plan_accuracy");
    assert!(accuracy[0].starts_with("planned 262144 bytes, moved 262144: 100.00 % of the plan"), "{accuracy:?}");
}

#[test]
fn u06_a_plan_that_comes_late_revises_the_total_as_an_event_on_both_sides() {
    let mut plant = Plant::new();
    plant.vcsim.kill();
    plant.declare("web01", r#"[{"id":"disk-2000","capacity_bytes":1073741824}]"#);
    plant.copied("web01", 1 << 29);
    assert_eq!(plant.until_basis("web01", "capacity")["aggregate"]["percent"], 50.0);
    until("the delay is said", SOON, || plant.log("web01", "plan_delayed").into_iter().next());
    let said = plant.log("web01", "plan_delayed");
    assert!(
        said.len() == 1 && said[0].contains("connection refused") && said[0].contains("basis stays capacity"),
        "{said:?}"
    );

    plant.vcsim.start_again();
    plant.vcsim.tell("write", &[("vm", VM), ("start", "0"), ("length", "1073741824")]);
    plant.vcsim.snapshot("s");
    assert_eq!(plant.until_basis("web01", "cbt-allocated")["aggregate"]["total_bytes"], 1 << 30);
    let made = plant.log("web01", "plan_made");
    assert!(
        made.len() == 1
            && made[0].contains("1073741824 bytes to copy on 1 disk, in 1 area")
            && made[0].contains("tries"),
        "{made:?}"
    );

    // A better total that is smaller: the bar jumps forward, and that is said as well.
    let mut plant = Plant::new();
    plant.vcsim.kill();
    plant.declare("web02", r#"[{"id":"disk-2000"}]"#);
    plant.push("web02", r#"{"stage":"Transfer","status":"in_progress","disk_id":"disk-2000","bytes_transferred":65536,"total_bytes":131072,"throughput_bps":0}"#);
    plant
        .site
        .until_rows("SELECT total_bytes, progress_percent FROM replication_jobs WHERE id = 'web02'", &["131072|50"]);
    plant.vcsim.start_again();
    plant.vcsim.mark(2000, 0, 4);
    plant.vcsim.snapshot("s");
    let document = plant.until_basis("web02", "cbt-allocated");
    assert_eq!(
        (&document["aggregate"]["total_bytes"], &document["aggregate"]["percent"]),
        (&262_144.into(), &25.0.into())
    );
    let expected = "plan of disk disk-2000 revised from 131072 to 262144 bytes: 50.00 % is now 25.00 %";
    assert_eq!(plant.log("web02", "plan_revised"), [expected]);
    plant
        .site
        .until_rows("SELECT total_bytes, progress_percent FROM replication_jobs WHERE id = 'web02'", &["262144|25"]);
    assert!(!plant.site.events("web02", "plan_revised").is_empty(), "the OMA says so too");
}

#[test]
fn a_vcenter_killed_in_mid_paging_leaves_the_job_its_label_and_it_recovers() {
    let mut plant = Plant::new();
    plant.vcsim.tell("layout", &[("vm", VM), ("extent", "700000")]);
    plant.vcsim.mark(2000, 0, 50);
    plant.vcsim.snapshot("s");
    plant.vcsim.tell("answers", &[("page", "1")]);
    plant.vcsim.meet("QueryChangedDiskAreas", &[("delay_ms", "100"), ("times", "-1")]);
    plant.declare("web01", r#"[{"id":"disk-2000"}]"#);
    plant.vcsim.until_calls("QueryChangedDiskAreas", 5);
    plant.vcsim.kill();
    let document = plant.until_basis("web01", "layout");
    assert_eq!(document["aggregate"]["total_bytes"], 700_000, "{document}");
    let weaker = plant.log("web01", "plan_weaker");
    assert!(weaker[0].contains("the total rests on layout: vCenter 127.0.0.1"), "{weaker:?}");
    plant.copied("web01", 3 * AREA);
    assert_eq!(plant.document("web01")["status"], "Streaming", "the job goes on");

    plant.vcsim.start_again();
    plant.vcsim.mark(2000, 0, 12);
    plant.vcsim.snapshot("s");
    let document = plant.until_basis("web01", "cbt-allocated");
    assert_eq!(
        (&document["aggregate"]["total_bytes"], &document["aggregate"]["percent"]),
        (&(12 * AREA).into(), &25.0.into())
    );
}

#[test]
fn a_vcenter_that_never_answers_holds_up_nobody() {
    let plant = Plant::new();
    plant.vcsim.snapshot("s");
    plant.vcsim.meet("QueryChangedDiskAreas", &[("hang", "1"), ("times", "-1")]);
    for number in 0..6 {
        plant.declare(&format!("job-{number}"), r#"[{"id":"disk-2000","capacity_bytes":1073741824}]"#);
    }
    plant.vcsim.until_calls("QueryChangedDiskAreas", 4);
    for number in 0..6 {
        let job = format!("job-{number}");
        plant.copied(&job, 1 << 29);
        plant.site.until_rows(
            &format!("SELECT status, progress_percent FROM replication_jobs WHERE id = '{job}'"),
            &["streaming|50"],
        );
    }
    assert_eq!(plant.vcsim.calls("QueryChangedDiskAreas"), 4, "no more than four are asked for at a time");
    assert!(plant.vma.threads() <= 2, "R-80");
}

#[test]
fn r06_a_disk_that_was_resized_since_its_last_change_id_is_suspect_also_after_a_restart() {
    let mut plant = Plant::new();
    plant.vcsim.mark(2000, 0, 3);
    plant.vcsim.snapshot("first");
    plant.declare("run-1", r#"[{"id":"disk-2000"}]"#);
    plant.until_basis("run-1", "cbt-allocated");
    let sql = "SELECT change_id, capacity_bytes FROM disk_capacities";
    let seen = until("the size is remembered", SOON, || plant.site.rows_of("vma.db", sql).pop());
    let (change_id, capacity) = seen.split_once('|').expect("two columns");
    assert_eq!(capacity, "1073741824");
    plant.vma.post("/api/v1/jobs/run-1/finish", r#"{"status":"Failed","error":"test"}"#, 200);
    drop(plant.vma);
    plant.vma = plant.site.vma();
    plant.vcsim.tell("disk", &[("vm", VM), ("bytes", "2147483648")]);
    plant.vcsim.mark(2000, 0, 1);
    plant.vcsim.snapshot("second");
    plant.declare("run-2", &format!(r#"[{{"id":"disk-2000","previous_change_id":"{change_id}"}}]"#));
    let document = plant.until_basis("run-2", "cbt-allocated");
    let suspect = document["disks"][0]["suspect"].as_str().expect("named");
    assert!(
        suspect.contains("had 1073741824 bytes at the previous change id and has 2147483648 bytes now"),
        "{suspect}"
    );
    assert_eq!(plant.log("run-2", "baseline_suspect").len(), 1);
    // The command plans the job as its daemon did.
    let config = plant.site.path("vma.toml");
    let output = waybill(&["plan", "--job", "run-2", "--json", "--config"]).arg(config).output().unwrap();
    let plan: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!((plan["disks"][0]["suspect"].as_str(), output.status.code()), (Some(suspect), Some(7)));
    plant.site.until_rows("SELECT suspect IS NOT NULL FROM vm_disks WHERE job_id = 'run-2'", &["1"]);
}

/// Where nobody declared from where on a disk is copied, the OMA's last answer to a mover tells.
#[test]
fn an_incremental_without_a_declared_change_id_is_planned_from_the_one_that_its_mover_was_given() {
    let (vcsim, site) = (Vcsim::start(), Site::fast());
    let spool = SocketAddr::new(site.address("vma").ip(), 8083);
    let section = format!("[changeid_spool]\nlisten = \"{spool}\"\noma = \"{}\"\n", site.url("oma"));
    site.configure_vma(&(vcsim.section() + &section));
    let (vma, oma) = (site.vma(), site.oma());
    let plant = Plant { vcsim, vma, _oma: oma, site };
    plant.vcsim.mark(2000, 0, 3);
    plant.vcsim.snapshot("first");
    plant.declare("run-1", r#"[{"id":"disk-2000"}]"#);
    plant.until_basis("run-1", "cbt-allocated");
    let seen =
        until("the change id", SOON, || plant.site.rows_of("vma.db", "SELECT change_id FROM disk_capacities").pop());
    plant.copied("run-1", 3 * AREA);
    plant.push("run-1", r#"{"stage":"Transfer","status":"completed","disk_id":"disk-2000","bytes_transferred":196608,"throughput_bps":0}"#);
    let mut mover = Peer::new(spool);
    let body = format!(r#"{{"change_id":"{seen}","disk_id":"disk-2000"}}"#);
    assert_eq!(mover.call("POST", "/api/v1/replications/run-1/changeid", body.as_bytes()).unwrap().status, 200);
    plant.site.until_status("run-1", "completed");

    plant.vcsim.mark(2000, 0, 1);
    plant.vcsim.snapshot("second");
    let target = format!("/api/v1/replications/changeid?vm_path={}&disk_id=disk-2000", PATH.replace('/', "%2F"));
    assert_eq!(mover.call("GET", &target, b"").unwrap().json()["change_id"], seen);
    plant.declare("run-2", r#"[{"id":"disk-2000"}]"#);
    plant.until_basis("run-2", "cbt-allocated");
    plant.push("run-2", r#"{"stage":"Transfer","status":"in_progress","bytes_transferred":0,"throughput_bps":0,"sync_type":"incremental"}"#);
    assert_eq!(plant.until_basis("run-2", "cbt-delta")["aggregate"]["total_bytes"], AREA);
}

#[test]
fn f16_an_incremental_in_which_nothing_changed_has_a_total_of_zero_on_both_sides() {
    let plant = Plant::new();
    plant.vcsim.mark(2000, 0, 3);
    plant.vcsim.snapshot("first");
    plant.declare("run-1", r#"[{"id":"disk-2000"}]"#);
    let seen =
        until("the change id", SOON, || plant.site.rows_of("vma.db", "SELECT change_id FROM disk_capacities").pop());
    plant.vcsim.snapshot("second");
    let disks = format!(r#"[{{"id":"disk-2000","capacity_bytes":1073741824,"previous_change_id":"{seen}"}}]"#);
    plant.declare("run-2", &disks);
    let document = plant.until_basis("run-2", "cbt-delta");
    let (total, disk) = (&document["aggregate"]["total_bytes"], &document["disks"][0]);
    assert_eq!(
        (total, &disk["planned_bytes"], &disk["blocks_changed"]),
        (&0.into(), &0.into(), &0.into()),
        "{document}"
    );
    let sql = "SELECT j.total_bytes, j.total_basis, d.planned_bytes, d.planned_basis
               FROM replication_jobs j JOIN vm_disks d ON d.job_id = j.id WHERE j.id = 'run-2'";
    plant.site.until_rows(sql, &["0|cbt-delta|0|cbt-delta"]);
    // Declaring the same again is well, whatever vCenter has added.
    plant.vma.put("/api/v1/jobs/run-2", &declaration(&disks), 200);
}

#[test]
fn the_plan_is_made_again_when_the_movers_own_snapshot_is_there() {
    let plant = Plant::new();
    plant.vcsim.mark(2000, 0, 3);
    plant.vcsim.snapshot("an old one");
    plant.declare("web01", r#"[{"id":"disk-2000"}]"#);
    plant.until("web01", "the first plan", |document| document["aggregate"]["total_bytes"] == 3 * AREA);
    plant.vcsim.mark(2000, 1 << 29, 2);
    plant.vcsim.snapshot("the mover's");
    plant.push(
        "web01",
        r#"{"stage":"Preparing Migration","status":"in_progress","bytes_transferred":0,"throughput_bps":0}"#,
    );
    plant.until("web01", "the second plan", |document| document["aggregate"]["total_bytes"] == 5 * AREA);
    assert_eq!(plant.log("web01", "plan_made").len(), 2);
}

#[test]
fn no_secret_is_in_a_log_a_database_or_an_argument() {
    let mut plant = Plant::new();
    plant.vcsim.snapshot("s");
    std::fs::write(plant.vcsim.file("password"), "hush-hush\n").unwrap();
    plant.declare("web01", r#"[{"id":"disk-2000"}]"#);
    until("the refusal is said", SOON, || plant.log("web01", "plan_delayed").into_iter().next());
    plant.declare("web02", "[]");
    assert_eq!(plant.vcsim.calls("Login"), 1, "no further login before somebody has acted");
    std::fs::write(plant.vcsim.file("password"), "p<a&s>s\n").unwrap();
    plant.vma.signal(Signal::HUP);
    plant.until_basis("web01", "cbt-allocated");
    let arguments = std::fs::read(format!("/proc/{}/cmdline", plant.vma.pid())).unwrap();
    plant.vma.signal(Signal::TERM);
    assert!(plant.vma.ended(SOON).success());
    for text in [plant.vma.log().into_bytes(), std::fs::read(plant.site.path("vma.db")).unwrap(), arguments] {
        for secret in ["hush-hush", "p<a&s>s"] {
            assert!(!text.windows(secret.len()).any(|window| window == secret.as_bytes()), "{secret}");
        }
    }
}
