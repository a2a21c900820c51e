//! Signals and streams pass through `waybill run` as if it were not there.

use std::fs;
use std::io::{Read, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::field::{FieldVma, Mood};
use crate::{WAYBILL, folder, run, stderr, waybill};

/// Starts a mover that says `ready` once it can be signalled.
fn ready(vma: &FieldVma, script: &str) -> Child {
    let mut child = waybill(&vma.url, &["--", "sh", "-c", script]).spawn().expect("waybill runs");
    let mut said = [0; 6];
    child.stdout.as_mut().expect("piped").read_exact(&mut said).expect("the mover speaks");
    assert_eq!(&said, b"ready\n");
    child
}

fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([&format!("-{name}"), &child.id().to_string()]).status().expect("kill runs");
    assert!(sent.success());
}

#[test]
fn signals_are_passed_to_the_mover_which_is_waited_for() {
    for name in ["TERM", "INT", "HUP", "QUIT"] {
        let vma = FieldVma::start(Mood::Well);
        let child =
            ready(&vma, &format!("trap 'echo cleaned >&2; exit 7' {name}; echo ready; while :; do sleep 0.02; done"));
        signal(&child, name);
        let output = child.wait_with_output().expect("waybill ends");
        assert_eq!(output.status.code(), Some(7), "{name}");
        assert_eq!(vma.pushes().pop().expect("pushes")["error_message"], "sh exited with status 7: cleaned", "{name}");
    }
}

#[test]
fn a_mover_without_a_trap_dies_of_the_signal() {
    let vma = FieldVma::start(Mood::Well);
    let child = ready(&vma, "echo ready; exec sleep 60");
    signal(&child, "TERM");
    assert_eq!(child.wait_with_output().expect("waybill ends").status.code(), Some(143));
    assert_eq!(vma.finishes()[0].1["error"], "sh was killed by signal SIGTERM");
}

#[test]
fn a_signal_after_the_movers_end_cuts_the_grace_short() {
    let vma = FieldVma::start(Mood::Status(500));
    let started = Instant::now();
    // The mover ignores the signal, so that one that comes while it still runs does not change its status.
    let mut child = ready(&vma, "trap '' TERM; echo ready; exit 4");
    while child.try_wait().expect("a child").is_none() {
        signal(&child, "TERM");
        thread::sleep(Duration::from_millis(50));
        assert!(started.elapsed() < Duration::from_secs(20), "not a minute");
    }
    assert_eq!(child.wait().expect("waybill ends").code(), Some(4));
}

#[test]
fn an_ignored_signal_stays_ignored_for_the_mover() {
    let vma = FieldVma::start(Mood::Well);
    let script = format!(
        "trap '' HUP; exec '{WAYBILL}' run --job j --disk d --vma {} -- sh -c 'echo ready; read x; kill -HUP $$; exit 6'",
        vma.url
    );
    let mut child =
        Command::new("sh").args(["-c", &script]).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("sh");
    child.stdout.as_mut().expect("piped").read_exact(&mut [0; 6]).expect("ready");
    signal(&child, "HUP");
    child.stdin.take().expect("piped").write_all(b"\n").expect("the mover reads");
    assert_eq!(child.wait().expect("waybill ends").code(), Some(6), "nohup works as ever");
}

#[test]
fn data_on_standard_output_is_passed_unchanged_and_is_no_progress() {
    let (vma, folder) = (FieldVma::start(Mood::Well), folder("data"));
    let file = folder.join("data");
    let mut data: Vec<u8> = (0..3_000_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    data.extend_from_slice(b"\n99%\n");
    fs::write(&file, &data).expect("data");
    let output = run(&vma, &["--total", "100", "--", "cat", &file.to_string_lossy()]);
    assert!(output.status.success() && output.stdout == data);
    assert_eq!(vma.pushes().len(), 3, "opened, started, completed: {:?}", vma.pushes());
    fs::remove_dir_all(folder).expect("own folder");
}

#[test]
fn a_reader_that_goes_away_is_felt_by_the_mover_as_without_the_wrapper() {
    let vma = FieldVma::start(Mood::Well);
    let mut child = waybill(&vma.url, &["--", "yes"]).spawn().expect("waybill runs");
    child.stdout.take().expect("piped").read_exact(&mut [0; 2]).expect("yes speaks");
    assert_eq!(child.wait_with_output().expect("waybill ends").status.code(), Some(141), "killed by SIGPIPE");
}

#[test]
fn something_that_the_mover_leaves_behind_does_not_hold_the_wrapper() {
    let vma = FieldVma::start(Mood::Well);
    let started = Instant::now();
    let mut child = waybill(&vma.url, &["--", "sh", "-c", "sleep 30 & echo $!"]).spawn().expect("waybill runs");
    let mut line = Vec::new();
    while line.last() != Some(&b'\n') {
        let mut byte = [0];
        child.stdout.as_mut().expect("piped").read_exact(&mut byte).expect("a line");
        line.extend(byte);
    }
    assert_eq!(child.wait().expect("waybill ends").code(), Some(0));
    assert!(started.elapsed() < Duration::from_secs(15));
    let left = String::from_utf8(line).expect("a number");
    Command::new("kill").arg(left.trim()).status().expect("kill runs");
}

#[test]
fn a_wrong_command_line_starts_nothing() {
    let output = Command::new(WAYBILL)
        .args(["run", "--job", "j", "--", "touch", "/nonexistent/x"])
        .output()
        .expect("waybill runs");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("--disk is missing"));
    let help = Command::new(WAYBILL).args(["run", "--help"]).output().expect("waybill runs");
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("--report-grace"));
}
