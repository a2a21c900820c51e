//! Slow store: each commit of the OMA takes 3 s, then 40 s, with ten jobs.
//!
//! Polls come later and none is lost; a commit that is longer than a pause is the OMA's own, and fails nobody.

use std::collections::BTreeSet;

use crate::world::World;

const MINUTE: u64 = 60_000;
const GB: u64 = 1_000_000_000;
const JOBS: [&str; 10] = ["j0", "j1", "j2", "j3", "j4", "j5", "j6", "j7", "j8", "j9"];

fn world(commit_ms: u64) -> World {
    let mut world = World::new(41);
    for id in JOBS {
        world.track_id(id);
        world.copy(1000, id, None, 60 * GB, GB / 10);
    }
    world.commit_ms = commit_ms;
    world
}

#[test]
fn commits_of_three_seconds_make_polls_later_and_lose_nothing() {
    let mut world = world(3000);
    world.run_until(5 * MINUTE);
    for id in JOBS {
        let row = world.row(id);
        assert_eq!((row.status.stored_name(), row.contact.stored_name()), ("streaming", "fresh"), "{id}");
        let behind = 299 * GB / 10 - row.totals.bytes_transferred;
        assert!(behind <= 2 * GB, "{id} is {behind} bytes behind");
        assert_eq!((world.count(id, "contact_lost"), world.count(id, "backoff_changed")), (0, 0));
    }
    let moments: BTreeSet<u64> = world.writes.iter().map(|(at, _)| *at).filter(|at| *at > 0).collect();
    let gaps: BTreeSet<u64> = moments.iter().zip(moments.iter().skip(1)).map(|(one, next)| next - one).collect();
    // Between two commits of rows there may be one of what the VMA's log says.
    assert!(gaps.first() >= Some(&3000) && gaps.last() <= Some(&6000), "one commit at a time: {gaps:?}");
    world.run_until(11 * MINUTE);
    for id in JOBS {
        assert_eq!(world.row(id).totals.bytes_transferred, 60 * GB, "{id}");
    }
}

#[test]
fn f07_commits_of_forty_seconds_are_the_omas_own_pause_and_fail_nobody() {
    let mut world = world(40_000);
    world.run_until(30 * MINUTE);
    world.commit_ms = 0;
    world.run_until(32 * MINUTE);
    for id in JOBS {
        let row = world.row(id);
        assert_eq!((row.status.stored_name(), row.totals.bytes_transferred), ("streaming", 60 * GB), "{id}");
        assert_eq!((world.count(id, "job_failed"), world.count(id, "contact_lost")), (0, 0), "{id}");
    }
}
