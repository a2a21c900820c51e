//! `waybill run` with real movers, seen from the OMA's end of the chain (R-12, F19, F20, U2, U3).

use crate::copy::{Copy, LONG, Source, declared, written};
use crate::harness::{FAST, Site, until};

/// nbdcopy that copies a pattern of that size at that rate.
fn nbdcopy<'a>(site: &'a Site, size: &str, rate: &str) -> (Source, Copy<'a>) {
    let source = Source::start(site, &["--filter=rate", "pattern", size, &format!("rate={rate}")]);
    let copy = Copy::start(site, &[], &["nbdcopy", &source.uri(), &site.path("out.img").to_string_lossy()]);
    (source, copy)
}

#[test]
fn nbdcopy_is_tracked_from_its_first_byte_to_the_history() {
    let (site, _vma, _oma) = declared(FAST);
    let (_source, mut copy) = nbdcopy(&site, "48M", "256M");
    let (status, said) = copy.ended();
    assert_eq!(status, 0, "{said}");
    site.until_status("job-1", "completed");
    let total = 48 << 20;
    assert_eq!(std::fs::metadata(site.path("out.img")).unwrap().len(), total);
    let row = site.rows("SELECT progress_percent, bytes_transferred, total_bytes, error_message FROM replication_jobs");
    assert_eq!(row, [format!("100|{total}|{total}|")]);
    assert_eq!(
        site.rows("SELECT disk_id, bytes_transferred, sync_success FROM cbt_history"),
        [format!("disk-2000|{total}|1")]
    );
}

#[test]
fn f19_f20_what_a_mover_said_when_it_failed_stands_in_the_row() {
    let (site, vma, _oma) = declared(FAST);
    let script = "echo 'nbdcopy: target: No space left on device' >&2; exit 3";
    let (status, said) = Copy::start(&site, &[], &["sh", "-c", script]).ended();
    assert_eq!(status, 3, "{said}");
    site.until_status("job-1", "failed");
    let error = site.rows("SELECT error_message FROM replication_jobs").remove(0);
    assert_eq!(error, "sh exited with status 3: nbdcopy: target: No space left on device");
    assert_eq!(vma.document("job-1")["error"], error.as_str());
    assert_eq!(site.rows("SELECT sync_status, error_message FROM vm_disks"), [format!("failed|{error}")]);
    assert_eq!(site.rows("SELECT disk_id, sync_success FROM cbt_history"), ["disk-2000|0"]);
}

#[test]
fn a_copy_does_not_notice_that_its_vma_was_killed_and_is_told_after_the_restart() {
    let (site, mut vma, _oma) = declared(FAST);
    let (_source, mut copy) = nbdcopy(&site, "64M", "320M");
    site.until_rows("SELECT sync_status FROM vm_disks", &["syncing"]);
    vma.kill();
    let at_the_kill = written(&site);
    until("the copy goes on without its VMA", LONG, || (written(&site) > at_the_kill).then_some(()));
    let _vma = site.vma();
    let (status, said) = copy.ended();
    assert_eq!(status, 0, "{said}");
    site.until_rows("SELECT status, bytes_transferred FROM replication_jobs", &[&format!("completed|{}", 64 << 20)]);
}
