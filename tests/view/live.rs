//! `waybill watch`, `log` and `history`: whole frames and lines at one fixed moment. Goal: what is shown fits the window and
//! tells what is worked on, what is waited for, what comes next and what can be done (U7, U9).

use waybill::model::change::CbtEntry;
use waybill::model::disk::Disk;
use waybill::model::id::{ChangeId, DiskId, JobId};
use waybill::model::job::{Contact, Silence, SyncKind};
use waybill::model::record::{HistoryRecord, JobRecord, LogRecord, Side};
use waybill::model::status::{DiskStatus, JobStatus};
use waybill::model::time::Wall;
use waybill::view::line::{self, Shown};
use waybill::view::live::{self, Window};
use waybill::view::runs::NewestRuns;
use waybill::view::{Moment, history, json, note, timeline};

use crate::sample::{at, failed, now, record, streaming};

fn frame(record: &JobRecord, width: usize, height: usize) -> String {
    let text = live::job(record, now(), Window { width, height: Some(height), colour: false });
    for line in text.lines() {
        assert!(line.chars().count() <= width, "{} of {width}: {line}", line.chars().count());
    }
    assert!(text.lines().count() <= height, "{} lines of {height}:\n{text}", text.lines().count());
    text
}

#[test]
fn u09_a_frame_of_80_columns_has_every_answer() {
    let text = frame(&record(), 80, 24);
    let expected = "\
job-1  VM /DC0/vm/web01  VMA site-a
Streaming, full copy, started 17:00:00Z, elapsed 20m 00s
[############............]  50.00%  20.0/40.0 GiB  100.0 MiB/s  3m 25s left
state     working: copying blocks

DISK       STATUS        DONE          MOVED         RATE  NOTE
disk-2000  Completed  100.00%  10.0/10.0 GiB            -  change id stored
disk-2001  Streaming   33.33%  10.0/30.0 GiB  100.0 MiB/s

done      Snapshot 1.2s
now       Transfer 19m 58s
to come   Finalize, PersistChangeIDs

17:00:00Z job declared with 2 disks
17:01:00Z counter fell

17:20:00Z  last report 2s ago, contact ok
";
    assert_eq!(text, expected, "\n{text}");
}

#[test]
fn a_wide_frame_has_the_labels_and_the_basis() {
    let text = frame(&record(), 200, 50);
    let bar = "#".repeat(30) + &".".repeat(30);
    let figures = format!("[{bar}]  50.00%  20.0/40.0 GiB  100.0 MiB/s  3m 25s left  total from layout\n");
    assert!(text.contains(&figures), "{text}");
    let disk =
        "disk-2000 Hard disk 1  Completed  [####################] 100.00%  10.0/10.0 GiB            -  change id";
    assert!(text.contains(disk), "{text}");
}

#[test]
fn a_small_window_gives_up_the_log_then_the_disks_that_need_nobodys_eyes() {
    let mut many = record();
    for n in 0..40 {
        let mut disk = Disk::new(DiskId::parse(&format!("d{n}")).expect("an id"));
        disk.status = [DiskStatus::Completed, DiskStatus::Queued, DiskStatus::Failed][n % 3];
        many.job.disks.push(disk);
    }
    let text = frame(&many, 80, 30);
    assert!(!text.contains("job declared") && !text.contains("not seen") && text.contains("last report"), "{text}");
    assert!(text.contains("d2 ") && text.contains("Failed") && text.contains("disk-2001"), "{text}");
    let more = text.lines().find(|line| line.contains(" more disks: ")).expect("what is left out is counted");
    let shown = text.lines().filter(|line| line.starts_with('d') && !line.starts_with("done")).count();
    assert!(more.starts_with(&format!("{} more disks: ", 42 - shown)), "{more}");
    for width in [10, 20, 40, 60, 79, 81, 99, 132] {
        for height in [8, 10, 12, 24, 40, 100] {
            frame(&record(), width.max(30), height);
            let tiny = live::job(&many, now(), Window { width, height: Some(height), colour: false });
            assert!(tiny.lines().all(|line| line.chars().count() <= width.max(30)), "{width}:\n{tiny}");
        }
    }
    let text = frame(&record(), 60, 10);
    assert!(text.contains("disk-2001  Streaming") && text.ends_with("contact ok\n"), "{text}");
    let text = frame(&record(), 60, 6);
    assert!(text.contains("2 disks: 1 Streaming, 1 Completed\n") && text.contains("last report"), "{text}");
}

#[test]
fn u07_u09_a_stalled_job_says_since_when_and_what_to_do() {
    let mut stalled = record();
    stalled.job.stalled_since = Some(at("2026-11-23T17:10:00Z"));
    stalled.job.source_updated_at = Some(at("2026-11-23T17:10:00Z"));
    stalled.job.totals.throughput_bps = 0;
    stalled.job.totals.eta_seconds = None;
    let text = frame(&stalled, 80, 30);
    for part in [
        "  0 B/s  ETA unknown\n",
        "state     waiting: stalled, mover silent for 10m 00s\n",
        "to do     see on the VMA whether the mover still runs and reads; if it hangs,\n          end it and start",
        "last report 10m 00s ago, contact ok\n",
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
}

#[test]
fn a_failed_disk_is_not_told_as_work_that_goes_on() {
    let mut broken = record();
    broken.job.disks[1].status = DiskStatus::Failed;
    broken.job.disks[1].error = Some("NBD read error: EIO".to_owned());
    let text = frame(&broken, 80, 30);
    assert!(text.contains("state     waiting: disk disk-2001 failed: NBD read error: EIO\n"), "{text}");
    assert!(text.contains("to do     start its mover again, or end the job: `waybill finish JOB --failed"), "{text}");
    assert_eq!(note::standing(&broken.job, now()), note::Standing::Failed);
    assert!(line::job(&broken.job, now()).ends_with("| waiting: disk disk-2001 failed: NBD read error: EIO"));
}

#[test]
fn a_dead_daemon_is_named_before_the_silence_that_its_row_speaks_of() {
    let mut silent = record();
    silent.job.contact = Contact::Silent(Silence::TunnelDown);
    let dead = Moment { daemon: Some(at("2026-11-23T17:19:00Z")), ..now() };
    let window = Window { width: 80, height: None, colour: false };
    let text = live::job(&silent, dead, window);
    let state = "state     waiting: not polled, the OMA's daemon has written nothing for 1m 00s\n";
    assert!(text.contains(state) && text.contains("to do     see whether `waybill oma` runs on this"), "{text}");
    assert!(!text.contains("stunnel"), "advice for the silence would be wrong:\n{text}");
    assert!(text.ends_with("last report 2s ago, not polled\n"), "{text}");
    let object: serde_json::Value = serde_json::from_str(&json::seen(&silent.job, dead)).expect("JSON");
    assert_eq!((&object["standing"], &object["contact"]), (&"silent".into(), &"tunnel_down".into()));
    assert_eq!(object["not_polled_since"], "2026-11-23T17:19:00.000Z");
    let object: serde_json::Value = serde_json::from_str(&json::seen(&record().job, now())).expect("JSON");
    assert_eq!((&object["standing"], &object["not_polled_since"]), (&"well".into(), &serde_json::Value::Null));
    assert_ne!(Shown::of(&silent.job, dead), Shown::of(&silent.job, now()), "silent before and after, and yet news");
    assert_ne!(Shown::of(&record().job, dead), Shown::of(&record().job, now()), "a line tells that it is dead");
}

#[test]
fn a_failed_job_keeps_its_reason_whole() {
    let mut ended = record();
    ended.job = failed();
    ended.job.started_at = Some(at("2026-11-23T17:00:00Z"));
    ended.steps[1].succeeded = Some(false);
    ended.steps[1].duration_ms = Some(3000);
    let text = frame(&ended, 80, 24);
    for part in [
        "Failed, started 17:00:00Z, took 5m 00s\n",
        "state     no contact since 17:00:03 after 41 tries: connect: connection refused\n",
        "done      Snapshot 1.2s, Transfer 3.0s failed\n",
    ] {
        assert!(text.contains(part), "{part:?} in\n{text}");
    }
    assert!(!text.contains("to come") && !text.contains("left"), "nothing comes after the end:\n{text}");
    let coloured = live::job(&ended, now(), Window { width: 80, height: None, colour: true });
    assert!(coloured.contains("\u{1b}[31mFailed\u{1b}[0m") && !frame(&ended, 80, 24).contains('\u{1b}'), "{coloured}");
}

#[test]
fn the_frame_of_all_jobs_counts_what_it_leaves_out() {
    let mut silent = streaming();
    silent.id = JobId::parse("job-9").expect("an id");
    silent.contact = Contact::Silent(Silence::TunnelDown);
    let jobs = [streaming(), silent, failed()];
    let window = |height| Window { width: 120, height: Some(height), colour: false };
    let text = live::jobs(&jobs, &NewestRuns::default(), now(), window(24));
    let first = "17:20:00Z  2 unfinished, 1 of them silent, 1 failed lately, 100.0 MiB/s in all\n\nJOB";
    assert!(text.starts_with(first), "{text}");
    assert!(text.contains("tunnel down for 1s"), "{text}");
    let text = live::jobs(&jobs, &NewestRuns::default(), now(), window(6));
    assert!(text.ends_with("and 1 more: `waybill jobs` lists all\n") && text.lines().count() == 6, "{text}");
    let mut long = streaming();
    long.id = JobId::parse(&"x".repeat(255)).expect("an id");
    let text =
        live::jobs(&[long.clone(), streaming()], &NewestRuns::default(), now(), Window { width: 60, ..window(24) });
    assert!(text.contains("xxxxxxxxxx…xxxxxxxxx  Streaming   50.00%") && text.contains("job-1  "), "{text}");
    let listed = waybill::view::table::jobs(&[long], &NewestRuns::default(), now(), Some(60), false);
    assert!(listed.contains(&"x".repeat(255)), "an id that the next command needs is never cut:\n{listed}");
}

#[test]
fn a_line_is_worth_it_for_a_percent_a_status_or_a_silence_and_for_nothing_else() {
    let job = streaming();
    let expected = "2026-11-23T17:20:00.000Z job-1 Streaming Transfer 50.00% 20.0/40.0 GiB 100.0 MiB/s 3m 25s | \
                    disk-2000 Completed 100.00%, disk-2001 Streaming 33.33% | working: copying blocks";
    assert_eq!(line::job(&job, now()), expected);
    let is_news = |change: fn(&mut waybill::model::job::Job)| {
        let mut other = job.clone();
        change(&mut other);
        Shown::of(&other, now()) != Shown::of(&job, now())
    };
    use waybill::model::percent::Percent;
    assert!(!is_news(|job| job.totals.throughput_bps += 1));
    assert!(!is_news(|job| job.totals.percent = Percent::from_hundredths(5099)));
    assert!(is_news(|job| job.totals.percent = Percent::from_hundredths(5100)));
    assert!(is_news(|job| job.status = JobStatus::Finalizing));
    assert!(is_news(|job| job.contact = Contact::Late));
    let mut stalled = job.clone();
    stalled.stalled_since = Some(at("2026-11-23T17:19:00Z"));
    let mut late = stalled.clone();
    late.contact = Contact::Late;
    assert_eq!(Shown::of(&late, now()), Shown::of(&stalled, now()), "the same reason twice is no news");
    assert!(is_news(|job| job.stalled_since = Some(at("2026-11-23T17:19:00Z"))));
    assert!(is_news(|job| job.disks[1].status = DiskStatus::Failed));
}

#[test]
fn the_log_is_a_timeline_with_the_distance_from_its_beginning() {
    let expected = "\
2026-11-23T17:00:00.000Z       +0s  OMA  info     job_declared     job declared with 2 disks
2026-11-23T17:01:00.000Z   +1m 00s  OMA  warning  bytes_regressed  counter fell
";
    assert_eq!(timeline::log(&record(), None, false), expected);
    let coloured = timeline::log(&record(), None, true);
    assert!(coloured.contains("\u{1b}[33mwarning\u{1b}[0m"), "{coloured}");
    let object = json::log_entry(&record().job.id, record().side, &record().log[0]);
    let expected =
        r#"{"job_id":"job-1","side":"oma","at":"2026-11-23T17:00:00.000Z","level":"info","event":"job_declared","#;
    assert!(object.starts_with(expected), "{object}");
    assert_eq!(serde_json::from_str::<serde_json::Value>(&object).expect("JSON")["attributes"]["disks"], 2);
}

#[test]
fn both_sides_stand_in_one_timeline_and_no_clock_changes_the_order_of_a_side() {
    let mut record = record();
    let sample = record.log.remove(0);
    let entry = |at_text: &str, event: &str| LogRecord {
        at: Wall::parse(at_text),
        event: event.to_owned(),
        message: format!("{event} happened"),
        ..sample.clone()
    };
    record.log = vec![
        entry("2026-11-23T17:00:02Z", "o1"),
        entry("2026-11-23T17:00:04Z", "o2"),
        entry("no time", "o3"),
        entry("2026-11-23T17:00:09Z", "o4"),
    ];
    // The VMA's clock was set back after its second entry.
    record.source_log = vec![
        entry("2026-11-23T17:00:01Z", "v1"),
        entry("2026-11-23T17:00:04Z", "v2"),
        entry("2026-11-23T16:00:00Z", "v3"),
        entry("2026-11-23T17:00:10Z", "v4"),
    ];
    let names = |record: &JobRecord| {
        timeline::entries(record).map(|(side, entry)| format!("{}:{}", side.name(), entry.event)).collect::<Vec<_>>()
    };
    let expected = ["vma:v1", "oma:o1", "vma:v2", "vma:v3", "oma:o2", "oma:o3", "oma:o4", "vma:v4"];
    assert_eq!(names(&record), expected);
    let text = timeline::log(&record, None, false);
    assert!(text.starts_with("2026-11-23T17:00:01.000Z       +0s  VMA  info     v1  v1 happened\n"), "{text}");
    assert!(text.contains(&format!("\n{:36}OMA  info     o3  o3 happened\n", "")), "{text}");
    record.log.clear();
    assert_eq!(names(&record), ["vma:v1", "vma:v2", "vma:v3", "vma:v4"]);
    // A VMA's own database.
    (record.side, record.log) = (Side::Vma, std::mem::take(&mut record.source_log));
    assert_eq!(names(&record), ["vma:v1", "vma:v2", "vma:v3", "vma:v4"]);
    let object = json::log_entry(&record.job.id, record.side, &record.log[0]);
    assert!(object.starts_with(r#"{"job_id":"job-1","side":"vma","at":"#), "{object}");
}

#[test]
fn what_both_sides_say_is_one_line_of_both() {
    let mut record = record();
    let sample = record.log.remove(0);
    let entry = |time: &str, event: &str, message: &str| LogRecord {
        at: Some(at(&format!("2026-11-23T17:00:{time}Z"))),
        event: event.to_owned(),
        message: message.to_owned(),
        ..sample.clone()
    };
    record.source_log = vec![
        entry("00", "stage_changed", "stage Discover -> Transfer after 0.0 s"),
        entry("01", "milestone", "25 % reached: 25 of 100 bytes"),
        entry("02", "disk_failed", "disk disk-0: read error"),
        entry("10", "status_changed", "status Streaming -> Failed"),
    ];
    record.log = vec![
        entry("00", "tracking_started", "Starting"),
        entry("02", "stage_changed", "stage Transfer"),
        entry("03", "milestone", "25 % reached: 31 of 100 bytes"),
        entry("03", "milestone", "50 % reached: 50 of 100 bytes"),
        entry("04", "disk_failed", "disk disk-0: read error"),
        entry("15.001", "status_changed", "status Streaming -> Failed"),
    ];
    let lines = |record: &JobRecord, since| {
        let text = timeline::log(record, since, false);
        let line = |line: &str| line[36..].split_whitespace().collect::<Vec<_>>().join(" ");
        text.lines().map(line).collect::<Vec<_>>()
    };
    let expected = [
        "both info stage_changed stage Discover -> Transfer after 0.0 s",
        "OMA info tracking_started Starting",
        "both info milestone 25 % reached: 25 of 100 bytes",
        "both info disk_failed disk disk-0: read error",
        "OMA info milestone 50 % reached: 50 of 100 bytes",
        "VMA info status_changed status Streaming -> Failed",
        "OMA info status_changed status Streaming -> Failed",
    ];
    assert_eq!(lines(&record, None), expected);
    assert_eq!(lines(&record, Some(at("2026-11-23T17:00:03Z"))), expected[4..]);
    // The VMA says it twice: the second is not what the OMA has said once.
    record.source_log.insert(3, entry("02", "disk_failed", "disk disk-0: read error"));
    assert_eq!(lines(&record, None)[3..5], [expected[3], &expected[3].replace("both", "VMA")]);
}

#[test]
fn the_history_tells_disk_by_disk_how_a_run_ended() {
    let entry = CbtEntry {
        job: JobId::parse("job-1").expect("an id"),
        vm_path: "/DC0/vm/web01".to_owned(),
        disk: DiskId::parse("disk-2000").expect("an id"),
        change_id: ChangeId::from_text("52 de/81"),
        previous_change_id: None,
        sync: SyncKind::Full,
        blocks_changed: None,
        bytes_transferred: 10 << 30,
        sync_duration_seconds: 600,
        sync_success: true,
        created_at: at("2026-11-23T17:10:00Z"),
        device_key: None,
        previous_served: false,
        vma: None,
        vm_uuid: String::new(),
        capacity_bytes: None,
    };
    let failed = CbtEntry { change_id: None, sync_success: false, ..entry.clone() };
    let rows = [
        HistoryRecord { id: 1, entry: failed.clone(), superseded: true },
        HistoryRecord { id: 2, entry, superseded: false },
        HistoryRecord { id: 3, entry: failed, superseded: false },
    ];
    let text = history::table(&rows, None, false);
    let expected = "\
ENDED                     JOB    VM             DISK       SYNC  RESULT         MOVED     TOOK  CHANGE ID  PREVIOUS
2026-11-23T17:10:00.000Z  job-1  /DC0/vm/web01  disk-2000  full  superseded  10.0 GiB  10m 00s  -          -
2026-11-23T17:10:00.000Z  job-1  /DC0/vm/web01  disk-2000  full  done        10.0 GiB  10m 00s  52 de/81   -
2026-11-23T17:10:00.000Z  job-1  /DC0/vm/web01  disk-2000  full  failed      10.0 GiB  10m 00s  -          -
";
    assert_eq!(text, expected, "\n{text}");
    let object: serde_json::Value = serde_json::from_str(&json::history(&rows[1])).expect("JSON");
    assert_eq!((&object["change_id"], &object["superseded"]), (&"52 de/81".into(), &false.into()));
}
