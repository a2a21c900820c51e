//! Movers that copy a whole VM by themselves: their bars are of stages and of one disk after another, and their command
//! lines name the job.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::{Value, json};

use crate::field::{FieldVma, Mood};
use crate::{bare, folder, stderr, waybill};

/// A mover of this name that runs this script.
fn mover(folder: &Path, name: &str, script: &str) -> String {
    let program = folder.join(name);
    fs::write(&program, format!("#!/bin/sh\n{script}\n")).expect("a script");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("own file");
    program.display().to_string()
}
/// What a drawn mover prints, see `tests/movers/record`.
fn drawn(name: &str) -> String {
    format!("cat '{}/tests/movers/{name}-drawn.pipe'", env!("CARGO_MANIFEST_DIR"))
}
/// Disks in the order in which they were completed.
fn completed(vma: &FieldVma) -> Vec<String> {
    let is_completed = |push: &Value| push["status"] == "completed";
    let ended = vma.pushes().into_iter().filter(is_completed);
    ended.map(|push| push["disk_id"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn a_snapshot_at_100_percent_is_not_the_copy() {
    let (vma, folder) = (FieldVma::start(Mood::Well), folder("snapshot"));
    let script = r#"bar() { printf '\033[2K\r%s %d%% [\033[32m=>\033[0m   ] (%s)' "$@"; }
        bar 'Creating snapshot' 100 100/100; read x
        bar 'Full copy' 40 '1.0/2.6 GB, 95 MB/s'; read x; echo 'connection lost' >&2; exit 1"#;
    let program = mover(&folder, "migratekit", script);
    let mut child =
        waybill(&vma.url, &["--total", "104857600", "--", &program, "migrate"]).spawn().expect("waybill runs");
    let mut stdin = child.stdin.take().expect("piped");
    vma.wait_for_push("stage", |push| push["stage"] == "Snapshot");
    assert!(vma.pushes().iter().all(|push| push["bytes_transferred"] == 0), "{:?}", vma.pushes());
    stdin.write_all(b"\n").expect("the mover reads");
    vma.wait_for_push("copy", |push| push["stage"] == "Transfer" && push["bytes_transferred"] == 41_943_040);
    stdin.write_all(b"\n").expect("the mover reads");
    assert_eq!(child.wait().expect("waybill ends").code(), Some(1));
    let last = vma.pushes().pop().expect("pushes");
    assert_eq!((&last["status"], &last["bytes_transferred"]), (&json!("failed"), &json!(41_943_040)));
    fs::remove_dir_all(folder).expect("own folder");
}

#[test]
fn migratekits_disks_are_told_apart_and_its_job_is_declared() {
    let (vma, folder) = (FieldVma::start(Mood::Well), folder("migratekit"));
    let program = mover(&folder, "migratekit", &drawn("migratekit"));
    let disks = ["--disk", "disk-2000", "--disk", "disk-2001", "--", &program];
    let mover = ["migrate", "--vmware-path", "/DC0/vm/web01", "--job-id=job-1"];
    let output = bare(&vma.url, &[&disks[..], &mover[..]].concat()).output().expect("waybill runs");
    assert!(output.status.success(), "{}", stderr(&output));
    let disks = json!([{"id": "disk-2000"}, {"id": "disk-2001"}]);
    assert_eq!(vma.seen()[1].method, "PUT", "before the copy");
    let [(job, declaration)] = vma.declarations().try_into().expect("one declaration");
    assert_eq!((job.as_str(), &declaration["vm"]["path"]), ("job-1", &json!("/DC0/vm/web01")));
    let ids = declaration["disks"].as_array().expect("disks").iter().map(|disk| json!({"id": disk["id"]}));
    assert_eq!(Value::Array(ids.collect()), disks);
    assert_eq!(completed(&vma), ["disk-2000", "disk-2001"]);
    let bytes = vma.pushes().into_iter().filter(|push| push["status"] == "completed");
    let bytes: Vec<Value> = bytes.map(|push| push["bytes_transferred"].clone()).collect();
    assert_eq!(bytes, [260_000_000, 130_000_000], "as its bars say");
    assert_eq!(vma.finishes(), [("job-1".to_owned(), json!({"status": "Succeeded"}))]);
    fs::remove_dir_all(folder).expect("own folder");
}

#[test]
fn disks_beyond_those_that_were_named_are_the_declared_ones() {
    let (vma, folder) = (FieldVma::start(Mood::Well), folder("declared"));
    vma.knows("j", "Queued", &[("disk-2000", "Queued"), ("disk-2001", "Queued")]);
    let program = mover(&folder, "migratekit", &drawn("migratekit"));
    let arguments = ["--job", "j", "--disk", "disk-2001", "--", &program, "migrate"];
    let output = bare(&vma.url, &arguments).output().expect("waybill runs");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(completed(&vma), ["disk-2001", "disk-2000"]);
    assert_eq!(vma.finishes().len(), 1);
    fs::remove_dir_all(folder).expect("own folder");
}

#[test]
fn virt_v2vs_disks_are_told_apart_by_its_headings() {
    let (vma, folder) = (FieldVma::start(Mood::Well), folder("virt-v2v"));
    let program = mover(&folder, "virt-v2v", &drawn("virt-v2v"));
    let arguments = ["--job", "j", "--", &program, "-i", "libvirt", "web01", "-o", "null"];
    let output = bare(&vma.url, &arguments).output().expect("waybill runs");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(completed(&vma), ["disk-0", "disk-1"]);
    assert_eq!(vma.declarations()[0].1["vm"]["path"], "web01");
    assert_eq!(vma.finishes().len(), 1);
    fs::remove_dir_all(folder).expect("own folder");
}

#[test]
fn a_refused_declaration_is_said_and_never_stops_a_copy() {
    let vma = FieldVma::start(Mood::RefusesDeclaration("the path is another"));
    let output =
        waybill(&vma.url, &["--vm", "/DC0/vm/a", "--", "sh", "-c", "echo 100%"]).output().expect("waybill runs");
    assert!(output.status.success());
    assert!(
        stderr(&output).contains("could not be declared (409: not now; the path is another)"),
        "{}",
        stderr(&output)
    );
    assert_eq!(vma.finishes().len(), 1);
}
