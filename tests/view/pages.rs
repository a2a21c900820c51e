//! The exact texts that people and programs see of a job (R-70). Goal: a figure that is unknown, past or not believed never
//! looks like one that is known. Method: one fixed moment, jobs built by hand, whole outputs compared.

use waybill::model::id::JobId;
use waybill::model::job::{Contact, Silence};
use waybill::model::status::DiskStatus;
use waybill::view::runs::NewestRuns;
use waybill::view::{detail, json, table};

use waybill::view::Moment;

use crate::sample::{at, disk, failed, job, now, record, seen, streaming};

#[test]
fn a_wide_table_has_every_figure() {
    let mut silent = job("job-3");
    silent.contact = Contact::Silent(Silence::VmaUnreachable);
    let text = table::jobs(&[streaming(), silent, failed()], &NewestRuns::default(), now(), None, false);
    let expected = "\
JOB    VM     STATUS     STAGE                               DONE          MOVED         RATE     ETA  REPORT  NOTE
job-1  web01  Streaming  Transfer  [##########..........]  50.00%  20.0/40.0 GiB  100.0 MiB/s  3m 25s      2s  ok
job-3  -      Queued     -         [....................]   0.00%          0 B/?            -       ?   never  VMA unreachable, never reached yet
job-2  -      Failed     -         [....................]   0.00%          0 B/?            -       -   never  no contact since 17:00:03 after 41 tries: connect: connection refused
";
    assert_eq!(text, expected, "\n{text}");
}

#[test]
fn a_narrow_table_keeps_the_id_the_percent_and_what_is_waited_for() {
    let mut long = streaming();
    long.id = JobId::parse("job-20250925-134230.513-8034ee").expect("an id");
    for width in [80, 100, 120, 160] {
        let text = table::jobs(&[long.clone(), failed()], &NewestRuns::default(), now(), Some(width), false);
        for line in text.lines() {
            assert!(line.chars().count() <= width, "{} of {width}: {line}", line.chars().count());
        }
        assert!(text.contains("job-20250925-134230.513-8034ee"), "{text}");
        assert!(text.contains("50.00%") && text.contains("  ok\n"), "{text}");
    }
    let text = table::jobs(&[long], &NewestRuns::default(), now(), Some(80), false);
    let expected = "\
JOB                             VM     STATUS        DONE     ETA  REPORT  NOTE
job-20250925-134230.513-8034ee  web01  Streaming   50.00%  3m 25s      2s  ok
";
    assert_eq!(text, expected, "\n{text}");
}

#[test]
fn colour_marks_what_ended_badly_and_nothing_else_changes() {
    let jobs = [streaming(), failed()];
    let (plain, coloured) = (
        table::jobs(&jobs, &NewestRuns::default(), now(), None, false),
        table::jobs(&jobs, &NewestRuns::default(), now(), None, true),
    );
    assert!(coloured.contains("\x1b[31mFailed\x1b[0m") && !coloured.contains("\x1b[31mStreaming"), "{coloured}");
    let mut stripped = coloured;
    for code in ["\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m"] {
        stripped = stripped.replace(code, "");
    }
    assert_eq!(stripped, plain);
}

/// F2, F21: what a dead daemon left behind is not shown as the present.
#[test]
fn the_rate_of_a_row_that_nobody_refreshes_is_not_shown() {
    let hour_later = Moment { wall: at("2026-11-23T18:20:00Z"), ..now() };
    let text = table::jobs(&[streaming()], &NewestRuns::default(), hour_later, None, false);
    assert!(!text.contains("MiB/s") && text.contains("daemon has written nothing for 1h 00m"), "{text}");
    // Long before anybody is taken for dead: a row that moves is written with every poll.
    let soon = seen(at("2026-11-23T17:20:14Z"));
    assert!(!table::jobs(&[streaming()], &NewestRuns::default(), soon, None, false).contains("MiB/s"));
    let page = detail::job(&record(), hour_later, false);
    assert!(page.contains("rate          no data moves, remaining time unknown\n"), "{page}");
}

#[test]
fn the_page_of_a_job_answers_how_far_how_fast_how_long_and_what_it_waits_for() {
    let page = detail::job(&record(), now(), false);
    let expected = "\
job           job-1
VM            web01  /DC0/vm/web01
VMA           site-a
status        Streaming, stage Transfer, full copy
progress      [###############...............] 50.00 %
moved         20.0/40.0 GiB, total from layout
rate          100.0 MiB/s, 3m 25s remain
contact       ok, last answer 2026-11-23T17:19:59.000Z (1s ago)
last report   2026-11-23T17:19:58.000Z (2s ago)
started       2026-11-23T17:00:00.000Z (20m 00s ago)
correlation   01JDCQ5ZK0000000000000000A

disks (2)
  disk-2000  Hard disk 1  Completed
    [##############################] 100.00 %  10.0/10.0 GiB  from cbt-allocated
    change id 52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81
  disk-2001  Streaming
    [#########.....................]  33.33 %  10.0/30.0 GiB  from layout  100.0 MiB/s

stages
  2026-11-23T17:00:00.000Z  Snapshot              1.2s  succeeded
  2026-11-23T17:00:02.000Z  Transfer                 -  running

change ids received
  2026-11-23T17:10:01.000Z  (no disk named)  x/1

log
  2026-11-23T17:00:00.000Z  info     job declared with 2 disks
  2026-11-23T17:01:00.000Z  warning  counter fell
";
    assert_eq!(page, expected, "\n{page}");
}

#[test]
fn the_page_of_a_failed_job_says_why_and_since_when() {
    let mut record = record();
    record.job = failed();
    let mut broken = disk("disk-2000", "");
    broken.status = DiskStatus::Failed;
    broken.error = Some("read error".to_owned());
    broken.suspect = Some("CBT was reset".to_owned());
    broken.ended_at = Some(at("2026-11-23T17:04:00Z"));
    record.job.disks = vec![broken];
    record.log = vec![record.log[0].clone(); 40];
    let page = detail::job(&record, now(), false);
    for part in [
        "error         no contact since 17:00:03 after 41 tries: connect: connection refused, \
         since 2026-11-23T17:05:00.000Z (15m 00s ago)\n",
        "ended         2026-11-23T17:05:00.000Z (15m 00s ago)\n",
        "    suspect   CBT was reset\n",
        "    error     read error, since 2026-11-23T17:04:00.000Z (16m 00s ago)\n",
        "log, the last 12 of 40\n",
    ] {
        assert!(page.contains(part), "{part:?} in\n{page}");
    }
    assert!(!page.contains("rate ") && !page.contains("waits for"), "{page}");
}

#[test]
fn json_has_every_stored_column_by_its_name() {
    let expected = concat!(
        r#"{"id":"job-1","vma":"site-a","vm_name":"web01","vm_path":"/DC0/vm/web01","replication_type":"full","#,
        r#""status":"streaming","current_operation":"Transfer","progress_percent":50.0,"bytes_transferred":21474836480,"#,
        r#""total_bytes":42949672960,"total_basis":"layout","transfer_speed_bps":104857600,"eta_seconds":205,"#,
        r#""contact":"fresh","stalled_since":null,"error_message":null,"correlation_id":"01JDCQ5ZK0000000000000000A","#,
        r#""source_sequence":77,"source_updated_at":"2026-11-23T17:19:58.000Z","created_at":"2026-11-23T17:00:00.000Z","#,
        r#""started_at":"2026-11-23T17:00:00.000Z","updated_at":"2026-11-23T17:19:58.000Z","#,
        r#""last_contact_at":"2026-11-23T17:19:59.000Z","completed_at":null,"source_epoch":null,"#,
        r#""vm_uuid":"","disk_count":null,"warnings":[],"quiet_since":null,"bytes_moved_at":null,"mover_says":null,"disks":["#,
        r#"{"job_id":"job-1","disk_id":"disk-2000","label":"Hard disk 1","capacity_bytes":17179869184,"#,
        r#""planned_bytes":10737418240,"planned_basis":"cbt-allocated","sync_status":"completed","#,
        r#""sync_progress_percent":100.0,"bytes_synced":10737418240,"transfer_speed_bps":0,"#,
        r#""disk_change_id":"52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81","previous_change_id":null,"#,
        r#""blocks_changed":12,"error_message":null,"updated_at":"2026-11-23T17:10:00.000Z","declared":true,"#,
        r#""device_key":2000,"mover_throughput_bps":null,"suspect":null,"started_at":null,"ended_at":null,"#,
        r#""named":true,"earlier_id":null,"previous_source":null,"earlier_passes_bytes":0},"#,
        r#"{"job_id":"job-1","disk_id":"disk-2001","label":"","capacity_bytes":null,"planned_bytes":32212254720,"#,
        r#""planned_basis":"layout","sync_status":"syncing","sync_progress_percent":33.33,"bytes_synced":10737418240,"#,
        r#""transfer_speed_bps":104857600,"disk_change_id":null,"previous_change_id":null,"blocks_changed":null,"#,
        r#""error_message":null,"updated_at":null,"declared":false,"device_key":null,"mover_throughput_bps":null,"suspect":null,"#,
        r#""started_at":null,"ended_at":null,"named":true,"earlier_id":null,"previous_source":null,"#,
        r#""earlier_passes_bytes":0}]}"#,
    );
    assert_eq!(json::job(&streaming()), expected);
}

#[test]
fn json_of_a_record_is_one_line_whatever_the_attributes_hold() {
    let mut record = record();
    record.log[0].attributes = "{\n \"disks\": 2 }".to_owned();
    record.job.error = Some("quote \" backslash \\ bell \u{7} \u{e4}".to_owned());
    let text = json::record(&record, now());
    assert_eq!(text.lines().count(), 1);
    let value: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(value["error_message"], "quote \" backslash \\ bell \u{7} \u{e4}");
    assert_eq!(value["waits_for"], serde_json::Value::Null);
    assert_eq!(value["steps"][0]["duration_ms"], 1250);
    assert_eq!(value["steps"][0]["outcome"], "succeeded");
    assert_eq!(value["steps"][1]["outcome"], serde_json::Value::Null);
    assert_eq!(value["events"][0]["attributes"]["disks"], 2);
    assert_eq!(value["events"][1]["attributes"], "no json");
    assert_eq!(value["received_change_ids"][0]["change_id"], "x/1");

    record.job.source_updated_at = None;
    let value: serde_json::Value = serde_json::from_str(&json::record(&record, now())).expect("JSON");
    assert_eq!(value["waits_for"], "waiting for the first report");
}
