//! Each kind of mover is read as it prints: dd, nbdcopy with a server of its own, pv, rsync, rclone.

use std::fs;
use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::field::{FieldVma, Mood};
use crate::{folder, rising_bytes, run, stderr, waybill};

const MIB: u64 = 1 << 20;

fn bytes(push: &Value) -> u64 {
    push["bytes_transferred"].as_u64().expect("always there")
}
/// Some push before the last has bytes in this range.
fn shows_between(vma: &FieldVma, from: u64, to: u64) {
    let all: Vec<u64> = vma.pushes().iter().map(bytes).collect();
    let (_, before) = all.split_last().expect("pushes");
    assert!(before.iter().any(|bytes| (from..to).contains(bytes)), "{from}..{to}: {all:?}");
}
fn random(path: &Path, length: u64) {
    let mut data = Vec::new();
    let mut word = 1_u64;
    while (data.len() as u64) < length {
        word = word.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        data.extend_from_slice(&word.to_le_bytes());
    }
    fs::write(path, data).expect("a file");
}

#[test]
fn dds_own_final_count_beats_the_total_that_was_given() {
    let (vma, folder) = (FieldVma::start(Mood::Well), folder("dd-count"));
    let out = format!("of={}", folder.join("out").display());
    let arguments =
        ["--total", "167772160", "--", "dd", "if=/dev/zero", &out, "bs=16k", "count=600", "status=progress"];
    let output = run(&vma, &arguments);
    assert!(output.status.success());
    let last = vma.pushes().pop().expect("pushes");
    assert_eq!((&last["bytes_transferred"], &last["total_bytes"]), (&json!(9_830_400), &json!(9_830_400)));
    assert!(stderr(&output).contains(", 9.4 MiB moved, "), "{}", stderr(&output));
    fs::remove_dir_all(folder).expect("own folder");
}

#[test]
fn nbdcopy_with_a_server_of_its_own_is_shown_by_its_targets_length() {
    let (vma, folder) = (FieldVma::start(Mood::Well), folder("own-server"));
    let out = folder.join("out.img").display().to_string();
    let mover = ["--", "nbdcopy", "--", "[", "nbdkit", "--filter=rate", "pattern", "192M", "rate=480M", "]", &out];
    let output = run(&vma, &mover);
    assert!(output.status.success(), "{}", stderr(&output));
    rising_bytes(&vma, 192 * MIB);
    shows_between(&vma, MIB, 191 * MIB);
    fs::remove_dir_all(folder).expect("own folder");
}

#[test]
fn a_percent_without_a_total_is_pushed_as_the_movers_own() {
    let vma = FieldVma::start(Mood::Well);
    let mut child = waybill(&vma.url, &["--", "sh", "-c", "echo 42%; read x"]).spawn().expect("waybill runs");
    vma.wait_for_push("percent", |push| push["percent"] == 42.0 && push.get("total_bytes").is_none());
    child.stdin.take().expect("piped").write_all(b"\n").expect("the mover reads");
    assert!(child.wait().expect("waybill ends").success());
}

#[test]
fn rsyncs_files_are_added_up() {
    let (vma, folder) = (FieldVma::start(Mood::Well), folder("rsync"));
    fs::create_dir(folder.join("in")).expect("own folder");
    random(&folder.join("in/a"), 3 * MIB);
    random(&folder.join("in/b"), 5 * MIB);
    let (from, to) = (folder.join("in/").display().to_string(), folder.join("out").display().to_string());
    let total = (8 * MIB).to_string();
    let output = run(&vma, &["--total", &total, "--", "rsync", "-r", "--progress", "--bwlimit=8M", &from, &to]);
    assert!(output.status.success(), "{}", stderr(&output));
    rising_bytes(&vma, 8 * MIB);
    shows_between(&vma, 3 * MIB + 1, 7 * MIB);
    fs::remove_dir_all(folder).expect("own folder");
}

#[test]
fn rclones_checks_are_no_progress() {
    let (vma, folder) = (FieldVma::start(Mood::Well), folder("rclone"));
    fs::create_dir_all(folder.join("in")).expect("own folder");
    fs::create_dir_all(folder.join("out")).expect("own folder");
    random(&folder.join("in/a"), MIB);
    random(&folder.join("in/b"), 6 * MIB);
    fs::copy(folder.join("in/a"), folder.join("out/a")).expect("a copy");
    let same = fs::File::options().append(true).open(folder.join("out/a")).expect("own file");
    let modified = fs::metadata(folder.join("in/a")).and_then(|file| file.modified()).expect("a time");
    same.set_modified(modified).expect("own file");
    let (from, to) = (folder.join("in").display().to_string(), folder.join("out").display().to_string());
    let total = (6 * MIB).to_string();
    let mover = ["rclone", "copy", "-P", "--config=/dev/null", "--stats=200ms", "--bwlimit=6M", &from, &to];
    let output = run(&vma, &[&["--total", &total, "--"], &mover[..]].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(String::from_utf8_lossy(&output.stdout).contains("Checks:"), "the case that is meant");
    rising_bytes(&vma, 6 * MIB);
    shows_between(&vma, MIB / 2, 5 * MIB);
    fs::remove_dir_all(folder).expect("own folder");
}

#[test]
fn the_bare_numbers_of_pv_are_read() {
    let (vma, folder) = (FieldVma::start(Mood::Well), folder("pv"));
    random(&folder.join("in"), 8 * MIB);
    let script = format!("cd '{}'; pv -n -i 0.1 -L 10M in | cat >out", folder.display());
    let output = run(&vma, &["--total", &(8 * MIB).to_string(), "--", "sh", "-c", &script]);
    assert!(output.status.success(), "{}", stderr(&output));
    rising_bytes(&vma, 8 * MIB);
    shows_between(&vma, MIB, 7 * MIB);
    fs::remove_dir_all(folder).expect("own folder");
}

#[test]
fn lines_like_nbdcopys_are_read_of_any_mover() {
    let vma = FieldVma::start(Mood::Well);
    let script = "echo 25/100; read x";
    let mut child = waybill(&vma.url, &["--total", "1000", "--", "sh", "-c", script]).spawn().expect("waybill runs");
    vma.wait_for_push("share", |push| push["bytes_transferred"] == 250);
    child.stdin.take().expect("piped").write_all(b"\n").expect("the mover reads");
    assert!(child.wait().expect("waybill ends").success());
}

#[test]
fn a_percent_in_prose_moves_no_bar() {
    let vma = FieldVma::start(Mood::Well);
    let script = "echo 'filesystem 97% full'; printf '12.34%% of the space is used\\r'; echo 'Copying... 30%'; read x";
    let mut child = waybill(&vma.url, &["--total", "1000", "--", "sh", "-c", script]).spawn().expect("waybill runs");
    vma.wait_for_push("share", |push| push["bytes_transferred"] == 300);
    assert!(vma.pushes().iter().all(|push| [0, 300].contains(&bytes(push))), "{:?}", vma.pushes());
    child.stdin.take().expect("piped").write_all(b"\n").expect("the mover reads");
    assert!(child.wait().expect("waybill ends").success());
}
