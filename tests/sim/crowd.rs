//! Crowd: 10,000 jobs on one VMA, all streaming, for 8 s; then the OMA's database is away for ten minutes.
//!
//! Every job is polled every 2 s; no 100 ms hold more than the mean and a bit; no pause ends in a burst (R-20, R-27).

use std::collections::BTreeMap;

use waybill::policy::fleet::Input;
use waybill::wire::{job, update};

use crate::movers::{run, start};
use crate::world::{World, job_id};

const JOBS: usize = 10_000;
/// Polls in 100 ms if they were perfectly spread.
const MEAN: usize = JOBS / 20;

fn crowd(seed: u64) -> World {
    let mut world = World::new(seed);
    let now = world.now();
    let ids: Vec<String> = (0..JOBS).map(|n| format!("job-{n}")).collect();
    // All in one transaction on either side: what is tried here is the crowd, not its arrival.
    let pushed = world.vmas[0].act(now, |source| {
        for (n, id) in ids.iter().enumerate() {
            for body in [start(), run(n as u64, 10 * JOBS as u64)] {
                source.push(now, &job_id(id), &update::parse(body.as_bytes()).expect("a push"))?;
            }
        }
        Ok(())
    });
    pushed.expect("taken");
    for id in &ids {
        let request = job::parse_track(format!(r#"{{"id":"{id}","vma":"site-a"}}"#).as_bytes()).expect("a request");
        world.fleet.track(now, &request, None).expect("tracked");
    }
    world.tell_fleet(Input::Elapsed);
    world
}

/// The most polls that were sent within any 100 ms between two moments.
fn densest(world: &World, from: u64, to: u64) -> usize {
    let mut bins: BTreeMap<u64, usize> = BTreeMap::new();
    for (at, _) in world.polls.iter().filter(|(at, _)| (from..to).contains(at)) {
        *bins.entry(at / 100).or_default() += 1;
    }
    bins.into_values().max().unwrap_or(0)
}

#[test]
fn ten_thousand_jobs_are_polled_every_two_seconds_without_a_burst() {
    let mut world = crowd(1);
    world.run_until(8000);
    let mut last: BTreeMap<&str, u64> = BTreeMap::new();
    for (at, job) in &world.polls {
        let before = last.insert(job.as_str(), *at);
        assert!(before.is_none_or(|before| at - before == 2000), "{job} at {at} after {before:?}");
    }
    assert_eq!(last.len(), JOBS);
    assert!(last.values().all(|at| *at >= 6000));
    let most = densest(&world, 0, 8000);
    assert!(most <= MEAN + 10, "{most} polls in 100 ms, the mean is {MEAN}");
}

#[test]
fn a_pause_of_the_database_ends_without_a_burst_and_fails_nobody() {
    let mut world = crowd(2);
    world.run_until(4000);
    (world.is_writable, world.most_unwritten) = (false, 1000);
    world.run_until(610_000);
    let polls = world.polls.iter().filter(|(at, _)| (20_000..610_000).contains(at)).count();
    assert_eq!(polls, 0, "polling gives way");
    world.is_writable = true;
    // The shell tries the database again by itself; nothing else happens in a world that has paused.
    world.tell_fleet(Input::Elapsed);
    world.run_until(618_000);
    assert_eq!(world.fleet.len(), JOBS, "nobody was asked, so nobody was silent");
    let most = densest(&world, 610_000, 618_000);
    assert!(most <= 2 * MEAN, "{most} polls in 100 ms, the mean is {MEAN}");
    let polls = world.polls.iter().filter(|(at, _)| (614_000..618_000).contains(at)).count();
    assert_eq!(polls, 2 * JOBS);
}

#[test]
fn a_restart_with_ten_thousand_jobs_is_no_burst() {
    let mut world = crowd(3);
    world.run_until(4000);
    world.restart_oma();
    world.run_until(10_000);
    let most = densest(&world, 4000, 10_000);
    assert!(most <= MEAN + 10, "{most} polls in 100 ms, the mean is {MEAN}");
}
