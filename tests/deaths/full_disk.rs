//! A disk that is full, and one that has become read-only, for real: a small tmpfs with a balloon in it, and an
//! ext4 of which the kernel has found an error. Both are mounted in a mount namespace of the test's own.
//!
//! Numbers: 4 MB of tmpfs, 16 MB of ext4. `mount -o remount,ro` is no way: the kernel refuses it (EBUSY) while a daemon has
//! its files open for writing, for a bind mount too. What happens in the field is an error of the disk, after which ext4
//! is read-only until it is mounted anew (`errors=remount-ro`); `trigger_fs_error` asks for just that. The way back
//! without a restart is in `nth_operation`, whose EROFS is lifted from a running daemon.

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use crate::books::{Ask, Books};
use crate::figures::{Figures, skipped};
use crate::harness::{Daemon, SOON, Site, until};
use crate::http::{Answer, Peer};
use crate::mover;
use crate::play;

/// Runs a test of this file, which is ignored otherwise, in a mount namespace of its own.
fn inside(test: &str) {
    let can_mount = Command::new("unshare").args(["-m", "mount", "-t", "tmpfs", "none", "/mnt"]).output();
    if !can_mount.is_ok_and(|output| output.status.success()) {
        skipped(test, "mounting in a namespace needs root");
        return;
    }
    let exact = format!("full_disk::{test}");
    let mut command = Command::new("unshare");
    command.arg("-m").arg(std::env::current_exe().unwrap());
    let output = command.args(["--exact", &exact, "--ignored", "--nocapture"]).output().unwrap();
    let (said, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    print!("{said}");
    for why in log.lines().filter_map(|line| line.strip_prefix("SKIPPED ")?.split_once(": ")) {
        skipped(why.0, why.1);
    }
    assert!(output.status.success() && said.contains("1 passed"), "{said}\n{log}");
}

#[test]
fn r27_a_full_disk_stops_no_poll_and_loses_no_record() {
    inside("on_a_small_disk");
}

#[test]
fn r27_a_disk_that_became_read_only_stops_no_poll_and_loses_no_record() {
    inside("on_a_disk_with_an_error");
}

fn run(command: &str, args: &[&str]) -> bool {
    let output = Command::new(command).args(args).output().expect(command);
    eprint!("{}", String::from_utf8_lossy(&output.stderr));
    output.status.success()
}

/// A site whose databases lie in its folder `disk`.
fn site() -> Site {
    let site = play::site();
    fs::create_dir(site.path("disk")).unwrap();
    for role in ["vma", "oma"] {
        let file = site.path(&format!("{role}.toml"));
        let text = fs::read_to_string(&file).unwrap();
        fs::write(file, text.replace(&format!("/{role}.db"), &format!("/disk/{role}.db"))).unwrap();
    }
    site
}

/// Fills what is left of a file system.
fn blow_up(balloon: &Path) {
    let mut file = File::create(balloon).unwrap();
    for size in [65536, 4096, 1] {
        while file.write_all(&vec![b'x'; size]).is_ok() {}
    }
    assert!(file.metadata().unwrap().len() > 65536, "there was room before");
}

/// One request, answered or not.
fn ask(site: &Site, ask: &Ask) -> Answer {
    let (method, target, body) = ask.request();
    Peer::new(site.address(ask.role())).call(method, &target, body.as_bytes()).expect("an answer within 5 s")
}
fn ask_well(site: &Site, books: &mut Books, asked: Ask) {
    let answer = ask(site, &asked);
    assert!([200, 201].contains(&answer.status), "{asked:?}: {answer:?}");
    books.acknowledged(&asked);
}
fn is_honest(answer: &Answer) {
    assert_eq!((answer.status, answer.content_type.as_str()), (503, "application/problem+json"), "{answer:?}");
    assert!(answer.body.contains("the database cannot be written; nothing was lost"), "{answer:?}");
}

fn begin(site: &Site, books: &mut Books) {
    ask_well(site, books, Ask::Declare("job-1".to_owned()));
    ask_well(site, books, Ask::Track("job-1".to_owned()));
    ask_well(site, books, Ask::push("job-1", mover::DISK_STARTS, 0));
    ask_well(site, books, Ask::push("job-1", &mover::running(100, 1000), 100));
    until("it streams", SOON, || (stored(site) == ["streaming|100"]).then_some(()));
}
fn stored(site: &Site) -> Vec<String> {
    site.rows_of("disk/oma.db", "SELECT status, bytes_transferred FROM replication_jobs WHERE id = 'job-1'")
}

/// While nothing can be written: polls go on, and whoever asks for a record is refused in time.
fn refused_honestly(site: &Site, oma: &Daemon) -> [Ask; 2] {
    let asks = [Ask::change_id("job-1", "disk-2000", 1), Ask::push("job-1", &mover::running(900, 1000), 900)];
    // What is in hand may still find a place; a few pushes later nothing does.
    for bytes in (200..800).step_by(10) {
        if ask_shortly(site, &Ask::push("job-1", &mover::running(bytes, 1000), bytes)).is_none() {
            break;
        }
    }
    thread::scope(|scope| {
        let asked = asks.each_ref().map(|asked| scope.spawn(|| ask(site, asked)));
        until("polls go on", SOON, || oma.get("/api/v1/jobs").body.contains("\"bytes_transferred\":900").then_some(()));
        assert_eq!(stored(site)[0].split('|').next(), Some("streaming"));
        for answer in asked {
            is_honest(&answer.join().unwrap());
        }
    });
    asks
}

/// An answer within a second, or none.
fn ask_shortly(site: &Site, asked: &Ask) -> Option<Answer> {
    let (sent, answer) = std::sync::mpsc::channel();
    let (method, target, body) = asked.request();
    let address = site.address(asked.role());
    thread::spawn(move || {
        // Whoever no longer waits for it does not need it.
        let _ = sent.send(Peer::new(address).call(method, &target, body.as_bytes()));
    });
    answer.recv_timeout(Duration::from_secs(1)).ok().and_then(Result::ok)
}

/// The rest of the job, and a look at all that was promised.
fn end(site: &Site, books: &mut Books) {
    ask_well(site, books, Ask::push("job-1", &mover::completed(1000), 1000));
    ask_well(site, books, Ask::push("job-1", mover::DISK_STARTS, 1000));
    ask_well(site, books, Ask::push("job-1", &mover::completed(1000), 2000));
    ask_well(site, books, Ask::change_id("job-1", "disk-2001", 2));
    until("it ends", SOON, || (stored(site) == ["completed|2000"]).then_some(()));
    books.check_files_in(site, "disk/");
}

#[test]
#[ignore = "run by the test above in a mount namespace"]
fn on_a_small_disk() {
    let site = site();
    let (disk, balloon) = (site.path("disk"), site.path("disk/balloon"));
    assert!(run("mount", &["-t", "tmpfs", "-o", "size=4m", "none", disk.to_str().unwrap()]));
    let (vma, mut oma) = (site.vma(), site.oma());
    let (mut books, mut figures) = (Books::default(), Figures::default());
    begin(&site, &mut books);

    blow_up(&balloon);
    let waiting = refused_honestly(&site, &oma);
    for daemon in [&vma, &oma] {
        let log = daemon.log();
        assert!(log.contains("no space left") && log.contains("free space on the file system"), "{log}");
    }
    fs::remove_file(&balloon).unwrap();
    let lifted = Instant::now();
    until("what waited is written", SOON, || {
        let received = site.rows_of("disk/oma.db", "SELECT disk_id FROM received_change_ids");
        let pushed = site.rows_of("disk/vma.db", "SELECT bytes_transferred FROM replication_jobs");
        (received == ["disk-2000"] && pushed == ["900"]).then_some(())
    });
    figures.fault(lifted.elapsed());
    waiting.into_iter().for_each(|asked| ask_well(&site, &mut books, asked));
    assert!(oma.log().contains("the database is written again") && vma.log().contains("is written again"));

    // A start on a full disk either works or says what is wrong; the next one works.
    blow_up(&balloon);
    oma.kill();
    let before = oma.log().len();
    let mut started = Daemon::launch(&site, "oma", site.command("oma"));
    if let Err(status) = started.ready() {
        let log = started.log();
        assert_eq!(status.code(), Some(1), "{log}");
        assert!(log[before..].contains("cannot open the database"), "{log}");
        assert!(log[before..].contains("free space on the file system"), "{log}");
    }
    fs::remove_file(&balloon).unwrap();
    if !started.is_running() {
        let lifted = Instant::now();
        started = site.oma();
        figures.fault(lifted.elapsed());
    }
    end(&site, &mut books);
    assert!(started.is_running());
    figures.tell("tmpfs full for 5 s, both databases; a start on it");
}

#[test]
#[ignore = "run by the test above in a mount namespace"]
fn on_a_disk_with_an_error() {
    let site = site();
    let (disk, image) = (site.path("disk"), site.path("image"));
    let (disk, image) = (disk.to_str().unwrap(), image.to_str().unwrap());
    File::create(image).unwrap().set_len(16 << 20).unwrap();
    let mount = || run("mount", &["-o", "loop,errors=remount-ro", image, disk]);
    if !run("mkfs.ext4", &["-q", image]) || !mount() {
        skipped("on_a_disk_with_an_error", "there is no loop device");
        return;
    }
    let (mut vma, mut oma) = (site.vma(), site.oma());
    let (mut books, mut figures) = (Books::default(), Figures::default());
    begin(&site, &mut books);

    // To such a file system an error is as a power cut: a VMA may lose what it was told in the last second.
    thread::sleep(Duration::from_millis(1200));
    let source = Command::new("findmnt").args(["-no", "SOURCE", disk]).output().unwrap();
    let device = String::from_utf8(source.stdout).unwrap();
    let device = Path::new(device.trim()).file_name().expect("a device").to_owned();
    let trigger = Path::new("/sys/fs/ext4").join(device).join("trigger_fs_error");
    // An OMA loses nothing, though it was told a moment ago.
    ask_well(&site, &mut books, Ask::Track("job-2".to_owned()));
    ask_well(&site, &mut books, Ask::change_id("job-9", "disk-2000", 7));
    if fs::write(&trigger, "1").is_err() {
        skipped("on_a_disk_with_an_error", &format!("{} cannot be written", trigger.display()));
        return;
    }
    let waiting = refused_honestly(&site, &oma);
    for daemon in [&vma, &oma] {
        let log = daemon.log();
        assert!(log.contains("input/output error") && log.contains("look for the disk's errors"), "{log}");
    }
    // It stays so until it is mounted anew, for which the daemons have to end.
    for daemon in [&mut vma, &mut oma] {
        daemon.signal(rustix::process::Signal::TERM);
        assert_eq!(daemon.ended(SOON).code(), Some(0), "{}", daemon.log());
    }
    until("nobody uses the disk", SOON, || run("umount", &[disk]).then_some(()));
    until("the disk is back", SOON, || mount().then_some(()));
    let mounted = Instant::now();
    (vma, oma) = (site.vma(), site.oma());
    figures.fault(mounted.elapsed());
    books.check_files_in(&site, "disk/");
    waiting.into_iter().for_each(|asked| ask_well(&site, &mut books, asked));
    end(&site, &mut books);
    drop((vma, oma));
    assert!(run("umount", &[disk]));
    figures.tell("ext4 read-only after an error of the disk, then mounted anew");
}
