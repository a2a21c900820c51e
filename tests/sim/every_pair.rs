//! Every pair: each status of a job after each other (49), each of a disk (25), each stage (81), as the documents of a VMA
//! with a sequence and of an older one without, and as the pushes of a mover.
//!
//! What the one table allows is taken, what it refuses is one line in the log, however often it is said (R-40 to R-42).

use waybill::model::disk::Disk;
use waybill::model::id::{DiskId, Epoch, JobId};
use waybill::model::job::{Totals, Vm};
use waybill::model::progress::Progress;
use waybill::model::stage::Stage;
use waybill::model::status::{DiskStatus, JobStatus};
use waybill::policy::transition::{disk_may, job_may};
use waybill::wire::progress;

use crate::movers::{completed, failed, of_disk, run, stage, start};
use crate::world::World;

/// The n-th of the two words in a job's id: what the VMA says of it first, and what after.
fn word(id: &JobId, n: usize) -> &str {
    id.as_str().split('.').nth(n).expect("two words")
}

/// A document that says one word, which is a job's status, a disk's after `disk-`, or a stage.
fn document(id: &JobId, n: usize, is_old: bool) -> (u16, String) {
    let word = word(id, n);
    let mut disk = Disk::new(DiskId::parse("a").expect("an id"));
    let disk_status = word.strip_prefix("disk-").and_then(DiskStatus::from_wire_name);
    // What is not all there has not succeeded.
    let is_of_job = JobStatus::from_wire_name(word).is_some();
    disk.status = disk_status.unwrap_or(if is_of_job { DiskStatus::Completed } else { DiskStatus::Queued });
    let said = Progress {
        job: id.clone(),
        stage: Stage::from_wire_name(word).unwrap_or(Stage::Transfer),
        status: JobStatus::from_wire_name(word).unwrap_or(JobStatus::Streaming),
        started_at: None,
        updated_at: None,
        totals: Totals::default(),
        sync: None,
        previous_change_id: None,
        change_id: None,
        exports: Vec::new(),
        aliases: Vec::new(),
        disks: vec![disk],
        sequence: (!is_old).then_some(n as u64 + 1),
        epoch: Epoch::parse("e").ok().filter(|_| !is_old),
        correlation: None,
        disk_count: None,
        next_run: None,
        mover_says: None,
        warnings: Vec::new(),
        error: None,
        vm: Some(Vm::default()),
        log: None,
    };
    (200, progress::render(&said))
}

/// Has the VMA say of each pair its first word, then twice its second; gives the world and the jobs.
fn say(words: &[String], is_old: bool) -> (World, Vec<(String, usize, usize)>) {
    let mut world = World::new(1);
    let both = (0..words.len()).flat_map(|from| (0..words.len()).map(move |to| (from, to)));
    let jobs: Vec<_> = both.map(|(from, to)| (format!("{}.{}", words[from], words[to]), from, to)).collect();
    jobs.iter().for_each(|(id, ..)| world.track_id(id));
    world.vmas[0].stub = Some(if is_old { |id| document(id, 0, true) } else { |id| document(id, 0, false) });
    world.run_until(3000);
    world.vmas[0].stub = Some(if is_old { |id| document(id, 1, true) } else { |id| document(id, 1, false) });
    world.run_until(8000);
    (world, jobs)
}

fn wire_names<T: Copy>(all: &[T], name: impl Fn(T) -> &'static str) -> Vec<String> {
    all.iter().map(|one| name(*one).to_owned()).collect()
}

#[test]
fn every_pair_of_job_statuses_in_documents_goes_by_the_table() {
    for is_old in [false, true] {
        let all = JobStatus::ALL;
        let (world, jobs) = say(&wire_names(all, JobStatus::wire_name), is_old);
        for (id, from, to) in jobs {
            let (from, to) = (all[from], all[to]);
            let is_taken = from == to || job_may(from, to);
            assert_eq!(world.row(&id).status, if is_taken { to } else { from }, "{id}");
            // A job that has ended is asked no more, and so nothing is refused.
            let refused = usize::from(!is_taken && !from.is_final());
            assert_eq!(world.count(&id, "transition_refused"), refused, "{id}");
            let ends = world.count(&id, "job_failed") + world.count(&id, "job_succeeded");
            assert_eq!(ends, usize::from(world.row(&id).status.is_final()), "{id}");
        }
    }
}

#[test]
fn every_pair_of_disk_statuses_in_documents_goes_by_the_table() {
    for is_old in [false, true] {
        let all = DiskStatus::ALL;
        let words: Vec<String> = all.iter().map(|status| format!("disk-{}", status.wire_name())).collect();
        let (world, jobs) = say(&words, is_old);
        for (id, from, to) in jobs {
            let (from, to) = (all[from], all[to]);
            // A failed disk that is Completed has streamed in between, though no poll saw it.
            let is_resumed = (from, to) == (DiskStatus::Failed, DiskStatus::Completed);
            let is_taken = from == to || disk_may(from, to) || is_resumed;
            assert_eq!(world.row(&id).disks[0].status, if is_taken { to } else { from }, "{id}");
            assert_eq!(world.count(&id, "transition_refused"), usize::from(!is_taken), "{id}");
            let lines =
                usize::from(from != DiskStatus::Queued) + usize::from(is_taken && from != to) + usize::from(is_resumed);
            assert_eq!(world.count(&id, "disk_status_changed"), lines, "{id}: one line for each transition");
        }
    }
}

#[test]
fn every_pair_of_stages_in_documents_goes_forward() {
    for is_old in [false, true] {
        let (world, jobs) = say(&wire_names(&Stage::ALL, Stage::wire_name), is_old);
        for (id, from, to) in jobs {
            let steps: Vec<String> =
                world.store.steps(&world.row(&id).id).expect("readable").into_iter().map(|step| step.stage).collect();
            let expected: Vec<&str> = if to > from {
                vec![Stage::ALL[from].wire_name(), Stage::ALL[to].wire_name()]
            } else {
                vec![Stage::ALL[from].wire_name()]
            };
            assert_eq!(steps, expected, "{id}");
            assert_eq!(world.count(&id, "transition_refused"), usize::from(to < from), "{id}");
        }
    }
}

/// What the VMA's own log refused of a job.
fn refused_on_the_vma(world: &World, id: &JobId) -> usize {
    let log = world.vmas[0].store.events(id).expect("readable");
    log.iter().filter(|entry| entry.event == "transition_refused").count()
}

#[test]
fn every_pair_of_stages_in_pushes_goes_forward_or_leaves_one_line() {
    for first in Stage::ALL {
        for second in Stage::ALL {
            let mut world = World::new(1);
            world.track_id("job-1");
            for name in [first, second, second] {
                world.push("job-1", &stage(name.wire_name(), 5)).expect("taken");
                world.run_until(world.now_ms() + 2100);
            }
            // A mover that begins at the beginning was started again (R-40).
            if first >= Stage::Transfer && second <= Stage::Snapshot {
                assert_eq!(world.row("job-1").error.as_deref(), Some("its mover was started again"));
                assert_eq!(world.row("job-1~2").stage, Some(second), "{first} {second}");
                continue;
            }
            let row = world.row("job-1");
            assert_eq!(row.stage, Some(first.max(second)), "{first} {second}");
            assert_eq!(refused_on_the_vma(&world, &row.id), usize::from(second < first), "{first} {second}");
        }
    }
}

#[test]
fn every_pair_of_job_statuses_in_pushes_goes_by_the_table() {
    for from in JobStatus::ALL.iter().copied() {
        for to in JobStatus::ALL.iter().copied() {
            let mut world = World::new(1);
            world.declare("job-1", "{}").expect("declared");
            world.track_id("job-1");
            for status in [from, to, to] {
                let push =
                    format!(r#"{{"stage":"QueryCBT","status":"{status}","bytes_transferred":0,"throughput_bps":0}}"#);
                match status {
                    // No push ends a job well before its last stages.
                    JobStatus::Succeeded => drop(world.finish("job-1", r#"{"status":"Succeeded"}"#)),
                    JobStatus::Failed => drop(world.push("job-1", &push).expect("taken")),
                    // A start would be another run's.
                    _ if from.is_final() => drop(world.push("job-1", &of_disk("a", &run(1, 2))).expect("taken")),
                    _ => drop(world.push("job-1", &push).expect("taken")),
                }
                world.run_until(world.now_ms() + 2100);
            }
            let expected = if from == to || job_may(from, to) { to } else { from };
            assert_eq!(world.row("job-1").status, expected, "{from} {to}");
            assert_eq!(world.document("job-1").expect("a document")["status"], expected.wire_name(), "{from} {to}");
        }
    }
}

#[test]
fn every_pair_of_disk_statuses_in_pushes_goes_by_the_table() {
    let say = |status| match status {
        DiskStatus::Streaming => run(1, 2),
        DiskStatus::Completed => completed(2),
        DiskStatus::Failed => failed("disk error"),
        DiskStatus::Queued | DiskStatus::Snapshotting => start(),
    };
    let pushed = [DiskStatus::Streaming, DiskStatus::Completed, DiskStatus::Failed];
    for from in pushed {
        for to in pushed {
            let mut world = World::new(1);
            world.track_id("job-1");
            world.push("job-1", &of_disk("a", &start())).expect("taken");
            for status in [from, to, to] {
                world.push("job-1", &of_disk("a", &say(status))).expect("taken");
                world.run_until(world.now_ms() + 2100);
            }
            let is_resumed = (from, to) == (DiskStatus::Failed, DiskStatus::Completed);
            let is_taken = from == to || disk_may(from, to) || is_resumed;
            let row = world.row("job-1");
            assert_eq!(row.disks[0].status, if is_taken { to } else { from }, "{from} {to}");
        }
    }
}
