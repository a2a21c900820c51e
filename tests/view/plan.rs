//! `waybill plan`: what it says of a VM's disks, for people and for programs (R-5, R-6). Goal: how much there is to copy, what
//! that rests on, and which change id must not be used, at a glance. Method: a plan built by hand, the whole page.

use waybill::model::disk::Basis;
use waybill::model::id::{ChangeId, DiskId};
use waybill::model::plan::{DiskPlan, VmPlan};
use waybill::model::vmware::Exclusion;
use waybill::view::plan;

const GIB: u64 = 1 << 30;

fn id(counter: u32) -> Option<ChangeId> {
    ChangeId::from_text(&format!("52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/{counter}"))
}

fn disk(key: i64, planned_bytes: u64, basis: Basis, areas: Option<u64>) -> DiskPlan {
    DiskPlan {
        disk: DiskId::parse(&format!("disk-{key}")).ok(),
        key,
        label: format!("Hard disk {}", key - 1999),
        capacity_bytes: 40 * GIB,
        planned_bytes,
        basis,
        areas,
        previous: None,
        change_id: id(81),
        suspect: None,
        reasons: Vec::new(),
        excluded: None,
        may_improve: false,
    }
}

fn four_disks() -> VmPlan {
    let delta = DiskPlan { previous: id(80), ..disk(2000, GIB / 2, Basis::CbtDelta, Some(1234)) };
    let suspect = DiskPlan {
        disk: None,
        previous: id(7),
        suspect: Some("change tracking was reset: copy this disk in full once".to_owned()),
        ..disk(2001, 3 * GIB, Basis::CbtAllocated, Some(5))
    };
    let files = DiskPlan {
        reasons: vec!["change tracking is off: set changeTrackingEnabled".to_owned()],
        change_id: None,
        ..disk(2002, 4 * GIB, Basis::Layout, None)
    };
    let out = DiskPlan {
        excluded: Some(Exclusion::Independent),
        change_id: None,
        reasons: vec!["VMware leaves it out: \u{1b}[2Jmake it a dependent disk".to_owned()],
        ..disk(2003, 40 * GIB, Basis::Capacity, None)
    };
    VmPlan {
        name: "web01".to_owned(),
        vm: "vm-57".to_owned(),
        snapshot: Some("snapshot-3".to_owned()),
        disks: vec![delta, suspect, files, out],
        missing: vec![DiskId::parse("disk-2009").expect("an id")],
    }
}

#[test]
fn every_disk_has_its_bytes_their_basis_and_a_verdict_with_its_reason() {
    let expected = "\
web01  vm-57  snapshot snapshot-3
DISK       LABEL        CAPACITY    TO COPY  AREAS  BASIS          VERDICT    SINCE         NEXT
disk-2000  Hard disk 1  40.0 GiB  512.0 MiB   1234  cbt-delta      sound      52dec0d9…/80  52dec0d9…/81
disk-2001  Hard disk 2  40.0 GiB    3.0 GiB      5  cbt-allocated  suspect    52dec0d9…/7   52dec0d9…/81
disk-2002  Hard disk 3  40.0 GiB    4.0 GiB      -  layout         estimated  -             -
disk-2003  Hard disk 4  40.0 GiB   40.0 GiB      -  capacity       left out   -             -
4 disks, 7.5 GiB (8053063680 bytes) to copy, basis layout

disk-2001
suspect   change tracking was reset: copy this disk in full once

disk-2002
why       change tracking is off: set changeTrackingEnabled

disk-2003
why       VMware leaves it out: [2Jmake it a dependent disk

the VM has no disk disk-2009: declare its device_key
";
    assert_eq!(plan::table(&four_disks(), Some(120), false), expected);
}

#[test]
fn programs_get_every_disk_in_one_object() {
    let plan = VmPlan { disks: four_disks().disks.into_iter().take(2).collect(), ..four_disks() };
    let expected = concat!(
        r#"{"vm_name":"web01","vm_id":"vm-57","snapshot":"snapshot-3","planned_bytes":3758096384,"planned_basis":"cbt-delta","#,
        r#""suspect":true,"disks":[{"disk_id":"disk-2000","device_key":2000,"label":"Hard disk 1","capacity_bytes":42949672960,"#,
        r#""planned_bytes":536870912,"planned_basis":"cbt-delta","blocks_changed":1234,"#,
        r#""previous_change_id":"52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/80","#,
        r#""change_id":"52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81","verdict":"sound","suspect":null,"reasons":[]},"#,
        r#"{"disk_id":null,"device_key":2001,"label":"Hard disk 2","capacity_bytes":42949672960,"planned_bytes":3221225472,"#,
        r#""planned_basis":"cbt-allocated","blocks_changed":5,"#,
        r#""previous_change_id":"52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/7","#,
        r#""change_id":"52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81","verdict":"suspect","#,
        r#""suspect":"change tracking was reset: copy this disk in full once","reasons":[]}],"missing_disks":["disk-2009"]}"#,
    );
    assert_eq!(plan::json(&plan), expected);
}
