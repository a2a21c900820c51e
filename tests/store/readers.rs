//! the reading commands work while a daemon writes, when it is down, and for a user who may only read.

use std::ffi::OsStr;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::Path;
use std::process::{Command, Output};

use waybill::model::change::Change;
use waybill::model::job::Job;
use waybill::store::{Reader, Store, StoreError};

use super::{Dir, change_id, history, job, job_with_disks, one, progress, write};

const DATABASE: &str = "WAYBILL_TEST_DATABASE";
/// `nobody` and `nogroup`, by number as Debian has them.
const NOBODY: u32 = 65534;

#[test]
fn a_reader_sees_whole_transactions_while_a_daemon_writes() {
    let dir = Dir::new();
    let mut store = Store::open(&dir.file()).unwrap();
    let state = |bytes: u64| {
        let mut job = job_with_disks("j", &["a", "b"]);
        job.totals.bytes_transferred = 2 * bytes;
        job.disks.iter_mut().for_each(|disk| disk.bytes_transferred = bytes);
        job
    };
    write(&mut store, &[progress(&state(0))]).unwrap();
    let file = dir.file();
    let reading = std::thread::spawn(move || {
        let reader = Reader::open(&file).unwrap();
        let mut seen = Vec::new();
        while seen.last() != Some(&1000) {
            let job = reader.jobs().unwrap().pop().unwrap();
            let of_disks: u64 = job.disks.iter().map(|disk| disk.bytes_transferred).sum();
            assert_eq!(job.totals.bytes_transferred, of_disks);
            seen.push(of_disks);
        }
        seen
    });
    for bytes in 1..=500 {
        write(&mut store, &[progress(&state(bytes))]).unwrap();
    }
    let seen = reading.join().unwrap();
    assert!(seen.is_sorted());
}

#[test]
fn a_reader_works_after_a_clean_close_and_changes_nothing() {
    let dir = Dir::new();
    write(&mut Store::open(&dir.file()).unwrap(), &[progress(&job("j"))]).unwrap();
    for suffix in ["-wal", "-shm"] {
        assert!(dir.0.join(format!("oma.db{suffix}")).exists(), "{suffix} is left for users who may only read");
    }
    let modified = std::fs::metadata(dir.file()).unwrap().mtime_nsec();
    let reader = Reader::open(&dir.file()).unwrap();
    assert_eq!(reader.unfinished_jobs().unwrap(), vec![job("j")]);
    assert!(!reader.is_snapshot());
    drop(reader);
    assert_eq!(std::fs::metadata(dir.file()).unwrap().mtime_nsec(), modified);
}

#[test]
fn a_file_without_tables_yet_is_told_apart() {
    let dir = Dir::new();
    std::fs::write(dir.file(), "").unwrap();
    let error = Reader::open(&dir.file()).unwrap_err();
    assert!(matches!(error, StoreError::OlderSchema { found: 0, .. }), "{error}");
    assert!(error.to_string().contains("start the daemon once"), "{error}");
}

/// Leaves the directory and its files readable but not writable: to `nobody`'s group where the tests are root's, else to
/// the tests' own user.
fn make_read_only(dir: &Dir) {
    if is_root() {
        set_modes(dir, 0o750, 0o640);
        for entry in std::fs::read_dir(&dir.0).unwrap() {
            chown(entry.unwrap().path(), None, Some(NOBODY)).unwrap();
        }
        chown(&dir.0, None, Some(NOBODY)).unwrap();
    } else {
        set_modes(dir, 0o550, 0o440);
    }
}

/// Gives the tests' own user back what [`make_read_only`] took.
pub(crate) fn make_writable(dir: &Dir) {
    set_modes(dir, 0o750, 0o640);
}

fn set_modes(dir: &Dir, of_directory: u32, of_files: u32) {
    std::fs::set_permissions(&dir.0, std::fs::Permissions::from_mode(of_directory)).unwrap();
    for entry in std::fs::read_dir(&dir.0).unwrap() {
        std::fs::set_permissions(entry.unwrap().path(), std::fs::Permissions::from_mode(of_files)).unwrap();
    }
}

fn is_root() -> bool {
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Runs [`reads_as_another_user`] in a process without root's rights; the group decides what it may read.
fn read_unprivileged(dir: &Dir, group: u32) -> Output {
    // A copy, because the build directory may be closed to others.
    let place = Dir::new();
    let program = place.0.join("reader");
    std::fs::copy(std::env::current_exe().unwrap(), &program).unwrap();
    for path in [&place.0, &program] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let mut command = unprivileged(program.as_os_str(), group);
    command.args(["--exact", "readers::reads_as_another_user", "--ignored", "--nocapture"]);
    command.env(DATABASE, dir.file()).current_dir("/");
    loop {
        let output = command.output().unwrap();
        // A child that another test starts holds the copy open for writing until it is another program itself.
        if !String::from_utf8_lossy(&output.stderr).contains("Text file busy") {
            return output;
        }
    }
}

/// A program as a user without rights of their own, in a group.
fn unprivileged(program: &OsStr, group: u32) -> Command {
    if !is_root() {
        return Command::new(program);
    }
    let mut setpriv = Command::new("setpriv");
    setpriv.args([format!("--reuid={NOBODY}"), format!("--regid={group}")]).arg("--clear-groups").arg(program);
    setpriv
}

/// What a plain `sqlite3` shell says to a user who may only read.
fn shell_unprivileged(dir: &Dir, sql: &str) -> String {
    let mut command = unprivileged(OsStr::new("sqlite3"), NOBODY);
    let said = command.arg(dir.file()).arg(sql).current_dir("/").output().expect("sqlite3 runs");
    format!("{}{}", String::from_utf8_lossy(&said.stdout), String::from_utf8_lossy(&said.stderr))
}

#[test]
fn r71_a_user_who_may_only_read_asks_the_views_while_the_daemon_runs_and_after_it_stopped() {
    let dir = Dir::new();
    let mut store = Store::open(&dir.file()).unwrap();
    let run = Change::History(history("over", "disk-2000", Some(change_id(81))));
    write(&mut store, &[progress(&job("j")), run]).unwrap();
    let views = "SELECT id FROM active_jobs; SELECT disk_id, sync_success FROM recent_cbt_history;
                 SELECT count(*) FROM tracking_health";
    make_read_only(&dir);
    assert_eq!(shell_unprivileged(&dir, views), "j\ndisk-2000|1\n1\n", "while the daemon runs");
    drop(store);
    assert_eq!(shell_unprivileged(&dir, views), "j\ndisk-2000|1\n1\n", "after it stopped");
    let said = shell_unprivileged(&dir, "UPDATE replication_jobs SET vm_name = 'x'");
    assert!(said.contains("attempt to write a readonly database"), "{said}");
    make_writable(&dir);
}

/// What such a process saw: `<jobs> <is_snapshot>`, or the error's text.
pub(crate) fn seen_unprivileged(dir: &Dir) -> String {
    make_read_only(dir);
    let ran = read_unprivileged(dir, NOBODY);
    let output = String::from_utf8(ran.stdout).unwrap();
    let seen = output.lines().find_map(|line| line.split_once("SEEN ").map(|(_, seen)| seen.to_owned()));
    seen.unwrap_or_else(|| panic!("{output}\n{}", String::from_utf8_lossy(&ran.stderr)))
}

#[test]
#[ignore = "run by the tests below in a process of its own"]
fn reads_as_another_user() {
    let Some(path) = std::env::var_os(DATABASE) else { return };
    let path = Path::new(&path);
    assert!(std::fs::write(path.with_file_name("probe"), "").is_err(), "this user may write");
    match Reader::open(path).and_then(|reader| Ok((reader.jobs()?, reader.is_snapshot()))) {
        Ok((jobs, snapshot)) => println!("SEEN {} {snapshot}", jobs.len()),
        Err(error) => println!("SEEN {error}"),
    }
}

fn three_jobs() -> [Job; 3] {
    ["a", "b", "c"].map(job)
}

#[test]
fn a_user_of_the_group_reads_while_the_daemon_runs_and_when_it_is_down() {
    let dir = Dir::new();
    let mut store = Store::open(&dir.file()).unwrap();
    write(&mut store, &three_jobs().map(|job| progress(&job))).unwrap();
    assert_eq!(seen_unprivileged(&dir), "3 false", "while the daemon runs");
    drop(store);
    assert_eq!(seen_unprivileged(&dir), "3 false", "after it stopped");

    // A plain shell that closes the database last takes the -wal away, as every program but the daemon does.
    make_writable(&dir);
    assert_eq!(one::<i64>(&dir.file(), "SELECT count(*) FROM replication_jobs"), 3);
    assert!(!dir.0.join("oma.db-wal").exists());
    assert_eq!(seen_unprivileged(&dir), "3 true", "with no -wal to be found");
}

#[test]
fn a_user_of_another_group_is_told_what_to_do() {
    let dir = Dir::new();
    write(&mut Store::open(&dir.file()).unwrap(), &[progress(&job("j"))]).unwrap();
    make_read_only(&dir);
    let ran = if is_root() {
        read_unprivileged(&dir, NOBODY - 1)
    } else {
        std::fs::set_permissions(dir.file(), std::fs::Permissions::from_mode(0o000)).unwrap();
        read_unprivileged(&dir, NOBODY)
    };
    let output = String::from_utf8(ran.stdout).unwrap();
    assert!(output.contains("SEEN open for reading") && output.contains("join the group that owns"), "{output}");
}
