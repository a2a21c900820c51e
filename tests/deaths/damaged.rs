//! A damaged database, of a daemon that is stopped and of one that runs: whoever meets the damage says so and names
//! the remedy, nothing is written over it, and a restored backup goes on.
//!
//! Numbers: one page of 1 KB, overwritten: the header, the jobs, the log, an index, of each appliance.

use std::fs::{self, File};
use std::io::{Seek, SeekFrom, Write};
use std::thread;
use std::time::{Duration, Instant};

use crate::books::Ask;
use crate::figures::Figures;
use crate::harness::{Daemon, SOON, Site, until, waybill};
use crate::http::Peer;
use crate::play::{self, Cast, Outcome, Play};

const PAGE: u64 = 1024;

/// Overwrites the first page of a table or index; of the header for the name `header`.
fn damage(site: &Site, database: &str, what: &str) {
    let page = match what {
        "header" => 1,
        name => {
            let root = site.rows_of(database, &format!("SELECT rootpage FROM sqlite_schema WHERE name = '{name}'"));
            root[0].parse::<u64>().unwrap()
        }
    };
    let mut file = File::options().write(true).open(site.path(database)).unwrap();
    file.seek(SeekFrom::Start((page - 1) * PAGE)).unwrap();
    file.write_all(&[0xA5; PAGE as usize]).unwrap();
    file.sync_all().unwrap();
}

/// The file and its log, as they are.
fn bytes_of(site: &Site, database: &str) -> [Vec<u8>; 2] {
    ["", "-wal"].map(|end| fs::read(site.path(&format!("{database}{end}"))).unwrap_or_default())
}
fn restore(site: &Site, database: &str, [file, log]: &[Vec<u8>; 2]) {
    for end in ["-wal", "-shm"] {
        // A file that is not there need not go.
        let _ = fs::remove_file(site.path(&format!("{database}{end}")));
    }
    fs::write(site.path(database), file).unwrap();
    fs::write(site.path(&format!("{database}-wal")), log).unwrap();
}

fn stop(daemon: &mut Daemon) {
    daemon.signal(rustix::process::Signal::TERM);
    assert_eq!(daemon.ended(SOON).code(), Some(0), "{}", daemon.log());
}

/// What a command says, which must fail with 1.
fn refusal(site: &Site, args: &[&str]) -> String {
    let output = waybill(args).arg("--db").arg(site.path("oma.db")).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{args:?}: {said}");
    assert!(output.stdout.is_empty(), "{args:?} shows something all the same");
    said
}

#[test]
fn a_daemon_does_not_start_on_a_damaged_database_and_a_backup_goes_on() {
    let site = play::site();
    let mut cast = Cast { vma: site.vma(), oma: site.oma() };
    let (mut play, mut figures) = (Play::new(), Figures::default());
    assert_eq!(play.on(&site, &mut cast), Outcome::Over);
    [&mut cast.vma, &mut cast.oma].into_iter().for_each(stop);
    let (jobs, index) = ("replication_jobs", "replication_jobs_by_status");
    for (role, what) in [("vma", "header"), ("vma", jobs), ("oma", "header"), ("oma", index), ("oma", "appliance")] {
        let database = format!("{role}.db");
        let backup = bytes_of(&site, &database);
        damage(&site, &database, what);
        let damaged = bytes_of(&site, &database);
        let before = cast.of(role).log().len();
        let mut started = Daemon::launch(&site, if role == "vma" { "vma" } else { "oma" }, site.command(role));
        let status = started.ready().expect_err("it does not start");
        let log = started.log().split_off(before);
        assert_eq!(status.code(), Some(1), "{role} {what}: {log}");
        assert!(log.contains("waybill: cannot open the database: "), "{role} {what}: {log}");
        assert!(log.contains("restore a backup"), "{role} {what}: {log}");
        assert!(bytes_of(&site, &database) == damaged, "{role} {what}: something is written over the damage");
        restore(&site, &database, &backup);
        let restored = Instant::now();
        cast.restart(&site, role);
        figures.fault(restored.elapsed());
        stop(cast.of(role));
    }
    let backup = bytes_of(&site, "oma.db");
    for what in ["header", jobs] {
        damage(&site, "oma.db", what);
        for args in [&["jobs", "--all"][..], &["show", "job-1"]] {
            let said = refusal(&site, args);
            assert!(said.contains("cannot read the database") && said.contains("restore a backup"), "{said}");
        }
        restore(&site, "oma.db", &backup);
    }
    for role in ["vma", "oma"] {
        cast.restart(&site, role);
    }
    play.books.check_answers(&cast.vma);
    play.close(&site, cast);
    figures.tell("a page damaged before the start");
}

#[test]
fn r27_an_oma_whose_database_is_damaged_under_it_polls_on_and_writes_nothing_over_it() {
    let site = play::site();
    let mut cast = Cast { vma: site.vma(), oma: site.oma() };
    let (mut play, mut figures) = (Play::new(), Figures::default());
    assert_eq!(play.on(&site, &mut cast), Outcome::Over);
    for ask in [Ask::Declare("job-4".to_owned()), Ask::Track("job-4".to_owned())] {
        let (method, target, body) = ask.request();
        assert_eq!(cast.of(ask.role()).call(method, &target, body.as_bytes()).status, 201);
    }
    // All pages into the file, where the damage is met; then another program's write, after which nothing is remembered.
    site.sqlite3("PRAGMA wal_checkpoint(TRUNCATE)");
    let backup = bytes_of(&site, "oma.db");
    damage(&site, "oma.db", "job_events");
    damage(&site, "oma.db", "job_events_by_job");
    site.sqlite3("UPDATE appliance SET value = value WHERE key = 'made_durable'");
    let push = |bytes: u64| cast.vma.post("/api/v1/progress/job-4/update", &crate::mover::running(bytes, 1000), 200);
    push(250);
    until("the damage is told", SOON, || cast.oma.log().contains("the database is damaged").then_some(()));
    assert!(cast.oma.log().contains("stop the daemon, keep a copy of the file") && cast.oma.is_healthy());
    let damaged = bytes_of(&site, "oma.db");
    let (address, (method, target, body)) = (cast.oma.address(), Ask::change_id("job-4", "disk-2000", 9).request());
    let asked = thread::spawn(move || Peer::new(address).call(method, &target, body.as_bytes()).unwrap());
    push(500);
    until("polls go on", SOON, || {
        cast.oma.get("/api/v1/jobs").body.contains("\"bytes_transferred\":500").then_some(())
    });
    let answer = asked.join().unwrap();
    assert_eq!((answer.status, answer.content_type.as_str()), (503, "application/problem+json"), "{answer:?}");
    thread::sleep(Duration::from_millis(300));
    assert_eq!(bytes_of(&site, "oma.db"), damaged, "nothing is written over the damage");
    let said = refusal(&site, &["log", "job-1"]);
    assert!(said.contains("damaged") && said.contains("restore a backup"), "{said}");
    stop(&mut cast.oma);
    assert!(cast.oma.log().contains("changes could not be written and end with this process"), "{}", cast.oma.log());
    restore(&site, "oma.db", &backup);
    let restored = Instant::now();
    cast.restart(&site, "oma");
    site.until_rows("SELECT bytes_transferred FROM replication_jobs WHERE id = 'job-4'", &["500"]);
    figures.fault(restored.elapsed());
    play.books.check_files(&site);
    figures.tell("pages damaged under a running OMA");
}
