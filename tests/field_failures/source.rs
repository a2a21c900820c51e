//! Failures on the VMA's side: pushes that were misread, lost or credited to the wrong disk.

use serde_json::Value;

use crate::movers::{change_id, completed, completed_with_zeros, failed, of_disk, run, stage, start};
use crate::world::{World, job_id};

const MIB: u64 = 1 << 20;

/// A tracked job with its pushes, one a second, and a poll after the last.
pub fn after(declaration: &str, pushes: &[String]) -> World {
    let mut world = World::new(1);
    world.declare("job-1", declaration).expect("declared");
    world.track_id("job-1");
    for push in pushes {
        world.push("job-1", push).expect("taken");
        world.run_until(world.now_ms() + 1000);
    }
    world.run_until(world.now_ms() + 2500);
    world
}

fn document(world: &World) -> Value {
    world.document("job-1").expect("a document")
}

/// The disks' statuses in the document, joined.
fn disks(world: &World) -> String {
    let document = document(world);
    let disks = document["disks"].as_array().expect("disks").iter();
    disks.map(|disk| disk["status"].as_str().expect("a status")).collect::<Vec<_>>().join(" ")
}

/// How often an event stands in the job's log on the VMA.
pub fn noted(world: &World, event: &str) -> usize {
    let log = world.vmas[0].store.events(&job_id("job-1")).expect("readable");
    log.iter().filter(|row| row.event == event).count()
}

pub const ONE: &str = r#"{"disks":[{"id":"disk-0"}]}"#;
const TWO: &str = r#"{"disks":[{"id":"disk-0"},{"id":"disk-1"}]}"#;

#[test]
fn f01_the_poller_asks_for_the_job_and_the_mover_pushes_to_the_export() {
    let mut world = World::new(1);
    let export = "migration-vol-7a1c";
    let body = format!(r#"{{"disks":[{{"id":"disk-2000","export":{{"name":"{export}"}}}}]}}"#);
    // An earlier run under the bare export name, which nobody had declared, is over.
    world.push(export, &start()).expect("taken");
    world.finish(export, r#"{"status":"Failed","error":"an older run"}"#).expect("ended");
    world.declare("job-20250925-134230.513-8034ee", &body).expect("declared");
    world.track_id("job-20250925-134230.513-8034ee");
    world.push(export, &stage("Initializing", 5)).expect("taken");
    let taken = world.push(export, &run(37, 100)).expect("taken");
    assert_eq!((taken.job.as_str(), taken.auto_initialized), ("job-20250925-134230.513-8034ee", false));
    world.run_until(3000);
    let row = world.row("job-20250925-134230.513-8034ee");
    assert_eq!((row.totals.percent.to_string().as_str(), row.disks[0].bytes_transferred), ("37.00", 37));
    assert_eq!(row.disks.len(), 1, "the export names its disk");
}

#[test]
fn f01_an_id_that_nobody_declared_is_a_404_and_never_another_job() {
    let mut world = World::new(1);
    world.push("migration-vol-7a1c", &run(37, 100)).expect("taken");
    for near in ["job-7a1c", "migration-vol-7a1", "migration-vol-7a1c2", "7a1c"] {
        assert_eq!(world.document(near), None, "{near}");
    }
}

#[test]
fn f08_a_dead_mover_is_not_alive_because_someone_reads() {
    let mut world = after(ONE, &[start(), run(5, 10)]);
    let before = document(&world);
    for second in 0..400 {
        world.run_until(4500 + second * 1000);
        let now = document(&world);
        assert_eq!((&now["updated_at"], &now["sequence"]), (&before["updated_at"], &before["sequence"]));
    }
    let row = world.row("job-1");
    assert_eq!(row.contact.stored_name(), "fresh", "the VMA answers");
    assert!(row.stalled_since.is_some() && world.count("job-1", "job_stalled") == 1, "the mover does not");
    assert_eq!(row.totals.throughput_bps, 0);
}

#[test]
fn f09_the_end_of_disk_1_is_not_the_end_of_the_job() {
    for named in [false, true] {
        let name = |body: String| if named { of_disk("disk-0", &body) } else { body };
        let mut world = after(TWO, &[name(start()), name(run(10, 10)), name(completed(10))]);
        assert_eq!(disks(&world), "Completed Queued");
        world.change_id("job-1", &format!(r#"{{"change_id":"{}","disk_id":"disk-0"}}"#, change_id(1)));
        world.run_until(600_000);
        let row = world.row("job-1");
        assert_eq!(row.status.stored_name(), "streaming");
        assert!(row.totals.percent.as_f64() < 100.0, "{}", row.totals.percent);
    }
}

#[test]
fn f10_disks_without_ids_do_not_overwrite_each_other() {
    let mut world = World::new(1);
    world.declare("job-1", TWO).expect("declared");
    let mut bar = Vec::new();
    for body in [start(), run(50, 100), completed(100), start(), run(1, 300), run(150, 300), completed(300)] {
        world.push("job-1", &body).expect("taken");
        bar.push(document(&world)["aggregate"]["percent"].as_f64().expect("a number"));
    }
    // A disk that gets its size revises the plan (F49).
    assert_eq!(bar, [0.0, 25.0, 50.0, 50.0, 25.25, 62.5, 99.99]);
    assert_eq!(noted(&world, "plan_revised"), 1);
    let document = document(&world);
    let bytes: Vec<&Value> = [0, 1].iter().map(|n| &document["disks"][n]["bytes_transferred"]).collect();
    assert_eq!(bytes, [100, 300]);
    assert_eq!(
        (&document["aggregate"]["bytes_transferred"], &document["aggregate"]["total_bytes"]),
        (&400.into(), &400.into())
    );
}

#[test]
fn f11_every_export_counts() {
    let mut world = World::new(1);
    let body = r#"{"disks":[{"id":"a","export":{"name":"e-a"}},{"id":"b","export":{"name":"e-b"}},{"id":"c","export":{"name":"e-c"}}]}"#;
    world.declare("job-1", body).expect("declared");
    for (export, bytes) in [("e-a", 10), ("e-b", 20), ("e-c", 70)] {
        world.push(export, &run(bytes, 200)).expect("taken");
    }
    let aggregate = &document(&world)["aggregate"];
    assert_eq!((aggregate["bytes_transferred"].as_u64(), aggregate["total_bytes"].as_u64()), (Some(100), Some(600)));
    assert_eq!(aggregate["percent"], 16.66);
}

#[test]
fn f12_completed_is_a_disks_word_and_succeeded_a_jobs_and_the_job_does_end() {
    let mut world = after(ONE, &[start(), completed(10)]);
    assert_eq!(world.row("job-1").status.stored_name(), "streaming");
    world.finish("job-1", r#"{"status":"Succeeded"}"#).expect("ended");
    assert_eq!(document(&world)["status"], "Succeeded");
    world.run_until(world.now_ms() + 2500);
    assert_eq!((world.row("job-1").status.stored_name(), world.fleet.len()), ("completed", 0));
    let polls = world.polls.len();
    world.run_until(world.now_ms() + 60_000);
    assert_eq!(world.polls.len(), polls, "the poll stops by itself");
}

#[test]
fn f13_unknown_text_changes_nothing_and_is_one_event_per_text() {
    let odd = r#"{"stage":"Polishing","status":"shiny","bytes_transferred":9,"throughput_bps":0}"#.to_owned();
    let odder = r#"{"stage":"Transfer","status":"shinier","bytes_transferred":6,"total_bytes":10,"throughput_bps":0}"#;
    let world = after(ONE, &[stage("Creating Snapshot", 10), odd.clone(), odd.clone(), odd]);
    assert_eq!((&document(&world)["stage"], &document(&world)["status"]), (&"Snapshot".into(), &"Snapshotting".into()));
    assert_eq!(noted(&world, "unknown_text"), 2, "one for the stage, one for the status");
    let mut world = world;
    world.push("job-1", odder).expect("taken");
    assert_eq!(
        (&document(&world)["status"], &document(&world)["aggregate"]["percent"]),
        (&"Streaming".into(), &60.0.into())
    );
    assert_eq!(noted(&world, "unknown_text"), 3);
}

#[test]
fn f14_percents_of_stages_are_not_percents_of_data() {
    let names = ["Initializing", "Creating Snapshot", "Preparing Migration", "Setting up NBD"];
    let pushes: Vec<String> = names.iter().zip([5, 10, 20, 30]).map(|(name, percent)| stage(name, percent)).collect();
    let mut world = after(ONE, &pushes);
    assert_eq!(document(&world)["aggregate"]["percent"], 0.0);
    assert_eq!(world.row("job-1").totals.percent.to_string(), "0.00");
    world.push("job-1", &run(1, 100)).expect("taken");
    assert_eq!(document(&world)["aggregate"]["percent"], 1.0);
}

#[test]
fn f15_more_bytes_than_planned_are_shown_as_they_are_and_no_percent_exceeds_a_hundred() {
    let mut world = after(ONE, &[start(), run(130, 100)]);
    let shown = document(&world);
    assert_eq!((&shown["disks"][0]["bytes_transferred"], &shown["disks"][0]["percent"]), (&130.into(), &99.99.into()));
    assert_eq!((&shown["aggregate"]["percent"], &shown["aggregate"]["eta_seconds"]), (&99.99.into(), &Value::Null));
    world.push("job-1", &completed_with_zeros()).expect("taken");
    let shown = document(&world);
    assert_eq!((&shown["disks"][0]["planned_bytes"], &shown["disks"][0]["percent"]), (&130.into(), &100.0.into()));
    assert_eq!(shown["aggregate"]["percent"], 99.99, "a hundred is for a job that has succeeded");
}

#[test]
fn f16_a_disk_below_a_gibibyte_moves_and_a_total_of_zero_divides_nothing() {
    let mut world = after(ONE, &[start(), run(100 * MIB, 400 * MIB)]);
    assert_eq!(world.row("job-1").totals.percent.to_string(), "25.00");
    world.push("job-1", &run(200 * MIB, 0)).expect("taken");
    world.run_until(world.now_ms() + 2500);
    let row = world.row("job-1");
    assert_eq!((row.totals.percent.to_string().as_str(), row.totals.total_bytes), ("50.00", 400 * MIB));
    let mut unknown = World::new(1);
    unknown.track_id("job-1");
    unknown.push("job-1", &run(200 * MIB, 0)).expect("taken");
    unknown.run_until(2500);
    let row = unknown.row("job-1");
    assert_eq!((row.totals.percent.to_string().as_str(), row.totals.bytes_transferred), ("0.00", 200 * MIB));
}

#[test]
fn f19_the_movers_own_words_reach_the_user_and_a_second_report_spoils_no_second_disk() {
    let why = "NBD_CMD_READ: Input/output error at 4096";
    let mut world = after(TWO, &[start(), run(10, 100), failed(why), failed(why), failed("exit status 1")]);
    assert_eq!(disks(&world), "Failed Queued");
    assert_eq!(world.row("job-1").disks[0].error.as_deref(), Some(why));
    let log = world.vmas[0].store.events(&job_id("job-1")).expect("readable");
    let told: Vec<&str> = log.iter().filter(|row| row.event == "disk_failed").map(|row| row.message.as_str()).collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert!(told[1].contains("exit status 1"), "{told:?}");
    world.finish("job-1", r#"{"status":"Failed"}"#).expect("ended");
    world.run_until(world.now_ms() + 2500);
    assert_eq!(world.row("job-1").error, Some(format!("disk disk-0: {why}")));
}

#[test]
fn f40_a_failure_without_figures_keeps_the_counters_and_one_with_figures_moves_them_alike() {
    let mut world = after(ONE, &[start(), run(70, 100), failed("broken pipe")]);
    let figures = |world: &World| {
        let row = world.row("job-1");
        let disk = &row.disks[0];
        (disk.bytes_transferred, disk.percent.to_string(), row.totals.bytes_transferred, row.totals.percent.to_string())
    };
    assert_eq!(figures(&world), (70, "70.00".to_owned(), 70, "70.00".to_owned()));
    let body = failed("broken pipe").replace(r#""bytes_transferred":0"#, r#""bytes_transferred":90"#);
    world.push("job-1", &run(80, 100)).expect("taken");
    world.push("job-1", &body).expect("taken");
    world.run_until(world.now_ms() + 2500);
    assert_eq!(figures(&world), (90, "90.00".to_owned(), 90, "90.00".to_owned()));
}

#[test]
fn r40_no_run_of_an_id_takes_the_place_of_another_job() {
    let mut world = after(ONE, &[start(), run(5, 10)]);
    world.declare("job-1~2", ONE).expect("declared");
    let jobs = world.vmas[0].store.jobs().expect("readable");
    let now = world.now();
    world.vmas[0].restart_with(now, jobs);
    let taken = world.push("job-1", &run(6, 10)).expect("taken");
    assert_eq!(taken.job.as_str(), "job-1", "it goes on, so that job-1~2 is no run of it");
    world.push("job-1~2", &run(3, 10)).expect("taken");
    world.finish("job-1", r#"{"status":"Failed"}"#).expect("ended");
    let opened = world.push("job-1", &stage("Initializing", 5)).expect("taken");
    assert_eq!(opened.job.as_str(), "job-1~3", "job-1~2 is another's");
    assert_eq!(world.document("job-1~2").expect("a document")["disks"][0]["bytes_transferred"], 3);
}

#[test]
fn f35_the_kind_of_a_copy_is_what_its_mover_says_and_not_what_was_declared() {
    let declared = r#"{"sync":"full","disks":[{"id":"disk-0"}]}"#;
    let mut world = after(declared, &[start().replace("initial", "incremental"), run(70, 100), completed(100)]);
    assert_eq!((&document(&world)["cbt"]["type"], noted(&world, "sync_contradicted")), (&"incremental".into(), 1));
    let given =
        format!(r#"{{"change_id":"{}","disk_id":"disk-0","previous_change_id":"{}"}}"#, change_id(9), change_id(5));
    world.change_id("job-1", &given);
    world.run_until(world.now_ms() + 2500);
    let history = world.store.history(None).expect("readable");
    assert_eq!(history[0].entry.sync, waybill::model::job::SyncKind::Incremental);
}

#[test]
fn f39_a_job_in_which_nothing_changed_ends_all_the_same() {
    let body = r#"{"sync":"incremental","disks":[{"id":"disk-0","capacity_bytes":1073741824},{"id":"disk-1","capacity_bytes":1073741824}]}"#;
    let mut world = after(body, &[start(), completed_with_zeros(), start(), completed_with_zeros()]);
    assert_eq!(disks(&world), "Completed Completed");
    let row = world.row("job-1");
    assert_eq!((row.totals.total_bytes, row.totals.percent.to_string().as_str()), (0, "99.99"));
    for disk in ["disk-0", "disk-1"] {
        world.change_id("job-1", &format!(r#"{{"change_id":"{}","disk_id":"{disk}"}}"#, change_id(5)));
    }
    world.run_until(world.now_ms() + 2500);
    let row = world.row("job-1");
    assert_eq!((row.status.stored_name(), row.totals.percent.to_string().as_str()), ("completed", "100.00"));
    assert_eq!(document(&world)["aggregate"]["percent"], 100.0);
}

#[test]
fn f40_an_end_with_zeros_does_not_wipe_good_counters() {
    let world = after(ONE, &[start(), run(70, 100), run(100, 100), completed_with_zeros()]);
    let shown = document(&world);
    assert_eq!(disks(&world), "Completed");
    assert_eq!(
        (&shown["disks"][0]["bytes_transferred"], &shown["disks"][0]["planned_bytes"]),
        (&100.into(), &100.into())
    );
    let row = world.row("job-1");
    assert_eq!((row.totals.bytes_transferred, row.disks[0].bytes_transferred), (100, 100));
    assert_eq!(world.count("job-1", "bytes_regressed") + noted(&world, "bytes_regressed"), 0);
}
