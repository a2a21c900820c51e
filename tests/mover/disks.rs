//! Which end of a disk is the end of its job, and what is said of a disk or a copy that looks wrong.

use serde_json::{Value, json};

use crate::field::{FieldVma, Mood};
use crate::{bare, run, stderr};

const GOES_ON: &str = "job web02 goes on: how many disks it has was never declared; end it with --last on its last disk, \
                       or: waybill finish web02\n";

/// `waybill run --job web02` with these arguments: whether it went well, and what it said.
fn web02(vma: &FieldVma, arguments: &[&str]) -> (Option<i32>, String) {
    let output = bare(&vma.url, &[&["--job", "web02"], arguments].concat()).output().expect("waybill runs");
    (output.status.code(), stderr(&output))
}
const COPY: [&str; 4] = ["--", "sh", "-c", "echo 100%"];

fn one(vma: &FieldVma, options: &[&str]) -> String {
    let (status, said) = web02(vma, &[options, &COPY].concat());
    assert_eq!(status, Some(0), "{said}");
    said
}

#[test]
fn the_first_of_two_disks_does_not_end_a_job_that_counts_two() {
    let vma = FieldVma::start(Mood::Well);
    vma.counts("web02", 2);
    let said = one(&vma, &["--disk", "disk-2000"]);
    assert!(said.contains("job web02 goes on: 1 of its 2 disks is completed\n"), "{said}");
    assert!(vma.finishes().is_empty());
    assert!(one(&vma, &["--disk", "disk-2001"]).contains("job web02 has Succeeded"));
    assert_eq!(vma.finishes().len(), 1);
}

#[test]
fn a_job_whose_disks_were_never_declared_is_left_open_and_that_is_said() {
    let vma = FieldVma::start(Mood::Well);
    let said = one(&vma, &["--disk", "disk-2000"]);
    assert!(said.contains(GOES_ON), "{said}");
    assert!(vma.declarations().is_empty() && vma.finishes().is_empty(), "one disk says nothing of how many there are");
    assert!(one(&vma, &["--disk", "disk-2001", "--last"]).contains("job web02 has Succeeded"));
}

#[test]
fn a_job_that_is_declared_with_this_one_disk_is_ended() {
    let vma = FieldVma::start(Mood::Well);
    vma.knows("web02", "Queued", &[("disk-2000", "Queued")]);
    assert!(one(&vma, &["--disk", "disk-2000"]).contains("job web02 has Succeeded"));
    let vma = FieldVma::start(Mood::Well);
    vma.counts("web02", 1);
    assert!(one(&vma, &["--disk", "disk-2000"]).contains("job web02 has Succeeded"));
}

#[test]
fn disks_in_turn_are_declared_first_and_the_last_one_ends_the_job() {
    let vma = FieldVma::start(Mood::Well);
    let first = ["--vm", "/DC0/vm/web02", "--disk", "disk-2000"];
    let second = ["--then", "--disk", "disk-2001"];
    let (status, said) = web02(&vma, &[&first[..], &COPY, &second, &COPY].concat());
    assert_eq!(status, Some(0), "{said}");
    let (_, declaration) = vma.declarations().pop().expect("a declaration");
    assert_eq!(declaration["vm"]["path"], "/DC0/vm/web02");
    let ids: Vec<&Value> = declaration["disks"].as_array().expect("disks").iter().map(|disk| &disk["id"]).collect();
    assert_eq!(ids, ["disk-2000", "disk-2001"]);
    let completed = vma.pushes().into_iter().filter(|push| push["status"] == "completed");
    assert_eq!(completed.map(|push| push["disk_id"].clone()).collect::<Vec<_>>(), ["disk-2000", "disk-2001"]);
    assert_eq!(vma.finishes(), [("web02".to_owned(), json!({"status": "Succeeded"}))]);
    assert!(said.contains("reported as completed\n") && said.contains("job web02 has Succeeded\n"), "{said}");
}

#[test]
fn disks_in_turn_stop_at_the_first_failure_and_pass_its_status_on() {
    let vma = FieldVma::start(Mood::Well);
    let failing = ["--disk", "a", "--", "sh", "-c", "echo why >&2; exit 9", "--then", "--disk", "b"];
    let (status, said) = web02(&vma, &[&failing[..], &COPY].concat());
    assert_eq!(status, Some(9), "{said}");
    assert!(vma.pushes().iter().all(|push| push["disk_id"] != "b"), "{:?}", vma.pushes());
    assert!(said.contains("1 more of 2 copies of job web02 are not started\n"), "{said}");
    assert_eq!(
        vma.finishes(),
        [("web02".to_owned(), json!({"status": "Failed", "error": "sh exited with status 9: why"}))]
    );
}

#[test]
fn a_disk_that_was_not_declared_is_warned_of_and_copied() {
    let vma = FieldVma::start(Mood::Well);
    vma.knows("web02", "Queued", &[("disk-2000", "Queued"), ("disk-2001", "Queued")]);
    let said = one(&vma, &["--disk", "disk-2010"]);
    let warning =
        "warning: job web02 is declared with disk-2000, disk-2001, and disk-2010 is none of them; the copy goes on\n";
    assert!(said.starts_with(&format!("waybill: {warning}")), "before the copy: {said}");
    assert!(said.contains("job web02 goes on, waiting for disk-2000, disk-2001\n"), "{said}");
    let said = one(&vma, &["--disk", "disk-2000"]);
    assert!(!said.contains("warning"), "{said}");
}

#[test]
fn a_mover_that_moved_nothing_ends_well_only_with_a_warning() {
    const WARNING: &str = "waybill: warning: the mover moved no byte and no plan says that there was nothing to move\n";
    let vma = FieldVma::start(Mood::Well);
    let output = run(&vma, &["--", "true"]);
    assert!(output.status.success() && stderr(&output).contains(WARNING), "{}", stderr(&output));
    for quiet in [&["--total", "0", "--", "true"][..], &["--total", "5", "--", "true"], &COPY] {
        let output = run(&vma, quiet);
        assert!(output.status.success() && !stderr(&output).contains(WARNING), "{quiet:?}: {}", stderr(&output));
    }
    assert!(!stderr(&run(&vma, &["--", "false"])).contains(WARNING), "a failure needs no doubt");
}
