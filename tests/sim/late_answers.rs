//! Late answers: every answer comes twice; or after its limit, when newer ones have come; or when the job has ended.
//!
//! What was written stays, to the byte; an older document is contact and nothing else (R-42, R-44, F28).

use waybill::model::percent::Percent;
use waybill::policy::contact::Miss;
use waybill::policy::fleet::Input;
use waybill::policy::source::WhichRun;
use waybill::wire::progress;

use crate::link::Link;
use crate::movers::{completed, run, start};
use crate::world::{World, job_id};

const MINUTE: u64 = 60_000;
const GB: u64 = 1_000_000_000;

fn world(link: Link) -> World {
    let mut world = World::new(11);
    world.vmas[0].link = link;
    world.declare("job-1", r#"{"disks":[{"id":"a"},{"id":"b"}]}"#).expect("declared");
    world.track_id("job-1");
    world
}

/// The bar, the bytes and the statuses of each second, which may not fall.
fn watch(world: &mut World, until: u64) {
    let mut before = world.row("job-1");
    while world.now_ms() < until {
        world.run_until(world.now_ms() + 1000);
        let row = world.row("job-1");
        assert!(row.totals.percent >= before.totals.percent, "{} {}", before.totals.percent, row.totals.percent);
        assert!(row.source_sequence >= before.source_sequence && row.source_updated_at >= before.source_updated_at);
        before = row;
    }
}

#[test]
fn f28_answers_that_come_twice_change_nothing_the_second_time() {
    let runs = [0, 100].map(|doubled| {
        let mut world = world(Link { doubled, ..Link::good() });
        let first = world.copy(1000, "job-1", None, 6 * GB, GB / 10);
        let second = world.copy(first + 1000, "job-1", None, 3 * GB, GB / 10);
        watch(&mut world, second + 4000);
        world.finish("job-1", r#"{"status":"Succeeded"}"#).expect("ended");
        world.run_until(second + 20_000);
        assert_eq!(world.strays > 0, doubled > 0);
        let events: Vec<String> = world.events("job-1").into_iter().map(|row| row.event).collect();
        (world.row("job-1").disks.iter().map(|disk| disk.bytes_transferred).collect::<Vec<_>>(), events)
    });
    assert_eq!(runs[0].0, [6 * GB, 3 * GB]);
    assert_eq!(runs[0], runs[1], "the log is the same, entry for entry");
}

#[test]
fn f28_a_document_that_comes_after_newer_ones_is_contact_and_nothing_else() {
    let mut world = world(Link::good());
    world.push_at(1000, "job-1", start());
    world.push_at(2000, "job-1", run(10, 100));
    world.run_until(3000);
    let (vma, id) = (world.vma_now(0), job_id("job-1"));
    let old = progress::render(&world.vmas[0].source.document(vma, &id, WhichRun::Exactly).expect("a document"));
    world.push_at(4000, "job-1", run(90, 100));
    world.push_at(5000, "job-1", completed(100));
    world.run_until(60_000);
    let before = world.row("job-1");
    assert_eq!(before.disks[0].percent, Percent::DONE);
    // The link is so slow that the fleet waits for an answer when the old document comes.
    world.vmas[0].link.latency_ms = 3000;
    for _ in 0..2 {
        let polls = world.polls.len();
        while world.polls.len() == polls {
            world.run_until(world.now_ms() + 10);
        }
        let old = progress::parse(old.as_bytes()).expect("our own document");
        world.stray(Input::Answered(id.clone(), Box::new(old)));
    }
    world.vmas[0].link.latency_ms = 5;
    let mut row = world.row("job-1");
    assert!(row.last_contact_at >= before.last_contact_at);
    (row.last_contact_at, row.updated_at) = (before.last_contact_at, before.updated_at);
    assert_eq!(row, before);
    world.run_until(70_000);
    assert_eq!((world.count("job-1", "bytes_regressed"), world.count("job-1", "transition_refused")), (0, 0));
    assert_eq!(world.count("job-1", "source_replaced"), 0);
}

#[test]
fn an_answer_or_a_miss_that_no_poll_waits_for_is_nobodys() {
    let mut world = world(Link::good());
    world.push_at(1000, "job-1", start());
    world.run_until(5000);
    let polls = world.polls.len();
    while world.polls.len() == polls {
        world.run_until(world.now_ms() + 10);
    }
    world.run_until(world.now_ms() + 100);
    let (before, id) = (world.fleet.job(&job_id("job-1")).cloned(), job_id("job-1"));
    for _ in 0..3 {
        world.stray(Input::Missed(id.clone(), Miss::Unreachable("too late".to_owned())));
    }
    world.push("job-1", &run(50, 100)).expect("taken");
    let news = world.vmas[0].source.document(world.vma_now(0), &id, WhichRun::Exactly).expect("a document");
    world.stray(Input::Answered(id.clone(), Box::new(news)));
    assert_eq!(world.fleet.job(&id).cloned(), before);
    world.run_until(10_000);
    assert_eq!((world.count("job-1", "contact_lost"), world.row("job-1").totals.bytes_transferred), (0, 50));
}

#[test]
fn answers_that_miss_their_limit_and_come_all_the_same_take_nothing_back() {
    let mut world = world(Link { jitter_ms: 9000, is_late: true, doubled: 30, ..Link::good() });
    let end = world.copy(1000, "job-1", None, 100 * GB, GB / 10);
    watch(&mut world, end + MINUTE);
    assert!(world.strays > 50, "{}", world.strays);
    let row = world.row("job-1");
    assert_eq!((row.disks[0].bytes_transferred, row.disks[0].status.stored_name()), (100 * GB, "completed"));
    for event in ["job_failed", "bytes_regressed", "transition_refused", "source_replaced"] {
        assert_eq!(world.count("job-1", event), 0, "{event}");
    }
}

#[test]
fn f28_an_answer_that_comes_long_after_the_end_changes_nothing() {
    let mut world = world(Link { latency_ms: 5500, is_late: true, ..Link::good() });
    world.push_at(1000, "job-1", start());
    world.push_at(2000, "job-1", run(10, 100));
    world.run_until(30_000);
    world.cancel("job-1", "enough").expect("cancelled");
    let ended = world.row("job-1");
    world.run_until(2 * MINUTE);
    assert_eq!(world.row("job-1"), ended);
    assert_eq!((world.count("job-1", "job_failed"), world.count("job-1", "status_changed")), (1, 1));
    assert_eq!(world.document("job-1").expect("a document")["error"], "cancelled: enough");
}
