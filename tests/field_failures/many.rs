//! Failures on the VMA's side that need many: jobs that were mixed up, that crashed it, that nobody bounded.

use serde_json::Value;
use waybill::limits;
use waybill::model::request::Outcome;
use waybill::policy::dice::Dice;
use waybill::policy::refusal::Refusal;
use waybill::policy::source::SourceRules;

use crate::movers::{completed, of_disk, run, stage};
use crate::source::{ONE, after, noted};
use crate::world::{World, job_id};

const GB: u64 = 1_000_000_000;

#[test]
fn f24_many_movers_and_polls_at_once_lose_no_byte_and_mix_nothing_up() {
    const JOBS: u64 = 200;
    let (mut world, mut dice) = (World::new(24), Dice::new(24));
    let mut bytes = vec![0; JOBS as usize];
    for n in 0..JOBS {
        world
            .declare(&format!("job-{n}"), &format!(r#"{{"disks":[{{"id":"disk-0"}}],"aliases":["a-{n}"]}}"#))
            .expect("declared");
        world.track_id(&format!("job-{n}"));
    }
    for _ in 0..20_000 {
        let n = dice.below(JOBS);
        bytes[n as usize] += dice.below(1000);
        let id = if dice.below(2) == 0 { format!("job-{n}") } else { format!("a-{n}") };
        world.push(&id, &run(bytes[n as usize], GB)).expect("taken");
        if dice.below(4) == 0 {
            world.run_until(world.now_ms() + dice.below(7));
        }
    }
    world.run_until(world.now_ms() + 4500);
    for n in 0..JOBS {
        let (row, shown) = (world.row(&format!("job-{n}")), world.document(&format!("job-{n}")).expect("a document"));
        assert_eq!(row.totals.bytes_transferred, bytes[n as usize], "job-{n}");
        assert_eq!(shown["aggregate"]["bytes_transferred"], bytes[n as usize], "job-{n}");
    }
    let beats: Vec<u64> = world.polls.iter().filter(|(_, job)| job.as_str() == "job-7").map(|(at, _)| *at).collect();
    assert!(beats.windows(2).all(|pair| pair[1] - pair[0] == 2000), "{beats:?}");
}

#[test]
fn f25_an_unknown_id_never_goes_to_the_job_that_was_updated_last() {
    let mut world = World::new(25);
    for job in ["job-1", "job-2"] {
        world.declare(job, ONE).expect("declared");
        world.track_id(job);
        world.push(job, &run(10, 100)).expect("taken");
    }
    let before = ["job-1", "job-2"].map(|job| world.document(job));
    world.track_id("job-3");
    world.run_until(20_000);
    let row = world.row("job-3");
    assert_eq!((row.status.stored_name(), row.totals.bytes_transferred, row.disks.len()), ("pending", 0, 0));
    let taken = world.push("migration-vol-of-another-vm", &run(90, 100)).expect("taken");
    assert_eq!((taken.job.as_str(), taken.auto_initialized), ("migration-vol-of-another-vm", true));
    let now = world.vma_now(0);
    let minute = std::time::Duration::from_secs(60);
    let rules = SourceRules { auto_initialize: false, keep_finished: minute, failed_grace: minute, plans: true };
    world.vmas[0].source.reconfigure(now, rules);
    let refused = world.push("job-1x", &run(90, 100)).expect_err("nobody knows it");
    assert_eq!(refused, Refusal::UnknownJob { id: "job-1x".to_owned() });
    let bytes =
        |document: &Option<Value>| document.as_ref().expect("a document")["aggregate"]["bytes_transferred"].clone();
    for (job, before) in ["job-1", "job-2"].into_iter().zip(&before) {
        assert_eq!(bytes(&world.document(job)), bytes(before));
        assert_eq!(world.document(job).expect("a document")["sequence"], before.as_ref().expect("one")["sequence"]);
    }
}

#[test]
fn f26_jobs_are_bounded_those_that_run_stay_and_an_end_makes_room() {
    let mut world = World::new(26);
    let (now, push) = (world.now(), waybill::wire::update::parse(run(5, 10).as_bytes()).expect("a push"));
    let mut push_to = |n: usize| {
        // Not through the database, which would take the test's whole time.
        let pushed = world.vmas[0].source.push(now, &job_id(&format!("job-{n}")), &push);
        world.vmas[0].source.changes();
        (pushed, world.vmas[0].source.counts())
    };
    let most = limits::UNFINISHED_JOBS;
    for n in 0..most {
        push_to(n).0.expect("there is room");
    }
    let (refused, counts) = push_to(most);
    assert_eq!((refused, counts), (Err(Refusal::Full { what: "unfinished jobs", limit: most }), (most, 0)));
    assert!(push_to(0).0.is_ok(), "the oldest is still there, and is taken on");
    let source = &mut world.vmas[0].source;
    source.finish(now, &job_id("job-0"), &Outcome::Failed("over".to_owned())).expect("ended");
    source.push(now, &job_id("job-new"), &push).expect("its place is free");
    assert_eq!(source.counts(), (most, 1));
}

#[test]
fn r42_many_disks_silence_no_other_entry() {
    const DISKS: usize = 40;
    let refined = |disk: &str, body: String| of_disk(disk, &body).replace('}', r#","bytes_source":"proc-io"}"#);
    let mut world = after("{}", &[]);
    for disk in (0..DISKS).map(|n| format!("disk-{n}")) {
        for bytes in [70, 50, 60] {
            world.push("job-1", &refined(&disk, run(bytes, 100))).expect("taken");
        }
        world.push("job-1", &of_disk(&disk, &completed(100))).expect("taken");
        world.push("job-1", &of_disk(&disk, &run(5, 100))).expect("taken");
    }
    world.push("job-1", &stage("Setting up NBD", 10)).expect("taken");
    let counts = ["progress_refined", "bytes_regressed", "transition_refused"].map(|event| noted(&world, event));
    assert_eq!(counts, [DISKS, DISKS, DISKS + 1], "the stage that went back is told beside the late pushes");
}

#[test]
fn r02_a_claim_that_is_repeated_is_told_once() {
    let mut world = World::new(1);
    world.declare("job-1", r#"{"aliases":["a","b"]}"#).expect("declared");
    for (claimant, aliases, told) in
        [("job-2", r#"["a"]"#, 1), ("job-2", r#"["a"]"#, 1), ("job-2", r#"["b"]"#, 2), ("job-3", r#"["a"]"#, 3)]
    {
        world.declare(claimant, &format!(r#"{{"aliases":{aliases}}}"#)).expect_err("refused");
        assert_eq!(noted(&world, "alias_conflict"), told, "{claimant} {aliases}");
    }
}

#[test]
fn r32_what_can_never_be_taken_is_told_apart_from_what_has_no_room_now() {
    let mut world = World::new(1);
    let disks: Vec<String> = (0..=limits::DISKS_PER_JOB).map(|n| format!(r#"{{"id":"disk-{n}"}}"#)).collect();
    let refusal = world.declare("job-1", &format!(r#"{{"disks":[{}]}}"#, disks.join(","))).expect_err("refused");
    assert!(matches!(refusal, Refusal::TooMany { .. }), "{refusal}");
    assert_eq!(waybill::runtime::service::refuse(&refusal).kind.status(), 422);
    let full = Refusal::Full { what: "unfinished jobs", limit: limits::UNFINISHED_JOBS };
    assert_eq!(waybill::runtime::service::refuse(&full).kind.status(), 503);
}
