//! Revised plans: a mover's total grows and shrinks several times in one copy, alone and beside another disk.
//!
//! The bar falls only together with a `plan_revised` entry that says from what to what (R-44, U6). The invariants hold
//! each transaction to it; here is what a user sees.

use crate::movers::{completed, of_disk, run, start};
use crate::world::World;

/// Bytes and totals as the mover reports them, 4 s apart.
const REPORTS: [(u64, u64); 8] =
    [(10, 100), (30, 100), (40, 200), (60, 200), (60, 120), (80, 400), (100, 400), (110, 160)];

fn reported(declaration: &str, disk: Option<&str>) -> (World, Vec<String>) {
    let mut world = World::new(91);
    world.declare("job-1", declaration).expect("declared");
    world.track_id("job-1");
    let named = |body: String| disk.map_or(body.clone(), |disk| of_disk(disk, &body));
    world.push_at(100, "job-1", named(start()));
    for (n, (bytes, total)) in REPORTS.into_iter().enumerate() {
        world.push_at(4000 * (n as u64 + 1), "job-1", named(run(bytes, total)));
    }
    let mut seen = Vec::new();
    for n in 1..=REPORTS.len() as u64 {
        world.run_until(4000 * n + 2500);
        seen.push(world.row("job-1").totals.percent.to_string());
    }
    (world, seen)
}

#[test]
fn u06_a_plan_that_grows_and_shrinks_moves_the_bar_and_says_so_each_time() {
    let (mut world, seen) = reported(r#"{"disks":[{"id":"a"}]}"#, None);
    assert_eq!(seen, ["10.00", "30.00", "20.00", "30.00", "50.00", "20.00", "25.00", "68.75"]);
    let told = world.messages("job-1", "plan_revised");
    let of_the_job: Vec<&str> = told.iter().filter_map(|text| text.strip_prefix("plan of job revised ")).collect();
    // A plan that shrinks lets nothing fall, and needs no excuse.
    let sentences = ["from 100 to 200 bytes: 30.00 % is now 20.00 %", "from 120 to 400 bytes: 50.00 % is now 20.00 %"];
    assert_eq!(of_the_job, sentences);
    world.push_at(40_000, "job-1", completed(160));
    world.run_until(43_000);
    let row = world.row("job-1");
    assert_eq!((row.totals.total_bytes, row.totals.percent.to_string()), (160, "99.99".to_owned()));
}

#[test]
fn u06_one_disks_new_plan_moves_the_bar_of_both_and_names_the_disk() {
    let (mut world, seen) = reported(r#"{"disks":[{"id":"a"},{"id":"b","capacity_bytes":100}]}"#, Some("a"));
    assert_eq!(seen, ["5.00", "15.00", "13.33", "20.00", "27.27", "16.00", "20.00", "42.30"]);
    let vma = world.vmas[0].store.events(&crate::world::job_id("job-1")).expect("readable");
    let told: Vec<&str> =
        vma.iter().filter(|row| row.event == "plan_revised").map(|row| row.message.as_str()).collect();
    assert!(told.iter().all(|text| text.starts_with("plan of disk a revised from ")), "{told:?}");
    assert_eq!(told.len(), 4);
    // The end of the other disk, which had less to copy than it is large, is a revision as well, but lets nothing fall.
    world.push_at(40_000, "job-1", of_disk("b", &start()));
    world.push_at(41_000, "job-1", of_disk("b", &completed(40)));
    world.run_until(44_000);
    assert_eq!(world.row("job-1").totals.percent.to_string(), "75.00");
}

#[test]
fn u06_a_plan_that_is_revised_while_nobody_polls_is_told_with_the_next_poll() {
    let mut world = World::new(92);
    world.track_id("job-1");
    for (at, body) in [(100, start()), (1000, run(90, 100)), (10_000, run(95, 1000)), (11_000, run(96, 800))] {
        world.push_at(at, "job-1", body);
    }
    world.vmas[0].link = crate::link::Link::when(crate::link::Down::Refuses, |ms| !(5000..15_000).contains(&ms));
    world.run_until(30_000);
    assert_eq!(world.row("job-1").totals.percent.to_string(), "12.00");
    let told = world.messages("job-1", "plan_revised");
    assert!(told.contains(&"plan of job revised from 100 to 800 bytes: 90.00 % is now 12.00 %".to_owned()), "{told:?}");
}
