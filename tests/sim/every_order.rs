//! Every order: all sequences of up to five messages of a mover that sends no ids, for two declared disks, with a poll
//! after each (3,905 of them), and of up to four between polls (780); and every pair of stages. The invariants judge.

use waybill::model::stage::Stage;
use waybill::model::status::DiskStatus;

use crate::movers::{completed, completed_with_zeros, failed, run, start};
use crate::world::World;

const LETTERS: usize = 5;

fn letter(n: usize) -> String {
    match n {
        0 => start(),
        1 => run(40, 100),
        2 => completed(100),
        3 => failed("disk error"),
        _ => completed_with_zeros(),
    }
}

fn spell(mut number: usize, length: usize) -> Vec<usize> {
    let mut letters = Vec::new();
    for _ in 0..length {
        letters.push(number % LETTERS);
        number /= LETTERS;
    }
    letters
}

/// Every word is a job of its own in one world, and is over before the next begins.
fn all_words(longest: usize, pause: u64) {
    let mut world = World::new(9);
    for length in 1..=longest {
        for number in 0..LETTERS.pow(length as u32) {
            let word = spell(number, length);
            let id = format!("job-{length}-{number}");
            world.declare(&id, r#"{"disks":[{"id":"a"},{"id":"b"}]}"#).expect("declared");
            world.track_id(&id);
            for n in &word {
                world.push(&id, &letter(*n)).expect("taken");
                world.run_until(world.now_ms() + pause);
            }
            world.run_until(world.now_ms() + 2100);
            judge(&world, &id, &word);
            world.finish(&id, r#"{"status":"Failed","error":"enough"}"#).expect("ended");
            world.run_until(world.now_ms() + 2100);
            assert_eq!(world.row(&id).error.as_deref(), Some("enough"));
        }
    }
}

#[test]
fn no_order_of_messages_breaks_what_must_hold_where_polls_see_each() {
    all_words(5, 2100);
}

#[test]
fn no_order_of_messages_breaks_what_must_hold_where_polls_miss_most() {
    all_words(4, 300);
}

/// What a user may rely on after any sequence.
fn judge(world: &World, id: &str, word: &[usize]) {
    let row = world.row(id);
    assert!(!row.status.is_final(), "{word:?}: no message ends the job");
    let ends = word.iter().filter(|n| matches!(n, 2 | 4)).count();
    let completed = row.disks.iter().filter(|disk| disk.status == DiskStatus::Completed).count();
    assert!(completed <= ends, "{word:?}: {completed} disks for {ends} ends");
    let failures = word.iter().filter(|n| **n == 3).count();
    let failed = row.disks.iter().filter(|disk| disk.status == DiskStatus::Failed).count();
    assert!(failed <= failures, "{word:?}");
    let openings = word.iter().filter(|n| matches!(n, 0 | 1)).count();
    assert!(completed <= openings, "{word:?}: a disk that nobody opened was completed");
    // The OMA shows what the VMA shows.
    let document = world.document(id).expect("a document");
    for (n, disk) in row.disks.iter().enumerate() {
        assert_eq!(document["disks"][n]["status"], disk.status.wire_name(), "{word:?}");
        assert_eq!(document["disks"][n]["bytes_transferred"], disk.bytes_transferred, "{word:?}");
    }
    assert_eq!(document["aggregate"]["percent"], row.totals.percent.as_f64(), "{word:?}");
    assert_eq!(document["aggregate"]["total_bytes"], row.totals.total_bytes, "{word:?}");
}

#[test]
fn every_pair_of_stages_goes_forward_or_leaves_one_line() {
    for first in Stage::ALL {
        for second in Stage::ALL {
            let mut world = World::new(1);
            world.track_id("job-1");
            for stage in [first, second, second] {
                world.push("job-1", &crate::movers::stage(stage.wire_name(), 5)).expect("taken");
                world.run_until(world.now_ms() + 2100);
            }
            let row = world.row("job-1");
            assert_eq!(row.stage, Some(first.max(second)), "{first} {second}");
            let log = world.vmas[0].store.events(&row.id).expect("readable");
            let refused = log.iter().filter(|entry| entry.event == "transition_refused").count();
            assert_eq!(refused, usize::from(second < first), "{first} {second}");
        }
    }
}
