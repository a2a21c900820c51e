//! Chaos: 100 seeded runs of five virtual minutes in which anything may come at any time: pushes with and without ids,
//! totals that grow and shrink, counters that start again, unknown texts, declarations, change ids, ends, a link that
//! flaps, restarts of both appliances, a database that takes nothing. The invariants judge every step of each run.

use waybill::policy::dice::Dice;

use crate::link::{Down, Link};
use crate::movers::{change_id, completed, completed_with_zeros, failed, of_disk, run, stage, start};
use crate::world::World;

const STAGES: [&str; 8] = [
    "Initializing",
    "Creating Snapshot",
    "Preparing Migration",
    "Setting up NBD",
    "Finalize",
    "Polishing",
    "QueryCBT",
    "PersistChangeIDs",
];

fn body(dice: &mut Dice) -> String {
    let total = [100, 100, 100, 150, 90, 0][dice.below(6) as usize];
    let body = match dice.below(12) {
        0 | 1 => start(),
        2..=6 => run(dice.below(120), total),
        7 => completed(total),
        8 => completed_with_zeros(),
        9 => failed(["disk error", "exit status 1"][dice.below(2) as usize]),
        _ => return stage(STAGES[dice.below(8) as usize], 10),
    };
    match dice.below(6) {
        0 => of_disk("a", &body),
        1 => of_disk("disk-2001", &body),
        2 => of_disk("stranger", &body),
        _ => body,
    }
}

/// One thing that may happen. What is refused is refused; nobody is asked to like it.
fn happen(world: &mut World, dice: &mut Dice) {
    let id = ["job-1", "job-2", "volume"][dice.below(3) as usize];
    match dice.below(40) {
        0 => {
            let two = r#"{"disks":[{"id":"a","export":{"name":"volume"}},{"id":"b","device_key":2001}]}"#;
            world.declare(id, [two, "{}"][dice.below(2) as usize]).ok();
        }
        1 => {
            let end = [r#"{"status":"Succeeded"}"#, r#"{"status":"Failed","error":"by hand"}"#];
            world.finish(id, end[dice.below(2) as usize]).ok();
        }
        2 if world.is_writable => world.restart_oma(),
        3 => {
            let now = world.now();
            world.vmas[0].restart(now);
        }
        4 => {
            world.track(r#"{"id":"job-1","vma":"site-a","disks":[{"id":"a"},{"id":"b"}]}"#).ok();
        }
        5..=7 => {
            let (disk, counter) = (["a", "b", "disk-2001", "stranger"][dice.below(4) as usize], dice.below(9) as u32);
            world.change_id(id, &format!(r#"{{"change_id":"{}","disk_id":"{disk}"}}"#, change_id(counter)));
        }
        8 => world.is_writable = !world.is_writable,
        9 => drop(world.cancel(id, "chaos")),
        _ => drop(world.push(id, &body(dice))),
    }
}

fn a_run(seed: u64) {
    let (mut world, mut dice) = (World::new(seed), Dice::new(seed));
    let (down, period) = ([Down::Hangs, Down::Refuses][dice.below(2) as usize], 5000 + dice.below(60_000));
    world.vmas[0].link = Link::when(down, move |ms| ms % period < period * 2 / 3);
    for id in ["job-1", "job-2", "volume"] {
        world.track_id(id);
    }
    while world.now_ms() < 300_000 {
        happen(&mut world, &mut dice);
        world.run_until(world.now_ms() + dice.below(4000));
    }
    world.is_writable = true;
    world.run_until(330_000);
    for id in ["job-1", "job-2", "volume"] {
        assert!(world.count(id, "job_failed") + world.count(id, "job_succeeded") <= 1, "{seed} {id}");
    }
}

#[test]
fn nothing_that_may_happen_breaks_what_must_hold() {
    for seed in 0..100 {
        let run = std::panic::catch_unwind(|| a_run(seed));
        assert!(run.is_ok(), "seed {seed}: see above");
    }
}
