//! A mover behind `nice`, `timeout` or `sh -c` is known, asked and read as without it.

use std::fs;
use std::io::Write;

use crate::field::{FieldVma, Mood};
use crate::{folder, rising_bytes, run, stderr, waybill};

/// Copies 16 MiB in two seconds, so that shares between can be seen.
fn converts(test: &str, before: &[&str], as_script: bool, progress: bool) {
    let (vma, folder) = (FieldVma::start(Mood::Well), folder(test));
    let (source, out) = (folder.join("in.raw"), folder.join("out.raw"));
    fs::write(&source, vec![7; 16 << 20]).expect("a source");
    let (source, out) = (source.display().to_string(), out.display().to_string());
    let mut words = vec!["qemu-img", "convert", "-r", "8M", "-f", "raw", "-O", "raw", &source, &out];
    if progress {
        words.insert(2, "-p");
    }
    let script = words.join(" ");
    let mover = if as_script { [before, &[&script]].concat() } else { [before, &words].concat() };
    let output = run(&vma, &[&["--"], mover.as_slice()].concat());
    assert!(output.status.success(), "{}", stderr(&output));
    let shown = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(shown.ends_with("    (100.00/100%)\r\n"), "{shown:?}");
    let bytes = rising_bytes(&vma, 16 << 20);
    assert!(bytes.iter().any(|bytes| (1 << 20..15 << 20).contains(bytes)), "{bytes:?}");
    fs::remove_dir_all(folder).expect("own folder");
}

#[test]
fn qemu_img_behind_nice_is_asked_for_its_progress_and_total() {
    converts("nice", &["nice", "-n", "5"], false, false);
}

#[test]
fn qemu_img_within_sh_is_read_as_without_it() {
    converts("sh-c", &["sh", "-c"], true, true);
}

#[test]
fn nbdcopy_behind_timeout_is_asked_for_its_progress() {
    let (vma, folder) = (FieldVma::start(Mood::Well), folder("timeout"));
    fs::write(folder.join("in.img"), vec![7; 8 << 20]).expect("a source");
    let (from, to) = (folder.join("in.img").display().to_string(), folder.join("out.img").display().to_string());
    let output = run(&vma, &["--", "timeout", "60", "nice", "nbdcopy", &from, &to]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert!(stderr(&output).contains("total asked from the source's length"), "{}", stderr(&output));
    rising_bytes(&vma, 8 << 20);
    fs::remove_dir_all(folder).expect("own folder");
}

#[test]
fn the_number_before_the_stroke_is_the_figure_in_any_text() {
    let vma = FieldVma::start(Mood::Well);
    let script = r"printf '    (12.34/100%%)\r'; read x; true";
    let mut child = waybill(&vma.url, &["--total", "10000", "--", "sh", "-c", script]).spawn().expect("waybill runs");
    vma.wait_for_push("share", |push| push["bytes_transferred"].as_u64().is_some_and(|bytes| bytes > 0));
    assert_eq!(vma.pushes().last().expect("pushes")["bytes_transferred"], 1234);
    child.stdin.take().expect("piped").write_all(b"\n").expect("the mover reads");
    assert!(child.wait().expect("waybill ends").success());
}
