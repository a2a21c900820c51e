//! Log reads: one fleet without a world, and a VMA whose answers are what a test says: too late, of another job, without
//! end, without anything new.
//!
//! One read of a job at a time, each answered by what comes next; nothing is asked for twice for nothing (R-32, R-51).

use waybill::limits;
use waybill::model::change::Change;
use waybill::model::event::Level;
use waybill::model::id::Epoch;
use waybill::model::progress::Progress;
use waybill::model::record::LogRecord;
use waybill::model::source_log::{LogPage, SourceEntry};
use waybill::model::time::{Mono, Now, Wall};
use waybill::policy::contact::Miss;
use waybill::policy::fleet::{Action, FinishAnswer, Fleet, Input};
use waybill::wire::{job, progress};

use crate::world::{default_settings, job_id};

const JOB: &str = "job-1";
const NONE: [u64; 0] = [];

struct Pair {
    fleet: Fleet,
    ms: u64,
}

impl Pair {
    /// A fleet that tracks so many jobs, `job-1` among them.
    fn new(jobs: usize) -> Self {
        let mut pair = Self { fleet: Fleet::resume(default_settings(1), Vec::new(), now(0)), ms: 0 };
        for n in 1..=jobs {
            let request = format!(r#"{{"id":"job-{n}","vma":"site-a"}}"#);
            let request = job::parse_track(request.as_bytes()).expect("a request");
            pair.fleet.track(now(0), &request, None).expect("tracked");
        }
        pair
    }
    fn handle(&mut self, input: Input) {
        self.fleet.handle(now(self.ms), input);
    }
    /// Lets time pass to the next poll of the job, and answers it so.
    fn polled(&mut self, id: &str, answer: impl FnOnce() -> Option<Progress>) -> Vec<u64> {
        let mut asked = Vec::new();
        for _ in 0..2000 {
            self.ms += 10;
            self.handle(Input::Elapsed);
            let actions: Vec<Action> = std::iter::from_fn(|| self.fleet.next_action()).collect();
            let is_polled =
                actions.iter().any(|action| matches!(action, Action::Poll { job, .. } if job.as_str() == id));
            asked.extend(reads(&actions));
            if is_polled {
                self.handle(match answer() {
                    Some(said) => Input::Answered(job_id(id), Box::new(said)),
                    None => Input::Missed(job_id(id), Miss::Unknown),
                });
                asked.extend(self.asked());
                return asked;
            }
        }
        panic!("{id} is not polled");
    }
    /// From which entries on the log is asked for now.
    fn asked(&mut self) -> Vec<u64> {
        let actions: Vec<Action> = std::iter::from_fn(|| self.fleet.next_action()).collect();
        reads(&actions)
    }
    fn says(&mut self, log: u64) -> Vec<u64> {
        self.polled(JOB, || Some(document(JOB, "Streaming", log)))
    }
    fn read(&mut self, page: LogPage) -> Vec<u64> {
        self.handle(Input::LogRead(job_id(JOB), page));
        self.asked()
    }
    /// The entries that are to be stored since the last call, by their ids.
    fn stored(&mut self) -> Vec<u64> {
        let changes = self.fleet.changes();
        changes
            .iter()
            .filter_map(|change| match change {
                Change::SourceEntry(entry) => Some(entry.id),
                _ => None,
            })
            .collect()
    }
}

fn now(ms: u64) -> Now {
    Now { mono: Mono::from_millis(ms), wall: Wall::from_unix_millis(ms as i64) }
}

fn reads(actions: &[Action]) -> Vec<u64> {
    let after = |action: &Action| match action {
        Action::ReadLog { after, .. } => Some(*after),
        _ => None,
    };
    actions.iter().filter_map(after).collect()
}

fn document(id: &str, status: &str, log: u64) -> Progress {
    let text = format!(
        r#"{{"job_id":"{id}","stage":"Transfer","status":"{status}","aggregate":{{"total_bytes":100,
            "bytes_transferred":10}},"sequence":1,"epoch":"e1","log":{log}}}"#
    );
    progress::parse(text.as_bytes()).expect("a document")
}

fn page(ids: std::ops::RangeInclusive<u64>, more: bool) -> LogPage {
    let (job, epoch) = (job_id(JOB), Epoch::parse("e1").expect("an epoch"));
    let entry = |id| SourceEntry {
        job: job.clone(),
        epoch: epoch.clone(),
        id,
        record: LogRecord {
            at: None,
            level: Level::Info,
            event: "x".to_owned(),
            message: String::new(),
            attributes: "{}".to_owned(),
            correlation: None,
        },
    };
    LogPage { entries: ids.map(entry).collect(), job: job.clone(), epoch: epoch.clone(), more }
}

#[test]
fn one_read_at_a_time_from_where_the_last_one_ended() {
    let mut pair = Pair::new(1);
    assert_eq!(pair.says(3), [0]);
    assert_eq!(pair.says(5), NONE, "one is on the way");
    assert_eq!(pair.read(page(1..=2, true)), [2], "the rest is asked for at once");
    assert_eq!(pair.read(page(3..=5, false)), NONE);
    assert_eq!(pair.stored(), [1, 2, 3, 4, 5]);
    assert_eq!(pair.says(5), NONE, "all of it is here");
    assert_eq!(pair.says(6), [5]);
    pair.handle(Input::LogMissed(job_id(JOB), "refused".to_owned()));
    assert_eq!(pair.asked(), NONE, "a failed read waits for the next document");
    assert_eq!(pair.says(6), [5]);
}

#[test]
fn an_answer_that_nobody_waits_for_and_what_is_here_already_is_not_taken() {
    let mut pair = Pair::new(1);
    pair.says(4);
    pair.read(page(1..=4, false));
    assert_eq!(pair.stored(), [1, 2, 3, 4]);
    assert_eq!(pair.read(page(1..=9, false)), NONE);
    assert_eq!(pair.stored(), NONE, "it came twice");
    pair.says(6);
    pair.read(page(1..=5, false));
    assert_eq!(pair.stored(), [5], "an old answer in place of the new one");
    assert_eq!(pair.says(6), [5]);
}

#[test]
fn a_vma_that_promises_more_and_gives_nothing_is_not_asked_in_a_circle() {
    let mut pair = Pair::new(1);
    pair.says(3);
    assert_eq!(pair.read(page(1..=3, true)), [3]);
    for _ in 0..3 {
        assert_eq!(pair.read(LogPage { entries: Vec::new(), ..page(1..=1, true) }), NONE);
        assert_eq!(pair.says(4), [3]);
    }
}

#[test]
fn the_log_of_another_job_or_database_is_not_taken_for_this_ones() {
    let mut pair = Pair::new(1);
    pair.says(3);
    assert_eq!(pair.read(LogPage { job: job_id("job-2"), ..page(1..=3, false) }), NONE);
    assert_eq!(pair.says(3), [0]);
    let epoch = Epoch::parse("e2").expect("an epoch");
    assert_eq!(pair.read(LogPage { epoch, ..page(1..=3, false) }), NONE);
    assert_eq!(pair.stored(), NONE);
    assert_eq!(pair.says(3), [0], "of the database that the documents are of");
}

#[test]
fn a_full_queue_stops_the_reads_and_room_lets_them_go_on() {
    let mut pair = Pair::new(1);
    pair.says(9);
    pair.handle(Input::Writable(false));
    assert_eq!(pair.read(page(1..=4, true)), NONE, "what was on the way is taken, and no more is asked for");
    assert_eq!(pair.stored(), [1, 2, 3, 4]);
    pair.handle(Input::Writable(true));
    assert_eq!(pair.says(9), [4]);
}

#[test]
fn reads_give_way_to_polls() {
    let mut pair = Pair::new(40);
    pair.ms = 2000;
    pair.handle(Input::Elapsed);
    assert_eq!(pair.asked(), NONE);
    for n in 1..=40 {
        let id = format!("job-{n}");
        pair.handle(Input::Answered(job_id(&id), Box::new(document(&id, "Streaming", 1))));
    }
    assert_eq!(pair.asked().len(), limits::LOG_READS, "the others wait for their next document");
    pair.read(page(1..=1, false));
    assert_eq!(pair.polled("job-40", || Some(document("job-40", "Streaming", 1))), [0]);
}

#[test]
fn a_cancelled_job_waits_with_its_last_read_until_its_vma_was_told() {
    let mut pair = Pair::new(1);
    pair.says(3);
    pair.read(page(1..=3, false));
    pair.fleet.cancel(now(pair.ms), &job_id(JOB), "wrong VM").expect("cancelled");
    pair.handle(Input::Elapsed);
    assert_eq!(pair.asked(), NONE);
    pair.handle(Input::FinishAnswered(job_id(JOB), FinishAnswer::Taken));
    assert_eq!(pair.asked(), [3]);
    assert_eq!(pair.read(page(4..=6, true)), [6], "the rest comes in the same way");
    pair.read(page(7..=7, false));
    assert_eq!(pair.stored(), [1, 2, 3, 4, 5, 6, 7]);
    pair.ms += 3_600_000;
    pair.handle(Input::Elapsed);
    assert_eq!((pair.asked(), pair.fleet.next_deadline()), (Vec::new(), None), "nothing of it is left");
}

#[test]
fn r52_a_panic_over_a_job_costs_no_room_for_reads_and_the_log_is_asked_for_anew() {
    let mut pair = Pair::new(1);
    let job = pair.fleet.job(&job_id(JOB)).expect("tracked").clone();
    for _ in 0..=limits::LOG_READS {
        assert_eq!(pair.says(3), [0]);
        // As if it had panicked in there.
        pair.fleet.cancel(now(pair.ms), &job_id(JOB), "wrong VM").expect("cancelled");
        assert_eq!(pair.fleet.drop_in_hand(), Some(job_id(JOB)));
        pair.fleet.go_on_after_panic(now(pair.ms), job.clone(), "here");
    }
    assert_eq!(pair.says(3), [0]);
}

#[test]
fn a_read_that_was_on_the_way_at_the_end_is_not_the_last() {
    let mut pair = Pair::new(1);
    assert_eq!(pair.says(3), [0]);
    assert_eq!(pair.polled(JOB, || Some(document(JOB, "Succeeded", 5))), NONE);
    assert_eq!(pair.read(page(1..=3, false)), [3]);
    assert_eq!(pair.read(page(4..=5, false)), NONE);
    assert_eq!((pair.stored(), pair.fleet.next_deadline()), (vec![1, 2, 3, 4, 5], None));
}

#[test]
fn r32_the_last_reads_that_may_wait_are_bounded_and_what_is_given_up_says_so() {
    let jobs = limits::LAST_LOGS + 2;
    let mut pair = Pair::new(jobs);
    pair.ms = 2000;
    pair.handle(Input::Elapsed);
    while pair.fleet.next_action().is_some() {}
    for n in 1..=jobs {
        let id = format!("job-{n}");
        pair.handle(Input::Answered(job_id(&id), Box::new(document(&id, "Failed", 3))));
    }
    let given_up: Vec<String> = pair
        .fleet
        .changes()
        .into_iter()
        .filter_map(|change| match change {
            Change::Entry(entry) if entry.event.stored_name() == "source_log_missed" => Some(entry.message),
            _ => None,
        })
        .collect();
    assert_eq!(given_up.len(), 2, "{given_up:?}");
    assert!(given_up[0].contains("the logs of 4096 other ended jobs are still to be read"), "{}", given_up[0]);
}
