//! Both sides: a job of two disks runs through a link that loses, a restart of each side, a full database of the OMA, and
//! ends while the tunnel is down.
//!
//! In the end the OMA has the VMA's log, entry for entry and each once (R-50, R-51), and asks nobody any more.

use waybill::model::record::{LogRecord, Side};
use waybill::policy::fleet::Input;
use waybill::policy::refusal::Refusal;
use waybill::view::timeline;

use crate::link::{Down, Link};
use crate::movers::{completed, failed, of_disk, run, stage, start};
use crate::world::{World, job_id};

const MINUTE: u64 = 60_000;
const JOB: &str = "job-1";
const DISKS: &str = r#"{"disks":[{"id":"a"},{"id":"b"}]}"#;

/// What the OMA has of the VMA's log.
fn there(world: &World) -> Vec<LogRecord> {
    world.store.record(&job_id(JOB)).expect("readable").expect("a row").source_log
}

fn on_the_vma(world: &World) -> Vec<LogRecord> {
    world.vmas[0].store.events(&job_id(JOB)).expect("readable")
}

/// A copy of two disks, with a stage text that nobody knows and a failure of the first.
fn copies(world: &mut World) {
    world.declare(JOB, DISKS).expect("declared");
    world.track_id(JOB);
    world.push_at(1000, JOB, stage("Zippering", 3));
    world.push_at(3000, JOB, stage("Creating Snapshot", 10));
    let mut at = 5000;
    for (disk, total) in [("a", 400), ("b", 200)] {
        world.push_at(at, JOB, of_disk(disk, &start()));
        for bytes in (0..=total).step_by(10) {
            at += 2000;
            world.push_at(at, JOB, of_disk(disk, &run(bytes, total)));
            if (disk, bytes) == ("a", 200) {
                world.push_at(at + 500, JOB, of_disk(disk, &failed("read error on vmdk")));
                world.push_at(at + 1500, JOB, of_disk(disk, &start()));
            }
        }
        world.push_at(at + 100, JOB, of_disk(disk, &completed(total)));
    }
}

#[test]
fn r51_the_oma_has_the_vmas_log_entry_for_entry_whatever_happened_on_the_way() {
    for seed in 0..12 {
        let mut world = World::new(seed);
        let up = |ms: u64| {
            !(20_000..45_000).contains(&ms) && !ms.is_multiple_of(7) && !(3 * MINUTE..6 * MINUTE).contains(&ms)
        };
        world.vmas[0].link = Link { doubled: 20, jitter_ms: 800, ..Link::when(Down::Hangs, up) };
        copies(&mut world);
        world.at(31_000, World::restart_oma);
        world.at(33_000, |world| world.is_writable = false);
        world.at(52_000, |world| world.is_writable = true);
        for at in [58_000, 70_111] {
            world.at(at, World::restart_oma);
            world.at(at + 1000, |world| {
                let now = world.vma_now(0);
                world.vmas[0].restart(now);
            });
        }
        // The end comes while the tunnel is down; the OMA hears of it when it is up again.
        world.at(4 * MINUTE, |world| world.finish(JOB, r#"{"status":"Failed","error":"no space"}"#).expect("ended"));
        world.run_until(8 * MINUTE);
        assert_eq!(world.row(JOB).error.as_deref(), Some("no space"), "seed {seed}");
        let (here, vma) = (there(&world), on_the_vma(&world));
        assert_eq!(here, vma, "seed {seed}");
        let correlation = world.row(JOB).correlation;
        assert!(correlation.is_some() && here.iter().all(|entry| entry.correlation == correlation), "seed {seed}");
        for event in ["unknown_text", "disk_failed", "job_failed"] {
            assert_eq!(here.iter().filter(|entry| entry.event == event).count(), 1, "seed {seed}: {event}");
        }
        assert_eq!(world.count(JOB, "source_log_missed"), 0, "seed {seed}");
        assert_eq!(world.log_reads.len(), 0, "seed {seed}: nobody is asked any more");
    }
}

#[test]
fn r51_the_timeline_keeps_the_order_of_each_side_and_puts_the_cause_before_what_is_heard_of_it() {
    let mut world = World::new(1);
    copies(&mut world);
    world.run_until(3 * MINUTE);
    world.finish(JOB, r#"{"status":"Failed","error":"no space"}"#).expect("ended");
    world.run_until(4 * MINUTE);
    let record = world.store.record(&job_id(JOB)).expect("readable").expect("a row");
    let all: Vec<(Side, LogRecord)> = timeline::entries(&record).map(|(side, entry)| (side, entry.clone())).collect();
    let of = |side| all.iter().filter(|(of, _)| *of == side).map(|(_, entry)| entry.clone()).collect::<Vec<_>>();
    assert_eq!((of(Side::Oma), of(Side::Vma)), (world.events(JOB), on_the_vma(&world)));
    assert!(all.windows(2).all(|pair| pair[0].1.at <= pair[1].1.at), "{all:#?}");
    let place =
        |side, event: &str| all.iter().position(|(of, entry)| *of == side && entry.event == event).expect(event);
    for event in ["disk_status_changed", "job_failed", "stage_changed"] {
        assert!(place(Side::Vma, event) < place(Side::Oma, event), "{event}: {all:#?}");
    }
}

#[test]
fn r51_a_long_log_comes_in_parts_and_polls_go_on_meanwhile() {
    let mut world = World::new(2);
    world.declare(JOB, DISKS).expect("declared");
    world.push(JOB, &of_disk("a", &start())).expect("taken");
    for round in 0..600 {
        // A disk that fails and starts again is three entries.
        world.push(JOB, &of_disk("a", &failed(&format!("try {round}")))).expect("taken");
        world.push(JOB, &of_disk("a", &start())).expect("taken");
    }
    let vma = on_the_vma(&world);
    assert!(vma.len() > 1000, "{} entries", vma.len());
    world.track_id(JOB);
    world.run_until(5000);
    assert_eq!(there(&world), vma);
    let beats: Vec<u64> = world.polls.iter().map(|(at, _)| *at).collect();
    assert!(beats.len() >= 2 && beats.windows(2).all(|pair| pair[1] - pair[0] == 2000), "{beats:?}");
}

#[test]
fn r51_a_cancelled_job_has_the_entries_that_its_vma_wrote_when_it_was_told() {
    let mut world = World::new(3);
    copies(&mut world);
    world.vmas[0].link.latency_ms = 700;
    world.run_until(30_000);
    world.cancel(JOB, "wrong VM").expect("cancelled");
    world.run_until(MINUTE / 2 + 5000);
    let told = there(&world);
    assert!(told.iter().any(|entry| entry.message == "Job failed: cancelled: wrong VM"), "{told:#?}");
    assert_eq!(world.count(JOB, "source_log_missed"), 0);
}

#[test]
fn r51_an_oma_that_dies_at_the_end_of_a_job_reads_the_rest_of_the_log_when_it_is_back() {
    let mut world = World::new(9);
    copies(&mut world);
    world.run_until(3 * MINUTE);
    world.finish(JOB, r#"{"status":"Failed","error":"no space"}"#).expect("ended");
    while !world.row(JOB).status.is_final() {
        world.run_until(world.now_ms() + 1);
    }
    world.restart_oma();
    assert_ne!(there(&world), on_the_vma(&world), "the last read was on the way");
    world.run_until(world.now_ms() + MINUTE);
    assert_eq!(there(&world), on_the_vma(&world));
    // What is there is asked for no more.
    assert!(
        world.store.open_source_logs(waybill::model::time::Wall::from_unix_millis(0)).expect("readable").is_empty()
    );
}

#[test]
fn r51_a_log_that_cannot_be_had_is_given_up_in_the_end_and_says_so_once() {
    let mut world = World::new(4);
    world.vmas[0].link = Link::when(Down::Refuses, |ms| ms < 30_000);
    copies(&mut world);
    world.run_until(6 * MINUTE);
    let (row, here) = (world.row(JOB), there(&world));
    assert_eq!((row.status.stored_name(), world.count(JOB, "source_log_missed")), ("failed", 0));
    assert!(here.len() > 5 && on_the_vma(&world).starts_with(&here), "what came before it is kept");
    world.run_until(20 * MINUTE);
    let told = world.messages(JOB, "source_log_missed");
    let read = here.len();
    let expected = format!(
        "the VMA's log of this job is here up to its entry {read} and could not be read to its end, 20 tries, the last: \
         connect: connection refused; `waybill log` on the VMA has the rest"
    );
    assert_eq!(told, [expected]);
    assert_eq!((world.row(JOB), there(&world)), (row, here), "what has ended stands still");
    world.vmas[0].link = Link::good();
    world.run_until(30 * MINUTE);
    assert_eq!(world.messages(JOB, "source_log_missed").len(), 1);
}

#[test]
fn r51_a_vma_whose_database_is_another_has_its_log_read_from_the_beginning() {
    let mut world = World::new(5);
    copies(&mut world);
    world.run_until(30_000);
    let before = there(&world);
    assert_eq!(before, on_the_vma(&world));
    let now = world.vma_now(0);
    world.vmas[0].replace(now);
    world.run_until(3 * MINUTE);
    world.finish(JOB, r#"{"status":"Failed","error":"given up"}"#).expect("ended");
    world.run_until(4 * MINUTE);
    let after = on_the_vma(&world);
    assert!(!before.is_empty() && !after.is_empty(), "the same ids twice");
    assert_eq!(there(&world), [before, after].concat());
}

#[test]
fn r51_the_last_read_comes_after_a_success_that_the_vma_was_told_of() {
    use crate::movers::change_id;
    let mut world = World::new(6);
    world.declare(JOB, r#"{"disks":[{"id":"a"}]}"#).expect("declared");
    world.track_id(JOB);
    for (at, body) in [(1000, start()), (3000, run(50, 100)), (5000, completed(100))] {
        world.push_at(at, JOB, body);
    }
    world.run_until(8000);
    world.change_id(JOB, &format!(r#"{{"change_id":"{}","disk_id":"a"}}"#, change_id(1)));
    world.run_until(20_000);
    assert_eq!(world.row(JOB).status.stored_name(), "completed");
    assert_eq!(there(&world), on_the_vma(&world));
    assert_eq!(there(&world).last().map(|entry| entry.event.as_str()), Some("job_succeeded"));
}

#[test]
fn r51_older_vmas_have_no_log_and_are_asked_for_none() {
    let mut world = World::new(7);
    world.vmas[0].is_old = true;
    copies(&mut world);
    world.run_until(MINUTE);
    world.finish(JOB, r#"{"status":"Failed","error":"given up"}"#).expect("ended");
    world.run_until(20 * MINUTE);
    assert_eq!((there(&world), world.count(JOB, "source_log_missed")), (Vec::new(), 0));
    assert_eq!(world.row(JOB).error.as_deref(), Some("given up"));
}

#[test]
fn r32_many_logs_at_once_are_read_a_few_at_a_time() {
    let mut world = World::new(8);
    world.vmas[0].link =
        Link { latency_ms: 400, ..Link::when(Down::Refuses, |ms| !(30_000..=6 * MINUTE).contains(&ms)) };
    let jobs: Vec<String> = (0..100).map(|n| format!("job-{n}")).collect();
    for id in &jobs {
        world.track_id(id);
        world.push_at(20_000, id, run(5, 100));
    }
    let mut most = 0;
    for second in 0..(8 * 60) {
        world.run_until(second * 1000);
        most = most.max(world.log_reads.len());
        if second == 310 {
            // What the VMA writes while it is away is read with the last read of the jobs that its silence has failed.
            let refused: Result<(), Refusal> =
                jobs.iter().try_for_each(|id| world.finish(id, r#"{"status":"Failed","error":"x"}"#));
            refused.expect("ended");
        }
    }
    world.tell_fleet(Input::Elapsed);
    world.run_until(10 * MINUTE);
    assert!((8..=waybill::limits::LOG_READS).contains(&most), "{most} at once");
    for id in &jobs {
        let vma = world.vmas[0].store.events(&job_id(id)).expect("readable");
        let record = world.store.record(&job_id(id)).expect("readable").expect("a row");
        assert_eq!(record.job.status.stored_name(), "failed");
        assert_eq!(record.source_log, vma, "{id}");
    }
}
