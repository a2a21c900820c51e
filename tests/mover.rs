//! `waybill run` with real movers (R-12): what the VMA is told, and that the copy never notices.

#[path = "field/mod.rs"]
mod field;

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use field::{FieldVma, Mood};
use serde_json::{Value, json};

const WAYBILL: &str = env!("CARGO_BIN_EXE_waybill");

/// A folder of this test's own, on real storage.
fn folder(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("mover-{test}-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}

/// `waybill run --job j --disk d` towards a VMA; the mover follows in `arguments` after further options and `--`.
fn waybill(vma: &str, arguments: &[&str]) -> Command {
    // Where the tests themselves run in the background, a shell has made them ignore SIGINT and SIGQUIT.
    let mut command = Command::new("env");
    command.args(["--default-signal", WAYBILL, "run", "--job", "j", "--disk", "d", "--vma", vma]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(vma: &FieldVma, arguments: &[&str]) -> Output {
    waybill(&vma.url, arguments).output().expect("waybill runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Stages and statuses of the pushes, in order, runs of equal ones told once.
fn story(vma: &FieldVma) -> Vec<String> {
    let text = |push: &Value, key: &str| push[key].as_str().unwrap_or_default().to_owned();
    let mut story: Vec<String> =
        vma.pushes().iter().map(|push| format!("{} {}", text(push, "stage"), text(push, "status"))).collect();
    story.dedup();
    story
}

const WHOLE_STORY: [&str; 3] = ["StartExports in_progress", "Transfer in_progress", "Transfer completed"];
const FAILED_STORY: [&str; 3] = ["StartExports in_progress", "Transfer in_progress", "Transfer failed"];

/// Bytes of the pushes, which must not fall, and must stay below the total until the last.
fn rising_bytes(vma: &FieldVma, total: u64) -> Vec<u64> {
    let bytes: Vec<u64> =
        vma.pushes().iter().map(|push| push["bytes_transferred"].as_u64().expect("always there")).collect();
    assert!(bytes.is_sorted(), "{bytes:?}");
    let (last, before) = bytes.split_last().expect("pushes");
    assert!(before.iter().all(|bytes| *bytes < total), "{bytes:?} reach {total} before the end");
    assert_eq!(*last, total);
    bytes
}

#[test]
fn nbdcopy_is_reported_with_its_total_and_refined_by_the_kernels_count() {
    let (vma, folder) = (FieldVma::start(Mood::Well), folder("nbdcopy"));
    let total = 192 << 20;
    let out = folder.join("out.img");
    let inner = format!("'{WAYBILL}' run --job j --disk d --vma {} -- nbdcopy \"$uri\" '{}'", vma.url, out.display());
    let rate = ["-U", "-", "--filter=rate", "pattern", "192M", "rate=320M", "--run", &inner];
    let output = Command::new("nbdkit").args(rate).output().expect("nbdkit runs");
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(fs::metadata(&out).expect("the copy").len(), total);
    assert_eq!(story(&vma), WHOLE_STORY);
    let bytes = rising_bytes(&vma, total);
    let running = vma.pushes().into_iter().filter(|push| push["bytes_source"] == "proc-io").collect::<Vec<_>>();
    assert!(running.len() >= 2, "refined between nbdcopy's steps of 128 MiB: {bytes:?}");
    assert!(running.iter().all(|push| push["total_bytes"] == total && push["disk_id"] == "d"), "{running:?}");
    assert_eq!(vma.finishes(), [("j".to_owned(), json!({"status": "Succeeded"}))]);
    fs::remove_dir_all(folder).expect("own folder");
}

#[test]
fn a_server_for_one_client_only_is_not_spoiled_by_asking_for_the_total() {
    let (vma, folder) = (FieldVma::start(Mood::Well), folder("one-client"));
    let (source, out, socket) = (folder.join("in.img"), folder.join("out.img"), folder.join("s"));
    fs::write(&source, vec![7; 8 << 20]).expect("a source");
    let mut server =
        Command::new("qemu-nbd").args(["-r", "-f", "raw", "-k"]).arg(&socket).arg(&source).spawn().expect("qemu-nbd");
    let started = Instant::now();
    while !socket.exists() {
        assert!(started.elapsed() < Duration::from_secs(10), "qemu-nbd listens");
        thread::sleep(Duration::from_millis(10));
    }
    let uri = format!("nbd+unix:///?socket={}", socket.display());
    let output = run(&vma, &["--", "nbdcopy", &uri, &out.to_string_lossy()]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(fs::read(&out).expect("the copy"), fs::read(&source).expect("the source"));
    server.wait().expect("it served its one client");
    fs::remove_dir_all(folder).expect("own folder");
}

#[test]
fn a_progress_descriptor_of_the_callers_own_still_gets_its_lines() {
    let (vma, folder) = (FieldVma::start(Mood::Well), folder("own-fd"));
    fs::write(folder.join("in.img"), vec![7; 4 << 20]).expect("a source");
    let script = format!(
        "exec 5>lines; '{WAYBILL}' run --job j --disk d --vma {} -- nbdcopy --progress=5 in.img out.img",
        vma.url
    );
    let output = Command::new("sh").args(["-c", &script]).current_dir(&folder).output().expect("sh runs");
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(fs::read_to_string(folder.join("lines")).expect("the caller's file").ends_with("100/100\n"));
    assert_eq!(rising_bytes(&vma, 4 << 20).last(), Some(&(4 << 20)));
    fs::remove_dir_all(folder).expect("own folder");
}

#[test]
fn qemu_img_is_reported_with_what_it_has_to_copy() {
    let (vma, folder) = (FieldVma::start(Mood::Well), folder("qemu-img"));
    let (source, out) = (folder.join("in.qcow2"), folder.join("out.raw"));
    let made = Command::new("qemu-img").args(["create", "-q", "-f", "qcow2"]).arg(&source).arg("64M").status();
    assert!(made.expect("qemu-img runs").success());
    let fill = Command::new("qemu-io").args(["-c", "write -P 7 0 48M"]).arg(&source).stdout(Stdio::null()).status();
    assert!(fill.expect("qemu-io runs").success());
    let output =
        run(&vma, &["--", "qemu-img", "convert", "-O", "raw", &source.to_string_lossy(), &out.to_string_lossy()]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(
        String::from_utf8_lossy(&output.stdout).ends_with("    (100.00/100%)\r\n"),
        "its own output is passed through"
    );
    assert_eq!(story(&vma), WHOLE_STORY);
    rising_bytes(&vma, 48 << 20);
    let all = ["--", "qemu-img", "convert", "-S", "0", "-O", "raw", &source.to_string_lossy(), &out.to_string_lossy()];
    let vma = FieldVma::start(Mood::Well);
    assert!(run(&vma, &all).status.success());
    rising_bytes(&vma, 64 << 20);
    fs::remove_dir_all(folder).expect("own folder");
}

#[test]
fn percent_lines_become_bytes_of_the_total_while_the_mover_runs() {
    let vma = FieldVma::start(Mood::Well);
    let script = r#"printf '[ 10%% ]\r'; read x; printf '25.5 %%\n' >&2; read x; printf '20%%\n100%%\n'; read x"#;
    let mut child = waybill(&vma.url, &["--total", "1000", "--", "sh", "-c", script]).spawn().expect("waybill runs");
    let mut stdin = child.stdin.take().expect("piped");
    for bytes in [100, 255, 999] {
        vma.wait_for_push("push", |push| push["bytes_transferred"] == bytes && push["total_bytes"] == 1000);
        stdin.write_all(b"\n").expect("the mover reads");
    }
    let output = child.wait_with_output().expect("waybill ends");
    assert_eq!(output.stdout, b"[ 10% ]\r20%\n100%\n");
    assert!(stderr(&output).contains("\n25.5 %\n"));
    assert_eq!(rising_bytes(&vma, 1000).last(), Some(&1000));
}

/// A target behind a socket, whose bytes the kernel does not count: nbdcopy's lines are all there is.
#[test]
fn u01_nbdcopys_pieces_move_the_bar_within_a_percent_of_a_large_disk() {
    let (vma, folder) = (FieldVma::start(Mood::Well), folder("pieces"));
    let program = folder.join("nbdcopy");
    let script = "#!/bin/sh\nfor n in 1 2 3 4 5 6 7 8 9; do echo 0/100 >&3; done; read x; echo 1/100 >&3; read x\n";
    fs::write(&program, script).expect("a script");
    fs::set_permissions(&program, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("own file");
    let (total, mib) = (100_u64 << 30, 1_u64 << 20);
    let arguments = ["--total", &total.to_string(), "--", &program.to_string_lossy(), "nbd://a", "nbd://b"];
    let mut child = waybill(&vma.url, &arguments).spawn().expect("waybill runs");
    let mut stdin = child.stdin.take().expect("piped");
    // Seven pieces of 128 MiB after the first, then eight, without what four threads may have in hand.
    for bytes in [448 * mib, 576 * mib] {
        vma.wait_for_push("piece", |push| push["bytes_transferred"] == bytes && push["total_bytes"] == total);
        stdin.write_all(b"\n").expect("the mover reads");
    }
    assert!(child.wait_with_output().expect("waybill ends").status.success());
    assert_eq!(rising_bytes(&vma, total).last(), Some(&total));
    fs::remove_dir_all(folder).expect("own folder");
}

#[test]
fn dd_is_reported_by_its_own_count() {
    let (vma, folder) = (FieldVma::start(Mood::Well), folder("dd"));
    let out = format!("of={}", folder.join("out").display());
    let output = run(&vma, &["--", "dd", "if=/dev/zero", &out, "bs=1M", "count=32", "status=progress"]);
    assert!(output.status.success());
    let last = vma.pushes().pop().expect("pushes");
    assert_eq!((&last["status"], &last["bytes_transferred"]), (&json!("completed"), &json!(32 << 20)));
    assert_eq!(last.get("total_bytes"), None, "nobody knew a total, so none is invented");
    fs::remove_dir_all(folder).expect("own folder");
}

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
        "waybill run --job j --disk d --vma {vma} -- sh -c 'echo \"$0\" >&2; exit 1' 'sh exited with status 5: why'\n"
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
    vma.wait_for("question", |seen| seen.method == "GET");
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
        .args(["run", "--job", "vm 1/disk?ü", "--disk", "d", "--vma", &vma.url, "--", "true"])
        .output()
        .expect("waybill runs");
    assert!(output.status.success());
    assert!(vma.seen().iter().all(|seen| seen.target.contains("/vm%201%2Fdisk%3F%C3%BC")), "{:?}", vma.seen());
    assert_eq!(vma.finishes(), [("vm 1/disk?ü".to_owned(), json!({"status": "Succeeded"}))]);
}

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
