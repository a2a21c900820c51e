//! Copies that break: a source that fails, movers and wrappers that are killed, a VMA that is away; what the rows, the
//! page of the job and the exit status say (R-12, R-24, F19, F20, U3).

use std::process::Command;

use rustix::process::{Pid, Signal, kill_process};

use crate::copy::{Copy, LONG, Source, declared, line, show, state_and_name, track};
use crate::harness::{Daemon, FAST, Site, WAYBILL, until, waybill};

const MIB: u64 = 1 << 20;

fn signal(pid: u32, signal: Signal) {
    kill_process(Pid::from_raw(pid.try_into().unwrap()).unwrap(), signal).unwrap();
}

/// A slow source of 256 MiB.
fn slow(site: &Site, more: &[&str]) -> Source {
    Source::start(site, &[&["--filter=error", "--filter=delay", "pattern", "256M", "rdelay=100ms"], more].concat())
}

/// What is seen everywhere of a job that failed in the middle of its copy for this reason.
fn assert_failed(site: &Site, vma: &Daemon, reason: &str) {
    site.until_status("job-1", "failed");
    let sql = "SELECT error_message, progress_percent BETWEEN 0.01 AND 99.99, completed_at FROM replication_jobs";
    let row = site.rows(sql).remove(0);
    let (row, since) = row.rsplit_once('|').unwrap();
    assert_eq!(row, format!("{reason}|1"));
    assert_eq!(site.rows("SELECT sync_status, error_message FROM vm_disks"), [format!("failed|{reason}")]);
    assert_eq!(site.rows("SELECT disk_id, sync_success FROM cbt_history"), ["disk-2000|0"]);
    assert_eq!(site.events("job-1", "job_failed"), [format!("Job failed: {reason}")]);
    until("the VMA hears of it", LONG, || (vma.document("job-1")["error"] == reason).then_some(()));
    let shown = show(site);
    assert!(line(&shown, "error").contains(&format!("{reason}, since {since} (")), "{shown}");
    // The disk's end may have been seen a poll before the job's.
    assert_eq!(shown.matches(&format!("{reason}, since ")).count(), 2, "of the job and of its disk\n{shown}");
}

#[test]
fn u03_a_source_that_fails_is_named_in_nbdcopys_own_words() {
    let (site, vma, _oma) = declared(FAST);
    let trigger = site.path("fail");
    let when = format!("error-pread-file={}", trigger.display());
    let source = slow(&site, &["error-pread=EIO", "error-pread-rate=100%", &when]);
    let out = site.path("out.img").display().to_string();
    let mut copy = Copy::start(&site, &[], &["nbdcopy", &source.uri(), &out]);
    copy.until("it runs", &mut Vec::new(), |look| look.percent > 1.0);
    std::fs::write(&trigger, "").unwrap();
    let (status, said) = copy.ended();
    // Each of its threads may say so, before the first of them ends it.
    let words: Vec<&str> = said.lines().filter(|line| line.starts_with("nbdcopy: ")).collect();
    let words = words.join(" | ");
    assert!(words.contains(" failed: Input/output error"), "{said}");
    assert_eq!(status, 1);
    let reason = format!("nbdcopy exited with status 1: {words}");
    assert_failed(&site, &vma, &reason);
    assert_eq!(site.events("job-1", "disk_failed"), [format!("disk disk-2000 failed: {reason}")]);
}

#[test]
fn f20_a_mover_that_is_killed_fails_its_job_at_once_with_its_last_words() {
    let (site, vma, _oma) = declared(FAST);
    let source = slow(&site, &[]);
    let script = format!("echo 'connected to esx01' >&2; exec nbdcopy '{}' out.img", source.uri());
    let script = format!("cd '{}'; {script}", site.path("").display());
    let total = (256 * MIB).to_string();
    let mut copy = Copy::start(&site, &["--total", &total], &["sh", "-c", &script]);
    let mover = copy.mover("nbdcopy");
    copy.until("it runs", &mut Vec::new(), |look| look.percent > 1.0);
    signal(mover, Signal::KILL);
    let (status, said) = copy.ended();
    assert_eq!(status, 137, "{said}");
    assert_failed(&site, &vma, "sh was killed by signal SIGKILL: connected to esx01");
}

#[test]
fn u02_a_wrapper_that_is_killed_takes_its_mover_along_and_the_job_is_stalled_and_can_be_ended() {
    let (site, _vma, _oma) = declared(&FAST.replace("[poll]", "[poll]\nstall_after = \"2s\""));
    let source = slow(&site, &[]);
    let out = site.path("out.img").display().to_string();
    let mut copy = Copy::start(&site, &[], &["nbdcopy", &source.uri(), &out]);
    let mover = copy.mover("nbdcopy");
    copy.until("it runs", &mut Vec::new(), |look| look.percent > 1.0);
    signal(copy.pid(), Signal::KILL);
    assert_eq!(copy.ended().0, 137);
    // Nobody may be there to collect its status.
    until("the mover ends", LONG, || state_and_name(mover).is_none_or(|(state, _)| state == 'Z').then_some(()));
    let sql = "SELECT status, contact, stalled_since IS NOT NULL, bytes_transferred > 0 FROM replication_jobs";
    site.until_rows(sql, &["streaming|fresh|1|1"]);
    let shown = show(&site);
    assert!(line(&shown, "waits for").contains("stalled, mover silent for "), "{shown}");
    assert_eq!(site.events("job-1", "job_stalled").len(), 1);
    let finish =
        waybill(&["finish", "job-1", "--failed", "its host was restarted", "--vma", &site.url("vma")]).output();
    assert!(finish.unwrap().status.success());
    site.until_rows("SELECT status, error_message FROM replication_jobs", &["failed|its host was restarted"]);
    assert_eq!(site.rows("SELECT sync_status, error_message FROM vm_disks"), ["failed|its host was restarted"]);
    assert_eq!(site.rows("SELECT sync_success FROM cbt_history"), ["0"]);
}

#[test]
fn u04_a_copy_can_be_seen_and_cancelled_and_its_terminal_says_so() {
    let (site, vma, oma) = declared(FAST);
    let source = slow(&site, &["rdelay=1"]);
    let out = site.path("out.img").display().to_string();
    let mut copy = Copy::start(&site, &[], &["nbdcopy", &source.uri(), &out]);
    copy.until("it runs", &mut Vec::new(), |look| look.percent > 1.0);
    let jobs = waybill(&["jobs", "--db"]).arg(site.path("oma.db")).output().unwrap();
    let jobs = String::from_utf8(jobs.stdout).unwrap();
    assert!(jobs.lines().any(|line| line.starts_with("job-1 ") && line.contains(" Streaming ")), "{jobs}");
    oma.post("/api/v1/jobs/job-1/cancel", r#"{"reason":"wrong VM"}"#, 200);
    assert_failed(&site, &vma, "cancelled: wrong VM");
    let notice = "job job-1 was cancelled: wrong VM; the mover is ended\n";
    let (status, said) = copy.ended();
    assert_eq!((status, said.matches(notice).count()), (143, 1), "{said}");
}

/// A mover without a source, that is over in no time.
const MOVES_4_MIB: &str = "dd if=/dev/zero of=out.img bs=1M count=4 status=none";

#[test]
fn a_vma_that_is_away_from_before_the_start_is_told_everything_at_the_end() {
    let site = Site::fast();
    let oma = site.oma();
    track(&oma);
    let script = format!("cd '{}'; {MOVES_4_MIB}", site.path("").display());
    let total = (4 * MIB).to_string();
    let mut copy = Copy::start(&site, &["--total", &total, "--last"], &["sh", "-c", &script]);
    until("the copy is made", LONG, || (crate::copy::written(&site) == 4 * MIB).then_some(()));
    let sql = "SELECT status, contact, bytes_transferred, error_message FROM replication_jobs";
    site.until_rows(sql, &["pending|tunnel_down|0|"]);
    assert!(line(&show(&site), "waits for").ends_with("tunnel down, never reached yet"));
    assert!(copy.is_running(), "it insists on its reports");
    let _vma = site.vma();
    let (status, said) = copy.ended();
    assert_eq!(status, 0, "{said}");
    let parts = ["the copy is not affected, trying again\n", "takes reports again\n", "job job-1 has Succeeded\n"];
    assert!(parts.iter().all(|part| said.contains(part)), "{said}");
    site.until_rows(sql, &[&format!("completed|fresh|{}|", 4 * MIB)]);
}

#[test]
fn a_vma_that_never_comes_back_costs_the_report_and_what_is_printed_makes_up_for_it() {
    for (ends, status, row) in [
        ("exit 0", 0, format!("completed|completed|{}|", 4 * MIB)),
        ("echo 'no route to host' >&2; exit 3", 3, "failed|failed|0|no route to host".to_owned()),
    ] {
        let site = Site::fast();
        let oma = site.oma();
        track(&oma);
        let script = format!("cd '{}'; {MOVES_4_MIB}; {ends}", site.path("").display());
        let options = ["--total", &(4 * MIB).to_string(), "--report-grace", "1s", "--last"];
        let mut copy = Copy::start(&site, &options, &["sh", "-c", &script]);
        let (code, said) = copy.ended();
        assert_eq!(code, status, "the mover's own: {said}");
        assert!(said.contains(" could not be reported: io: Connection refused"), "{said}");
        site.until_rows("SELECT status, contact FROM replication_jobs", &["pending|tunnel_down"]);
        let (_, by_hand) = said.trim_end().rsplit_once("report it by hand: waybill ").expect(&said);
        let _vma = site.vma();
        let typed = Command::new("sh").args(["-c", &format!("'{WAYBILL}' {by_hand}")]).output().unwrap();
        assert_eq!(typed.status.success(), status == 0, "{}", String::from_utf8_lossy(&typed.stderr));
        let sql = "SELECT j.status, d.sync_status, j.bytes_transferred, coalesce(substr(j.error_message, -16), '')
                   FROM replication_jobs j JOIN vm_disks d ON d.job_id = j.id";
        site.until_rows(sql, &[&row]);
    }
}
