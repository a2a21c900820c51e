//! How large the disks of a VM were at their last change ids.

use waybill::model::change::{Change, SeenCapacity};
use waybill::model::id::ChangeId;
use waybill::store::{Durability, Reader, Store};

use super::shell::sqlite3;
use super::{Dir, at, change_id, one};

fn seen(key: i64, counter: u32, capacity_bytes: u64) -> Change {
    Change::CapacitySeen(SeenCapacity {
        vm_path: "/DC0/vm/a".to_owned(),
        device_key: key,
        change_id: change_id(counter),
        capacity_bytes,
        seen_at: at(i64::from(counter)),
    })
}

#[test]
fn a_size_is_found_by_every_spelling_of_its_change_id_and_the_first_word_stays() {
    let dir = Dir::new();
    let mut store = Store::open(&dir.file()).unwrap();
    let rows = [seen(2000, 5, 100), seen(2001, 5, 7), seen(2000, 6, 200), seen(2000, 5, 999)];
    assert_eq!(store.commit(&rows, Durability::HandedToSystem), Ok(Vec::new()));
    let other_spelling = ChangeId::from_text("52DEC0D9-B943-9D10-61D5-4C1BE97B6563/05").unwrap();
    for id in [change_id(5), other_spelling] {
        assert_eq!(store.capacities_at("/DC0/vm/a", &id), Ok(vec![(2000, 100), (2001, 7)]), "{id:?}");
    }
    let reader = Reader::open(&dir.file()).unwrap();
    assert_eq!(reader.capacities_at("/DC0/vm/a", &change_id(6)), Ok(vec![(2000, 200)]));
    assert_eq!(reader.capacities_at("/DC0/vm/b", &change_id(6)), Ok(Vec::new()));
    assert_eq!(reader.capacities_at("/DC0/vm/a", &ChangeId::from_text("*").unwrap()), Ok(Vec::new()));
    let refused = sqlite3(&dir.file(), "UPDATE disk_capacities SET capacity_bytes = 1").unwrap_err();
    assert!(refused.contains("how large a disk was does not change"), "{refused}");
}

#[test]
fn of_each_disk_the_newest_sixteen_stay() {
    let dir = Dir::new();
    let mut store = Store::open(&dir.file()).unwrap();
    store.commit(&[seen(2001, 1, 7)], Durability::HandedToSystem).unwrap();
    for counter in 0..40 {
        store.commit(&[seen(2000, counter, 100)], Durability::HandedToSystem).unwrap();
    }
    assert_eq!(one::<i64>(&dir.file(), "SELECT count(*) FROM disk_capacities"), 17);
    let found = |counter| store.capacities_at("/DC0/vm/a", &change_id(counter)).unwrap().len();
    assert_eq!((found(23), found(24), found(39), found(1)), (0, 1, 1, 1));
}
