//! The other side's log: a VMA hands it out in parts, an OMA keeps each entry once and knows how far it has read (R-51).

use waybill::limits;
use waybill::model::change::Change;
use waybill::model::event::{Event, Level};
use waybill::model::id::Epoch;
use waybill::model::record::{LogRecord, Side};
use waybill::model::source_log::SourceEntry;
use waybill::model::status::JobStatus;
use waybill::store::Store;

use super::{Dir, at, ended, entry, job, job_id, one, progress, write};

fn epoch(text: &str) -> Epoch {
    Epoch::parse(text).unwrap()
}

/// An entry of a VMA's log of `job-1`.
fn theirs(of: &str, id: u64, event: Event) -> Change {
    Change::SourceEntry(SourceEntry {
        job: job_id("job-1"),
        epoch: epoch(of),
        id,
        record: LogRecord {
            at: Some(at(id as i64)),
            level: Level::Warning,
            event: event.stored_name().to_owned(),
            message: format!("entry {id} of {of}"),
            attributes: r#"{"n": 1}"#.to_owned(),
            correlation: None,
        },
    })
}

#[test]
fn a_log_is_handed_out_in_parts_and_taken_in_once() {
    let dir = Dir::new();
    let mut vma = Store::open(&dir.file()).unwrap();
    let mut oma = Store::in_memory().unwrap();
    write(&mut vma, &[progress(&job("job-1")), progress(&job("job-2"))]).unwrap();
    assert_eq!(vma.newest_entry(&job_id("job-1")), Ok(None));
    let count = limits::LOG_ENTRIES + 50;
    let mine = (0..count).flat_map(|_| ["job-1", "job-2"].map(|id| Change::Entry(entry(id, Event::Milestone))));
    write(&mut vma, &mine.collect::<Vec<_>>()).unwrap();
    let job = job_id("job-1");
    let (mut after, mut pages) = (0, Vec::new());
    loop {
        let page = vma.log_after(&vma.epoch(), &job, after).unwrap();
        let changes: Vec<Change> = page.entries.iter().cloned().map(Change::SourceEntry).collect();
        // Twice, as after a commit that was repeated.
        assert!(write(&mut oma, &changes).unwrap().is_empty() && write(&mut oma, &changes).unwrap().is_empty());
        after = oma.source_log_read(&vma.epoch(), &job).unwrap();
        assert_eq!(after, page.entries.last().expect("an entry").id);
        pages.push(page.entries.len());
        if !page.more {
            break;
        }
    }
    assert_eq!((pages, vma.newest_entry(&job)), (vec![limits::LOG_ENTRIES, 50], Ok(Some(after))));
    write(&mut oma, &[progress(&super::job("job-1"))]).unwrap();
    assert_eq!(oma.record(&job).unwrap().expect("a row").source_log, vma.events(&job).unwrap());
    assert!(vma.log_after(&vma.epoch(), &job, after).unwrap().entries.is_empty());
}

#[test]
fn an_entry_stays_as_it_is_and_each_database_of_the_vma_counts_by_itself() {
    let dir = Dir::new();
    let mut store = Store::open(&dir.file()).unwrap();
    let other = |id| match theirs("01B", id, Event::JobFailed) {
        Change::SourceEntry(entry) => Change::SourceEntry({
            let record = LogRecord { message: "another".to_owned(), ..entry.record };
            SourceEntry { record, ..entry }
        }),
        change => change,
    };
    write(&mut store, &[progress(&job("job-1")), theirs("01B", 7, Event::Milestone), other(7), other(9)]).unwrap();
    write(&mut store, &[theirs("01A", 3, Event::Milestone)]).unwrap();
    let read = |of: &str, id: &str| store.source_log_read(&epoch(of), &job_id(id)).unwrap();
    assert_eq!((read("01B", "job-1"), read("01A", "job-1"), read("01C", "job-1"), read("01B", "job-2")), (9, 3, 0, 0));
    let record = store.record(&job_id("job-1")).unwrap().expect("a row");
    let said: Vec<&str> = record.source_log.iter().map(|entry| entry.message.as_str()).collect();
    assert_eq!(said, ["entry 3 of 01A", "entry 7 of 01B", "another"]);
    assert_eq!(record.source_log[0].attributes, r#"{"n": 1}"#);
}

#[test]
fn a_row_that_means_nothing_is_refused_alone() {
    let dir = Dir::new();
    let mut store = Store::open(&dir.file()).unwrap();
    let Change::SourceEntry(mut bad) = theirs("e", 2, Event::Milestone) else { panic!("an entry") };
    bad.record.attributes = "no json".to_owned();
    let changes = [theirs("e", 1, Event::Milestone), Change::SourceEntry(bad), theirs("e", 3, Event::Milestone)];
    let refused = write(&mut store, &changes).unwrap();
    assert_eq!(refused.len(), 1);
    assert!(refused[0].to_string().contains("entry 2 of the VMA's log was not written"), "{}", refused[0]);
    assert_eq!(one::<i64>(&dir.file(), "SELECT count(*) FROM source_events"), 2);
}

#[test]
fn whose_log_it_is_goes_by_the_epoch_of_the_job() {
    let mut store = Store::in_memory().unwrap();
    let side = |store: &Store, id: &str| store.record(&job_id(id)).unwrap().expect("a row").side;
    for (id, of) in [("own", Some(store.epoch())), ("theirs", Some(epoch("e"))), ("unseen", None)] {
        let mut job = job(id);
        job.source_epoch = of;
        write(&mut store, &[progress(&job)]).unwrap();
    }
    assert_eq!(["own", "theirs", "unseen"].map(|id| side(&store, id)), [Side::Vma, Side::Oma, Side::Oma]);
}

#[test]
fn a_log_without_its_end_is_found_again_unless_it_was_given_up() {
    let mut store = Store::in_memory().unwrap();
    let mut job = job("job-1");
    (job.source_epoch, job.status, job.completed_at) = (Some(epoch("e")), JobStatus::Succeeded, Some(at(100)));
    let open = |store: &Store, since| store.open_source_logs(at(since)).unwrap();
    write(&mut store, &[ended(&job)]).unwrap();
    assert!(open(&store, 0).is_empty(), "its VMA may have none");
    write(&mut store, &[theirs("e", 1, Event::Milestone), theirs("f", 2, Event::JobSucceeded)]).unwrap();
    assert_eq!((open(&store, 100), open(&store, 101)), (vec![job_id("job-1")], Vec::new()));
    write(&mut store, &[theirs("e", 2, Event::JobSucceeded)]).unwrap();
    assert!(open(&store, 0).is_empty());

    let mut given_up = super::job("job-2");
    (given_up.source_epoch, given_up.status) = (Some(epoch("e")), JobStatus::Succeeded);
    given_up.completed_at = Some(at(100));
    let Change::SourceEntry(theirs) = theirs("e", 1, Event::Milestone) else { panic!("an entry") };
    let of_it = Change::SourceEntry(SourceEntry { job: job_id("job-2"), ..theirs });
    write(&mut store, &[ended(&given_up), of_it]).unwrap();
    assert_eq!(open(&store, 0), [job_id("job-2")]);
    write(&mut store, &[Change::Entry(entry("job-2", Event::SourceLogMissed))]).unwrap();
    assert!(open(&store, 0).is_empty());
}
