//! The change ids that wait for the OMA, and what it last said of each disk.

use waybill::model::change::{Change, KnownChangeId, ReceivedChangeId};
use waybill::store::{Durability, Store, Unsent};

use super::{Dir, at, change_id, job_id, other_program};

fn received(job: &str, change_id: &str) -> ReceivedChangeId {
    ReceivedChangeId {
        job: job.to_owned(),
        disk: "disk-2000".to_owned(),
        vm_path: Some("/DC0/vm/a".to_owned()),
        change_id: change_id.to_owned(),
        previous_change_id: None,
        received_at: at(3),
        vma: None,
    }
}

fn write(store: &mut Store, changes: &[Change]) {
    assert_eq!(store.commit(changes, Durability::OnDisk), Ok(Vec::new()));
}

#[test]
fn what_waits_is_read_one_at_a_time_in_its_order_and_leaves_when_it_is_confirmed() {
    let dir = Dir::new();
    let mut store = Store::open(&dir.file()).unwrap();
    assert_eq!((store.next_unsent(0), store.unsent_count()), (Ok(None), Ok(0)));
    // One that arrived in another way, as on the OMA, waits for nobody.
    let other = Change::ChangeIdReceived(received("other", "a"));
    let (first, second) = (received("job-1", "* \0 ?"), received(&"x".repeat(300), "b"));
    write(&mut store, &[other, Change::ChangeIdSpooled(first.clone()), Change::ChangeIdSpooled(second.clone())]);
    drop(store);

    let mut store = Store::open(&dir.file()).unwrap();
    assert_eq!(store.unsent_count(), Ok(2));
    let oldest = Unsent { number: 2, received: first };
    assert_eq!(store.next_unsent(0), Ok(Some(oldest)));
    assert_eq!(store.next_unsent(2), Ok(Some(Unsent { number: 3, received: second.clone() })));
    assert_eq!(store.next_unsent(3), Ok(None));
    write(&mut store, &[Change::ChangeIdSent(2), Change::ChangeIdSent(2)]);
    assert_eq!(store.next_unsent(0), Ok(Some(Unsent { number: 3, received: second })));
    assert_eq!(store.unsent_count(), Ok(1));
    assert_eq!(store.received_change_ids(&job_id("job-1")).unwrap().len(), 1, "what was received stays");
}

#[test]
fn a_number_is_never_given_twice() {
    let dir = Dir::new();
    let mut store = Store::open(&dir.file()).unwrap();
    write(&mut store, &[Change::ChangeIdSpooled(received("a", "1")), Change::ChangeIdSent(1)]);
    write(&mut store, &[Change::ChangeIdSpooled(received("b", "2"))]);
    assert_eq!(store.next_unsent(0).unwrap().map(|unsent| unsent.number), Some(2));
}

#[test]
fn the_omas_last_answer_counts_and_an_empty_one_takes_it_back() {
    let mut store = Store::in_memory().unwrap();
    let known = |counter: Option<u32>, seconds: i64| KnownChangeId {
        vm_path: "/DC0/vm/a".to_owned(),
        disk: "disk-2000".to_owned(),
        change_id: counter.map(change_id),
        answered_at: at(seconds),
        oma: "oma-1:8082".to_owned(),
    };
    let last = |store: &Store| store.known_change_id("/DC0/vm/a", "disk-2000", "oma-1:8082");
    assert_eq!(last(&store), Ok(None));
    write(&mut store, &[Change::ChangeIdKnown(known(None, 1))]);
    assert_eq!(last(&store), Ok(None));
    write(&mut store, &[Change::ChangeIdKnown(known(Some(81), 2)), Change::ChangeIdKnown(known(Some(82), 3))]);
    assert_eq!(last(&store), Ok(Some(known(Some(82), 3))));
    let ask = |vm: &str, oma: &str| store.known_change_id(vm, "disk-2000", oma);
    assert_eq!(ask("/DC0/vm/b", "oma-1:8082"), Ok(None), "disk ids repeat in every VM (F34)");
    assert_eq!(ask("/DC0/vm/a", "oma-2:8082"), Ok(None), "another OMA has another target");
    write(&mut store, &[Change::ChangeIdKnown(known(None, 4))]);
    assert_eq!(last(&store), Ok(None));
}

#[test]
fn what_waits_outlives_its_job() {
    let dir = Dir::new();
    let mut store = Store::open(&dir.file()).unwrap();
    let mut over = super::job("job-1");
    over.status = waybill::model::status::JobStatus::Failed;
    over.completed_at = Some(at(1));
    write(&mut store, &[Change::Ended(Box::new(over)), Change::ChangeIdSpooled(received("job-1", "1"))]);
    write(&mut store, &[Change::Forgotten(job_id("job-1"))]);
    assert_eq!(store.next_unsent(0).unwrap().map(|unsent| unsent.received.job).as_deref(), Some("job-1"));
    let waiting: i64 = super::one(&dir.file(), "SELECT count(*) FROM unsent_change_ids");
    assert_eq!(waiting, 1);
    let deleted = other_program(&dir.file()).execute("DELETE FROM received_change_ids", []).unwrap_err().to_string();
    assert!(deleted.contains("received_change_ids is only ever added to"), "{deleted}");
}
