//! From rows to chains: which rows are one disk's, which of them are runs, and in which order (R-53, R-54).

use std::collections::{BTreeMap, BTreeSet};

use super::links::{DiskChain, Place};
use super::walk;
use crate::model::change::CbtEntry;
use crate::model::id::{DiskId, JobId, VmaName};
use crate::model::record::HistoryRecord;

/// The chain of each disk, by VM path and disk; those without a path last. The rows may come in any order, and twice where
/// an archive has some that the database still has.
pub fn verify(mut rows: Vec<HistoryRecord>) -> Vec<DiskChain> {
    rows.sort_by_key(|row| (row.id, row.entry.created_at, row.superseded));
    rows.dedup_by(|later, kept| {
        let same = later.id == kept.id && later.entry == kept.entry;
        // One file may know of a later row that the other has not got.
        kept.superseded |= same && later.superseded;
        same
    });
    let (keys, vms) = (device_keys(&rows), Vms::of(&rows));
    let mut disks: BTreeMap<Place, Vec<HistoryRecord>> = BTreeMap::new();
    for row in in_order_of_runs(rows) {
        disks.entry(place_of(&row, &keys, &vms)).or_default().push(row);
    }
    disks.into_iter().map(|(place, rows)| walk::chain(place, rows)).collect()
}

/// One row a run, in order of the runs: a row that supersedes another stands where the first one stood, for a change id that
/// comes late is that of its run, and not of a later one (R-53).
fn in_order_of_runs(rows: Vec<HistoryRecord>) -> Vec<HistoryRecord> {
    let mut runs: BTreeMap<usize, HistoryRecord> = BTreeMap::new();
    let mut waiting: BTreeMap<(JobId, DiskId), usize> = BTreeMap::new();
    for (at, row) in rows.into_iter().enumerate() {
        let of = (row.entry.job.clone(), row.entry.disk.clone());
        if row.superseded {
            waiting.entry(of).or_insert(at);
        } else {
            runs.insert(waiting.remove(&of).unwrap_or(at), row);
        }
    }
    runs.into_values().collect()
}

/// A disk's VM path and the id that a job gave it, and the disk's VMware device key.
type DeviceKeys = BTreeMap<(String, DiskId), Option<i64>>;

/// The device key of each disk id, where all jobs that know one agree; `None` where jobs gave one id to several disks.
fn device_keys(rows: &[HistoryRecord]) -> DeviceKeys {
    let mut keys = DeviceKeys::new();
    for entry in rows.iter().map(|row| &row.entry).filter(|entry| entry.device_key.is_some()) {
        let known = keys.entry((entry.vm_path.clone(), entry.disk.clone())).or_insert(entry.device_key);
        *known = known.filter(|_| *known == entry.device_key);
    }
    keys
}

/// Which VM a row is of (R-31): a VM that was renamed is one, and two that had one path, after one another or with two VMAs,
/// are two.
#[derive(Default)]
struct Vms {
    /// The last path of each VM whose UUID is known, by its VMA.
    paths: BTreeMap<(Option<VmaName>, String), String>,
    /// The UUIDs and the VMAs of each path.
    uuids: BTreeMap<String, BTreeSet<String>>,
    vmas: BTreeMap<String, BTreeSet<VmaName>>,
}

impl Vms {
    /// `rows` are in order of time.
    fn of(rows: &[HistoryRecord]) -> Self {
        let mut vms = Self::default();
        for entry in rows.iter().map(|row| &row.entry).filter(|entry| !entry.vm_uuid.is_empty()) {
            vms.paths.insert((entry.vma.clone(), entry.vm_uuid.clone()), entry.vm_path.clone());
        }
        for entry in rows.iter().map(|row| &row.entry) {
            let path = vms.path(entry);
            if !entry.vm_uuid.is_empty() {
                vms.uuids.entry(path.clone()).or_default().insert(entry.vm_uuid.clone());
            }
            vms.vmas.entry(path).or_default().extend(entry.vma.clone());
        }
        vms
    }
    fn path(&self, entry: &CbtEntry) -> String {
        let renamed = self.paths.get(&(entry.vma.clone(), entry.vm_uuid.clone())).filter(|_| !entry.vm_uuid.is_empty());
        renamed.unwrap_or(&entry.vm_path).clone()
    }
    /// The path, and which VM of it.
    fn place(&self, entry: &CbtEntry) -> (String, String) {
        let path = self.path(entry);
        let is_shared = |known: Option<usize>| known.is_some_and(|known| known > 1);
        let by_vma =
            is_shared(self.vmas.get(&path).map(BTreeSet::len)).then(|| entry.vma.as_ref().map(ToString::to_string));
        let by_uuid = is_shared(self.uuids.get(&path).map(BTreeSet::len)).then(|| entry.vm_uuid.clone());
        let which = [by_vma.flatten(), by_uuid].into_iter().flatten().collect::<Vec<_>>();
        (path, which.join(" "))
    }
}

/// Jobs may give one disk different ids; its device key, as movers know it, is always the same (`wire.md`).
fn place_of(row: &HistoryRecord, keys: &DeviceKeys, vms: &Vms) -> Place {
    let (path, disk) = (row.entry.vm_path.clone(), row.entry.disk.clone());
    if path.is_empty() {
        return Place::Unplaced { job: row.entry.job.clone(), disk };
    }
    let of = (path, disk);
    let key = row.entry.device_key.or_else(|| keys.get(&of).copied().flatten());
    let named = key.and_then(|key| DiskId::parse(&format!("disk-{key}")).ok());
    let (path, which) = vms.place(&row.entry);
    Place::Vm { path, which, disk: named.unwrap_or(of.1) }
}

#[cfg(test)]
mod tests {
    use super::super::Severity;
    use super::*;
    use crate::model::id::ChangeId;
    use crate::model::job::SyncKind;
    use crate::model::time::Wall;

    const U: &str = "52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63";
    const V: &str = "61 00 c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63";

    /// `u/1` and `v/1` are change ids of two trackings, "" is none, and any other text is what it is.
    fn id(text: &str) -> Option<ChangeId> {
        let spelled = match text.split_once('/') {
            Some(("u", counter)) => format!("{U}/{counter}"),
            Some(("v", counter)) => format!("{V}/{counter}"),
            Some(_) | None => text.to_owned(),
        };
        ChangeId::from_text(&spelled)
    }

    fn row(job: &str, sync: SyncKind, previous: &str, left: &str) -> HistoryRecord {
        let entry = CbtEntry {
            job: JobId::parse(job).expect("an id"),
            vm_path: "/vm/web01".to_owned(),
            disk: DiskId::parse("disk-2000").expect("an id"),
            change_id: id(left),
            previous_change_id: id(previous),
            sync,
            blocks_changed: None,
            bytes_transferred: 100,
            sync_duration_seconds: 1,
            sync_success: true,
            created_at: Wall::from_unix_millis(0),
            device_key: None,
            previous_served: false,
            vma: None,
            vm_uuid: String::new(),
            capacity_bytes: None,
        };
        HistoryRecord { id: 0, entry, superseded: false }
    }
    /// The row of a VM of that VMA, with that UUID and path.
    fn of_vm(vma: &str, uuid: &str, path: &str, row: HistoryRecord) -> HistoryRecord {
        let entry =
            CbtEntry { vma: VmaName::parse(vma).ok(), vm_uuid: uuid.to_owned(), vm_path: path.to_owned(), ..row.entry };
        HistoryRecord { entry, ..row }
    }

    #[test]
    fn a_renamed_vm_has_one_chain_and_two_vms_of_one_path_have_two() {
        let incremental = |job, previous, left| row(job, SyncKind::Incremental, previous, left);
        let chains = |rows: Vec<HistoryRecord>| {
            let numbered = rows.into_iter().zip(1..).map(|(row, id)| HistoryRecord { id, ..row });
            let chains = verify(numbered.collect());
            chains.iter().map(|chain| (chain.runs.len(), chain.open_faults())).collect::<Vec<_>>()
        };
        let renamed = vec![
            of_vm("a", "u-1", "/vm/old", full("one", "u/1")),
            of_vm("a", "u-1", "/vm/new", incremental("two", "u/1", "u/2")),
        ];
        assert_eq!(chains(renamed), [(2, 0)]);
        let remade = vec![
            of_vm("a", "u-1", "/vm/x", full("one", "u/1")),
            of_vm("a", "u-2", "/vm/x", full("two", "v/1")),
            of_vm("a", "u-2", "/vm/x", incremental("three", "v/1", "v/2")),
        ];
        assert_eq!(chains(remade), [(1, 0), (2, 0)]);
        let of_two_vmas =
            vec![of_vm("a", "", "/vm/x", full("one", "u/1")), of_vm("b", "", "/vm/x", full("two", "v/1"))];
        assert_eq!(chains(of_two_vmas), [(1, 0), (1, 0)]);
    }

    #[test]
    fn an_incremental_over_a_disk_of_another_size_is_a_fault() {
        let sized = |row: HistoryRecord, gib: u64| {
            let entry = CbtEntry { capacity_bytes: Some(gib << 30), ..row.entry };
            HistoryRecord { entry, ..row }
        };
        let runs = |gib| {
            let second = sized(row("two", SyncKind::Incremental, "u/1", "u/2"), gib);
            verify(vec![sized(full("one", "u/1"), 40), HistoryRecord { id: 1, ..second }])
        };
        assert_eq!((runs(40)[0].open_faults(), runs(200)[0].open_faults()), (0, 1));
        let said = runs(200)[0].runs[1].worst().expect("a fault").verdict.message();
        assert!(said.contains("42949672960") && said.contains("214748364800"), "{said}");
    }

    fn full(job: &str, left: &str) -> HistoryRecord {
        row(job, SyncKind::Full, "", left)
    }
    fn inc(job: &str, previous: &str, left: &str) -> HistoryRecord {
        row(job, SyncKind::Incremental, previous, left)
    }
    fn failed(mut row: HistoryRecord) -> HistoryRecord {
        row.entry.sync_success = false;
        row
    }
    fn unmoved(mut row: HistoryRecord) -> HistoryRecord {
        row.entry.bytes_transferred = 0;
        row
    }
    fn of(vm_path: &str, disk: &str, mut row: HistoryRecord) -> HistoryRecord {
        (row.entry.vm_path, row.entry.disk) = (vm_path.to_owned(), DiskId::parse(disk).expect("an id"));
        row
    }
    fn numbered(rows: &[HistoryRecord]) -> Vec<HistoryRecord> {
        (1..).zip(rows).map(|(id, row)| HistoryRecord { id, ..row.clone() }).collect()
    }

    /// A line a run: `JOB VERDICT VERDICT`, with `!` behind an open fault and `<JOB` behind one that this job has mended.
    fn told(chain: &DiskChain) -> Vec<String> {
        let verdict = |finding: &super::super::Finding| {
            let by = finding.mended_by.as_ref().map_or(String::new(), |by| format!("<{by}"));
            format!("{}{}{by}", finding.verdict.name(), if finding.is_open() { "!" } else { "" })
        };
        let line = |run: &super::super::Run| {
            let verdicts: Vec<String> = run.findings.iter().map(verdict).collect();
            format!("{} {}", run.record.entry.job, verdicts.join(" "))
        };
        chain.runs.iter().map(line).collect()
    }
    fn only(rows: &[HistoryRecord]) -> DiskChain {
        let chains = verify(numbered(rows));
        assert_eq!(chains.len(), 1, "{chains:?}");
        chains.into_iter().next().expect("one")
    }
    fn check(rows: &[HistoryRecord], expected: &[&str]) -> DiskChain {
        let chain = only(rows);
        assert_eq!(told(&chain), expected);
        chain
    }
    fn messages(chain: &DiskChain) -> String {
        chain.findings().map(|finding| finding.verdict.message() + "\n").collect()
    }

    #[test]
    fn a_sound_chain_has_no_fault_and_says_where_the_next_run_may_start() {
        let rows = [full("a", "u/1"), inc("b", "u/1", "u/2"), failed(inc("c", "u/2", "")), inc("d", "u/2", "u/9")];
        let chain = check(&rows, &["a starts", "b continues", "c failed", "d continues"]);
        assert_eq!((chain.open_faults(), chain.next), (0, id("u/9")));
    }

    #[test]
    fn two_spellings_of_one_change_id_join_on() {
        let respelled = format!("{}/1", U.replace([' ', '-'], "").to_uppercase());
        check(&[full("a", "u/1"), inc("b", &respelled, "u/2")], &["a starts", "b continues"]);
    }

    #[test]
    fn a_run_that_starts_where_no_run_ended_leaves_a_gap_for_all_that_follow() {
        let rows = [full("a", "u/1"), inc("b", "u/5", "u/6"), inc("c", "u/6", "u/7")];
        let chain = check(&rows, &["a starts", "b gap!", "c continues"]);
        assert_eq!((chain.open_faults(), chain.next.clone()), (1, None));
        let said = messages(&chain);
        assert!(
            said.contains(&format!("started from {U}/5, but the last good run, job a, ended with {U}/1")),
            "{said}"
        );
        assert_eq!(chain.runs[1].findings[0].verdict.remedy(), Some("copy this disk in full once".to_owned()));
        // A lower counter that no run left proves nothing either.
        check(&[full("a", "u/5"), inc("b", "u/3", "u/6")], &["a starts", "b gap!"]);
    }

    #[test]
    fn a_full_copy_mends_whatever_was_before_it() {
        let rows = [full("a", "u/1"), inc("b", "u/5", "u/6"), full("c", "v/1"), inc("d", "v/1", "v/2")];
        let chain = check(&rows, &["a starts", "b gap<c", "c starts", "d continues"]);
        assert_eq!((chain.open_faults(), chain.next), (0, id("v/2")));
        check(
            &[full("a", "u/1"), inc("b", "u/5", "u/6"), failed(full("c", "v/1"))],
            &["a starts", "b gap!", "c failed"],
        );
    }

    #[test]
    fn starting_from_an_earlier_good_run_copies_too_much_and_is_no_fault() {
        let rows = [full("a", "u/1"), inc("b", "u/1", "u/2"), inc("c", "u/1", "u/3")];
        let chain = check(&rows, &["a starts", "b continues", "c overlap"]);
        assert_eq!((chain.open_faults(), chain.next.clone()), (0, id("u/3")));
        assert!(messages(&chain).contains(&format!("started where job a had ended ({U}/1)")), "{}", messages(&chain));
        // So does starting from a failed run that was before the last good one.
        let rows = [full("a", "u/1"), failed(inc("b", "u/1", "u/2")), inc("c", "u/1", "u/3"), inc("d", "u/2", "u/4")];
        check(&rows, &["a starts", "b failed", "c continues", "d overlap"]);
        // A higher counter than the target's is not before it, whoever left it.
        let rows = [full("a", "u/5"), full("b", "u/3"), inc("c", "u/5", "u/6")];
        check(&rows, &["a starts", "b starts", "c gap!"]);
    }

    #[test]
    fn a_run_from_before_a_gap_mends_it_but_not_one_from_behind_it() {
        let rows = [full("a", "u/1"), inc("b", "u/5", "u/6"), inc("c", "u/1", "u/7")];
        assert_eq!(check(&rows, &["a starts", "b gap<c", "c overlap"]).next, id("u/7"));
        let rows = [full("a", "u/1"), inc("b", "u/5", "u/6"), inc("c", "u/6", "u/7"), inc("d", "u/6", "u/8")];
        check(&rows, &["a starts", "b gap!", "c continues", "d overlap"]);
        // Nor does one from the failed run that the fault is about.
        let rows = [full("a", "u/1"), failed(inc("b", "u/1", "u/2")), inc("c", "u/2", "u/3"), inc("d", "u/2", "u/4")];
        check(&rows, &["a starts", "b failed", "c built_on_failed!", "d overlap"]);
    }

    #[test]
    fn what_a_failed_run_left_is_nothing_to_start_from() {
        let rows = [full("a", "u/1"), failed(inc("b", "u/1", "u/2")), inc("c", "u/2", "u/3")];
        let chain = check(&rows, &["a starts", "b failed", "c built_on_failed!"]);
        assert!(messages(&chain).contains("started where job b had ended"), "{}", messages(&chain));
        check(
            &[failed(full("a", "u/1")), inc("b", "u/1", "u/2")],
            &["a failed", "b built_on_failed! after_failed_full"],
        );
        let rows = [full("a", "u/1"), failed(full("b", "")), inc("c", "u/1", "u/2"), inc("d", "u/2", "u/3")];
        check(&rows, &["a starts", "b failed", "c continues after_failed_full", "d continues"]);
    }

    #[test]
    fn another_uuid_in_an_incremental_is_a_reset_and_only_a_full_copy_mends_it() {
        let rows = [full("a", "u/1"), inc("b", "u/1", "v/2"), inc("c", "v/2", "v/3")];
        check(&rows, &["a starts", "b continues reset!", "c continues"]);
        check(&[full("a", "u/1"), inc("b", "v/1", "v/2")], &["a starts", "b reset!"]);
        // An older tracking's id after a full copy with a new one.
        let rows = [full("a", "u/1"), full("b", "v/1"), inc("c", "u/1", "u/9"), full("d", "v/4")];
        check(&rows, &["a starts", "b starts", "c reset<d", "d starts"]);
        let rows = [full("a", "u/1"), inc("b", "u/1", "v/2"), inc("c", "v/2", "v/3"), inc("d", "v/2", "v/4")];
        check(&rows, &["a starts", "b continues reset!", "c continues", "d overlap"]);
    }

    #[test]
    fn a_counter_that_falls_tells_of_a_return_to_an_earlier_snapshot() {
        let rows = [full("a", "u/1"), inc("b", "u/1", "u/5"), inc("c", "u/5", "u/3"), inc("d", "u/3", "u/4")];
        let chain = check(&rows, &["a starts", "b continues", "c continues backwards!", "d continues"]);
        let said = messages(&chain);
        assert!(said.contains(&format!("went back to {U}/3 after {U}/5")), "{said}");
        // A run from before it cannot tell what the return undid.
        let rows = [&rows[..], &[inc("e", "u/1", "u/6")]].concat();
        check(&rows, &["a starts", "b continues", "c continues backwards!", "d continues", "e overlap"]);
        check(&[full("a", "u/5"), full("b", "u/3"), inc("c", "u/3", "u/4")], &["a starts", "b starts", "c continues"]);
        check(&[inc("a", "u/7", "u/5")], &["a unrooted backwards!"]);
        // What a failed run wrote is of a later state than this one.
        let behind = |failed_run| [full("a", "u/1"), failed_run, inc("c", "u/1", "u/5")];
        let wrote = failed(inc("b", "u/1", "u/6"));
        check(&behind(wrote.clone()), &["a starts", "b failed", "c continues backwards!"]);
        check(&behind(unmoved(wrote)), &["a starts", "b failed", "c continues"]);
    }

    #[test]
    fn a_failed_run_is_no_fault_unless_its_change_id_has_gone_back() {
        let behind = |failed_run| [full("a", "u/3"), failed(failed_run), inc("c", "u/3", "u/4"), full("d", "u/9")];
        let of = |failed_run| told(&only(&behind(failed_run)))[1].clone();
        for sound in
            [inc("b", "u/3", ""), inc("b", "u/3", "u/4"), inc("b", "u/1", "x"), inc("b", "", ""), full("b", "v/1")]
        {
            assert_eq!(of(sound.clone()), "b failed", "{sound:?}");
        }
        assert_eq!(of(inc("b", "u/3", "u/2")), "b failed backwards<d");
        assert_eq!(of(inc("b", "u/3", "u/3")), "b failed reused<d");
        assert_eq!(of(unmoved(inc("b", "u/3", "u/3"))), "b failed");
        check(&[failed(inc("a", "u/3", "u/2"))], &["a failed"]);
    }

    #[test]
    fn one_change_id_for_two_states_is_a_fault_unless_nothing_was_copied() {
        check(&[full("a", "u/1"), unmoved(inc("b", "u/1", "u/1"))], &["a starts", "b continues"]);
        let chain = check(&[full("a", "u/1"), inc("b", "u/1", "u/1")], &["a starts", "b continues reused!"]);
        assert!(messages(&chain).contains("which job a had left"), "{}", messages(&chain));
        check(&[inc("a", "u/1", "u/1")], &["a unrooted reused!"]);
        let mut areas = unmoved(inc("b", "u/1", "u/1"));
        areas.entry.blocks_changed = Some(3);
        check(&[full("a", "u/1"), areas], &["a starts", "b continues reused!"]);
        let rows = [full("a", "u/1"), inc("b", "u/1", "u/5"), inc("c", "u/5", "u/3"), unmoved(inc("d", "u/3", "u/5"))];
        check(&rows, &["a starts", "b continues", "c continues backwards!", "d continues reused!"]);
        // What a failed run wrote under it may be the state that counts no more.
        let twice = |failed_run| [full("a", "u/1"), failed_run, inc("c", "u/1", "u/2")];
        let wrote = failed(inc("b", "u/1", "u/2"));
        check(&twice(wrote.clone()), &["a starts", "b failed", "c continues reused!"]);
        check(&twice(unmoved(wrote)), &["a starts", "b failed", "c continues"]);
        // A full copy needs no change id to be whole.
        check(&[full("a", "u/1"), full("b", "u/1")], &["a starts", "b starts repeated"]);
        check(&[unmoved(full("a", "u/1")), full("b", "u/1")], &["a starts", "b starts"]);
    }

    #[test]
    fn a_run_that_starts_elsewhere_is_told_when_it_ends() {
        let last = id("u/5");
        let said = |row: HistoryRecord| super::super::apart(&row.entry, last.as_ref(), None).map(|entry| entry.message);
        let text = said(inc("b", "u/4", "u/9")).expect("it starts elsewhere");
        assert!(text.contains(&format!("started from {U}/4, and the last good run ended with {U}/5")), "{text}");
        assert!(said(inc("b", "", "u/9")).expect("nor is this known").contains("nobody knows where"));
        for fine in [inc("b", "u/5", "u/9"), full("b", "u/9"), failed(inc("b", "u/4", "u/9"))] {
            assert_eq!(said(fine), None);
        }
        assert_eq!(super::super::apart(&inc("b", "u/4", "u/9").entry, None, None), None, "nothing is known before it");
    }

    #[test]
    fn what_is_no_change_id_is_suspect_at_either_end() {
        let chain = check(&[full("a", "u/1"), inc("b", "u/1", "completed")], &["a starts", "b continues suspect!"]);
        assert!(messages(&chain).contains(r#"left "completed", which is not <uuid>/<counter>"#));
        check(&[full("a", "52 de/1"), inc("b", "52 de/1", "u/2")], &["a starts suspect!", "b suspect_previous!"]);
        let failures = [failed(full("a", "completed")), failed(inc("b", "*", "x"))];
        check(&failures, &["a failed", "b failed"]);
        let mut by_star = full("a", "u/1");
        by_star.entry.previous_change_id = id("*");
        check(&[by_star], &["a starts"]);
        // A gap is not made good by an incremental that calls itself full.
        let mut renamed = inc("c", "u/9", "u/10");
        renamed.entry.sync = SyncKind::Full;
        check(&[full("a", "u/1"), renamed], &["a starts", "c gap!"]);
        let long = only(&[full("a", &"x".repeat(5000))]);
        assert!(messages(&long).len() < 300, "{}", messages(&long));
    }

    #[test]
    fn f37_a_run_that_succeeded_without_a_change_id_is_named() {
        let rows = [full("a", "u/1"), inc("b", "u/1", "")];
        let chain = check(&rows, &["a starts", "b continues missing!"]);
        assert_eq!((chain.open_faults(), chain.next.clone()), (1, None));
        let remedy = chain.runs[1].worst().and_then(|found| found.verdict.remedy()).expect("a remedy");
        assert!(
            remedy.contains("hands change ids to the OMA") && remedy.contains(&format!("{U}/1 of job a")),
            "{remedy}"
        );
        check(&[full("a", "")], &["a starts missing!"]);
        // The next run asks for the last change id that is known, and so copies again what the run without one copied.
        let rows = [&rows[..], &[inc("c", "u/1", "u/4")]].concat();
        assert_eq!(check(&rows, &["a starts", "b continues missing<c", "c overlap"]).next, id("u/4"));
        // From anywhere else, nobody can tell.
        let rows = [full("a", "u/1"), inc("b", "u/1", ""), inc("c", "u/2", "u/3")];
        let chain = check(&rows, &["a starts", "b continues missing!", "c gap!"]);
        assert!(messages(&chain).contains("job b, left nothing to start from"), "{}", messages(&chain));
        // Nor where a full copy left none: it may have been made because the ids before it were good for nothing.
        for before in ["u/1", "v/2"] {
            let rows = [full("a", "u/1"), full("b", ""), inc("c", before, "u/3")];
            let chain = only(&rows);
            assert_eq!(told(&chain)[..2], ["a starts", "b starts missing!"]);
            assert!(told(&chain)[2].starts_with("c gap!"), "{:?}", told(&chain));
            let remedy = chain.runs[1].worst().and_then(|found| found.verdict.remedy());
            assert!(remedy.is_some_and(|remedy| remedy.ends_with("; copy this disk in full once")));
        }
    }

    #[test]
    fn an_incremental_that_names_no_beginning_is_a_fault() {
        check(&[full("a", "u/1"), inc("b", "", "u/2")], &["a starts", "b no_previous!"]);
        check(&[full("a", "u/1"), inc("b", "", "v/2")], &["a starts", "b no_previous! reset!"]);
    }

    #[test]
    fn a_chain_that_is_older_than_the_history_is_no_fault() {
        let chain = check(&[inc("a", "u/7", "u/8"), inc("b", "u/8", "u/9")], &["a unrooted", "b continues"]);
        assert_eq!((chain.open_faults(), chain.next), (0, id("u/9")));
        assert_eq!(chain.runs[0].findings[0].verdict.severity(), Severity::Note);
    }

    #[test]
    fn f34_a_disk_is_of_its_vm_and_without_a_path_of_its_job_alone() {
        let rows = [
            of("/vm/web01", "disk-2000", full("a", "u/1")),
            of("/vm/web02", "disk-2000", full("b", "v/1")),
            of("", "disk-2000", full("c", "u/5")),
            of("", "disk-2000", inc("d", "u/5", "u/6")),
            of("/vm/web01", "disk-2001", full("a", "v/8")),
            of("/vm/web01", "disk-2000", inc("e", "u/1", "u/2")),
        ];
        let chains = verify(numbered(&rows));
        let told: Vec<_> = chains.iter().map(told).collect();
        let expected: [&[&str]; 5] =
            [&["a starts", "e continues"], &["a starts"], &["b starts"], &["c starts unplaced"], &["d unplaced"]];
        assert_eq!(told, expected);
        assert_eq!(chains[4].next, None, "nobody can ask for it");
        let job = JobId::parse("d").expect("an id");
        assert_eq!(chains.iter().map(|chain| chain.has(&job)).collect::<Vec<_>>(), [false, false, false, false, true]);
    }

    #[test]
    fn a_disk_that_jobs_call_differently_is_known_by_its_device_key() {
        let keyed = |key, mut row: HistoryRecord| {
            row.entry.device_key = Some(key);
            row
        };
        let path = "/vm/web01";
        let rows = [
            keyed(2000, of(path, "disk-0", full("a", "u/1"))),
            of(path, "disk-2000", inc("b", "u/1", "u/2")),
            of(path, "disk-0", inc("c", "u/2", "u/3")),
        ];
        check(&rows, &["a starts", "b continues", "c continues"]);
        // One id for two disks tells nothing of a run that has no key.
        let rows = [
            keyed(2000, of(path, "disk-0", full("a", "u/1"))),
            keyed(2001, of(path, "disk-0", full("b", "v/1"))),
            of(path, "disk-0", inc("c", "u/1", "u/2")),
            of("/vm/web02", "disk-2000", inc("d", "u/1", "u/2")),
        ];
        let told: Vec<_> = verify(numbered(&rows)).iter().map(told).collect();
        assert_eq!(told, [["c unrooted"], ["a starts"], ["b starts"], ["d unrooted"]]);
    }

    #[test]
    fn a_late_change_id_belongs_where_its_run_was() {
        let superseded = HistoryRecord { superseded: true, ..full("a", "") };
        let rows = [superseded, inc("b", "u/1", "u/2"), full("a", "u/1")];
        check(&rows, &["a starts", "b continues"]);
    }

    #[test]
    fn rows_of_two_files_are_one_history_in_any_order() {
        let rows = numbered(&[full("a", ""), full("a", "u/1"), inc("b", "u/1", "u/2"), inc("c", "u/2", "u/3")]);
        let late = HistoryRecord { superseded: true, ..rows[0].clone() };
        // The archive has no row that supersedes the first one yet, and the third row is in both.
        let merged = [&rows[2..], &[late], &rows[..1], &rows[1..3]].concat();
        let chains = verify(merged);
        assert_eq!(chains.iter().map(told).collect::<Vec<_>>(), [["a starts", "b continues", "c continues"]]);
        assert_eq!(verify(Vec::new()), Vec::new());
    }
}
