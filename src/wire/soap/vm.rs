//! The properties of virtual machines and snapshots, as far as a plan needs them (`vsphere.md`, "What to read").

use std::collections::BTreeMap;

use super::xml::Element;
use crate::limits;
use crate::model::id::ChangeId;
use crate::model::text::bounded;
use crate::model::vmware::Exclusion;

/// What a property says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Property {
    /// A text, number or truth value as sent.
    Text(String),
    /// `config.hardware.device`: the disks of all devices.
    Disks(Vec<VirtualDisk>),
    /// `layoutEx`: for each disk's key the bytes in its own files.
    Layout(Vec<(i64, u64)>),
    /// `snapshot`: the tree of snapshots.
    Snapshots(Snapshots),
}

/// The snapshots of a VM.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Snapshots {
    /// The id of the current one.
    pub current: Option<String>,
    /// Id and name of each.
    pub all: Vec<(String, String)>,
}

/// A virtual disk, of a VM or in a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VirtualDisk {
    /// VMware's device key.
    pub key: i64,
    /// VMware's label.
    pub label: String,
    /// Where it is plugged in, as `scsi0:1`.
    pub node: Option<String>,
    /// Its size in bytes.
    pub capacity_bytes: u64,
    /// `backing.changeId`, in whichever of the five backings that have one.
    pub change_id: Option<ChangeId>,
    /// Why VMware leaves it out.
    pub excluded: Option<Exclusion>,
}

/// The backings whose `changeId` counts (`vsphere.md`).
const TRACKED_BACKINGS: [&str; 5] = [
    "VirtualDiskFlatVer2BackingInfo",
    "VirtualDiskSparseVer2BackingInfo",
    "VirtualDiskSeSparseBackingInfo",
    "VirtualDiskRawDiskMappingVer1BackingInfo",
    "VirtualDiskRawDiskVer2BackingInfo",
];

/// Reads the value of a property; `None` where nobody asked for it. The error says what in it cannot be.
pub(super) fn property(name: &str, value: &Element<'_>) -> Result<Option<Property>, String> {
    Ok(Some(match name {
        "config.hardware.device" => Property::Disks(disks(value)?),
        "layoutEx" => Property::Layout(layout(value)),
        "snapshot" => Property::Snapshots(snapshots(value)),
        "name"
        | "config.changeTrackingEnabled"
        | "capability.changeTrackingSupported"
        | "config.version"
        | "runtime.powerState" => Property::Text(bounded(value.text.trim())),
        _ => return Ok(None),
    }))
}

fn disks(devices: &Element<'_>) -> Result<Vec<VirtualDisk>, String> {
    let of_disks = || devices.children.iter().filter(|device| device.kind == "VirtualDisk");
    if of_disks().count() > limits::DISKS_PER_JOB {
        return Err(format!("more than {} disks", limits::DISKS_PER_JOB));
    }
    let controllers = controllers(devices);
    let mut disks = of_disks().map(|device| disk(device, &controllers)).collect::<Result<Vec<_>, _>>()?;
    disks.sort_by_key(|disk| disk.key);
    match disks.windows(2).find(|pair| pair[0].key == pair[1].key) {
        Some(pair) => Err(format!("two disks with the key {}", pair[0].key)),
        None => Ok(disks),
    }
}

fn disk(device: &Element<'_>, controllers: &BTreeMap<i64, String>) -> Result<VirtualDisk, String> {
    let key: i64 = device.number_of("key").ok_or("a virtual disk without a key")?;
    let in_kb = || device.number_of::<u64>("capacityInKB").and_then(|kb| kb.checked_mul(1024));
    // Servers before 5.5 tell KB only.
    let capacity_bytes = device.number_of("capacityInBytes").filter(|bytes| *bytes > 0).or_else(in_kb);
    let capacity_bytes = capacity_bytes.ok_or_else(|| format!("disk {key} without a capacity"))?;
    let backing = device.child("backing");
    let tracked = backing.filter(|backing| TRACKED_BACKINGS.contains(&&*backing.kind));
    let change_id = tracked.and_then(|backing| backing.text_of("changeId"));
    let label = device.descendant(&["deviceInfo", "label"]).map_or("", |label| label.text.trim());
    Ok(VirtualDisk {
        key,
        label: bounded(label),
        node: node(device, controllers),
        capacity_bytes,
        // An id of more than any id's length is none, and is not kept.
        change_id: change_id.filter(|id| id.len() <= limits::TEXT_BYTES).and_then(ChangeId::from_text),
        excluded: backing.and_then(exclusion),
    })
}

fn exclusion(backing: &Element<'_>) -> Option<Exclusion> {
    let is_physical = backing.text_of("compatibilityMode") == Some("physicalMode");
    let is_raw = backing.kind.contains("RawDisk");
    let is_independent = backing.text_of("diskMode").is_some_and(|mode| mode.starts_with("independent"));
    match (is_raw && is_physical, is_independent) {
        (true, _) => Some(Exclusion::PhysicalRdm),
        (false, true) => Some(Exclusion::Independent),
        (false, false) => None,
    }
}

/// The controllers by their keys, each as `scsi0`.
fn controllers(devices: &Element<'_>) -> BTreeMap<i64, String> {
    let controller = |device: &Element<'_>| {
        let (key, bus): (i64, u32) = (device.number_of("key")?, device.number_of("busNumber")?);
        let kind = match &*device.kind {
            "VirtualIDEController" => "ide",
            "VirtualAHCIController" | "VirtualSATAController" => "sata",
            "VirtualNVMEController" => "nvme",
            _ => "scsi",
        };
        Some((key, format!("{kind}{bus}")))
    };
    devices.children.iter().filter_map(controller).collect()
}

/// `scsi0:1`: the disk's controller, and its unit there.
fn node(device: &Element<'_>, controllers: &BTreeMap<i64, String>) -> Option<String> {
    let controller = controllers.get(&device.number_of("controllerKey")?)?;
    let unit: u32 = device.number_of("unitNumber")?;
    Some(format!("{controller}:{unit}"))
}

/// For each disk its own chain only: the keys of `disk[]` are device keys, those in its chain are file keys (F17). A chain
/// of which a link has no size tells nothing: what is missing may be nearly all of the disk.
fn layout(layout: &Element<'_>) -> Vec<(i64, u64)> {
    let file = |file: &Element<'_>| {
        let (key, size): (i64, u64) = (file.number_of("key")?, file.number_of("size")?);
        Some((key, (file.text_of("type") == Some("diskExtent"), size)))
    };
    let files: BTreeMap<i64, (bool, u64)> = layout.all("file").filter_map(file).collect();
    // Where a datastore has no files for extents, the descriptors are the disk's objects.
    let link_bytes = |link: &Element<'_>| {
        let keys = link.all("fileKey").filter_map(|key| key.text.trim().parse::<i64>().ok());
        let of_link: Vec<(bool, u64)> = keys.filter_map(|key| files.get(&key).copied()).collect();
        let has_extents = of_link.iter().any(|(is_extent, size)| *is_extent && *size > 0);
        let counted = of_link.iter().filter(|(is_extent, _)| *is_extent || !has_extents);
        Some(counted.map(|(_, size)| *size).fold(0, u64::saturating_add)).filter(|bytes| *bytes > 0)
    };
    let disks = layout.all("disk").filter_map(|disk| {
        let links: Option<Vec<u64>> = disk.all("chain").map(link_bytes).collect();
        let links = links.filter(|links| !links.is_empty())?;
        Some((disk.number_of("key")?, links.into_iter().fold(0, u64::saturating_add)))
    });
    disks.collect()
}

fn snapshots(info: &Element<'_>) -> Snapshots {
    let current = info.text_of("currentSnapshot").filter(|id| !id.is_empty()).map(str::to_owned);
    let mut all = Vec::new();
    let mut waiting: Vec<&Element<'_>> = info.all("rootSnapshotList").collect();
    while let Some(tree) = waiting.pop() {
        if let Some(id) = tree.text_of("snapshot").filter(|id| !id.is_empty()) {
            all.push((id.to_owned(), bounded(tree.text_of("name").unwrap_or(id))));
        }
        waiting.extend(tree.all("childSnapshotList"));
    }
    Snapshots { current, all }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::soap::xml::parse;

    fn read(name: &str, value: &str) -> Result<Property, String> {
        let text = format!("<val>{value}</val>");
        property(name, &parse(text.as_bytes()).expect("XML")).map(|read| read.expect("a known property"))
    }
    fn device(key: i64, backing: &str, rest: &str) -> String {
        format!(
            "<VirtualDevice xsi:type=\"VirtualDisk\"><key>{key}</key><deviceInfo><label>Hard disk 1</label></deviceInfo>\
             {backing}<controllerKey>1000</controllerKey><unitNumber>1</unitNumber>{rest}</VirtualDevice>"
        )
    }
    const CONTROLLER: &str =
        "<VirtualDevice xsi:type=\"ParaVirtualSCSIController\"><key>1000</key><busNumber>2</busNumber></VirtualDevice>";

    #[test]
    fn the_change_id_of_each_of_the_five_backings_counts_and_of_no_other() {
        let change_id_of = |backing: &str| {
            let backing = format!("<backing xsi:type=\"{backing}\"><changeId>52 de/81</changeId></backing>");
            let device = device(2000, &backing, "<capacityInKB>8</capacityInKB>");
            let Ok(Property::Disks(disks)) = read("config.hardware.device", &device) else { panic!("disks") };
            disks[0].change_id.clone()
        };
        for backing in TRACKED_BACKINGS {
            assert_eq!(change_id_of(backing), ChangeId::from_text("52 de/81"), "{backing}");
        }
        assert_eq!(change_id_of("VirtualDiskSparseVer1BackingInfo"), None);
    }

    #[test]
    fn a_disk_has_its_size_in_bytes_its_node_and_why_it_is_left_out() {
        let flat = |mode: &str| {
            format!("<backing xsi:type=\"VirtualDiskFlatVer2BackingInfo\"><diskMode>{mode}</diskMode></backing>")
        };
        let raw = |mode: &str| {
            format!(
                "<backing xsi:type=\"VirtualDiskRawDiskMappingVer1BackingInfo\"><diskMode>persistent</diskMode><compatibilityMode>{mode}</compatibilityMode></backing>"
            )
        };
        let size = "<capacityInKB>1</capacityInKB><capacityInBytes>1536</capacityInBytes>";
        let text = [
            device(2003, &raw("virtualMode"), size),
            device(2002, &raw("physicalMode"), size),
            device(2001, &flat("independent_persistent"), size),
            device(2000, &flat("persistent"), "<capacityInKB>3</capacityInKB>"),
            CONTROLLER.to_owned(),
        ];
        let Ok(Property::Disks(disks)) = read("config.hardware.device", &text.concat()) else { panic!("disks") };
        let told: Vec<_> = disks.iter().map(|disk| (disk.key, disk.capacity_bytes, disk.excluded)).collect();
        assert_eq!(
            told,
            [
                (2000, 3072, None),
                (2001, 1536, Some(Exclusion::Independent)),
                (2002, 1536, Some(Exclusion::PhysicalRdm)),
                (2003, 1536, None)
            ]
        );
        assert_eq!((disks[0].node.as_deref(), &*disks[0].label), (Some("scsi2:1"), "Hard disk 1"));
    }

    #[test]
    fn a_disk_without_a_size_or_with_anothers_key_is_an_error() {
        assert_eq!(
            read("config.hardware.device", &device(2000, "", "")),
            Err("disk 2000 without a capacity".to_owned())
        );
        let twice = device(2000, "", "<capacityInKB>1</capacityInKB>").repeat(2);
        assert_eq!(read("config.hardware.device", &twice), Err("two disks with the key 2000".to_owned()));
    }

    #[test]
    fn f17_a_layout_counts_the_disks_own_chain_and_takes_no_file_key_for_a_device_key() {
        // File 2000 belongs to disk 2001; each disk has two files in its chain, base and snapshot.
        let file = |key: i64, kind: &str, size: u64| {
            format!("<file><key>{key}</key><type>{kind}</type><size>{size}</size></file>")
        };
        let disk = |key: i64, chains: [&[i64]; 2]| {
            let chain = |keys: &[i64]| {
                let keys: String = keys.iter().map(|key| format!("<fileKey>{key}</fileKey>")).collect();
                format!("<chain>{keys}</chain>")
            };
            format!("<disk><key>{key}</key>{}{}</disk>", chain(chains[0]), chain(chains[1]))
        };
        let text = [
            file(1, "diskDescriptor", 500),
            file(2, "diskExtent", 10_000),
            file(3, "diskExtent", 200),
            file(2000, "diskExtent", 70_000),
            file(5, "diskExtent", 3),
            file(9, "config", 1_000_000),
            disk(2000, [&[1, 2], &[3]]),
            disk(2001, [&[2000], &[5]]),
            disk(2002, [&[1], &[1]]),
            // A link that is not there, or has no size, may be nearly all of the disk.
            disk(2003, [&[77], &[5]]),
            disk(2004, [&[2], &[]]),
            // The same files again, as the snapshot sees them: counted once.
            "<snapshot><disk><key>2000</key><chain><fileKey>2</fileKey></chain></disk></snapshot>".to_owned(),
        ];
        let layout = read("layoutEx", &text.concat());
        assert_eq!(layout, Ok(Property::Layout(vec![(2000, 10_200), (2001, 70_003), (2002, 1000)])));
    }

    #[test]
    fn all_snapshots_of_the_tree_are_found() {
        let tree = |id: &str, children: &str| {
            format!("<snapshot type=\"VirtualMachineSnapshot\">{id}</snapshot><name>n-{id}</name>{children}")
        };
        let child = |id: &str| format!("<childSnapshotList>{}</childSnapshotList>", tree(id, ""));
        let root = format!("<rootSnapshotList>{}</rootSnapshotList>", tree("s1", &(child("s2") + &child("s3"))));
        let text = format!("<currentSnapshot type=\"VirtualMachineSnapshot\">s2</currentSnapshot>{root}");
        let Ok(Property::Snapshots(mut found)) = read("snapshot", &text) else { panic!("snapshots") };
        found.all.sort();
        let named: Vec<&str> = found.all.iter().map(|(_, name)| &**name).collect();
        assert_eq!((found.current.as_deref(), named), (Some("s2"), vec!["n-s1", "n-s2", "n-s3"]));
    }
}
