//! Source restarts: a VMA whose database is replaced by an empty one of another epoch, or set back to a backup, and a
//! mover that counts from zero again.
//!
//! Bytes never fall, each cause is one line that explains itself, and the job goes on to its end (R-9, R-44, F27, F31).

use crate::movers::{completed, run, start};
use crate::world::World;

const MINUTE: u64 = 60_000;
const GB: u64 = 1_000_000_000;

fn streaming() -> World {
    let mut world = World::new(21);
    world.declare("job-1", r#"{"disks":[{"id":"a"}]}"#).expect("declared");
    world.track_id("job-1");
    world.push_at(1000, "job-1", start());
    for tick in 1..=10 {
        world.push_at(1000 + tick * 2000, "job-1", run(tick * GB, 20 * GB));
    }
    world
}

#[test]
fn f27_a_database_that_is_set_back_to_a_backup_is_told_once_and_costs_no_byte() {
    let mut world = streaming();
    world.run_until(6000);
    let backup = world.vmas[0].backup();
    world.run_until(21_500);
    let before = world.row("job-1");
    assert_eq!(before.totals.bytes_transferred, 10 * GB);
    let now = world.vma_now(0);
    world.vmas[0].restore(now, &backup);
    // The mover waits for its own reasons; the VMA says what it knew 15 s ago.
    world.run_until(25_300);
    let row = world.row("job-1");
    assert_eq!((row.source_sequence, row.contact.stored_name()), (before.source_sequence, "fresh"), "not believed yet");
    world.run_until(40_000);
    let (row, document) = (world.row("job-1"), world.document("job-1").expect("a document"));
    assert_eq!(document["sequence"], row.source_sequence);
    assert_eq!(
        (row.totals.bytes_transferred, row.totals.percent),
        (before.totals.bytes_transferred, before.totals.percent)
    );
    let told = world.messages("job-1", "source_replaced");
    let (known, said) = (before.source_sequence, row.source_sequence);
    let sentence =
        format!("the VMA's database was set back from sequence {known} to {said}, as by restoring a backup: ");
    assert!(told.len() == 1 && told[0].starts_with(&sentence), "{told:?}");
    assert_eq!(world.count("job-1", "bytes_regressed"), 2, "of the disk and of the job");
    // The mover goes on from where it is, and the job ends as if nothing had been.
    for (n, body) in [run(11 * GB, 20 * GB), run(20 * GB, 20 * GB), completed(20 * GB)].into_iter().enumerate() {
        world.push_at(41_000 + 2000 * n as u64, "job-1", body);
    }
    world.run_until(MINUTE);
    world.finish("job-1", r#"{"status":"Succeeded"}"#).expect("ended");
    world.run_until(MINUTE + 3000);
    let row = world.row("job-1");
    assert_eq!((row.status.stored_name(), row.totals.bytes_transferred), ("completed", 20 * GB));
    assert_eq!(world.count("job-1", "source_replaced"), 1);
}

#[test]
fn f27_an_empty_database_of_another_epoch_goes_on_with_the_movers_next_push() {
    let mut world = streaming();
    world.run_until(21_500);
    let before = world.row("job-1");
    let now = world.vma_now(0);
    world.vmas[0].replace(now);
    world.run_until(30_000);
    assert_eq!(world.row("job-1").contact.stored_name(), "job_unknown");
    for tick in 11..=20 {
        world.push_at(10_000 + tick * 2000, "job-1", run(tick * GB, 20 * GB));
    }
    world.run_until(34_000);
    let row = world.row("job-1");
    assert_eq!(row.contact.stored_name(), "fresh");
    let told = world.messages("job-1", "source_replaced");
    assert_eq!(told, ["the VMA's database is another than before; its counters may begin anew"]);
    assert_eq!((row.started_at, row.correlation == before.correlation), (before.started_at, false));
    assert_eq!(world.count("job-1", "correlation_adopted"), 2, "the records of both databases are linked");
    world.run_until(MINUTE);
    world.push("job-1", &completed(20 * GB)).expect("taken");
    world.finish("job-1", r#"{"status":"Succeeded"}"#).expect("ended");
    world.run_until(MINUTE + 3000);
    let row = world.row("job-1");
    assert_eq!((row.status.stored_name(), row.totals.bytes_transferred), ("completed", 20 * GB));
}

#[test]
fn f31_a_mover_that_counts_from_zero_again_takes_nothing_away_and_is_one_line() {
    let mut world = streaming();
    world.run_until(21_500);
    for tick in 1..=20 {
        world.push_at(22_000 + tick * 2000, "job-1", run(tick * GB, 20 * GB));
    }
    world.run_until(40_000);
    let row = world.row("job-1");
    assert_eq!((row.totals.bytes_transferred, row.totals.percent.to_string()), (10 * GB, "50.00".to_owned()));
    let vma = world.vmas[0].store.events(&row.id).expect("readable");
    let told: Vec<_> =
        vma.iter().filter(|row| row.event == "bytes_regressed").map(|row| row.message.as_str()).collect();
    assert_eq!(
        told,
        [
            "disk a: the source says 1000000000 bytes after 10000000000; it has probably started again, the larger count stays"
        ]
    );
    world.run_until(70_000);
    let row = world.row("job-1");
    assert_eq!(row.totals.bytes_transferred, 20 * GB);
}

#[test]
fn a_database_that_is_lost_again_and_again_is_told_each_time() {
    let mut world = streaming();
    for round in 1..=4 {
        world.run_until(30_000 * round);
        let now = world.vma_now(0);
        world.vmas[0].replace(now);
        world.push("job-1", &run(round * GB, 20 * GB)).expect("taken");
    }
    world.run_until(3 * MINUTE);
    assert_eq!(world.count("job-1", "source_replaced"), 4);
    let row = world.row("job-1");
    assert_eq!((row.status.stored_name(), row.totals.bytes_transferred), ("streaming", 10 * GB));
}
