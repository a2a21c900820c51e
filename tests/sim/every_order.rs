//! Every order: all sequences of up to eight messages of a mover that sends no ids, for two declared disks, with a poll
//! after each (488,280 of them), and of up to five with a poll or none after each (111,110). SQLite has its say on those of
//! up to five with a poll after each (3,905) and of up to four between polls (780). The invariants judge.

use waybill::model::id::VmaName;
use waybill::model::job::Job;
use waybill::model::progress::Progress;
use waybill::model::request::{Push, TrackRequest};
use waybill::model::status::DiskStatus;
use waybill::model::time::{Mono, Now, Wall};
use waybill::policy::fleet::{Action, Fleet, Input};
use waybill::policy::source::Source;
use waybill::policy::source::WhichRun;
use waybill::wire::{job as bodies, update};

use crate::invariants::Invariants;
use crate::movers::{completed, completed_with_zeros, failed, run, start};
use crate::vma::source_settings;
use crate::world::{World, default_settings, job_id};

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
            let document =
                world.vmas[0].source.document(world.vma_now(0), &job_id(&id), WhichRun::Exactly).expect("a document");
            judge(&world.row(&id), &document, &word);
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
fn judge(row: &Job, document: &Progress, word: &[usize]) {
    assert!(!row.status.is_final(), "{word:?}: no message ends the job");
    let is = |status| row.disks.iter().filter(|disk| disk.status == status).count();
    let sent = |letters: &[usize]| word.iter().filter(|n| letters.contains(n)).count();
    let (completed, failed) = (is(DiskStatus::Completed), is(DiskStatus::Failed));
    assert!(completed <= sent(&[2, 4]), "{word:?}: {completed} disks for {} ends", sent(&[2, 4]));
    assert!(failed <= sent(&[3]), "{word:?}");
    assert!(completed <= sent(&[0, 1]), "{word:?}: a disk that nobody opened was completed");
    // The OMA shows what the VMA shows.
    for (disk, said) in row.disks.iter().zip(&document.disks) {
        let shown = (disk.status, disk.bytes_transferred, disk.percent, &disk.error);
        assert_eq!(shown, (said.status, said.bytes_transferred, said.percent, &said.error), "{word:?}");
    }
    assert_eq!((row.status, row.stage), (document.status, Some(document.stage)), "{word:?}");
    let (shown, said) = (&row.totals, &document.totals);
    assert_eq!((shown.percent, shown.total_bytes), (said.percent, said.total_bytes), "{word:?}");
}

/// Both appliances without their databases, after some word; it can be cloned to try all that may follow.
#[derive(Clone)]
struct Pair {
    source: Source,
    fleet: Fleet,
    rules: [Invariants; 2],
    now_ms: u64,
}

impl Pair {
    fn new() -> Self {
        let (settings, now, id) = (default_settings(9), at(0), job_id("job-1"));
        let vma: VmaName = settings.vmas[0].clone();
        let source = Source::resume(source_settings(&vma, 1), 0, Vec::new(), now);
        let mut pair =
            Self { source, fleet: Fleet::resume(settings, Vec::new(), now), rules: Default::default(), now_ms: 0 };
        let disks = bodies::parse_declaration(br#"{"disks":[{"id":"a"},{"id":"b"}]}"#).expect("a declaration");
        pair.source.declare(now, &id, &disks).expect("declared");
        pair.fleet
            .track(now, &TrackRequest { job: id, vma, vm: None, disks: Vec::new(), disk_count: None }, None)
            .expect("tracked");
        pair.write();
        pair
    }
    fn push(&mut self, push: &Push) {
        self.source.push(at(self.now_ms), &job_id("job-1"), push).expect("taken");
        self.write();
    }
    fn poll(&mut self) -> (&Job, Progress) {
        let id = job_id("job-1");
        while !matches!(self.fleet.next_action(), Some(Action::Poll { .. })) {
            self.now_ms = self.fleet.next_deadline().expect("a poll to come").as_millis();
            self.fleet.handle(at(self.now_ms), Input::Elapsed);
        }
        let document = self.source.document(at(self.now_ms), &id, WhichRun::Exactly).expect("a document");
        self.fleet.handle(at(self.now_ms), Input::Answered(id.clone(), Box::new(document.clone())));
        self.write();
        (self.fleet.job(&id).expect("tracked"), document)
    }
    /// What the databases would be asked to write, judged.
    fn write(&mut self) {
        let [vma, oma] = &mut self.rules;
        for (rules, changes) in [(vma, self.source.changes()), (oma, self.fleet.changes())] {
            rules.check(&changes);
            rules.check_edges(&changes);
        }
    }
}

fn at(ms: u64) -> Now {
    Now { mono: Mono::from_millis(ms), wall: Wall::from_unix_millis(ms as i64) }
}

/// Tries each letter after a word, with a poll after it and, where polls may miss, without one; gives the words tried.
fn walk(pair: &Pair, pushes: &[Push], word: &mut Vec<usize>, longest: usize, polls: &[bool]) -> u64 {
    let mut words = 0;
    for (letter, push) in pushes.iter().enumerate() {
        for is_polled in polls {
            let mut next = pair.clone();
            word.push(letter);
            next.push(push);
            if *is_polled {
                let (job, document) = next.poll();
                judge(job, &document, word);
            }
            words += 1;
            if word.len() < longest {
                words += walk(&next, pushes, word, longest, polls);
            }
            word.pop();
        }
    }
    words
}

fn all_sequences(longest: usize, polls: &[bool]) -> u64 {
    let pushes: Vec<Push> = (0..LETTERS).map(|n| update::parse(letter(n).as_bytes()).expect("a push")).collect();
    walk(&Pair::new(), &pushes, &mut Vec::new(), longest, polls)
}

#[test]
fn no_order_of_eight_messages_breaks_what_must_hold() {
    assert_eq!(all_sequences(8, &[true]), 488_280);
}

#[test]
fn no_order_of_five_messages_breaks_what_must_hold_whichever_of_them_polls_see() {
    assert_eq!(all_sequences(5, &[true, false]), 111_110);
}
