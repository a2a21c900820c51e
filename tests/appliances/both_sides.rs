//! Both sides of the tunnel in one timeline, from the OMA's database file alone (R-50, R-51, R-70): also when the VMA is
//! gone, and when the OMA was killed in between.

use serde_json::Value;

use crate::harness::{Daemon, Site, waybill};
use crate::mover::{self, Mover};

const JOB: &str = "job-1";
const MIB: u64 = 1 << 20;
/// A row of either table without its id.
const ENTRY: &str = "at, level, event, message, attributes, correlation_id";

fn declared(site: &Site) -> (Daemon, Daemon) {
    let (vma, oma) = (site.vma(), site.oma());
    let vm = r#""vm":{"name":"web01","path":"/DC0/vm/web01"}"#;
    vma.put("/api/v1/jobs/job-1", &format!(r#"{{{vm},"disks":[{{"id":"disk-2000"}},{{"id":"disk-2001"}}]}}"#), 201);
    oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 201);
    (vma, oma)
}

/// A push, and the wait until the OMA has it.
fn push(site: &Site, mover: &mut Mover, body: &str, sql: &str, expected: &str) {
    mover.push(body);
    site.until_rows(sql, &[expected]);
}

fn failed(why: &str) -> String {
    format!(
        r#"{{"stage":"Transfer","status":"failed","bytes_transferred":0,"throughput_bps":0,"error_message":"{why}"}}"#
    )
}

/// What the OMA has of the VMA's log, and what the VMA has, each row as one line.
fn both(site: &Site) -> (Vec<String>, Vec<String>) {
    let here =
        site.rows(&format!("SELECT source_id, {ENTRY} FROM source_events WHERE job_id = '{JOB}' ORDER BY source_id"));
    let there =
        site.rows_of("vma.db", &format!("SELECT id, {ENTRY} FROM job_events WHERE job_id = '{JOB}' ORDER BY id"));
    (here, there)
}

/// Waits until the OMA has an entry of the VMA.
fn until_told(site: &Site, event: &str) {
    site.until_rows(&format!("SELECT count(*) FROM source_events WHERE event = '{event}'"), &["1"]);
}

fn command(site: &Site, database: &str, args: &[&str]) -> String {
    let output = waybill(args).arg("--db").arg(site.path(database)).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success() && said.is_empty(), "{args:?}: {said}");
    String::from_utf8(output.stdout).expect("UTF-8")
}

#[test]
fn r51_waybill_log_tells_both_sides_though_the_oma_was_killed_and_the_vma_is_gone() {
    let site = Site::fast();
    let (mut vma, mut oma) = declared(&site);
    let mut mover = Mover::new(&vma, JOB);
    let (status, bytes) =
        ("SELECT status FROM replication_jobs", "SELECT bytes_transferred / 1048576 FROM replication_jobs");
    push(&site, &mut mover, mover::SNAPSHOT, status, "snapshotting");
    push(&site, &mut mover, mover::DISK_STARTS, status, "streaming");
    push(&site, &mut mover, &mover::running(32 * MIB, 64 * MIB), bytes, "32");
    let unknown = r#"{"stage":"Zippering","status":"in_progress","bytes_transferred":0,"throughput_bps":0}"#;
    mover.push(unknown);
    until_told(&site, "unknown_text");
    oma.kill();
    // What the VMA writes while nobody asks is read when somebody does.
    mover.push(&mover::completed(64 * MIB));
    mover.push(mover::DISK_STARTS);
    mover.push(&failed("read error on vmdk"));
    oma = site.oma();
    until_told(&site, "disk_failed");
    vma.post("/api/v1/jobs/job-1/finish", r#"{"status":"Failed","error":"disk 2 cannot be read"}"#, 200);
    site.until_status(JOB, "failed");
    until_told(&site, "job_failed");
    let (here, there) = both(&site);
    assert_eq!(here, there);
    let steps = site.rows_of("vma.db", "SELECT stage, outcome, duration_ms >= 0 FROM job_steps ORDER BY id");
    assert_eq!(
        steps,
        ["Discover|succeeded|1", "Snapshot|succeeded|1", "Transfer|failed|1"],
        "the VMA has its steps too"
    );
    vma.kill();
    oma.kill();
    for name in ["vma.db", "vma.db-wal", "vma.db-shm"] {
        std::fs::rename(site.path(name), site.path(&format!("gone-{name}"))).ok();
    }

    let text = command(&site, "oma.db", &["log", JOB]);
    let place = |words: &[&str]| {
        let is_it = |line: &str| words.iter().all(|word| line.contains(word));
        text.lines().position(is_it).unwrap_or_else(|| panic!("{words:?} in\n{text}"))
    };
    let unknown = place(&["  VMA  ", "warning", "unknown_text", "unknown stage \"Zippering\""]);
    let (before, after) = (place(&["25 % reached"]), place(&["  OMA  ", "tracking_resumed"]));
    assert!(before < unknown && unknown < after, "{text}");
    assert!(after > place(&["disk_failed", "read error on vmdk"]), "{text}");
    assert!(place(&["stage_changed", "stage Discover -> Snapshot after 0."]) < before, "{text}");

    let json = command(&site, "oma.db", &["log", JOB, "--json"]);
    let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).expect("an object a line")).collect();
    let both = text.lines().filter(|line| line.contains("  both  ")).count();
    assert_eq!(lines.len(), text.lines().count() + both);
    let of = |side: &str| lines.iter().filter(|line| line["side"] == side).collect::<Vec<_>>();
    assert_eq!((of("oma").len() + of("vma").len(), of("vma").len()), (lines.len(), there.len()));
    let unknown = of("vma").into_iter().find(|line| line["event"] == "unknown_text").expect("it is there");
    assert_eq!((&unknown["attributes"]["stage"], &unknown["level"]), (&"Zippering".into(), &"warning".into()));
    let correlation = &of("oma").last().expect("some")["correlation_id"];
    assert!(correlation.is_string() && of("vma").iter().all(|line| line["correlation_id"] == *correlation), "{json}");

    // The VMA's own database has its own side.
    std::fs::rename(site.path("gone-vma.db"), site.path("alone.db")).unwrap();
    for end in ["-wal", "-shm"] {
        std::fs::rename(site.path(&format!("gone-vma.db{end}")), site.path(&format!("alone.db{end}"))).ok();
    }
    let alone = command(&site, "alone.db", &["log", JOB]);
    assert_eq!(alone.lines().count(), there.len());
    assert!(alone.lines().all(|line| line.contains("  VMA  ")), "{alone}");
}

#[test]
fn u08_what_went_wrong_can_be_read_afterwards_everywhere_by_whoever_was_not_looking() {
    let site = Site::fast();
    let (mut vma, mut oma) = declared(&site);
    let mut mover = Mover::new(&vma, JOB);
    mover.push(mover::DISK_STARTS);
    mover.push(&mover::running(32 * MIB, 64 * MIB));
    const CAUSE: &str = "nbdcopy: read error on web01-flat.vmdk: No space left on device";
    mover.push(&failed(CAUSE));
    let finish = waybill(&["finish", JOB, "--failed", CAUSE, "--vma", &site.url("vma")]).output().unwrap();
    assert!(finish.status.success(), "{finish:?}");
    site.until_status(JOB, "failed");
    until_told(&site, "job_failed");
    vma.kill();
    oma.kill();

    assert_eq!(site.rows("SELECT status, error_message FROM replication_jobs"), [format!("failed|{CAUSE}")]);
    let log = command(&site, "oma.db", &["log", JOB]);
    for event in ["disk_failed", "job_failed"] {
        let count = log.lines().filter(|line| [" both ", event, CAUSE].iter().all(|part| line.contains(part))).count();
        assert_eq!(count, 1, "{event} in\n{log}");
    }
    let show = command(&site, "oma.db", &["show", JOB]);
    assert!(show.contains(&format!("error         {CAUSE}, since 20")), "{show}");
    assert!(show.contains(&format!("    error     {CAUSE}, since 20")), "of its disk: {show}");
    let history = command(&site, "oma.db", &["history", JOB]);
    assert_eq!(history.lines().filter(|line| line.contains("  failed  ")).count(), 2, "{history}");
    let failed_jobs = command(&site, "oma.db", &["jobs"]);
    assert!(failed_jobs.contains("No space left on device"), "{failed_jobs}");
    let there = command(&site, "vma.db", &["log", JOB]);
    assert!(there.contains(&format!("Job failed: {CAUSE}")), "{there}");
}

#[test]
fn r51_the_log_of_a_job_can_be_asked_for_at_its_vma_and_asking_changes_nothing() {
    let site = Site::fast();
    let vma = site.vma();
    vma.put("/api/v1/jobs/job-1", r#"{"disks":[{"id":"a"}],"aliases":["web"]}"#, 201);
    let before = vma.document(JOB);
    let page = vma.get("/api/v1/jobs/job-1/log").json();
    assert_eq!((&page["job_id"], &page["epoch"], &page["more"]), (&JOB.into(), &before["epoch"], &false.into()));
    let entries = page["entries"].as_array().expect("a list");
    let last = entries.last().expect("an entry");
    assert_eq!((&last["id"], &last["correlation_id"]), (&before["log"], &before["correlation_id"]));
    assert_eq!((&entries[0]["event"], &entries[0]["level"]), (&"job_declared".into(), &"info".into()));
    assert!(entries[0]["attributes"].is_object() && entries[0]["at"].as_str().is_some_and(|at| at.starts_with("20")));
    let rest = vma.get(&format!("/api/v1/jobs/web/log?after={}", entries[0]["id"])).json();
    assert_eq!((&rest["job_id"], rest["entries"].as_array().map(Vec::len)), (&JOB.into(), Some(entries.len() - 1)));
    assert_eq!(
        vma.get(&format!("/api/v1/jobs/web/log?after={}", last["id"])).json()["entries"],
        Value::Array(Vec::new())
    );
    assert_eq!(vma.document(JOB), before, "reading changes nothing");
    let status = |method: &str, target: &str| vma.call(method, target, b"").status;
    assert_eq!((status("GET", "/api/v1/jobs/none/log"), status("POST", "/api/v1/jobs/job-1/log")), (404, 405));
    assert_eq!(status("GET", "/api/v1/jobs/job-1/log?after=x"), 400);
}
