//! The four silences of R-24, each made for real: what the row, the log, `show` and its exit code say of it, and what
//! becomes of the job (R-23, F19, U7, U9).

use std::fs;
use std::net::TcpListener;

use rustix::process::Signal;

use crate::harness::{Site, waybill};
use crate::mover::{self, Mover};
use crate::silence::streaming;

/// A fast pace with little patience.
const RULES: &str = r#"
[poll]
interval = "100ms"
timeout = "300ms"
backoff_max = "200ms"
contact_lost_after = "4s"
stall_after = "1s"
[throttle]
min_interval = "100ms"
"#;

/// What `waybill show --check` says, and its exit code.
fn show(site: &Site) -> (String, Option<i32>) {
    let mut show = waybill(&["show", "job-1", "--check", "--db"]);
    let output = show.arg(site.path("oma.db")).output().expect("show runs");
    (String::from_utf8(output.stdout).expect("UTF-8"), output.status.code())
}

/// Waits for the silence and compares what is told of it while it lasts.
fn told_while_it_lasts(site: &Site, contact: &str, exit: i32, parts: &[&str]) {
    site.until_rows("SELECT contact FROM replication_jobs", &[contact]);
    let (page, code) = show(site);
    for part in parts {
        assert!(page.contains(part), "{part:?} in\n{page}");
    }
    assert_eq!(code, Some(exit), "{page}");
    assert_eq!(site.rows("SELECT status FROM replication_jobs"), ["streaming"]);
}

/// Waits for the end by silence and compares the row's reason.
fn fails_with(site: &Site, parts: &[&str]) {
    site.until_rows("SELECT status, contact FROM replication_jobs", &["failed|lost"]);
    let error = site.rows("SELECT error_message FROM replication_jobs").remove(0);
    for part in parts {
        assert!(error.contains(part), "{part:?} in {error}");
    }
    let (page, code) = show(site);
    assert!(page.contains(&format!("error         {error}, since 20")), "{page}");
    assert_eq!(code, Some(5));
    assert_eq!(site.events("job-1", "job_failed"), [format!("Job failed: {error}")]);
}

#[test]
fn a_tunnel_that_is_down_is_not_a_vma_that_is_away() {
    let (site, mut vma, oma) = streaming(RULES);
    vma.kill();
    let address = vma.address();
    let refused = format!("connect: connection refused ({address})");
    let remedy = "see that this VMA dials, or that the stunnel or SSH forward to it runs";
    let to_do = format!("to do         {remedy}");
    told_while_it_lasts(&site, "tunnel_down", 5, &["waits for     tunnel down for ", &to_do]);
    let lost = site.events("job-1", "contact_lost");
    let [begun] = &lost[..] else { panic!("once, not {lost:?}") };
    assert!(begun.starts_with("tunnel_down since 20"), "{begun}");
    assert!(begun.ends_with(&format!(", 3 polls in a row, the last: {refused}")), "{begun}");
    assert!(show(&site).0.contains(&format!("tried         {begun}\n")), "what was tried stands beside it");
    fails_with(&site, &["VMA communication timeout exceeded (tunnel_down): no contact since 20", &refused, remedy]);
    let log = oma.log();
    assert!(
        log.contains("contact_lost: tunnel_down since ") && log.contains("timeout exceeded (tunnel_down)"),
        "{log}"
    );
}

#[test]
fn a_vma_that_takes_connections_and_never_answers_is_unreachable() {
    let (site, mut vma, _oma) = streaming(RULES);
    vma.kill();
    // As an SSH forward whose far end hangs: it accepts, and nothing comes back.
    let _far_end = TcpListener::bind(vma.address()).expect("the port is free");
    let remedy = "see on the VMA whether `waybill vma` runs";
    let to_do = format!("to do         {remedy}");
    told_while_it_lasts(&site, "vma_unreachable", 5, &["waits for     VMA unreachable for ", &to_do]);
    let timeout = "VMA communication timeout exceeded (vma_unreachable): no contact since 20";
    fails_with(&site, &[timeout, "last error: no first byte within 300 ms", remedy]);
}

#[test]
fn a_vma_that_lost_its_database_no_longer_knows_the_job() {
    let (site, mut vma, _oma) = streaming(RULES);
    vma.kill();
    for file in ["vma.db", "vma.db-wal", "vma.db-shm"] {
        fs::remove_file(site.path(file)).expect("the database");
    }
    let _vma = site.vma();
    let remedy = "see on the VMA with `waybill jobs` whether it has the job under this id";
    let to_do = format!("to do         {remedy}");
    told_while_it_lasts(&site, "job_unknown", 4, &["waits for     the VMA no longer knows the job\n", &to_do]);
    fails_with(&site, &["job_unknown: the VMA knew this job and has answered 404 to ", remedy]);
}

#[test]
fn a_mover_that_is_silent_is_marked_and_its_job_goes_on() {
    let (site, vma, oma) = streaming(RULES);
    site.until_rows("SELECT stalled_since IS NOT NULL FROM replication_jobs", &["1"]);
    let remedy = "see on the VMA whether the mover still runs and reads; if it hangs, end it and start the copy again";
    let parts = ["waits for     stalled, mover silent for ", &format!("to do         {remedy}\n")];
    told_while_it_lasts(&site, "fresh", 5, &parts);
    let stalled = site.events("job-1", "job_stalled");
    assert!(
        stalled[0].contains("the VMA answers, and the mover has been silent for 1 s while streaming"),
        "{stalled:?}"
    );
    Mover::new(&vma, "job-1").push(&mover::running(500, 1000));
    site.until_rows("SELECT stalled_since, status FROM replication_jobs", &["|streaming"]);
    assert_eq!(site.events("job-1", "job_resumed").len(), 1);
    assert_eq!(show(&site).1, Some(0));

    site.configure_oma(&RULES.replace("stall_after", "on_stall = \"fail\"\nstall_after"), &site.url("vma"));
    oma.signal(Signal::HUP);
    site.until_status("job-1", "failed");
    let error = site.rows("SELECT error_message FROM replication_jobs").remove(0);
    assert!(error.starts_with("stalled since 20") && error.ends_with(remedy), "{error}");
    assert_eq!(show(&site).1, Some(1), "it failed by rule; contact was never lost");
}

#[test]
fn u07_an_oma_that_is_dead_is_not_taken_for_a_silence_of_others() {
    let (site, _vma, mut oma) = streaming(RULES);
    site.until_rows("SELECT julianday('now') - julianday(value) < 1e-4 FROM appliance WHERE key = 'alive_at'", &["1"]);
    assert_eq!(show(&site).1, Some(0));
    oma.kill();
    let minute_ago = "strftime('%Y-%m-%dT%H:%M:%fZ', 'now', '-60 seconds')";
    site.sqlite3(&format!("UPDATE appliance SET value = {minute_ago} WHERE key = 'alive_at'"));
    let (page, code) = show(&site);
    assert!(page.contains("waits for     not polled, the OMA's daemon has written nothing for 1m 0"), "{page}");
    assert!(page.contains("to do         see whether `waybill oma` runs on this appliance"), "{page}");
    assert!(page.contains("rate          no data moves, remaining time unknown"), "{page}");
    assert_eq!(code, Some(5));
}
