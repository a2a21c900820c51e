//! What is written is what is read, field by field.

use proptest::collection::{btree_map, btree_set};
use proptest::option::of;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use waybill::model::change::{CbtEntry, Change, ReceivedChangeId, Step, StepEnd};
use waybill::model::disk::{Basis, Disk};
use waybill::model::event::{Event, Level, Value};
use waybill::model::id::{Alias, ChangeId, CorrelationId, DiskId, Epoch, ExportName, JobId, VmaName};
use waybill::model::job::{Contact, Export, Job, SyncKind, Totals, Vm};
use waybill::model::percent::Percent;
use waybill::model::stage::Stage;
use waybill::model::status::{DiskStatus, JobStatus};
use waybill::model::time::Wall;
use waybill::model::warning::{Warning, WarningKind};
use waybill::policy::transition::{disk_may, job_may};
use waybill::store::{Durability, Store};

use super::{Dir, at, change_id, disk_id, ended, entry, history, job, job_id, progress, write};

fn id() -> impl Strategy<Value = String> {
    "[^\\p{Cc}]{1,60}".prop_filter("an id can be seen", |text| JobId::parse(text).is_ok())
}
/// Any text that a source may send, NULs and line ends included.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), Just("'; DROP TABLE vm_disks; --\0\n".to_owned())]
}
/// SQLite's integers end at 2^63-1.
fn count() -> impl Strategy<Value = u64> {
    prop_oneof![0..1000_u64, 0..=i64::MAX.unsigned_abs()]
}
fn wall() -> impl Strategy<Value = Wall> {
    any::<i64>().prop_map(|millis| Wall::from_unix_millis(millis % 400_000_000_000_000))
}
fn percent() -> impl Strategy<Value = Percent> {
    (0..=10_000_u16).prop_map(Percent::from_hundredths)
}
fn some_change_id() -> impl Strategy<Value = Option<ChangeId>> {
    text().prop_map(|text| ChangeId::from_text(&text))
}

prop_compose! {
    fn disk()(
        id in id(), (label, declared, device_key) in (text(), any::<bool>(), of(any::<i64>())),
        (capacity_bytes, planned_bytes, basis) in (of(count()), of(count()), of(select(Basis::ALL.to_vec()))),
        status in select(DiskStatus::ALL.to_vec()),
        (bytes_transferred, percent, throughput_bps, mover) in (count(), percent(), count(), of(count())),
        (change_id, previous_change_id, blocks_changed) in (some_change_id(), some_change_id(), of(count())),
        (suspect, error) in (of(text()), of(text())),
        (started_at, ended_at, updated_at) in (of(wall()), of(wall()), of(wall())),
        (named, previous_served, earlier_passes_bytes) in (any::<bool>(), any::<bool>(), count()),
    ) -> Disk {
        Disk {
            id: DiskId::parse(&id).unwrap(), label, declared, device_key, capacity_bytes, planned_bytes, basis, status,
            bytes_transferred, percent, throughput_bps, mover_throughput_bps: mover, change_id, previous_change_id,
            blocks_changed, suspect, error, started_at, ended_at, updated_at, named, previous_served,
            earlier_passes_bytes, earlier_id: None,
        }
    }
}

prop_compose! {
    fn totals()(
        (total_bytes, bytes_transferred, throughput_bps) in (count(), count(), count()),
        percent in percent(), eta_seconds in of(count()), basis in of(select(Basis::ALL.to_vec())),
    ) -> Totals {
        Totals { total_bytes, bytes_transferred, throughput_bps, percent, eta_seconds, basis }
    }
}

fn exports() -> impl Strategy<Value = Vec<Export>> {
    btree_map(id(), (of(id()), text(), any::<bool>(), of(wall())), 0..3).prop_map(|exports| {
        let made = exports.into_iter().rev().map(|(name, (disk, device, connected, started_at))| Export {
            name: ExportName::parse(&name).unwrap(),
            disk: disk.map(|disk| DiskId::parse(&disk).unwrap()),
            device,
            connected,
            started_at,
        });
        made.collect()
    })
}

prop_compose! {
    fn any_job()(
        (id, vma) in (id(), id()), (name, path, uuid) in (text(), text(), text()),
        sync in of(select(vec![SyncKind::Full, SyncKind::Incremental])),
        status in select(JobStatus::ALL.to_vec()), stage in of(select(Stage::ALL.to_vec())), totals in totals(),
        contact in select(Contact::ALL.to_vec()), (stalled_since, error) in (of(wall()), of(text())),
        (correlation, source_epoch, source_sequence) in (of(id()), of(id()), count()),
        (source_updated_at, created_at, started_at, updated_at) in (of(wall()), wall(), of(wall()), wall()),
        (last_contact_at, completed_at) in (of(wall()), of(wall())),
        (quiet_since, bytes_moved_at, mover_says) in (of(wall()), of(wall()), of(text())),
        disk_count in of(1..256_u32), warnings in subsequence(WarningKind::ALL.to_vec(), 0..4), warning in text(),
        disks in btree_map(id(), disk(), 0..4), exports in exports(), aliases in btree_set(id(), 0..4),
    ) -> Job {
        let named = |(id, disk): (String, Disk)| Disk { id: DiskId::parse(&id).unwrap(), ..disk };
        // Every end has its time.
        let completed_at = if status.is_final() { completed_at.or(Some(created_at)) } else { completed_at };
        // What is not all there has not succeeded.
        let is_whole = status == JobStatus::Succeeded;
        let whole = |disk: Disk| if is_whole { Disk { status: DiskStatus::Completed, ..disk } } else { disk };
        let warnings = warnings.into_iter().map(|kind| Warning { kind, text: warning.clone() });
        Job {
            id: JobId::parse(&id).unwrap(), vma: VmaName::parse(&vma).unwrap(), vm: Vm { name, path, uuid }, sync, status,
            stage, totals, contact, stalled_since, quiet_since, bytes_moved_at, mover_says, error,
            disk_count: disk_count.filter(|_| !is_whole), warnings: warnings.collect(),
            correlation: correlation.map(|id| CorrelationId::parse(&id).unwrap()),
            source_sequence, source_epoch: source_epoch.map(|id| Epoch::parse(&id).unwrap()), source_updated_at,
            created_at, started_at, updated_at, last_contact_at, completed_at,
            // Against the order of their ids: the order of declaration is what counts.
            disks: disks.into_iter().rev().map(named).map(whole).collect(), exports,
            aliases: aliases.iter().rev().map(|id| Alias::parse(id).unwrap()).collect(),
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_job_is_read_as_it_was_written(written in any_job()) {
        let mut store = Store::in_memory().unwrap();
        let refused = store.commit(&[Change::Declared(Box::new(written.clone()))], Durability::OnDisk).unwrap();
        prop_assert_eq!(refused, Vec::new());
        let unfinished = !written.status.is_final();
        prop_assert_eq!(store.unfinished_jobs().unwrap().len(), usize::from(unfinished));
        prop_assert_eq!(store.unfinished_ids().unwrap().get(&written.id).copied(), unfinished.then_some(written.status));
        prop_assert_eq!(store.job(&written.id).unwrap(), Some(written.clone()));
        prop_assert_eq!(store.jobs().unwrap(), vec![written]);
        prop_assert_eq!(store.take_odd_values(), Vec::new());
    }

    #[test]
    fn a_later_state_replaces_an_earlier_one(first in any_job(), second in any_job(), unfinished in 0..5_usize) {
        let mut store = Store::in_memory().unwrap();
        let first = Job { status: JobStatus::ALL[unfinished], ..first };
        // The disks are those of the first, in another state: a run never loses a disk.
        let disks = first.disks.iter().enumerate().map(|(at, disk)| match second.disks.get(at) {
            Some(changed) if disk_may(disk.status, changed.status) => Disk { id: disk.id.clone(), ..changed.clone() },
            Some(changed) => Disk { id: disk.id.clone(), status: disk.status, ..changed.clone() },
            None => disk.clone(),
        });
        let status = if job_may(first.status, second.status) { second.status } else { first.status };
        let (disks, completed_at): (Vec<Disk>, _) = (disks.collect(), second.completed_at.or(Some(second.updated_at)));
        // What is not all there has not succeeded.
        let is_whole = disks.iter().all(|disk| disk.status == DiskStatus::Completed) && second.disk_count.is_none();
        let status = if status == JobStatus::Succeeded && !is_whole { JobStatus::Failed } else { status };
        let second = Job { id: first.id.clone(), created_at: first.created_at, disks, status, completed_at, ..second };
        let changes = [first, second.clone()].map(|job| Change::Declared(Box::new(job)));
        prop_assert_eq!(store.commit(&changes, Durability::HandedToSystem).unwrap(), Vec::new());
        prop_assert_eq!(store.job(&second.id).unwrap(), Some(second));
    }
}

#[test]
fn counts_beyond_what_sqlite_holds_are_the_largest_that_it_holds() {
    let mut store = Store::in_memory().unwrap();
    let mut huge = job("j");
    huge.totals.bytes_transferred = u64::MAX;
    write(&mut store, &[progress(&huge)]).unwrap();
    let read = store.job(&job_id("j")).unwrap().unwrap();
    assert_eq!(read.totals.bytes_transferred, i64::MAX.unsigned_abs());
}

#[test]
fn everything_is_there_after_a_restart() {
    let dir = Dir::new();
    let mut written = super::job_with_disks("j", &["disk-2001", "disk-2000"]);
    written.aliases = vec![Alias::parse("migration-vol-1").unwrap()];
    let (epoch, log) = {
        let mut store = Store::open(&dir.file()).unwrap();
        let changes = [
            Change::Declared(Box::new(written.clone())),
            Change::Sequence(41),
            Change::Sequence(40),
            Change::Entry(entry("j", Event::JobDeclared)),
        ];
        write(&mut store, &changes).unwrap();
        (store.epoch(), store.events(&job_id("j")).unwrap())
    };
    let store = Store::open(&dir.file()).unwrap();
    assert_eq!(store.unfinished_jobs().unwrap(), vec![written]);
    assert_eq!(store.sequence().unwrap(), 41, "a sequence never goes back");
    assert_eq!(store.epoch(), epoch);
    assert_eq!(epoch.as_str().len(), 26);
    assert_eq!(store.events(&job_id("j")).unwrap(), log);
    assert_ne!(Store::in_memory().unwrap().epoch(), epoch, "another database, another epoch");
}

#[test]
fn progress_keeps_the_names_and_says_which_export_is_connected() {
    let mut store = Store::in_memory().unwrap();
    let mut declared = super::job_with_disks("j", &["d"]);
    let name = ExportName::parse("migration-vol-1").unwrap();
    let disk = Some(disk_id("d"));
    declared.exports = vec![Export { name, disk, device: "/dev/nbd0".to_owned(), connected: false, started_at: None }];
    declared.aliases = vec![Alias::parse("vm-7-disk-0").unwrap()];
    write(&mut store, &[Change::Declared(Box::new(declared.clone()))]).unwrap();

    declared.exports[0].connected = true;
    declared.exports[0].started_at = Some(at(5));
    write(&mut store, &[progress(&declared)]).unwrap();
    assert_eq!(store.job(&declared.id).unwrap().unwrap(), declared);
}

#[test]
fn the_log_the_steps_and_the_received_change_ids_are_read_as_written() {
    let mut store = Store::in_memory().unwrap();
    let correlation = Some(CorrelationId::parse("01JD0000000000000000000000").unwrap());
    let mut logged = entry("j", Event::ContactLost);
    logged.attributes = vec![("misses", Value::Number(3)), ("last", Value::from("connect: \"refused\""))];
    logged.correlation = correlation.clone();
    let step = |stage, second| {
        Change::StepBegan(Step { job: job_id("j"), stage, started_at: at(second), correlation: correlation.clone() })
    };
    let end = |stage, second, duration_ms, succeeded| {
        Change::StepEnded(StepEnd { job: job_id("j"), stage, completed_at: at(second), duration_ms, succeeded })
    };
    let received = ReceivedChangeId {
        job: "j".to_owned(),
        disk: String::new(),
        vm_path: None,
        change_id: "not one at all\0".to_owned(),
        previous_change_id: Some(String::new()),
        received_at: at(9),
        vma: None,
    };
    let changes = [
        progress(&job("j")),
        Change::Entry(logged.clone()),
        step(Stage::Snapshot, 1),
        end(Stage::Snapshot, 3, Some(1987), true),
        step(Stage::Transfer, 3),
        end(Stage::Transfer, 64, None, false),
        step(Stage::Finalize, 64),
        Change::ChangeIdReceived(received.clone()),
    ];
    assert_eq!(write(&mut store, &changes).unwrap(), Vec::new());

    let log = store.events(&job_id("j")).unwrap();
    assert_eq!(log.len(), 1);
    assert_eq!((log[0].level, log[0].event.as_str()), (Level::Warning, "contact_lost"));
    assert_eq!((log[0].at, &log[0].message, &log[0].correlation), (Some(at(1)), &logged.message, &correlation));
    let attributes: serde_json::Value = serde_json::from_str(&log[0].attributes).unwrap();
    assert_eq!(attributes, serde_json::json!({"misses": 3, "last": "connect: \"refused\""}));

    let steps = store.steps(&job_id("j")).unwrap();
    let seen: Vec<_> = steps.iter().map(|step| (step.stage.as_str(), step.duration_ms, step.succeeded)).collect();
    assert_eq!(
        seen,
        [("Snapshot", Some(1987), Some(true)), ("Transfer", Some(61_000), Some(false)), ("Finalize", None, None)],
        "without a measured duration the wall times tell"
    );
    assert_eq!(steps[0].completed_at, Some(at(3)));
    assert_eq!(steps[2].completed_at, None);
    assert_eq!(store.received_change_ids(&job_id("j")).unwrap(), vec![received]);
    assert_eq!(store.events(&job_id("other")).unwrap(), Vec::new());
}

#[test]
fn f35_a_history_row_is_there_once_and_a_late_id_supersedes_it() {
    let mut store = Store::in_memory().unwrap();
    let row = |change_id| Change::History(history("j", "disk-2000", change_id));
    for changes in [vec![row(None), row(None)], vec![row(Some(change_id(81))), row(Some(change_id(81))), row(None)]] {
        assert_eq!(write(&mut store, &changes).unwrap(), Vec::new(), "a repeated row is no fault");
    }
    write(&mut store, &[Change::History(history("j", "disk-2001", Some(change_id(81))))]).unwrap();

    let rows = store.history(Some(&job_id("j"))).unwrap();
    let seen: Vec<_> = rows.iter().map(|row| (row.entry.change_id.clone(), row.superseded)).collect();
    assert_eq!(seen, [(None, true), (Some(change_id(81)), false), (Some(change_id(81)), false)]);
    assert_eq!(rows[1].entry, history("j", "disk-2000", Some(change_id(81))));
    assert_eq!(store.history(None).unwrap(), rows);
    assert_eq!(store.history(Some(&job_id("other"))).unwrap(), Vec::new());
}

#[test]
fn f34_the_last_change_id_belongs_to_the_disk_of_that_vm() {
    let mut store = Store::in_memory().unwrap();
    let mut failed = history("late-failure", "disk-2000", Some(change_id(90)));
    failed.sync_success = false;
    let mut malformed = history("malformed", "disk-2000", ChangeId::from_text("completed"));
    let mut elsewhere = history("elsewhere", "disk-2000", Some(change_id(70)));
    let mut nowhere = history("nowhere", "disk-2000", Some(change_id(71)));
    elsewhere.vm_path = "/DC0/vm/web02".to_owned();
    nowhere.vm_path = String::new();
    malformed.sync_success = true;
    let rows = [history("a", "disk-2000", Some(change_id(5))), history("b", "disk-2000", Some(change_id(81)))];
    let all = rows.into_iter().chain([failed, malformed, elsewhere, nowhere]).map(Change::History);
    write(&mut store, &all.collect::<Vec<_>>()).unwrap();

    let last = |vm: &str, disk: &str| super::served(&store, vm, disk);
    assert_eq!(last("/DC0/vm/web01", "disk-2000"), Some(change_id(81)));
    assert_eq!(last("/DC0/vm/web02", "disk-2000"), Some(change_id(70)));
    assert_eq!(last("/DC0/vm/web01", "disk-2001"), None);
    assert_eq!(last("/DC0/vm/web03", "disk-2000"), None);
    assert_eq!(last("", "disk-2000"), None, "VMs without a path are not one VM");

    // The first run gets another id after the second has ended: the second is still the last.
    let late = [Change::History(history("a", "disk-2000", Some(change_id(6))))];
    write(&mut store, &late).unwrap();
    assert_eq!(super::served(&store, "/DC0/vm/web01", "disk-2000"), Some(change_id(81)));
}

#[test]
fn a_disk_answers_to_its_device_key_as_well() {
    let mut store = Store::in_memory().unwrap();
    let row = |disk: &str, key, counter| {
        Change::History(CbtEntry { device_key: Some(key), ..history("j", disk, Some(change_id(counter))) })
    };
    write(&mut store, &[row("disk-0", 2000, 5), row("disk-1", 2001, 6)]).unwrap();
    let last = |disk: &str| super::served(&store, "/DC0/vm/web01", disk);
    assert_eq!((last("disk-2000"), last("disk-0")), (Some(change_id(5)), Some(change_id(5))));
    assert_eq!((last("disk-2001"), last("disk-2002"), last("2001")), (Some(change_id(6)), None, None));
}

#[test]
fn a_forgotten_job_is_gone_and_its_change_ids_are_not() {
    let mut store = Store::in_memory().unwrap();
    let mut old = super::job_with_disks("old", &["d"]);
    old.aliases = vec![Alias::parse("alias").unwrap()];
    let over = Job { status: JobStatus::Failed, completed_at: Some(at(2)), ..old.clone() };
    let step = Step { job: job_id("old"), stage: Stage::Transfer, started_at: at(1), correlation: None };
    let changes = [
        Change::Declared(Box::new(old)),
        progress(&job("new")),
        Change::Entry(entry("old", Event::JobSucceeded)),
        Change::StepBegan(step),
        Change::History(history("old", "d", Some(change_id(1)))),
        ended(&over),
    ];
    assert_eq!(write(&mut store, &changes).unwrap(), Vec::new());
    assert_eq!(write(&mut store, &[Change::Forgotten(job_id("old"))]).unwrap(), Vec::new());

    assert_eq!(store.job(&job_id("old")).unwrap(), None);
    assert_eq!(store.jobs().unwrap(), vec![job("new")]);
    assert!(store.events(&job_id("old")).unwrap().is_empty() && store.steps(&job_id("old")).unwrap().is_empty());
    assert_eq!(super::served(&store, "/DC0/vm/web01", "d"), Some(change_id(1)));
    // The same id starts clean.
    write(&mut store, &[progress(&job("old"))]).unwrap();
    assert_eq!(store.job(&job_id("old")).unwrap(), Some(job("old")));
}
