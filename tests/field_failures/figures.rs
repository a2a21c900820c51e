//! Failures of the shown figures: invented ones, means that hid a stall, a bar that stood still or jumped back unsaid.

use serde_json::{Value, json};
use waybill::view::{Moment, detail};

use crate::movers::{completed, run, stage, start};
use crate::world::{World, job_id};

const MINUTE: u64 = 60_000;
const MIB: u64 = 1 << 20;

/// A tracked job of one declared disk.
fn tracked(declaration: &str) -> World {
    let mut world = World::new(1);
    world.declare("job-1", declaration).expect("declared");
    world.track_id("job-1");
    world
}

fn aggregate(world: &World) -> Value {
    world.document("job-1").expect("a document")["aggregate"].clone()
}

/// A line of the page that `waybill show` prints, without its label.
fn shown(world: &World, label: &str) -> String {
    let record = world.store.record(&job_id("job-1")).expect("readable").expect("a job");
    let page = detail::job(&record, Moment { wall: world.now().wall, daemon: None }, false);
    let line = page.lines().find_map(|line| line.strip_prefix(label));
    line.unwrap_or_else(|| panic!("no {label} in\n{page}")).trim().to_owned()
}

#[test]
fn f02_what_nobody_has_reported_is_shown_as_unknown_and_a_guess_by_its_name() {
    let mut world = tracked(r#"{"disks":[{"id":"disk-0"}]}"#);
    world.push("job-1", &stage("Initializing", 5)).expect("taken");
    world.run_until(3000);
    let unknown = json!({"total_bytes": 0, "bytes_transferred": 0, "throughput_bps": 0, "percent": 0.0,
                         "eta_seconds": null, "basis": null});
    assert_eq!(aggregate(&world), unknown);
    let row = world.row("job-1");
    assert_eq!((row.totals.total_bytes, row.totals.eta_seconds, row.totals.basis), (0, None, None));
    assert_eq!(
        (shown(&world, "moved"), shown(&world, "progress")),
        ("0 B/?".into(), format!("[{}] 0.00 %", ".".repeat(30)))
    );
    assert_eq!(shown(&world, "rate"), "no data moves, remaining time unknown");
    // Bytes without a total, and a rate that the mover claims: the one is shown, the other is not believed.
    world.push("job-1", &start()).expect("taken");
    let claim = r#"{"stage":"Transfer","bytes_transferred":5,"throughput_bps":99999999,"percent":50}"#;
    world.push("job-1", claim).expect("taken");
    world.run_until(6000);
    let (row, claimed) = (world.row("job-1"), world.document("job-1").expect("a document"));
    // Without a total the mover's own share is all there is, and is shown as the mover's.
    assert_eq!((row.totals.bytes_transferred, row.totals.percent.to_string().as_str()), (5, "50.00"));
    assert_eq!(shown(&world, "progress"), format!("[{}{}] 50.00 %, as its mover says", "#".repeat(15), ".".repeat(15)));
    assert!(row.totals.throughput_bps < 10 && claimed["disks"][0]["mover_throughput_bps"] == 99_999_999, "{claimed}");
    // A capacity stands in for a plan that nobody has, under its own name, until there is a better one.
    let mut world = tracked(r#"{"disks":[{"id":"disk-0","capacity_bytes":1000}]}"#);
    world.run_until(3000);
    assert_eq!(
        (aggregate(&world)["basis"].clone(), shown(&world, "moved")),
        ("capacity".into(), "0/1000 B, total from capacity".into())
    );
    world.push("job-1", &run(100, 400)).expect("taken");
    world.run_until(6000);
    assert_eq!(
        (aggregate(&world)["basis"].clone(), shown(&world, "moved")),
        ("mover".into(), "100/400 B, total from mover".into())
    );
}

#[test]
fn f21_a_stall_after_an_hour_is_a_rate_of_zero_within_seconds_and_no_slow_decline() {
    let mut world = tracked(r#"{"disks":[{"id":"disk-0"}]}"#);
    let total = 1 << 40;
    let pushes = |world: &mut World, from_s: u64, to_s: u64, bytes: u64, rate: u64| {
        for second in (from_s..to_s).step_by(2) {
            world.push_at(second * 1000, "job-1", run(bytes + (second - from_s) * rate, total));
        }
    };
    let rates = |world: &World| {
        (aggregate(world)["throughput_bps"].as_u64().expect("a rate"), world.row("job-1").totals.throughput_bps)
    };
    pushes(&mut world, 1, 3600, 0, 100 * MIB);
    world.run_until(3_600_000);
    assert_eq!(rates(&world), (100 * MIB, 100 * MIB));
    // The mover goes on reporting, without a byte more.
    pushes(&mut world, 3601, 3700, 3598 * 100 * MIB, 0);
    world.run_until(3_616_000);
    assert_eq!(rates(&world), (0, 0), "the mean since the start is still 99 MiB/s");
    assert_eq!(shown(&world, "rate"), "0 B/s, remaining time unknown");
    pushes(&mut world, 3701, 3800, 3598 * 100 * MIB, 10 * MIB);
    world.run_until(3_720_000);
    let (document, row) = rates(&world);
    assert!((9 * MIB..=11 * MIB).contains(&document) && (9 * MIB..=11 * MIB).contains(&row), "{document} {row}");
}

#[test]
fn f22_unknown_is_never_shown_as_zero_seconds_and_zero_only_when_all_is_done() {
    let mut world = tracked(r#"{"disks":[{"id":"disk-0"}]}"#);
    let eta = |world: &World| (aggregate(world)["eta_seconds"].clone(), world.row("job-1").totals.eta_seconds);
    for (body, at_ms) in [(stage("Initializing", 5), 3000), (run(50, 0), 6000), (run(60, 0), 9000)] {
        world.push("job-1", &body).expect("taken");
        world.run_until(at_ms);
        assert_eq!(eta(&world), (Value::Null, None), "{body}");
        assert!(shown(&world, "rate").ends_with(", remaining time unknown"), "{body}");
    }
    world.push("job-1", &run(70, 1000)).expect("taken");
    world.run_until(10_000);
    assert!(eta(&world).1.is_some_and(|seconds| seconds > 10), "{:?}", eta(&world));
    assert!(shown(&world, "rate").ends_with(" remain"));
    // It stalls, and then has moved all without having said that it is over.
    world.run_until(5 * MINUTE);
    assert_eq!(eta(&world), (Value::Null, None));
    world.push("job-1", &run(1000, 1000)).expect("taken");
    world.run_until(5 * MINUTE + 3000);
    assert_eq!(eta(&world), (Value::Null, None));
    world.push("job-1", &completed(1000)).expect("taken");
    world.finish("job-1", r#"{"status":"Succeeded"}"#).expect("ended");
    world.run_until(5 * MINUTE + 6000);
    assert_eq!(eta(&world), (0.into(), Some(0)));
}

#[test]
fn u01_a_copy_of_two_hours_moves_its_bar_all_the_time() {
    let mut world = tracked(r#"{"disks":[{"id":"disk-0"}]}"#);
    let (rate, seconds) = (100 * MIB, 7200);
    world.copy(0, "job-1", Some("disk-0"), rate * seconds, rate);
    for minute in (2..120).step_by(2) {
        world.run_until(minute * MINUTE);
        let (percent, expected) = (world.row("job-1").totals.percent.as_f64(), minute as f64 / 1.2);
        assert!((percent - expected).abs() < 0.1, "{percent} % after {minute} minutes, not {expected}");
    }
    let milestones = world.messages("job-1", "milestone");
    let reached: Vec<&str> =
        milestones.iter().filter_map(|text| text.split_once(':')).map(|(share, _)| share).collect();
    assert_eq!(reached, ["25 % reached", "50 % reached", "75 % reached"]);
}

#[test]
fn u06_a_bar_goes_back_only_with_a_revised_plan_which_the_log_explains() {
    let mut world = tracked(r#"{"disks":[{"id":"disk-0"}]}"#);
    let bar = |world: &World| {
        let row = world.row("job-1");
        (row.totals.bytes_transferred, row.totals.percent.to_string(), row.disks[0].percent.to_string())
    };
    let both = |bytes: u64, percent: &str| (bytes, percent.to_owned(), percent.to_owned());
    world.push("job-1", &start()).expect("taken");
    world.push("job-1", &run(50, 100)).expect("taken");
    world.run_until(3000);
    assert_eq!(bar(&world), both(50, "50.00"));
    // Fewer bytes with the same plan: a mover that has started again. Nothing goes back.
    world.push("job-1", &run(10, 100)).expect("taken");
    world.run_until(6000);
    assert_eq!((bar(&world), world.count("job-1", "plan_revised")), (both(50, "50.00"), 0));
    world.push("job-1", &run(60, 300)).expect("taken");
    world.run_until(9000);
    assert_eq!(bar(&world), both(60, "20.00"));
    let told = [
        "plan of disk disk-0 revised from 100 to 300 bytes: 50.00 % is now 20.00 %",
        "plan of job revised from 100 to 300 bytes: 50.00 % is now 20.00 %",
    ];
    assert_eq!(world.messages("job-1", "plan_revised"), told);
    world.push("job-1", &run(70, 300)).expect("taken");
    world.run_until(12_000);
    assert_eq!((bar(&world), world.count("job-1", "plan_revised")), (both(70, "23.33"), 2));
}
