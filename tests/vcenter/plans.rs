//! `waybill plan` against the simulator: bytes, areas, bases, suspects. Goal: equal to the byte to what was marked, however the
//! areas are cut into pages.

use std::process::Output;
use std::time::Instant;

use serde_json::Value;

use crate::harness::{Site, waybill};
use crate::vcsim::{PATH, VM, Vcsim};

const AREA: u64 = 65_536;
const TIB: u64 = 1 << 40;

/// A vCenter, and a VMA's configuration that leads to it.
pub struct Planned {
    pub vcsim: Vcsim,
    pub site: Site,
}

impl Planned {
    pub fn new() -> Self {
        let (vcsim, site) = (Vcsim::start(), Site::fast());
        site.configure_vma(&vcsim.section());
        Self { vcsim, site }
    }
    /// Runs `waybill plan` with these arguments.
    pub fn run(&self, args: &[&str]) -> Output {
        let config = self.site.path("vma.toml");
        let mut command = waybill(&["plan", "--config"]);
        command.arg(config).args(args).output().expect("waybill runs")
    }
    /// The plan of the first VM, and the exit code.
    pub fn plan(&self, previous: &[String]) -> (Value, i32) {
        let mut args = vec!["--vm", PATH, "--json"];
        previous.iter().for_each(|previous| args.extend(["--previous", previous]));
        let output = self.run(&args);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let code = output.status.code().expect("a code");
        let errors = String::from_utf8_lossy(&output.stderr).into_owned();
        (serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text} {errors}")), code)
    }
    /// The first disk's plan: bytes, basis, areas.
    pub fn first(&self, previous: &[String]) -> (u64, String, Option<u64>) {
        told(&self.plan(previous).0["disks"][0])
    }
    /// What stderr says of a plan that is not to be had, and the exit code.
    pub fn refused(&self, args: &[&str]) -> (String, i32) {
        let output = self.run(args);
        assert!(output.stdout.is_empty(), "{output:?}");
        (String::from_utf8(output.stderr).unwrap(), output.status.code().expect("a code"))
    }
}

pub fn told(disk: &Value) -> (u64, String, Option<u64>) {
    let basis = disk["planned_basis"].as_str().expect("a basis").to_owned();
    (disk["planned_bytes"].as_u64().expect("bytes"), basis, disk["blocks_changed"].as_u64())
}

/// `--previous` for the first disk, from what a plan calls its change id.
pub fn since(plan: &Value) -> Vec<String> {
    vec![format!("disk-2000={}", plan["disks"][0]["change_id"].as_str().expect("a change id"))]
}

#[test]
fn full_and_incremental_plans_equal_what_was_marked_over_every_size_of_page() {
    println!("{:>7} {:>5} {:>9} {:>9} {:>9} {:>9}", "areas", "page", "full ms", "requests", "delta ms", "requests");
    for (areas, pages) in [(1, &[1, 2, 2000][..]), (2, &[1, 2, 2000]), (10_000, &[1, 2, 2000])] {
        let planned = Planned::new();
        let vcsim = &planned.vcsim;
        vcsim.tell("disk", &[("vm", VM), ("bytes", &(62 * TIB).to_string())]);
        vcsim.mark(2000, 0, 3);
        vcsim.snapshot("first");
        let (before, _) = planned.plan(&[]);
        assert_eq!(told(&before["disks"][0]), (3 * AREA, "cbt-allocated".to_owned(), Some(3)));
        // At the far end of the disk, so that no offset fits 32 bits.
        vcsim.mark(2000, 61 * TIB, areas);
        vcsim.snapshot("second");
        for page in pages {
            vcsim.tell("answers", &[("page", &page.to_string())]);
            let mut figures = format!("{areas:>7} {page:>5}");
            for (previous, expected) in [
                (Vec::new(), ((areas + 3) * AREA, "cbt-allocated".to_owned(), Some(areas + 3))),
                (since(&before), (areas * AREA, "cbt-delta".to_owned(), Some(areas))),
            ] {
                let (calls, started) = (vcsim.calls("QueryChangedDiskAreas"), Instant::now());
                assert_eq!(planned.first(&previous), expected, "pages of {page}");
                let calls = vcsim.calls("QueryChangedDiskAreas") - calls;
                assert_eq!(calls, expected.2.expect("areas").div_ceil(*page), "no page is asked for in vain");
                figures.push_str(&format!(" {:>9} {calls:>9}", started.elapsed().as_millis()));
            }
            println!("{figures}");
        }
        assert_eq!(vcsim.sessions(), 0, "each plan ends its session");
    }
}

#[test]
fn f18_empty_pages_are_passed_and_pages_of_no_length_are_refused() {
    let planned = Planned::new();
    let vcsim = &planned.vcsim;
    vcsim.mark(2000, 0, 1);
    vcsim.mark(2000, 1 << 29, 2);
    vcsim.snapshot("s");
    // 16 pages of 64 MiB, most of them without an area; the disk has 1 GiB.
    vcsim.tell("answers", &[("page_bytes", "67108864")]);
    assert_eq!(planned.first(&[]), (3 * AREA, "cbt-allocated".to_owned(), Some(3)));
    assert_eq!(vcsim.calls("QueryChangedDiskAreas"), 16);
    vcsim.tell("layout", &[("vm", VM), ("extent", "700000")]);
    vcsim.tell("answers", &[("zero", "1")]);
    let (plan, code) = planned.plan(&[]);
    assert_eq!((told(&plan["disks"][0]), code), ((700_000, "layout".to_owned(), None), 0));
    let reason = plan["disks"][0]["reasons"][0].as_str().expect("a reason");
    assert!(reason.contains("the page at byte 0 has the length 0"), "{reason}");
}

#[test]
fn f17_without_change_tracking_the_files_of_the_disk_itself_serve_and_without_files_its_capacity() {
    let planned = Planned::new();
    let vcsim = &planned.vcsim;
    vcsim.tell("disk", &[("vm", VM), ("key", "2001"), ("bytes", "3000000")]);
    vcsim.tell("disk", &[("vm", VM), ("key", "2002"), ("bytes", "4000")]);
    // The second disk's file has the first disk's key.
    vcsim.tell("layout", &[("vm", VM), ("key", "2000"), ("extent", "700000"), ("delta", "1")]);
    vcsim.tell("layout", &[("vm", VM), ("key", "2001"), ("extent", "9"), ("delta", "2"), ("file_key", "1999")]);
    vcsim.tell("vm", &[("vm", VM), ("cbt", "0")]);
    vcsim.snapshot("s");
    let (plan, code) = planned.plan(&[]);
    let disks: Vec<_> = plan["disks"].as_array().expect("disks").iter().map(told).collect();
    let expected = [(700_001, "layout"), (11, "layout"), (4000, "capacity")];
    assert_eq!(disks, expected.map(|(bytes, basis)| (bytes, basis.to_owned(), None)));
    assert_eq!(
        (plan["planned_basis"].as_str(), plan["planned_bytes"].as_u64(), code),
        (Some("capacity"), Some(704_012), 0)
    );
    let table = String::from_utf8(planned.run(&["--vm", PATH]).stdout).unwrap();
    assert!(table.contains("3 disks, 687.5 KiB (704012 bytes) to copy, basis capacity"), "{table}");
    assert!(table.contains("change tracking is off: set changeTrackingEnabled"), "{table}");
}

#[test]
fn every_suspect_change_id_is_named_with_the_next_best_basis_in_use() {
    let planned = Planned::new();
    let vcsim = &planned.vcsim;
    vcsim.tell("layout", &[("vm", VM), ("extent", "700000")]);
    vcsim.mark(2000, 0, 8);
    vcsim.snapshot("first");
    let first = planned.plan(&[]).0;
    vcsim.mark(2000, 0, 2);
    vcsim.snapshot("second");
    let allocated = || (8 * AREA, "cbt-allocated".to_owned(), Some(8));
    let suspect = |previous: &[String], reason: &str, expected| {
        let (plan, code) = planned.plan(previous);
        let disk = &plan["disks"][0];
        let said = disk["suspect"].as_str().unwrap_or_else(|| panic!("not suspect: {plan}"));
        assert!(said.contains(reason) && said.ends_with("copy this disk in full once"), "{said}");
        assert_eq!((told(disk), code, &plan["suspect"]), (expected, 7, &Value::Bool(true)), "{plan}");
    };
    assert_eq!(planned.first(&since(&first)), (2 * AREA, "cbt-delta".to_owned(), Some(2)));
    let uuid = first["disks"][0]["change_id"].as_str().and_then(|id| id.split_once('/')).expect("an id").0.to_owned();
    let previous = |id: &str| vec![format!("disk-2000={id}")];
    suspect(&previous("completed"), "is not <uuid>/<counter>", allocated());
    suspect(&previous(&format!("{uuid}/99")), "as where the VM went back to an earlier snapshot", allocated());

    // All of the disk has changed.
    vcsim.tell("write", &[("vm", VM), ("start", "0"), ("length", &(1_u64 << 30).to_string())]);
    vcsim.snapshot("third");
    suspect(&since(&first), "all of the disk is said to have changed", (1 << 30, "cbt-allocated".to_owned(), Some(1)));

    // The uuid is the same, and vCenter will not have it all the same.
    for (fault, property) in [("FileFault", ""), ("InvalidArgument", "changeId")] {
        vcsim.meet("QueryChangedDiskAreas", &[("fault", fault), ("property", property)]);
        suspect(
            &since(&first),
            "vCenter has no answer for the previous change id",
            (1 << 30, "cbt-allocated".to_owned(), Some(1)),
        );
    }

    vcsim.tell("reset", &[("vm", VM)]);
    vcsim.snapshot("fourth");
    suspect(&since(&first), "change tracking was reset", (1 << 30, "cbt-allocated".to_owned(), Some(1)));

    vcsim.tell("vm", &[("vm", VM), ("cbt", "0")]);
    vcsim.snapshot("before it was enabled");
    suspect(&since(&first), "change tracking is off", (700_000, "layout".to_owned(), None));
    vcsim.tell("vm", &[("vm", VM), ("cbt", "1")]);
    vcsim.snapshot("fifth");
    let under = "was enabled while the VM had snapshots (before it was enabled)";
    suspect(&since(&first), under, (700_000, "layout".to_owned(), None));
    suspect(&[], under, (700_000, "layout".to_owned(), None));
}

#[test]
fn all_five_backings_have_their_change_id_and_what_vmware_leaves_out_is_said() {
    let planned = Planned::new();
    let vcsim = &planned.vcsim;
    let disk = |key: &str, backing: &str, mode: &str, compatibility: &str| {
        let values = [
            ("vm", VM),
            ("key", key),
            ("bytes", "1048576"),
            ("backing", backing),
            ("mode", mode),
            ("compatibility", compatibility),
        ];
        vcsim.tell("disk", &values);
    };
    disk("2000", "FlatVer2", "persistent", "");
    disk("2001", "SparseVer2", "persistent", "");
    disk("2002", "SeSparse", "persistent", "");
    disk("2003", "RawDiskMappingVer1", "persistent", "virtualMode");
    disk("2004", "RawDiskVer2", "", "");
    disk("2005", "RawDiskMappingVer1", "persistent", "physicalMode");
    disk("2006", "FlatVer2", "independent_persistent", "");
    (2000..2005).for_each(|key| vcsim.mark(key, 0, 1));
    vcsim.snapshot("s");
    let plan = planned.plan(&[]).0;
    let disks = plan["disks"].as_array().expect("disks");
    for disk in &disks[..5] {
        assert_eq!(told(disk), (AREA, "cbt-allocated".to_owned(), Some(1)), "{disk}");
        assert!(disk["change_id"].as_str().is_some_and(|id| id.ends_with("/1")), "{disk}");
    }
    let verdicts: Vec<&str> = disks.iter().map(|disk| disk["verdict"].as_str().expect("a word")).collect();
    assert_eq!(verdicts, ["sound", "sound", "sound", "sound", "sound", "left out", "left out"]);
    assert!(disks[5]["reasons"][0].as_str().is_some_and(|why| why.contains("physical mode")), "{}", disks[5]);
    assert!(disks[6]["reasons"][0].as_str().is_some_and(|why| why.contains("independent disk")), "{}", disks[6]);
}

#[test]
fn a_vm_is_found_by_its_path_or_its_id_and_asked_without_a_snapshot_only_when_it_is_off() {
    let planned = Planned::new();
    let vcsim = &planned.vcsim;
    vcsim.mark(2000, 0, 4);
    let (plan, _) = planned.plan(&[]);
    let reason = plan["disks"][0]["reasons"][0].as_str().expect("a reason");
    assert!(reason.contains("the VM runs and has no snapshot yet"), "{reason}");
    vcsim.tell("vm", &[("vm", VM), ("power", "poweredOff")]);
    let id = plan["vm_id"].as_str().expect("an id");
    for vm in [PATH, "DC0/vm/DC0_H0_VM0", id, &format!("VirtualMachine:{id}")] {
        let output = planned.run(&["--vm", vm, "--json"]);
        let plan: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{vm}: {output:?}"));
        assert_eq!(told(&plan["disks"][0]), (4 * AREA, "cbt-allocated".to_owned(), Some(4)), "{vm}");
    }
    for (vm, said) in [
        ("/DC0/vm/none", "cannot plan \"/DC0/vm/none\": \"/DC0/vm/none\" is not in vCenter's inventory"),
        ("/DC0/vm", "cannot plan \"/DC0/vm\": \"/DC0/vm\" is a Folder and no VM"),
        ("vm-9999", "RetrievePropertiesEx failed with ManagedObjectNotFound (object vm-9999)"),
    ] {
        let (text, code) = planned.refused(&["--vm", vm]);
        assert!(text.contains(said) && text.contains("remedy: write the inventory path"), "{text}");
        assert_eq!(code, 4, "{text}");
    }
    let (text, code) = planned.refused(&["--job", "nobody"]);
    assert_eq!(code, 1, "there is no database yet: {text}");
    let (text, code) = planned.refused(&[]);
    assert!(text.contains("--vm PATH is missing") && code == 2, "{text}");
    let (text, code) = planned.refused(&["--vm", PATH, "--previous", "disk-2000"]);
    assert!(text.contains("is not DISK=CHANGEID") && code == 2, "{text}");
    let (plan, code) = planned.plan(&["disk-2009=52 de c0 d9 b9 43 9d 10-61 d5 4c 1b e9 7b 65 63/81".to_owned()]);
    assert_eq!((&plan["missing_disks"][0], code), (&Value::from("disk-2009"), 7));
}
