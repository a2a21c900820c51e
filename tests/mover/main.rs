//! `waybill run` with real movers: what the VMA gets, and that the copy never notices.

#[path = "../field/mod.rs"]
mod field;

mod cancelled;
mod disks;
mod ends;
mod figures;
mod kinds;
mod signals;
mod whole_vm;
mod wrapped;

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use field::FieldVma;
use serde_json::Value;

const WAYBILL: &str = env!("CARGO_BIN_EXE_waybill");

/// A folder of this test's own, on real storage.
fn folder(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("mover-{test}-{}", std::process::id()));
    fs::create_dir_all(&folder).expect("a folder for the test");
    folder
}

/// `waybill run --job j --disk d --last` towards a VMA; the mover follows in `arguments` after further options and `--`.
fn waybill(vma: &str, arguments: &[&str]) -> Command {
    let mut command = bare(vma, &["--job", "j", "--disk", "d", "--last"]);
    command.args(arguments);
    command
}

/// `waybill run` towards a VMA with these arguments alone.
fn bare(vma: &str, arguments: &[&str]) -> Command {
    // Where the tests themselves run in the background, a shell has made them ignore SIGINT and SIGQUIT.
    let mut command = Command::new("env");
    command.args(["--default-signal", WAYBILL, "run", "--vma", vma]).args(arguments);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn run(vma: &FieldVma, arguments: &[&str]) -> Output {
    waybill(&vma.url, arguments).output().expect("waybill runs")
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Stages and statuses of the pushes, in order, equal ones in a row once.
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
