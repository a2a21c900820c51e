//! `watch` where nobody looks at a terminal, `log`, `history`, `show --check`: lines, objects and exit codes.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdout, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use waybill::model::change::{CbtEntry, Change};
use waybill::model::event::{Event, LogEntry};
use waybill::model::id::{DiskId, JobId};
use waybill::model::job::{Contact, Job, Silence, SyncKind};
use waybill::model::percent::Percent;
use waybill::model::status::{DiskStatus, JobStatus};
use waybill::store::{Durability, Store};

use crate::binary::{command, waybill};
use crate::sample::{ago, database, ended, job, lines, streaming};

/// A `watch` that runs, and what it has printed.
struct Watch {
    child: Child,
    lines: Option<BufReader<ChildStdout>>,
}

impl Watch {
    fn start(args: &[&str]) -> Self {
        let mut child = command(args);
        let mut child = child.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("runs");
        let lines = child.stdout.take().map(BufReader::new);
        Self { child, lines }
    }
    /// The next line; "" at the end.
    fn line(&mut self) -> String {
        let mut line = String::new();
        self.lines.as_mut().expect("piped").read_line(&mut line).expect("UTF-8");
        line
    }
    fn exit(mut self) -> Option<i32> {
        self.child.wait().expect("ended").code()
    }
    /// What it has said besides, once it has ended.
    fn message(&mut self) -> String {
        let mut text = String::new();
        self.child.stderr.take().expect("piped").read_to_string(&mut text).expect("UTF-8");
        text
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        // Where the test has failed it would run for ever.
        let _ = self.child.kill();
    }
}

fn write(db: &str, changes: &[Change]) {
    let mut store = Store::open(db.as_ref()).expect("the database");
    assert_eq!(store.commit(changes, Durability::OnDisk), Ok(Vec::new()));
}

#[test]
fn watch_has_a_line_for_each_change_and_ends_with_its_job() {
    let (_directory, db) = database();
    let mut watch = Watch::start(&["watch", "job-1", "--db", &db]);
    let first = watch.line();
    assert!(first.contains(" job-1 Streaming Transfer 25.00% 10.0/40.0 GiB 100.0 MiB/s 5m 07s | "), "{first}");
    assert!(first.ends_with(" | disk-2000 Streaming 25.00% | working: copying blocks\n"), "{first}");

    let mut job = streaming();
    job.totals.percent = Percent::from_hundredths(2600);
    job.last_contact_at = Some(ago(0));
    write(&db, &[Change::Progress(Box::new(job.clone()))]);
    assert!(watch.line().contains(" Streaming Transfer 26.00% "));

    job.contact = Contact::Silent(Silence::TunnelDown);
    write(&db, &[Change::Progress(Box::new(job.clone()))]);
    let silent = watch.line();
    assert!(silent.contains("| waiting: tunnel down for "), "{silent}");

    (job.status, job.contact) = (JobStatus::Failed, Contact::Fresh);
    (job.error, job.completed_at) = (Some("disk-2000: no space left".to_owned()), Some(ago(0)));
    write(&db, &[Change::Ended(Box::new(job))]);
    let last = watch.line();
    assert!(last.contains(" Failed ") && last.ends_with("| disk-2000: no space left\n"), "{last}");
    assert_eq!((watch.line().as_str(), watch.exit()), ("", Some(1)));
}

#[test]
fn watch_of_an_ended_job_tells_its_end_by_exit_code() {
    let (_directory, db) = database();
    let done = waybill(&["watch", "job-done", "--db", &db]).succeeded();
    assert!(done.contains(" job-done Succeeded - 100.00% ") && done.lines().count() == 1, "{done}");
    let object = waybill(&["watch", "job-done", "--json", "--db", &db]).succeeded();
    assert_eq!(lines(&object)[0]["status"], "completed");
    let failed = Watch::start(&["watch", "job-failed", "--db", &db]);
    assert_eq!(failed.exit(), Some(1));
    let message = waybill(&["watch", "job-9", "--db", &db]).refused_with(4);
    assert!(message.contains("job job-9: not in this database\n  remedy: `waybill jobs --all`"), "{message}");
}

#[test]
fn watch_of_all_jobs_ends_when_it_is_interrupted_and_that_of_one_says_that_it_had_not_ended() {
    let (_directory, db) = database();
    for (args, exit) in [(vec!["watch"], 0), (vec!["watch", "job-1"], 130), (vec!["watch", "job-1", "--json"], 130)] {
        let mut watch = Watch::start(&[&args[..], &["--db", &db]].concat());
        assert!(watch.line().contains(if args.len() == 1 { " job-0 " } else { "job-1" }));
        kill_process(Pid::from_child(&watch.child), Signal::INT).expect("it runs");
        assert_eq!(watch.exit(), Some(exit), "{args:?}");
    }
}

#[test]
fn watch_ends_when_its_reader_goes_away() {
    let (_directory, db) = database();
    let mut watch = Watch::start(&["watch", "--json", "--db", &db]);
    watch.line();
    drop(watch.lines.take());
    write(&db, &[Change::Declared(Box::new(job("job-new", ago(0))))]);
    assert_eq!(watch.exit(), Some(0));
}

#[test]
fn watch_follows_a_database_that_is_replaced_and_tells_where_it_cannot_be_read() {
    let (_directory, db) = database();
    let (_other, restored) = database();
    let mut watch = Watch::start(&["watch", "job-1", "--db", &db]);
    watch.line();
    for suffix in ["", "-wal", "-shm"] {
        std::fs::remove_file(format!("{db}{suffix}")).expect("removed");
    }
    let mut job = streaming();
    (job.status, job.error, job.completed_at) = (JobStatus::Failed, Some("it was".to_owned()), Some(ago(0)));
    write(&restored, &[Change::Ended(Box::new(job))]);
    // For two looks there is none, then another one of that name.
    std::thread::sleep(std::time::Duration::from_millis(2500));
    for suffix in ["-wal", "-shm", ""] {
        std::fs::rename(format!("{restored}{suffix}"), format!("{db}{suffix}")).expect("renamed");
    }
    assert!(watch.line().contains(" Failed "), "the database that is there now is read");
    let message = watch.message();
    assert!(message.contains("the file does not exist") && message.matches("does not exist").count() == 1, "{message}");
    assert_eq!(watch.exit(), Some(1));
}

#[test]
fn u04_a_script_learns_how_a_job_stands_from_the_exit_code() {
    let (_directory, db) = database();
    let check = |job: &str| Watch::start(&["show", job, "--check", "--db", &db]).exit();
    assert_eq!(
        (check("job-0"), check("job-1"), check("job-done"), check("job-failed")),
        (Some(0), Some(0), Some(0), Some(1))
    );
    let set = |change: fn(&mut Job)| {
        let mut job = streaming();
        change(&mut job);
        write(&db, &[Change::Progress(Box::new(job))]);
        check("job-1")
    };
    assert_eq!(set(|job| job.contact = Contact::Late), Some(0));
    assert_eq!(set(|job| job.contact = Contact::Silent(Silence::TunnelDown)), Some(5));
    assert_eq!(set(|job| job.contact = Contact::Silent(Silence::VmaUnreachable)), Some(5));
    assert_eq!(set(|job| job.contact = Contact::Silent(Silence::JobUnknown)), Some(4));
    assert_eq!(set(|job| job.stalled_since = Some(ago(400))), Some(5));
    assert_eq!(set(|job| job.disks[0].status = DiskStatus::Failed), Some(1));
    Store::open(db.as_ref()).and_then(|mut store| store.give_sign(ago(20))).expect("written");
    assert_eq!(check("job-0"), Some(0));
    Store::open(db.as_ref()).and_then(|mut store| store.give_sign(ago(40))).expect("written");
    assert_eq!((check("job-0"), check("job-done")), (Some(5), Some(0)), "the OMA's daemon does not run");
    let mut lost = ended("job-lost", JobStatus::Failed, 5);
    lost.contact = Contact::Lost;
    write(&db, &[Change::Ended(Box::new(lost))]);
    assert_eq!((check("job-lost"), check("job-9")), (Some(5), Some(4)));
}

#[test]
fn log_tells_the_story_of_a_job() {
    let (_directory, db) = database();
    let log = waybill(&["log", "job-1", "--db", &db]).succeeded();
    assert!(
        log.ends_with("  +0s  OMA  info     job_declared  declared with 1 disk\n") && log.starts_with("20"),
        "{log}"
    );
    let object = waybill(&["log", "job-1", "--json", "--db", &db]).succeeded();
    let [entry] = &lines(&object)[..] else { panic!("one line, not {object}") };
    assert_eq!((&entry["job_id"], &entry["side"]), (&"job-1".into(), &"oma".into()));
    assert_eq!(entry["event"], "job_declared");
    assert_eq!(waybill(&["log", "job-0", "--db", &db]).succeeded(), "");
    assert!(waybill(&["log", "job-9", "--db", &db]).refused_with(4).contains("not in this database"));
}

#[test]
fn history_lists_what_counts_and_with_all_also_what_was_superseded() {
    let (_directory, db) = database();
    let (out, message) = waybill(&["history", "--db", &db]).succeeded_with_message();
    assert_eq!((out.as_str(), message.as_str()), ("", "no run has ended yet\n"));
    let entry = CbtEntry {
        job: job("job-done", ago(0)).id,
        vm_path: "/DC0/vm/web01".to_owned(),
        disk: DiskId::parse("disk-2000").expect("an id"),
        change_id: None,
        previous_change_id: None,
        sync: SyncKind::Full,
        blocks_changed: None,
        bytes_transferred: 512,
        sync_duration_seconds: 61,
        sync_success: true,
        created_at: ago(5),
        device_key: None,
        previous_served: false,
        vma: None,
        vm_uuid: String::new(),
        capacity_bytes: None,
    };
    let change_id = streaming().disks[0].previous_change_id.clone();
    let late = CbtEntry { change_id, ..entry.clone() };
    // The history outlives its job's row.
    let archived = CbtEntry { job: job("job-archived", ago(0)).id, ..entry.clone() };
    write(&db, &[Change::History(entry), Change::History(late), Change::History(archived)]);
    let text = waybill(&["history", "job-done", "--db", &db]).succeeded();
    assert!(text.contains("full  done    512 B  1m 01s  52 de c0") && text.lines().count() == 2, "{text}");
    let all = waybill(&["history", "job-done", "--all", "--db", &db]).succeeded();
    assert!(all.contains("superseded") && all.lines().count() == 3, "{all}");
    let objects = waybill(&["history", "--json", "--db", &db]).succeeded();
    let jobs: Vec<_> = lines(&objects).iter().map(|row| row["job_id"].to_string()).collect();
    assert_eq!(jobs, ["\"job-done\"", "\"job-archived\""]);
    assert!(waybill(&["history", "job-archived", "--db", &db]).succeeded().contains("job-archived"));
    let (out, _) = waybill(&["history", "job-1", "--db", &db]).succeeded_with_message();
    assert_eq!(out, "", "it is known, and no run of it has ended");
    assert!(waybill(&["history", "job-9", "--db", &db]).refused_with(4).contains("not in this database"));
}

/// An entry of a job's log, just written.
fn entry(event: Event, message: &str) -> Change {
    Change::Entry(LogEntry {
        job: JobId::parse("job-1").expect("an id"),
        at: ago(0),
        event,
        message: message.to_owned(),
        attributes: Vec::new(),
        correlation: None,
    })
}

#[test]
fn log_follows_its_job_to_the_end_and_says_nothing_twice() {
    let (_directory, db) = database();
    let mut log = Watch::start(&["log", "job-1", "--follow", "--db", &db]);
    assert!(log.line().contains("  declared with 1 disk"));
    write(&db, &[entry(Event::Milestone, "25 % reached: 1 of 4 bytes")]);
    assert!(log.line().ends_with("  25 % reached: 1 of 4 bytes\n"));
    let mut job = streaming();
    (job.status, job.completed_at) = (JobStatus::Failed, Some(ago(0)));
    write(&db, &[Change::Ended(Box::new(job)), entry(Event::JobFailed, "no space left")]);
    assert!(log.line().ends_with("  no space left\n"));
    assert_eq!((log.line().as_str(), log.exit()), ("", Some(0)));

    let lately = waybill(&["log", "job-1", "--since", "5m", "--db", &db]).succeeded();
    assert!(!lately.contains("declared") && lately.contains("no space left"), "{lately}");
    let since = ago(3600).to_string();
    let json = waybill(&["log", "job-1", "--since", &since, "--json", "--db", &db]).succeeded();
    assert_eq!(lines(&json).len(), 3, "{json}");
    let refused = waybill(&["log", "job-1", "--since", "yesterday", "--db", &db]).refused_with(2);
    assert!(refused.contains("neither an age nor a time") && refused.contains("10m, 2h or 1d"), "{refused}");
}

#[test]
fn jobs_of_a_status_are_found_by_both_of_its_names() {
    let (_directory, db) = database();
    let ids = |args: &[&str]| {
        let listed = waybill(&[&["jobs", "--json", "--db", &db][..], args].concat()).succeeded();
        lines(&listed).iter().map(|job| job["id"].as_str().expect("an id").to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(ids(&["--status", "Succeeded"]), ["job-done"]);
    assert_eq!(ids(&["--status", "completed", "--status", "pending", "--all"]), ["job-0", "job-done", "job-old"]);
    let refused = waybill(&["jobs", "--status", "Stream", "--db", &db]).refused_with(2);
    assert!(refused.contains("--status \"Stream\" is no status") && refused.contains("Queued, Preparing"), "{refused}");
    let (out, message) = waybill(&["jobs", "--status", "Preparing", "--db", &db]).succeeded_with_message();
    assert!(out.is_empty() && message.contains("no job of this list has that status"), "{message}");
}
