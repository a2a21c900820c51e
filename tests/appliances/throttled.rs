//! Copies that are slow, change their pace or have a pace of their own: whether the shown figures are right and fresh
//! (R-7, R-12, R-44, U1).

use std::fs;
use std::time::Instant;

use crate::copy::{Copy, LONG, Look, Source, declared, line, show};
use crate::harness::{FAST, Site, until};

const MIB: u64 = 1 << 20;

/// What stands of the job when it has ended well.
fn assert_completed(site: &Site, total: u64) {
    site.until_status("job-1", "completed");
    let sql =
        "SELECT progress_percent, bytes_transferred, total_bytes, eta_seconds, error_message FROM replication_jobs";
    assert_eq!(site.rows(sql), [format!("100|{total}|{total}|0|")]);
    let disk = site.rows("SELECT sync_status, sync_progress_percent, bytes_synced, error_message FROM vm_disks");
    assert_eq!(disk, [format!("completed|100|{total}|")]);
    let history = site.rows("SELECT disk_id, bytes_transferred, sync_success FROM cbt_history");
    assert_eq!(history, [format!("disk-2000|{total}|1")]);
    assert_eq!(fs::metadata(site.path("out.img")).unwrap().len(), total);
    assert!(line(&show(site), "progress").ends_with(" 100.00 %"));
}

/// The different byte counts that were seen.
fn steps(looks: &[Look]) -> usize {
    let mut bytes: Vec<u64> = looks.iter().map(|look| look.bytes).collect();
    bytes.dedup();
    bytes.len()
}

#[test]
fn u01_a_slow_nbdcopy_shows_what_is_really_copied_and_how_fast() {
    let total = 256 * MIB;
    let (site, _vma, _oma) = declared(FAST);
    let source = Source::start(&site, &["--filter=delay", "pattern", "256M", "rdelay=100ms"]);
    let out = site.path("out.img").display().to_string();
    let started = Instant::now();
    // Two threads, which report half of the disk as begun before the first byte.
    let mut copy = Copy::start(&site, &[], &["nbdcopy", "--connections=2", "--threads=2", &source.uri(), &out]);
    let mut looks = Vec::new();
    copy.until("half is copied", &mut looks, |look| look.percent > 50.0);
    let half = show(&site);
    copy.until("most is copied", &mut looks, |look| look.percent > 90.0);
    assert_eq!(copy.ended().0, 0);
    let mean = (total as f64 / started.elapsed().as_secs_f64()) as u64;
    assert_completed(&site, total);
    assert!(steps(&looks) >= 5, "the bar moves: {looks:#?}");
    let later = looks.iter().filter(|look| look.percent > 30.0);
    let odd: Vec<&Look> = later.filter(|look| look.rate < mean / 2 || look.rate > mean * 2).collect();
    assert!(odd.is_empty(), "the mean was {mean} B/s, but {odd:#?}");
    assert!(line(&half, "rate").contains(" remain"), "{half}");
}

/// What goes to a socket the kernel does not count; nbdcopy's own lines are 128 MiB apart.
#[test]
fn u01_a_copy_to_another_server_moves_its_bar_too() {
    let (site, _vma, _oma) = declared(FAST);
    let source = Source::start(&site, &["--filter=delay", "pattern", "384M", "rdelay=30ms"]);
    let target = Source::start_at(&site, "target", &["null", "384M"]);
    let mut copy = Copy::start(&site, &[], &["nbdcopy", "--connections=1", &source.uri(), &target.uri()]);
    let shown = until("a piece is shown", LONG, || Some(copy.look().bytes).filter(|bytes| *bytes > 0));
    assert!([112 * MIB, 240 * MIB].contains(&shown), "pieces, less what one thread has under way, not {shown}");
    assert!(copy.is_running());
    assert_eq!(copy.ended().0, 0);
    site.until_rows("SELECT status, bytes_transferred FROM replication_jobs", &[&format!("completed|{}", 384 * MIB)]);
}

#[test]
fn f21_the_shown_rate_and_the_remaining_time_follow_a_rate_that_changes_in_mid_copy() {
    let (site, _vma, _oma) = declared(FAST);
    let limit = site.path("limit");
    let set = |bits: &str| fs::write(&limit, bits).unwrap();
    set("160M");
    let file = format!("rate-file={}", limit.display());
    let source = Source::start(&site, &["--filter=rate", "pattern", "256M", "rate=160M", &file]);
    let out = site.path("out.img").display().to_string();
    let mut copy = Copy::start(&site, &[], &["nbdcopy", &source.uri(), &out]);
    let mut looks = Vec::new();
    let first = copy.until("it runs", &mut looks, |look| look.bytes > 60 * MIB && look.eta.is_some());
    set("16M");
    let slow = copy.until("the rate falls", &mut looks, |look| look.rate < first.rate / 2);
    assert!(slow.eta > first.eta, "{first:?} -> {slow:?}");
    set("800M");
    let fast = copy.until("the rate rises", &mut looks, |look| look.rate > slow.rate * 3 / 2);
    assert!(fast.eta < slow.eta, "{slow:?} -> {fast:?}");
    set("8G");
    assert_eq!(copy.ended().0, 0);
    assert_completed(&site, 256 * MIB);
}

#[test]
fn u01_qemu_img_moves_its_bar_and_ends_it() {
    let total = 96 * MIB;
    let (site, _vma, _oma) = declared(FAST);
    let source = Source::start(&site, &["--filter=rate", "pattern", "96M", "rate=160M"]);
    let (from, out) = (format!("nbd:unix:{}", source.socket()), site.path("out.img").display().to_string());
    let mut copy = Copy::start(&site, &[], &["qemu-img", "convert", "-f", "raw", "-O", "raw", &from, &out]);
    let mut looks = Vec::new();
    copy.until("most is copied", &mut looks, |look| look.percent > 80.0);
    assert_eq!(copy.ended().0, 0);
    assert_completed(&site, total);
    assert!(steps(&looks) >= 4, "the bar moves: {looks:#?}");
    let written = fs::read_to_string(site.path("run.out")).unwrap();
    assert!(written.ends_with("    (100.00/100%)\r\n"), "its own output is passed through: {written:?}");
}
