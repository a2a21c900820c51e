//! `packaging/doc/json.md` has exactly the keys that programs get.

use std::collections::BTreeSet;

use serde_json::Value;
use waybill::model::change::{CbtEntry, Change};
use waybill::model::id::DiskId;
use waybill::model::job::SyncKind;
use waybill::model::warning::WarningKind;
use waybill::store::{Durability, Store};

use crate::binary::waybill;
use crate::sample::{ago, database, job, lines, streaming};

/// The keys of the page's sections whose heads name the command.
fn documented(command: &str) -> BTreeSet<String> {
    let page = include_str!("../../packaging/doc/json.md");
    let named = format!("`waybill {command}`");
    let sections = page.split("\n## ").skip(1).filter(|section| section.lines().next().unwrap_or("").contains(&named));
    let rows = sections.flat_map(|section| section.lines().filter_map(|line| line.strip_prefix("| `")));
    rows.filter_map(|row| row.split('`').next()).map(str::to_owned).collect()
}

/// Every key of an object, as the page writes it. The keys of `attributes` belong to each event.
fn collect(value: &Value, at: &str, keys: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (key, value) in object {
                let key = if at.is_empty() { key.clone() } else { format!("{at}.{key}") };
                if !key.ends_with("attributes") {
                    collect(value, &key, keys);
                }
                keys.insert(key);
            }
        }
        Value::Array(list) => list.iter().for_each(|value| collect(value, &format!("{at}[]"), keys)),
        _ => {}
    }
}

#[test]
fn the_page_on_json_has_exactly_the_keys_that_are_printed() {
    let (_directory, db) = database();
    let entry = CbtEntry {
        job: job("job-done", ago(0)).id,
        vm_path: "/DC0/vm/web01".to_owned(),
        disk: DiskId::parse("disk-2000").expect("an id"),
        change_id: None,
        previous_change_id: None,
        sync: SyncKind::Full,
        blocks_changed: None,
        bytes_transferred: 1,
        sync_duration_seconds: 1,
        sync_success: true,
        created_at: ago(5),
        device_key: None,
        previous_served: false,
        vma: None,
        vm_uuid: String::new(),
        capacity_bytes: None,
    };
    let mut store = Store::open(db.as_ref()).expect("the database");
    let mut warned = streaming();
    warned.warn(WarningKind::SameVm, "unfinished job other copies the same VM");
    let changes = [Change::History(entry), Change::Progress(Box::new(warned))];
    assert_eq!(store.commit(&changes, Durability::OnDisk), Ok(Vec::new()));
    for (command, args, code) in [
        ("jobs", &["jobs"][..], 0),
        ("show", &["show", "job-1"], 0),
        ("watch", &["watch", "job-done"], 0),
        ("vms", &["vms"], 0),
        ("log", &["log", "job-1"], 0),
        ("history", &["history"], 0),
        ("history --verify", &["history", "--verify"], 7),
    ] {
        let mut printed = BTreeSet::new();
        let text = waybill(&[args, &["--json", "--db", &db]].concat()).ended_with(code);
        lines(&text).iter().for_each(|line| collect(line, "", &mut printed));
        let mut documented = documented(command);
        if command == "watch" {
            // This job has no disk and no warning.
            documented.retain(|key| !key.starts_with("disks[]") && !key.starts_with("warnings[]"));
        }
        assert_eq!(printed, documented, "waybill {command} --json and packaging/doc/json.md differ");
    }
}
