//! What is shown of a copy while it runs and at its end, by the mover's own figures and the kernel's count.

use std::fs;
use std::io::Write;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::field::{FieldVma, Mood};
use crate::{WAYBILL, WHOLE_STORY, folder, rising_bytes, run, stderr, story, waybill};

#[test]
fn nbdcopy_is_reported_with_its_total_and_refined_by_the_kernels_count() {
    let (vma, folder) = (FieldVma::start(Mood::Well), folder("nbdcopy"));
    let total = 192 << 20;
    let out = folder.join("out.img");
    let inner =
        format!("'{WAYBILL}' run --job j --disk d --last --vma {} -- nbdcopy \"$uri\" '{}'", vma.url, out.display());
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
        "exec 5>lines; '{WAYBILL}' run --job j --disk d --last --vma {} -- nbdcopy --progress=5 in.img out.img",
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
    // Seven pieces of 128 MiB after the first, then eight, without what four threads may have begun.
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
    assert_eq!(last.get("total_bytes"), None, "no total was known, so none is invented");
    fs::remove_dir_all(folder).expect("own folder");
}
