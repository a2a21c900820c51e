//! A job that an operator has cancelled: no copy of it starts, and one that runs is ended.

use std::io::Write;
use std::time::{Duration, Instant};

use crate::field::{FieldVma, Mood};
use crate::{run, stderr, waybill};

const REASON: &str = "cancelled: wrong target volume";

#[test]
fn no_copy_starts_for_a_cancelled_job_unless_told_to() {
    let vma = FieldVma::start(Mood::Well);
    vma.knows("j", "Streaming", &[("d", "Streaming")]);
    vma.ends("j", "Failed", REASON);
    let output = run(&vma, &["--", "sh", "-c", "echo started"]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(6), &b""[..]));
    let said =
        "waybill: job j was cancelled: wrong target volume; nothing is started. To go on all the same: --again\n";
    assert_eq!(stderr(&output), said);
    assert!(vma.pushes().is_empty() && vma.declarations().is_empty());
    let output = run(&vma, &["--again", "--", "sh", "-c", "echo started"]);
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), &b"started\n"[..]));
    assert_eq!(vma.pushes()[0]["stage"], "StartExports", "a new run");
}

#[test]
fn a_job_that_failed_otherwise_is_copied_again() {
    let vma = FieldVma::start(Mood::Well);
    vma.knows("j", "Streaming", &[("d", "Streaming")]);
    vma.ends("j", "Failed", "no space left; cancelled: no");
    assert!(run(&vma, &["--", "echo", "started"]).status.success());
}

#[test]
fn a_running_mover_is_ended_when_its_job_is_cancelled() {
    let vma = FieldVma::start(Mood::Well);
    // The shell waits for its child, which must end too.
    let script = "trap 'echo cleaned; exit 7' TERM; echo 5%; sleep 60 & wait $!; echo not reached";
    let child = waybill(&vma.url, &["--", "sh", "-c", script]).spawn().expect("waybill runs");
    vma.wait_for_push("share", |push| push["percent"] == 5.0);
    vma.ends("j", "Failed", REASON);
    let started = Instant::now();
    let output = child.wait_with_output().expect("waybill ends");
    assert_eq!(output.status.code(), Some(7), "{}", stderr(&output));
    assert!(started.elapsed() < Duration::from_secs(10), "{:?}", started.elapsed());
    assert_eq!(output.stdout, b"5%\ncleaned\n");
    let said = stderr(&output);
    assert!(said.contains("job j was cancelled: wrong target volume; the mover is ended\n"), "{said}");
    assert!(vma.finishes().is_empty(), "its end is not this wrapper's to tell");
}

#[test]
fn another_end_or_keep_running_lets_the_mover_run_on() {
    let other = (&["--", "sh", "-c", "echo 5%; read x"][..], "no contact for 5 minutes");
    let kept = (&["--keep-running", "--", "sh", "-c", "echo 5%; read x"][..], REASON);
    let mut children: Vec<_> = [other, kept]
        .into_iter()
        .map(|(arguments, reason)| {
            let vma = FieldVma::start(Mood::Well);
            let child = waybill(&vma.url, arguments).spawn().expect("waybill runs");
            vma.wait_for_push("share", |push| push["percent"] == 5.0);
            vma.ends("j", "Failed", reason);
            (child, vma, reason)
        })
        .collect();
    for (child, vma, _) in &mut children {
        // The second question comes three seconds after the first.
        vma.wait_for_questions(3);
        child.stdin.take().expect("piped").write_all(b"\n").expect("the mover reads");
    }
    for (child, _, reason) in children {
        let output = child.wait_with_output().expect("waybill ends");
        assert_eq!(output.status.code(), Some(0), "{reason}: {}", stderr(&output));
        let said = format!("job j is Failed already: {reason}; the copy goes on");
        assert!(stderr(&output).contains(&said), "{}", stderr(&output));
    }
}
