//! `waybill history --verify`: the chain of each disk as it is drawn, and as programs get it (R-54). Goal: a fault cannot be
//! overlooked, says what is wrong and what to do, and a chain that is whole says so. Method: rows built by hand, the whole page.

use waybill::model::change::CbtEntry;
use waybill::model::id::{ChangeId, DiskId, JobId};
use waybill::model::job::SyncKind;
use waybill::model::record::HistoryRecord;
use waybill::policy::chain::{DiskChain, verify};
use waybill::view::{chain, json};

use crate::sample::at;

fn id(counter: u32) -> String {
    format!("52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/{counter}")
}

/// A run of a disk of web01, an hour after the one before it.
fn run(number: u8, disk: &str, sync: SyncKind, previous: &str, left: &str) -> HistoryRecord {
    let entry = CbtEntry {
        job: JobId::parse(&format!("job-{number}")).expect("an id"),
        vm_path: "/DC0/vm/web01".to_owned(),
        disk: DiskId::parse(disk).expect("an id"),
        change_id: ChangeId::from_text(left),
        previous_change_id: ChangeId::from_text(previous),
        sync,
        blocks_changed: None,
        bytes_transferred: 10 << if sync == SyncKind::Full { 30 } else { 20 },
        sync_duration_seconds: 60,
        sync_success: true,
        created_at: at(&format!("2026-11-23T{:02}:00:00Z", 10 + number)),
        device_key: None,
        previous_served: false,
        vma: None,
        vm_uuid: String::new(),
        capacity_bytes: None,
    };
    HistoryRecord { id: number.into(), entry, superseded: false }
}

fn chains() -> Vec<DiskChain> {
    let (full, incremental) = (SyncKind::Full, SyncKind::Incremental);
    let mut failed = run(3, "disk-2000", incremental, &id(2), "");
    failed.entry.sync_success = false;
    let mut unplaced = run(7, "disk-0", full, "", "completed");
    unplaced.entry.vm_path = String::new();
    verify(vec![
        run(1, "disk-2000", full, "", &id(1)),
        run(2, "disk-2000", incremental, &id(1), &id(2)),
        failed,
        run(4, "disk-2000", incremental, &id(5), &id(6)),
        run(5, "disk-2000", incremental, &id(6), &id(7)),
        run(1, "disk-2001", full, "", &id(1)),
        run(2, "disk-2001", incremental, &id(1), ""),
        run(6, "disk-2001", incremental, &id(1), &id(3)),
        unplaced,
    ])
}

#[test]
fn the_chain_of_each_disk_is_drawn_with_its_faults_and_their_remedies() {
    let text = chain::chains(&chains(), Some(120), false);
    let expected = "\
/DC0/vm/web01  disk-2000: 5 runs, 1 fault
   CHAIN      ENDED                     JOB    STARTED FROM  LEFT         SYNC            MOVED
O  starts     2026-11-23T11:00:00.000Z  job-1  -             52dec0d9…/1  full         10.0 GiB
|  continues  2026-11-23T12:00:00.000Z  job-2  52dec0d9…/1   52dec0d9…/2  incremental  10.0 MiB
x  failed     2026-11-23T13:00:00.000Z  job-3  52dec0d9…/2   -            incremental  10.0 MiB
!  gap        2026-11-23T14:00:00.000Z  job-4  52dec0d9…/5   52dec0d9…/6  incremental  10.0 MiB
|  fault   started from 52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/5, but the last good run, job job-2, ended with
|          52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/2: what was written between them may never have been copied
|  remedy  copy this disk in full once
|  continues  2026-11-23T15:00:00.000Z  job-5  52dec0d9…/6   52dec0d9…/7  incremental  10.0 MiB

/DC0/vm/web01  disk-2001: 3 runs, no fault, 1 mended since
   CHAIN            ENDED                     JOB    STARTED FROM  LEFT         SYNC            MOVED
O  starts           2026-11-23T11:00:00.000Z  job-1  -             52dec0d9…/1  full         10.0 GiB
|  missing, mended  2026-11-23T12:00:00.000Z  job-2  52dec0d9…/1   -            incremental  10.0 MiB
|  fault   succeeded and left no change id: no incremental can start where it ended
|  mended  by job job-6
|  overlap          2026-11-23T16:00:00.000Z  job-6  52dec0d9…/1   52dec0d9…/3  incremental  10.0 MiB
   note    started where job job-1 had ended (52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/1), before the last good
           run: it copied more than was needed
   next    an incremental may start from 52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/3

no VM path  disk-0 of job job-7: 1 run, 1 fault
   CHAIN    ENDED                     JOB    STARTED FROM  LEFT       SYNC     MOVED
!  suspect  2026-11-23T17:00:00.000Z  job-7  -             completed  full  10.0 GiB
   fault   left \"completed\", which is not <uuid>/<counter>: no incremental can start there
   remedy  see that its mover hands change ids to the OMA; copy this disk in full once
   note    its job has no VM path, so that no other run of this disk can be found
   remedy  declare the VM's path with each job, as `waybill track --vm PATH` does

3 disks, 9 runs, 2 faults, 1 mended since
";
    assert_eq!(text, expected, "\n{text}");
}

#[test]
fn colour_and_width_change_no_word() {
    let (plain, coloured) = (chain::chains(&chains(), Some(80), false), chain::chains(&chains(), Some(80), true));
    assert!(plain.lines().all(|line| line.chars().count() <= 80), "{plain}");
    assert!(coloured.contains("\x1b[31m!\x1b[0m") && coloured.contains("\x1b[31mgap\x1b[0m"), "{coloured}");
    let mut stripped = coloured;
    for code in ["\x1b[0m", "\x1b[1m", "\x1b[31m", "\x1b[32m", "\x1b[33m"] {
        stripped = stripped.replace(code, "");
    }
    assert_eq!(stripped, plain);
    let wide = chain::chains(&chains(), None, false);
    let words = |text: &str| text.split_whitespace().filter(|word| *word != "|").collect::<Vec<_>>().join(" ");
    let fault = |text: &str| words(text).split_once("fault started").map(|(_, rest)| rest[..150].to_owned());
    assert_eq!(fault(&wide), fault(&plain));
}

#[test]
fn programs_get_a_line_a_run_with_its_verdict() {
    let chains = chains();
    let lines: Vec<serde_json::Value> = chains
        .iter()
        .flat_map(|chain| &chain.runs)
        .map(|run| serde_json::from_str(&json::chain_run(run)).expect("JSON"))
        .collect();
    let told: Vec<_> =
        lines.iter().map(|run| format!("{} {} {}", run["job_id"], run["verdict"], run["fault"])).collect();
    let expected = [
        r#""job-1" "starts" false"#,
        r#""job-2" "continues" false"#,
        r#""job-3" "failed" false"#,
        r#""job-4" "gap" true"#,
        r#""job-5" "continues" false"#,
        r#""job-1" "starts" false"#,
        r#""job-2" "missing" false"#,
        r#""job-6" "overlap" false"#,
        r#""job-7" "suspect" true"#,
    ];
    assert_eq!(told, expected);
    let gap = &lines[3]["findings"][0];
    assert_eq!((&gap["verdict"], &gap["severity"]), (&"gap".into(), &"fault".into()));
    assert_eq!((&gap["remedy"], gap["mended_by"].is_null()), (&"copy this disk in full once".into(), true));
    let missing = &lines[6]["findings"][1];
    assert_eq!((&missing["mended_by"], missing["remedy"].is_null()), (&"job-6".into(), true));
    assert_eq!((&lines[3]["id"], &lines[3]["previous_change_id"]), (&4.into(), &id(5).into()));
}
