//! `waybill run` with real movers, seen from the OMA's end of the chain (R-12, F19, F20, U2, U3).

use std::fs;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::harness::{SOON, Site, WAYBILL, until, waybill};

const LONG: Duration = Duration::from_secs(20);

/// nbdkit that serves a pattern of that size at that rate to `waybill run ... -- nbdcopy`, as one command.
fn nbdcopy(site: &Site, size: &str, rate: &str) -> Command {
    let (vma, out) = (site.url("vma"), site.path("out.img"));
    let copy =
        format!("'{WAYBILL}' run --job job-1 --disk disk-2000 --vma {vma} -- nbdcopy \"$uri\" '{}'", out.display());
    let mut command = Command::new("nbdkit");
    command.args(["-U", "-", "--filter=rate", "pattern", size, &format!("rate={rate}"), "--run", &copy]);
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    command
}

fn declared() -> (Site, crate::harness::Daemon, crate::harness::Daemon) {
    let site = Site::fast();
    let (vma, oma) = (site.vma(), site.oma());
    vma.put("/api/v1/jobs/job-1", r#"{"vm":{"path":"/DC0/vm/a"},"disks":[{"id":"disk-2000"}]}"#, 201);
    oma.post("/api/v1/jobs", r#"{"id":"job-1","vma":"site-a"}"#, 201);
    (site, vma, oma)
}

#[test]
fn nbdcopy_is_tracked_from_its_first_byte_to_the_history() {
    let (site, _vma, _oma) = declared();
    let output = nbdcopy(&site, "48M", "256M").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    site.until_status("job-1", "completed");
    let total = 48 << 20;
    assert_eq!(fs::metadata(site.path("out.img")).unwrap().len(), total);
    let row = site.rows("SELECT progress_percent, bytes_transferred, total_bytes, error_message FROM replication_jobs");
    assert_eq!(row, [format!("100|{total}|{total}|")]);
    assert_eq!(
        site.rows("SELECT disk_id, bytes_transferred, sync_success FROM cbt_history"),
        [format!("disk-2000|{total}|1")]
    );
}

#[test]
fn f19_f20_what_a_mover_said_when_it_failed_stands_in_the_row() {
    let (site, vma, _oma) = declared();
    let mover = ["sh", "-c", "echo 'nbdcopy: target: No space left on device' >&2; exit 3"];
    let url = site.url("vma");
    let mut run = waybill(&["run", "--job", "job-1", "--disk", "disk-2000", "--vma", &url, "--"]);
    let output = run.args(mover).output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", String::from_utf8_lossy(&output.stderr));
    site.until_status("job-1", "failed");
    let error = site.rows("SELECT error_message FROM replication_jobs").remove(0);
    assert!(error.contains("No space left on device") && error.contains('3'), "{error}");
    assert_eq!(vma.document("job-1")["error"], error.as_str());
    let disk = site.rows("SELECT sync_status, error_message FROM vm_disks").remove(0);
    assert!(disk.starts_with("failed|") && disk.contains("No space left on device"), "{disk}");
    assert_eq!(site.rows("SELECT disk_id, sync_success FROM cbt_history"), ["disk-2000|0"]);
}

#[test]
fn a_copy_does_not_notice_that_its_vma_was_killed_and_is_told_after_the_restart() {
    let (site, mut vma, _oma) = declared();
    let mut copy = nbdcopy(&site, "64M", "320M").spawn().unwrap();
    site.until_rows("SELECT sync_status FROM vm_disks", &["syncing"]);
    vma.kill();
    let written =
        || fs::metadata(site.path("out.img")).map_or(0, |image| std::os::unix::fs::MetadataExt::blocks(&image));
    let at_the_kill = written();
    until("the copy goes on without its VMA", LONG, || (written() > at_the_kill).then_some(()));
    let _vma = site.vma();
    let status = until("the copy ends", LONG, || copy.try_wait().unwrap());
    assert_eq!(status.code(), Some(0));
    site.until_rows("SELECT status, bytes_transferred FROM replication_jobs", &[&format!("completed|{}", 64 << 20)]);
    assert!(SOON < LONG);
}
