//! The simulator is what VMware's own library takes for a vCenter. Goal: what waybill is held against is not of waybill's own
//! making. Method: pyVmomi logs in, finds, takes a snapshot by the real task, reads change ids and pages through areas; and
//! block devices with the same blocks agree.

use std::collections::BTreeMap;
use std::process::Command;

use serde_json::Value;

use crate::plans::{Planned, since, told};
use crate::vcsim::{PATH, VM, Vcsim, run};

const AREA: u64 = 65_536;

/// What pyVmomi was told of the first VM; with a name it takes a snapshot first.
fn pyvmomi(vcsim: &Vcsim, snapshot: Option<&str>) -> Value {
    let url = vcsim.url();
    let (host, port) =
        url.strip_prefix("https://").and_then(|rest| rest.strip_suffix("/sdk")?.split_once(':')).unwrap();
    // Debian's own Python has Debian's pyVmomi.
    let mut python = Command::new("/usr/bin/python3");
    python.arg("-B").arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/vcenter/pyvmomi.py")).args([host, port]);
    python.arg(vcsim.file("ca.pem")).args(["user", "p<a&s>s", PATH]).args(snapshot);
    serde_json::from_str(&run(&mut python)).expect("JSON")
}

fn bytes_of(disk: &Value) -> u64 {
    disk["areas"].as_array().expect("areas").iter().map(|area| area[1].as_u64().expect("a length")).sum()
}

#[test]
fn vmwares_own_library_is_told_what_was_marked_and_what_waybill_plans() {
    let planned = Planned::new();
    let vcsim = &planned.vcsim;
    vcsim.tell("disk", &[("vm", VM), ("bytes", &(62_u64 << 40).to_string())]);
    vcsim.tell("disk", &[("vm", VM), ("key", "2001"), ("bytes", "1048576"), ("backing", "SeSparse")]);
    vcsim.mark(2000, 61 << 40, 501);
    vcsim.mark(2001, 0, 2);
    for (page, pages) in [(1, 501), (2, 251), (2000, 1)] {
        vcsim.tell("answers", &[("page", &page.to_string())]);
        let told_to_it = pyvmomi(vcsim, Some("by the real task"));
        let first = &told_to_it["disks"]["2000"];
        assert_eq!((bytes_of(first), first["pages"].as_u64()), (501 * AREA, Some(pages)));
        assert_eq!((&first["capacity"], &first["label"]), (&(62_u64 << 40).into(), &"Hard disk 1".into()));
        assert_eq!(bytes_of(&told_to_it["disks"]["2001"]), 2 * AREA);
        let plan = planned.plan(&[]).0;
        for (disk, key) in plan["disks"].as_array().expect("disks").iter().zip(["2000", "2001"]) {
            let same = &told_to_it["disks"][key];
            let areas = same["areas"].as_array().expect("areas").len() as u64;
            assert_eq!(told(disk), (bytes_of(same), "cbt-allocated".to_owned(), Some(areas)));
            assert_eq!(disk["change_id"], same["change_id"]);
        }
    }
    let told_to_it = pyvmomi(vcsim, None);
    assert_eq!((&told_to_it["supported"], &told_to_it["version"]), (&true.into(), &"vmx-13".into()));
    let faults: BTreeMap<String, Value> = serde_json::from_value(told_to_it["faults"].clone()).unwrap();
    let faults: Vec<String> = faults.iter().map(|(what, fault)| format!("{what}: {} {}", fault[0], fault[1])).collect();
    let expected = [
        "another uuid: \"vim.fault.FileFault\" null",
        "no disk: \"vmodl.fault.InvalidArgument\" \"deviceKey\"",
        "no snapshot: \"vim.fault.FileFault\" null",
        "past the end: \"vmodl.fault.InvalidArgument\" \"startOffset\"",
        "snapshot gone: \"vmodl.fault.ManagedObjectNotFound\" null",
    ];
    assert_eq!(faults, expected);
    vcsim.tell("vm", &[("vm", VM), ("cbt", "0")]);
    pyvmomi(vcsim, Some("it is switched on by a real ReconfigVM_Task"));
}

/// Allocated and changed bytes as NBD servers tell them of a disk image with the same blocks.
#[test]
fn nbdkit_and_qemu_nbd_agree_about_the_same_blocks() {
    let planned = Planned::new();
    let vcsim = &planned.vcsim;
    let image = |name: &str| vcsim.file(name).to_str().expect("UTF-8").to_owned();
    let (raw, qcow) = (image("disk.raw"), image("disk.qcow2"));
    let qemu = |program: &str, args: &[&str]| run(Command::new(program).args(args));
    qemu("qemu-img", &["create", "-q", "-f", "raw", &raw, "1G"]);
    qemu("qemu-img", &["create", "-q", "-f", "qcow2", "-o", "cluster_size=64k", &qcow, "1G"]);
    // Where blocks are written, in the images and in the VM.
    let write = |starts: &[u64]| {
        for start in starts {
            let written = format!("write -P 7 {start} 64k");
            qemu("qemu-io", &["-f", "raw", "-c", &written, &raw]);
            qemu("qemu-io", &["-f", "qcow2", "-c", &written, &qcow]);
            vcsim.mark(2000, *start, 1);
        }
    };
    write(&[0, 5 * AREA, 6 * AREA, 1 << 29]);
    qemu("qemu-img", &["bitmap", "--add", "-g", "65536", "-f", "qcow2", &qcow, "cbt0"]);
    vcsim.snapshot("first");
    let first = planned.plan(&[]).0;
    write(&[5 * AREA, 1 << 28, (1 << 30) - AREA]);
    vcsim.snapshot("second");

    let totals =
        run(Command::new("nbdkit").args(["-U", "-", "file", &raw, "--run", "nbdinfo --map --totals \"$uri\""]));
    let allocated = totals.lines().find(|line| line.trim_end().ends_with("data")).expect(&totals);
    let allocated: u64 = allocated.split_whitespace().next().and_then(|bytes| bytes.parse().ok()).expect(&totals);
    assert_eq!(planned.first(&[]).0, allocated, "{totals}");

    let socket = image("nbd");
    let serve = ["-r", "-f", "qcow2", "-k", &socket, "-x", "d", "-B", "cbt0", "-A", "-t", "--fork", &qcow];
    let pid = image("pid");
    qemu("qemu-nbd", &[&["--pid-file", &pid], &serve[..]].concat());
    let uri = format!("nbd+unix:///d?socket={socket}");
    let map = run(Command::new("nbdinfo").args(["--json", "--map=qemu:dirty-bitmap:cbt0", &uri]));
    run(Command::new("kill").arg(std::fs::read_to_string(&pid).unwrap().trim()));
    let map: Vec<Value> = serde_json::from_str(&map).expect("JSON");
    let dirty = map.iter().filter(|part| part["type"] == 1).map(|part| part["length"].as_u64().expect("bytes")).sum();
    assert_eq!(planned.first(&since(&first)), (dirty, "cbt-delta".to_owned(), Some(3)), "{map:?}");
}
