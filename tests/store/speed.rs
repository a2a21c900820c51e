//! How long commits and reads take: `cargo test --release --test store speed -- --ignored --nocapture`.

use std::time::{Duration, Instant};

use waybill::model::change::Change;
use waybill::model::disk::Basis;
use waybill::model::event::Event;
use waybill::model::id::CorrelationId;
use waybill::model::job::Job;
use waybill::model::percent::Percent;
use waybill::model::stage::Stage;
use waybill::model::status::{DiskStatus, JobStatus};
use waybill::store::{Durability, Store};

use super::{Dir, at, entry, job_with_disks, progress};

/// Ten thousand streaming jobs of two disks, as the OMA keeps them.
const JOBS: usize = 10_000;

fn streaming(number: usize) -> Job {
    let mut job = job_with_disks(&format!("job-20250925-134230.513-{number:06}"), &["disk-2000", "disk-2001"]);
    job.vm.name = format!("web{number}");
    job.vm.path = format!("/DC0/vm/web{number}");
    (job.status, job.stage) = (JobStatus::Streaming, Some(Stage::Transfer));
    job.correlation = CorrelationId::parse(&format!("01JD000000000000000000{number:04}")).ok();
    job
}

/// Other figures for each round: SQLite does not write what has not changed.
fn advance(job: &mut Job, round: u64) {
    let bytes = round * 123_456_789;
    job.totals.bytes_transferred = bytes * 2;
    (job.totals.total_bytes, job.totals.basis) = (1 << 41, Some(Basis::CbtAllocated));
    job.totals.percent = Percent::unfinished(bytes, 1 << 40);
    job.totals.throughput_bps = 98_765_432 + round;
    (job.updated_at, job.last_contact_at) = (at(round.cast_signed()), Some(at(round.cast_signed())));
    for disk in &mut job.disks {
        disk.status = DiskStatus::Streaming;
        (disk.planned_bytes, disk.basis) = (Some(1 << 40), Some(Basis::CbtAllocated));
        (disk.bytes_transferred, disk.percent) = (bytes, job.totals.percent);
        disk.updated_at = Some(job.updated_at);
    }
}

fn report(what: &str, mut times: Vec<Duration>) {
    times.sort();
    let at = |share: usize| times[(times.len() - 1) * share / 1000].as_secs_f64() * 1000.0;
    println!("{what:<48} p50 {:8.3} ms   p99 {:8.3} ms   max {:8.3} ms", at(500), at(990), at(1000));
}

fn timed<T>(run: impl FnOnce() -> T) -> (Duration, T) {
    let start = Instant::now();
    let made = run();
    (start.elapsed(), made)
}

#[test]
#[ignore = "a measurement"]
fn commits_and_reads() {
    let dir = Dir::new();
    let mut store = Store::open(&dir.file()).unwrap();
    let mut jobs: Vec<Job> = (0..JOBS).map(streaming).collect();
    store.commit(&jobs.iter().map(progress).collect::<Vec<_>>(), Durability::OnDisk).unwrap();
    let mut round = 0;
    let mut rounds = |label: &str, size: usize, times: usize, durability| {
        let mut next = 0;
        let measured = (0..times).map(|_| {
            round += 1;
            // Spread over the table, as staggered polls are.
            let changes: Vec<Change> = (0..size)
                .map(|_| {
                    next = (next + 7919) % JOBS;
                    advance(&mut jobs[next], round);
                    progress(&jobs[next])
                })
                .collect();
            let (time, refused) = timed(|| store.commit(&changes, durability).unwrap());
            assert!(refused.is_empty());
            time
        });
        report(label, measured.collect());
    };
    rounds("1 job of 2 disks, NORMAL", 1, 2000, Durability::HandedToSystem);
    rounds("100 jobs of 2 disks, NORMAL", 100, 500, Durability::HandedToSystem);
    rounds("1000 jobs of 2 disks, NORMAL", 1000, 100, Durability::HandedToSystem);
    rounds("1 job of 2 disks, FULL", 1, 1000, Durability::OnDisk);

    let name = jobs[0].id.as_str();
    let audit =
        |n: usize| Change::Entry(entry(name, if n.is_multiple_of(2) { Event::Milestone } else { Event::StageChanged }));
    let full = |n| timed(|| store.commit(&[audit(n)], Durability::OnDisk).unwrap()).0;
    report("1 entry of the log, FULL", (0..1000).map(full).collect());
    let durable = (0..200).map(|n| {
        store.commit(&[audit(n)], Durability::HandedToSystem).unwrap();
        timed(|| store.make_durable().unwrap()).0
    });
    report("make durable what was handed over", durable.collect());
    report("ids of 10,000 unfinished jobs", (0..50).map(|_| timed(|| store.unfinished_ids().unwrap()).0).collect());
    report("10,000 unfinished jobs", (0..10).map(|_| timed(|| store.unfinished_jobs().unwrap()).0).collect());
    report("one job", (0..1000).map(|n| timed(|| store.job(&jobs[n].id).unwrap()).0).collect());
    report("data version", (0..1000).map(|_| timed(|| store.data_version().unwrap()).0).collect());
}
