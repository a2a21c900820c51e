//! How the end of a mover is reported, to a VMA that listens and to one that does not.

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::field::{FieldVma, Mood};
use crate::{FAILED_STORY, WAYBILL, WHOLE_STORY, folder, run, stderr, story, waybill};

#[test]
fn f19_f20_a_failed_mover_is_reported_with_its_last_words() {
    let vma = FieldVma::start(Mood::Well);
    let output = run(
        &vma,
        &["--", "sh", "-c", "echo copying; echo 'nbd: \x1b[31mno route\x1b[0m to host' >&2; echo bye >&2; exit 3"],
    );
    assert_eq!(output.status.code(), Some(3));
    assert_eq!(output.stdout, b"copying\n");
    assert!(stderr(&output).contains("nbd: \x1b[31mno route\x1b[0m to host\nbye\n"), "passed through unchanged");
    let why = "sh exited with status 3: nbd: no route to host | bye";
    assert_eq!(story(&vma), FAILED_STORY);
    assert_eq!(vma.pushes().pop().expect("pushes")["error_message"], why);
    assert_eq!(vma.finishes(), [("j".to_owned(), json!({"status": "Failed", "error": why}))]);
}

#[test]
fn f20_a_killed_mover_is_reported_with_the_signal() {
    let vma = FieldVma::start(Mood::Well);
    let output = run(&vma, &["--", "sh", "-c", "kill -KILL $$"]);
    assert_eq!(output.status.code(), Some(137));
    assert_eq!(vma.pushes().pop().expect("pushes")["error_message"], "sh was killed by signal SIGKILL");
}

#[test]
fn a_mover_that_cannot_be_started_is_reported_and_named() {
    for (program, code) in [("/nonexistent/nbdcopy", 127), ("/nonexistent/mover", 127), ("/", 126)] {
        let vma = FieldVma::start(Mood::Well);
        let output = run(&vma, &["--", program, "a", "b"]);
        assert_eq!(output.status.code(), Some(code), "{program}: {}", stderr(&output));
        assert_eq!(story(&vma), FAILED_STORY, "{program}");
        let (_, finish) = vma.finishes().pop().expect("a finish");
        assert!(finish["error"].as_str().is_some_and(|error| error.contains("could not be started")), "{finish}");
    }
}

#[test]
fn a_vma_that_is_away_never_stops_a_copy() {
    let port = TcpListener::bind("127.0.0.1:0").expect("a free port").local_addr().expect("bound");
    let vma = format!("http://{port}");
    let output = waybill(&vma, &["--report-grace", "1s", "--", "sh", "-c", "echo data; echo why >&2; exit 5"]).output();
    let output = output.expect("waybill runs");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(5), &b"data\n"[..]));
    let said = stderr(&output);
    assert!(said.contains("that the disk has failed, and why could not be reported"), "{said}");
    let by_hand = format!(
        "waybill run --job j --disk d --vma {vma} --last -- sh -c 'echo \"$0\" >&2; exit 1' 'sh exited with status 5: why'\n"
    );
    assert!(said.ends_with(&by_hand), "{said}");
}

#[test]
fn a_stalled_vma_never_slows_a_copy() {
    let (vma, folder) = (FieldVma::start(Mood::Stalled), folder("stalled"));
    let done = folder.join("done");
    let script = format!("echo 50%; : > '{}'", done.display());
    let started = Instant::now();
    let mut child =
        waybill(&vma.url, &["--report-grace", "3s", "--", "sh", "-c", &script]).spawn().expect("waybill runs");
    while !done.exists() {
        assert!(started.elapsed() < Duration::from_secs(2), "the mover ran while the first call still hung");
        thread::sleep(Duration::from_millis(5));
    }
    assert!(child.try_wait().expect("a child").is_none(), "the wrapper insists on its last reports");
    let output = child.wait_with_output().expect("waybill ends");
    assert!(output.status.success(), "{}", stderr(&output));
    // The kernel may count a block for the folder's entry, which the remedy then hands on.
    let (said, by_hand) = (stderr(&output), format!("waybill run --job j --disk d --vma {}", vma.url));
    assert!(said.contains(&by_hand) && said.ends_with(" -- true\n"), "{said}");
    assert!(started.elapsed() < Duration::from_secs(15), "grace and one call's time limit: {:?}", started.elapsed());
    fs::remove_dir_all(folder).expect("own folder");
}

#[test]
fn a_vma_that_comes_back_is_told_the_newest_state_only() {
    let vma = FieldVma::start(Mood::Status(500));
    let script = "for n in 10 20 30 40; do echo $n%; done; read x; echo 60%; read x";
    let mut child = waybill(&vma.url, &["--total", "100", "--", "sh", "-c", script]).spawn().expect("waybill runs");
    let mut stdin = child.stdin.take().expect("piped");
    // The first is a look before the copy, which is not insisted on.
    vma.wait_for_questions(2);
    stdin.write_all(b"\n").expect("the mover reads");
    vma.change_mood(Mood::Well);
    vma.wait_for_push("newest figure", |push| push["bytes_transferred"] == 60);
    stdin.write_all(b"\n").expect("the mover reads");
    let output = child.wait_with_output().expect("waybill ends");
    assert!(output.status.success() && stderr(&output).contains("takes reports again"), "{}", stderr(&output));
    assert_eq!(story(&vma), WHOLE_STORY);
    assert!(vma.pushes().len() <= 5, "{:?}", vma.pushes());
}

#[test]
fn u02_the_end_is_insisted_on_until_the_vma_is_back() {
    let vma = FieldVma::start(Mood::Status(503));
    let child = waybill(&vma.url, &["--", "true"]).spawn().expect("waybill runs");
    vma.wait_for("question", |seen| seen.method == "GET");
    vma.change_mood(Mood::Well);
    let output = child.wait_with_output().expect("waybill ends");
    assert!(output.status.success());
    assert_eq!(story(&vma), WHOLE_STORY);
    assert_eq!(vma.finishes(), [("j".to_owned(), json!({"status": "Succeeded"}))]);
}

#[test]
fn a_refusal_at_the_end_is_not_argued_with() {
    let vma = FieldVma::start(Mood::Status(404));
    let started = Instant::now();
    let output = run(&vma, &["--", "true"]);
    assert!(output.status.success() && started.elapsed() < Duration::from_secs(20), "no minute of grace for a no");
    assert!(stderr(&output).contains("404: out of order"), "{}", stderr(&output));
}

#[test]
fn f09_a_job_with_another_disk_to_copy_is_not_ended() {
    let vma = FieldVma::start(Mood::Well);
    vma.knows("j", "Streaming", &[("d", "Queued"), ("e", "Queued")]);
    let output = run(&vma, &["--", "true"]);
    assert!(output.status.success());
    assert_eq!(story(&vma), WHOLE_STORY[1..], "a job that is under way is not started again");
    assert!(vma.finishes().is_empty());
    assert!(stderr(&output).contains("job j goes on, waiting for e\n"), "{}", stderr(&output));
}

#[test]
fn f28_a_finished_id_opens_a_new_run_which_alone_is_ended() {
    let vma = FieldVma::start(Mood::Well);
    vma.knows("j", "Failed", &[("d", "Failed")]);
    assert!(run(&vma, &["--", "true"]).status.success());
    assert_eq!(story(&vma), WHOLE_STORY);
    assert_eq!(vma.finishes(), [("j~2".to_owned(), json!({"status": "Succeeded"}))]);
}

#[test]
fn a_job_that_cannot_be_ended_yet_is_no_error() {
    let vma = FieldVma::start(Mood::RefusesFinish("disk e is Streaming"));
    let output = run(&vma, &["--", "true"]);
    assert!(output.status.success());
    assert!(stderr(&output).contains("job j is not ended: not now; disk e is Streaming"), "{}", stderr(&output));
    assert!(!stderr(&output).contains("by hand"), "{}", stderr(&output));
}

#[test]
fn no_finish_ends_the_disk_only() {
    for script in ["true", "false"] {
        let vma = FieldVma::start(Mood::Well);
        run(&vma, &["--no-finish", "--", script]);
        assert!(vma.finishes().is_empty(), "{script}");
        let whole = if script == "true" { WHOLE_STORY } else { FAILED_STORY };
        assert_eq!(story(&vma), whole, "{script}");
    }
}

#[test]
fn any_id_reaches_the_vma_as_one_path_segment() {
    let vma = FieldVma::start(Mood::Well);
    let output = Command::new(WAYBILL)
        .args(["run", "--job", "vm 1/disk?ü", "--disk", "d", "--last", "--vma", &vma.url, "--", "true"])
        .output()
        .expect("waybill runs");
    assert!(output.status.success());
    assert!(vma.seen().iter().all(|seen| seen.target.contains("/vm%201%2Fdisk%3F%C3%BC")), "{:?}", vma.seen());
    assert_eq!(vma.finishes(), [("vm 1/disk?ü".to_owned(), json!({"status": "Succeeded"}))]);
}
