//! The movers' change-id calls on the VMA (R-31, `wire.md`): what is handed over survives everything and reaches the OMA,
//! and whoever asks while the OMA is away is told so, as is the job's log.

use std::net::{SocketAddr, TcpListener};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use rustix::process::Signal;

use crate::harness::{Daemon, SOON, Site, until, waybill};
use crate::http::{Answer, Peer};
use crate::mover::{self, Mover};
use crate::recorder::Recorder;

const FIRST: &str = "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81";
const LATER: &str = "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/82";
const TWO_DISKS: &str = r#"{"vm":{"path":"/DC0/vm/a"},"disks":[{"id":"disk-2000"},{"id":"disk-2001"}]}"#;
const ASK: &str = "/api/v1/replications/changeid?vm_path=/DC0/vm/a&disk_id=disk-2000";
const WAITING: &str = "SELECT count(*) FROM unsent_change_ids";

/// A site whose VMA has a spool, beside the port of its OMA.
fn site() -> Site {
    let site = Site::fast();
    forward_to(&site, &site.url("oma"));
    site
}

fn forward_to(site: &Site, oma: &str) {
    site.configure_vma(&format!("[changeid_spool]\nlisten = \"{}\"\noma = \"{oma}\"", spool(site)));
}

fn spool(site: &Site) -> SocketAddr {
    SocketAddr::new(site.address("vma").ip(), 8083)
}

fn call(site: &Site, method: &str, target: &str, body: &str) -> Answer {
    let called = Peer::new(spool(site)).call(method, target, body.as_bytes());
    called.unwrap_or_else(|error| panic!("{method} {target}: {error}"))
}

/// What a mover does after each disk; anything but 200 would fail its migration.
fn hand_over(site: &Site, job: &str, disk: &str, id: &str) {
    let answer = call(site, "POST", &format!("/api/v1/replications/{job}/changeid"), &mover::change_id(disk, id));
    assert_eq!(answer.status, 200, "{answer:?}");
    let expected = format!(r#"{{"status":"success","job_id":"{job}","disk_id":"{disk}","change_id":"{id}"}}"#);
    assert_eq!((answer.content_type.as_str(), answer.body.as_str()), ("application/json", expected.as_str()));
}

/// What a mover does before each disk: change id and message.
fn ask(site: &Site) -> (String, String) {
    let answer = call(site, "GET", ASK, "");
    assert_eq!(answer.status, 200, "{answer:?}");
    let said = answer.json();
    let keys: Vec<&String> = said.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["change_id", "disk_id", "message", "vm_path"], "{said}");
    let text = |key: &str| said[key].as_str().unwrap_or_else(|| panic!("{key} is no text: {said}")).to_owned();
    assert_eq!((text("vm_path").as_str(), text("disk_id").as_str()), ("/DC0/vm/a", "disk-2000"));
    (text("change_id"), text("message"))
}

fn copy_two_disks(vma: &Daemon) {
    vma.put("/api/v1/jobs/job-1", TWO_DISKS, 201);
    let mut mover = Mover::new(vma, "job-1");
    for _ in 0..2 {
        mover.push(mover::DISK_STARTS);
        mover.push(&mover::completed(1000));
    }
}

/// The entries about change ids in the VMA's log of the job.
fn entries(site: &Site, job: &str) -> Vec<String> {
    let sql = format!(
        "SELECT event || ': ' || message FROM job_events WHERE job_id = '{job}' AND event LIKE 'change_id%' ORDER BY id"
    );
    site.rows_of("vma.db", &sql)
}

fn until_sent(site: &Site) {
    until("the OMA has all change ids", SOON, || (site.rows_of("vma.db", WAITING) == ["0"]).then_some(()));
}

#[test]
fn change_ids_go_through_the_vma_both_ways() {
    let site = site();
    let (vma, oma) = (site.vma(), site.oma());
    copy_two_disks(&vma);
    oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 201);
    assert_eq!(call(&site, "GET", ASK, "").body, oma.get(ASK).body, "the OMA's answer as it is");
    assert_eq!(ask(&site).0, "");
    hand_over(&site, "job-1", "disk-2000", FIRST);
    // On the disk before it was answered, and in the document that the OMA polls.
    assert_eq!(
        site.rows_of("vma.db", "SELECT disk_id, change_id FROM received_change_ids"),
        [format!("disk-2000|{FIRST}")]
    );
    assert_eq!(vma.document("job-1")["disks"][0]["change_id"], FIRST);
    hand_over(&site, "job-1", "disk-2001", LATER);
    site.until_status("job-1", "completed");
    until_sent(&site);
    let history = site.rows("SELECT disk_id, change_id, sync_success FROM cbt_history ORDER BY disk_id");
    assert_eq!(history, [format!("disk-2000|{FIRST}|1"), format!("disk-2001|{LATER}|1")]);
    let received = site.rows("SELECT job_id, disk_id, change_id FROM received_change_ids ORDER BY id");
    assert_eq!(received, [format!("job-1|disk-2000|{FIRST}"), format!("job-1|disk-2001|{LATER}")]);
    assert_eq!(ask(&site), (FIRST.to_owned(), "change id of the disk's last good copy".to_owned()));
    let said = entries(&site, "job-1");
    assert_eq!(said[0], format!("change_id_received: change id of disk disk-2000: {FIRST}"));
    let forwarded: Vec<&String> = said.iter().filter(|entry| entry.starts_with("change_id_forwarded: ")).collect();
    assert_eq!(forwarded.len(), 2, "{said:#?}");
    assert!(forwarded[0].contains("disk \"disk-2000\" handed to the OMA at the first try"), "{said:#?}");

    assert_eq!(call(&site, "GET", "/health", "").body, r#"{"status":"alive","appliance":"VMA change-id listener"}"#);
    for (method, target, status) in [
        ("GET", "/api/v1/progress/job-1", 404),
        ("POST", "/api/v1/progress/job-1/update", 404),
        ("POST", "/api/v1/replications/changeid", 405),
        ("GET", "/api/v1/replications/job-1/changeid", 405),
        ("POST", "/api/v1/replications/job-1/changeid", 400),
    ] {
        let answer = call(&site, method, target, "");
        assert_eq!((answer.status, answer.content_type.as_str()), (status, "application/problem+json"), "{target}");
    }
    assert_eq!(vma.get(ASK).status, 404, "the movers' progress has a port of its own");
}

#[test]
fn f38_a_tunnel_that_is_down_costs_no_change_id_and_fails_no_migration() {
    let site = site();
    let (mut vma, mut oma) = (site.vma(), site.oma());
    oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 201);
    copy_two_disks(&vma);
    site.until_rows("SELECT sync_status FROM vm_disks", &["completed", "completed"]);
    oma.kill();
    let started = Instant::now();
    hand_over(&site, "job-1", "disk-2000", FIRST);
    assert!(started.elapsed() < Duration::from_secs(1), "the mover does not wait for the OMA");
    until("the log tells", SOON, || {
        entries(&site, "job-1").iter().any(|it| it.starts_with("change_id_delayed")).then_some(())
    });
    hand_over(&site, "job-1", "disk-2001", LATER);
    let said = entries(&site, "job-1");
    let delayed: Vec<&String> = said.iter().filter(|entry| entry.starts_with("change_id_delayed: ")).collect();
    assert_eq!(delayed.len(), 2, "once for each: {said:#?}");
    for (entry, disk) in delayed.iter().zip(["disk-2000", "disk-2001"]) {
        let has = |part: &str| assert!(entry.contains(part), "{part} in {entry}");
        [disk, "connection refused", "tried again at least every 30 s", "`oma` in [changeid_spool]"]
            .into_iter()
            .for_each(has);
    }
    assert_eq!(site.rows_of("vma.db", WAITING), ["2"]);

    // Between the answer and the OMA, neither a kill nor another start loses any.
    vma.kill();
    vma = site.vma();
    assert!(vma.log().contains("2 wait for the OMA"), "{}", vma.log());
    assert_eq!(vma.document("job-1")["disks"][0]["change_id"], FIRST);
    oma = site.oma();
    until_sent(&site);
    site.until_status("job-1", "completed");
    let history = site.rows("SELECT disk_id, change_id, sync_success FROM cbt_history ORDER BY disk_id");
    assert_eq!(history, [format!("disk-2000|{FIRST}|1"), format!("disk-2001|{LATER}|1")], "and nothing twice");
    let received = site.rows("SELECT disk_id FROM received_change_ids ORDER BY id");
    assert_eq!(received, ["disk-2000", "disk-2001"], "in their order, each once");
    assert_eq!(vma.document("job-1")["status"], "Succeeded");
    let said = entries(&site, "job-1");
    assert_eq!(said.iter().filter(|entry| entry.starts_with("change_id_forwarded: ")).count(), 2, "{said:#?}");
    drop(oma);
}

#[test]
fn f38_whoever_asks_while_the_oma_is_away_is_told_so_and_so_is_the_log() {
    let site = site();
    let (vma, mut oma) = (site.vma(), site.oma());
    copy_two_disks(&vma);
    oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 201);
    hand_over(&site, "job-1", "disk-2000", FIRST);
    hand_over(&site, "job-1", "disk-2001", FIRST);
    site.until_status("job-1", "completed");
    oma.kill();

    // The next run begins before its job is declared, and nothing is remembered yet: all must be copied.
    let (change_id, message) = ask(&site);
    assert_eq!(change_id, "");
    assert!(message.starts_with("copy everything: the OMA cannot be asked"), "{message}");
    assert!(message.contains("connect: connection refused"), "{message}");
    assert!(vma.log().contains("VM \"/DC0/vm/a\", of which no job is known yet"), "{}", vma.log());
    vma.put("/api/v1/jobs/job-2", r#"{"vm":{"path":"/DC0/vm/b"}}"#, 201);
    vma.put("/api/v1/jobs/job-3", TWO_DISKS, 201);
    assert_eq!(entries(&site, "job-2"), [""; 0], "another VM's");
    let said = entries(&site, "job-3");
    assert_eq!(said.len(), 1, "{said:#?}");
    let has = |part: &str| assert!(said[0].contains(part), "{part} in {}", said[0]);
    ["change_id_not_asked: at 20", "before this job was known here", "disk \"disk-2000\"", "it copies everything"]
        .into_iter()
        .for_each(has);

    oma = site.oma();
    assert_eq!(ask(&site).0, FIRST);
    oma.kill();
    let (change_id, message) = ask(&site);
    assert_eq!(change_id, FIRST, "as good as the OMA's own answer: an older id only copies more");
    assert!(message.starts_with("remembered: the OMA answered so at 20"), "{message}");
    assert!(message.contains("connect: connection refused"), "{message}");
    ask(&site);
    let said = entries(&site, "job-3");
    assert_eq!(said.len(), 2, "told once: {said:#?}");
    assert!(said[1].starts_with("change_id_remembered: ") && said[1].contains(FIRST), "{said:#?}");
    let level = "SELECT DISTINCT level FROM job_events WHERE job_id = 'job-3' AND event LIKE 'change_id%'";
    assert_eq!(site.rows_of("vma.db", level), ["warning"]);
    let other = call(&site, "GET", &ASK.replace("disk-2000", "disk-2001"), "").json();
    assert_eq!(other["change_id"], "", "of another disk nothing is remembered");

    // A change id of the same disk that waits here is not served: only what the OMA has found sound is.
    hand_over(&site, "job-3", "disk-2000", LATER);
    assert_eq!(ask(&site).0, FIRST);
    // An OMA that no longer has it takes its answer back.
    std::fs::remove_file(site.path("oma.db")).unwrap();
    for rest in ["oma.db-wal", "oma.db-shm"] {
        std::fs::remove_file(site.path(rest)).ok();
    }
    oma = site.oma();
    assert_eq!(ask(&site).0, "");
    oma.kill();
    assert_eq!(ask(&site).0, "");
}

#[test]
fn f38_an_oma_that_never_answers_or_is_none_is_waited_for_no_longer_than_a_mover_waits() {
    let site = site();
    // The near end of a tunnel that takes connections and brings nothing back.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    forward_to(&site, &format!("http://{}", silent.local_addr().unwrap()));
    let vma = site.vma();
    vma.put("/api/v1/jobs/job-1", TWO_DISKS, 201);
    let started = Instant::now();
    let (change_id, message) = ask(&site);
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    assert_eq!(change_id, "");
    assert!(message.contains("no first byte within 3 s"), "{message}");
    let started = Instant::now();
    hand_over(&site, "job-1", "disk-2000", FIRST);
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    Mover::new(&vma, "job-1").push(&mover::running(5, 10));

    // Another program's 200 is no confirmation, and a corrected configuration needs no new start.
    let other = Recorder::start(|_| (200, "<html>welcome</html>".to_owned()));
    forward_to(&site, &other.url());
    vma.signal(Signal::HUP);
    let (change_id, message) =
        until("it is asked elsewhere", SOON, || Some(ask(&site)).filter(|it| it.1.contains("200")));
    assert_eq!(change_id, "");
    assert!(message.contains("status 200 with another answer than an OMA's"), "{message}");
    drop(silent);
    until("it is offered there", SOON * 2, || (other.count("/api/v1/replications/job-1/changeid") > 0).then_some(()));
    assert_eq!(site.rows_of("vma.db", WAITING), ["1"]);
    forward_to(&site, &site.url("oma"));
    let oma = site.oma();
    vma.signal(Signal::HUP);
    until_sent(&site);
    assert_eq!(site.rows("SELECT job_id, change_id FROM received_change_ids"), [format!("job-1|{FIRST}")]);
    assert_eq!(ask(&site).1, "no change id of a completed disk is known: copy everything");
    assert!(oma.is_healthy());
}

#[test]
fn f36_every_change_id_is_stored_and_forwarded_and_only_a_sound_one_is_used() {
    let site = site();
    let (vma, oma) = (site.vma(), site.oma());
    vma.put(
        "/api/v1/jobs/job-1",
        r#"{"vm":{"path":"/DC0/vm/a"},"disks":[{"id":"disk-2000"}],"aliases":["other-name"]}"#,
        201,
    );
    let mut mover = Mover::new(&vma, "job-1");
    mover.push(mover::DISK_STARTS);
    mover.push(&mover::completed(1000));
    hand_over(&site, "job-1", "disk-2000", "*");
    hand_over(&site, "unheard-of", "disk-2000", FIRST);
    // Longer than any id, and three times as long on the way on: the OMA refuses its path, and it holds up no other.
    hand_over(&site, &"!".repeat(4000), "disk-2000", FIRST);
    hand_over(&site, "job-1", "disk-9", FIRST);
    until("all but one have gone on", SOON, || (site.rows_of("vma.db", WAITING) == ["1"]).then_some(()));
    assert!(
        vma.log().contains("the OMA does not take the change id of disk \\\"disk-2000\\\": status 414"),
        "{}",
        vma.log()
    );
    let stored =
        ["job-1|disk-2000|*".to_owned(), format!("unheard-of|disk-2000|{FIRST}"), format!("job-1|disk-9|{FIRST}")];
    assert_eq!(site.rows("SELECT job_id, disk_id, change_id FROM received_change_ids ORDER BY id"), stored);
    let suspects: Vec<String> =
        entries(&site, "job-1").into_iter().filter(|entry| entry.starts_with("change_id_suspect")).collect();
    assert_eq!(
        suspects,
        [
            "change_id_suspect: change id of disk disk-2000 is not <uuid>/<counter>: \"*\"",
            "change_id_suspect: change id for disk \"disk-9\", which this job does not have yet",
        ]
    );
    assert!(vma.document("job-1")["disks"][0]["change_id"].is_null());
    // By a declared name, with the previous id; a job that has ended does not change (R-42).
    let body = format!(r#"{{"change_id":"{LATER}","disk_id":"disk-2000","previous_change_id":"{FIRST}"}}"#);
    assert_eq!(call(&site, "POST", "/api/v1/replications/other-name/changeid", &body).status, 200);
    let disk = vma.document("job-1")["disks"][0].clone();
    assert_eq!((&disk["change_id"], &disk["previous_change_id"]), (&LATER.into(), &FIRST.into()));
    vma.post("/api/v1/jobs/job-1/finish", r#"{"status":"Succeeded"}"#, 200);
    hand_over(&site, "job-1", "disk-2000", FIRST);
    assert_eq!(vma.document("job-1")["disks"][0]["change_id"], LATER);
    let last = entries(&site, "job-1").into_iter().rev().find(|entry| entry.starts_with("change_id_received"));
    assert_eq!(last, Some(format!("change_id_received: change id of disk disk-2000: {FIRST}")));
    until("it goes on too", SOON, || (site.rows_of("vma.db", WAITING) == ["1"]).then_some(()));
    assert_eq!(site.rows("SELECT count(*) FROM received_change_ids"), ["5"]);
    assert!(oma.is_healthy());
}

#[test]
fn a_change_id_that_cannot_be_kept_is_refused_while_its_mover_still_waits_and_goes_on_all_the_same() {
    let site = site();
    let (vma, _oma) = (site.vma(), site.oma());
    vma.put("/api/v1/jobs/job-1", TWO_DISKS, 201);
    let other = Connection::open(site.path("vma.db")).unwrap();
    other.busy_timeout(SOON).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let started = Instant::now();
    let body = mover::change_id("disk-2000", FIRST);
    let answer = call(&site, "POST", "/api/v1/replications/job-1/changeid", &body);
    assert_eq!((answer.status, answer.content_type.as_str()), (503, "application/problem+json"), "{answer:?}");
    assert!(started.elapsed() > Duration::from_secs(3), "held before it was refused: {:?}", started.elapsed());
    assert_eq!(site.rows_of("vma.db", "SELECT count(*) FROM received_change_ids"), ["0"], "the lock is real");
    assert_eq!(ask(&site).0, "", "whoever asks is answered meanwhile");
    other.execute_batch("COMMIT").unwrap();
    until("what was refused is kept and goes on", SOON, || {
        (site.rows("SELECT change_id FROM received_change_ids") == [FIRST]).then_some(())
    });
    until_sent(&site);
}

/// A mover calls every run by the first one's id; a change id that was kept for long is still that of its own run.
#[test]
fn f33_a_change_id_that_comes_late_does_not_go_to_the_next_run_of_its_job() {
    let site = site();
    forward_to(&site, &format!("http://{}", SocketAddr::new(site.address("vma").ip(), 9)));
    let (vma, oma) = (site.vma(), site.oma());
    vma.put("/api/v1/jobs/job-1", r#"{"vm":{"path":"/DC0/vm/a"},"disks":[{"id":"disk-2000"}]}"#, 201);
    oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 201);
    let mut mover = Mover::new(&vma, "job-1");
    mover.push(mover::DISK_STARTS);
    mover.push(&mover::completed(1000));
    hand_over(&site, "job-1", "disk-2000", FIRST);
    // The OMA polls, though nothing reaches it from here: the document brings the change id.
    site.until_status("job-1", "completed");
    until("the VMA hears of it", SOON, || (vma.document("job-1")["status"] == "Succeeded").then_some(()));
    mover.push(mover::INITIALIZING);
    oma.post("/api/v1/jobs", r#"{"id":"job-1~2","vma":"site-a"}"#, 201);
    mover.push(mover::DISK_STARTS);
    site.until_status("job-1~2", "streaming");

    forward_to(&site, &site.url("oma"));
    vma.signal(Signal::HUP);
    until_sent(&site);
    let of_second = "SELECT disk_change_id FROM vm_disks WHERE job_id = 'job-1~2'";
    assert_eq!(site.rows(of_second), [""], "the first run's");
    mover.push(&mover::completed(2000));
    hand_over(&site, "job-1", "disk-2000", LATER);
    site.until_status("job-1~2", "completed");
    until_sent(&site);
    let history = site.rows("SELECT job_id, change_id FROM cbt_history ORDER BY id");
    assert_eq!(history, [format!("job-1|{FIRST}"), format!("job-1~2|{LATER}")]);
    let received = site.rows("SELECT job_id, change_id FROM received_change_ids ORDER BY id");
    assert_eq!(received, history);
    assert!(entries(&site, "job-1").iter().any(|entry| entry.starts_with("change_id_forwarded")));
    assert!(entries(&site, "job-1~2").iter().any(|entry| entry.starts_with("change_id_forwarded")));
}

#[test]
fn many_that_wait_go_on_in_their_order() {
    let site = site();
    let vma = site.vma();
    let expected: Vec<String> = (0..=60).map(|number| format!("job-{}|{number}", number % 7)).collect();
    for number in 0..60 {
        hand_over(&site, &format!("job-{}", number % 7), "disk-2000", &number.to_string());
    }
    assert_eq!(site.rows_of("vma.db", WAITING), ["60"]);
    let _oma = site.oma();
    // By now the next try would be up to 30 s away; a new one wakes them all.
    hand_over(&site, "job-4", "disk-2000", "60");
    until_sent(&site);
    assert_eq!(site.rows("SELECT job_id, change_id FROM received_change_ids ORDER BY id"), expected);
    assert!(vma.is_healthy());
}

#[test]
fn f37_a_setting_that_is_missing_is_named_and_no_change_id_is_lost_to_it() {
    let site = Site::fast();
    site.configure_vma(&format!("[changeid_spool]\nlisten = \"{}\"", spool(&site)));
    let checked = waybill(&["check-config"]).arg(site.path("vma.toml")).output().unwrap();
    assert_eq!(checked.status.code(), Some(3), "{checked:?}");
    let output = site.command("vma").output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    for part in
        ["vma.toml:4: changeid_spool.oma: is missing", "forwarded to nobody", "remedy: write oma = \"http://127.0.0.1"]
    {
        assert!(said.contains(part), "{part} in {said}");
    }
    // Without the section the daemon says at its start what that means, also for what waits from before.
    forward_to(&site, &site.url("oma"));
    let vma = site.vma();
    hand_over(&site, "job-1", "disk-2000", FIRST);
    drop(vma);
    site.configure_vma("");
    let vma = site.vma();
    let log = vma.log();
    assert!(
        log.contains("change ids are not taken here, 1 wait for the OMA") && log.contains("add [changeid_spool]"),
        "{log}"
    );
    drop(vma);
    forward_to(&site, &site.url("oma"));
    let (_vma, _oma) = (site.vma(), site.oma());
    until_sent(&site);
    assert_eq!(site.rows("SELECT job_id, change_id FROM received_change_ids"), [format!("job-1|{FIRST}")]);
}
