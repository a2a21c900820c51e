//! From a path to a VM, and from a VM to what a plan needs of it (`vsphere.md`, "What to read").

use std::collections::BTreeMap;

use super::session::Vcenter;
use crate::limits;
use crate::model::text::bounded;
use crate::model::vmware::{DiskFacts, Fault, FaultKind, VmFacts};
use crate::wire::soap::answer::{self, Object, Property, broken};
use crate::wire::soap::request::{self, Ref, Wanted};

const VM: &str = "VirtualMachine";
const SNAPSHOT: &str = "VirtualMachineSnapshot";

const OF_VM: [&str; 8] = [
    "name",
    "config.changeTrackingEnabled",
    "capability.changeTrackingSupported",
    "config.version",
    "config.hardware.device",
    "layoutEx",
    "snapshot",
    "runtime.powerState",
];
const OF_SNAPSHOT: [&str; 2] = ["config.changeTrackingEnabled", "config.hardware.device"];

impl Vcenter {
    /// The VM at an inventory path (`/DC0/vm/web01`) or of a managed object id (`vm-57`, `VirtualMachine:vm-57`): whatever
    /// has a slash is a path. A managed object id is not looked up here; it is found missing when it is read.
    ///
    /// # Errors
    /// [`FaultKind::NoSuchVm`] where there is nothing there, or no VM.
    pub async fn find(&self, named: &str) -> Result<Ref, Fault> {
        if !named.contains('/') {
            let id = named.strip_prefix("VirtualMachine:").unwrap_or(named);
            return Ok(Ref::new(VM, id));
        }
        let search = |at: &answer::ServiceContent| request::find_by_inventory_path(&at.search_index, named);
        let found = self.call(search, |answer| Ok(answer::found(answer))).await?;
        let no_vm =
            |what: String| Fault { kind: FaultKind::NoSuchVm, message: format!("{:?} is {what}", bounded(named)) };
        match found {
            Some(found) if found.kind == VM => Ok(found),
            Some(other) => Err(no_vm(format!("a {} and no VM", bounded(&other.kind)))),
            None => Err(no_vm("not in vCenter's inventory, or this user may not see it".to_owned())),
        }
    }

    /// What vCenter says of a VM and its snapshots.
    ///
    /// # Errors
    /// vCenter's fault; [`FaultKind::NoPermission`] where a part that a plan cannot do without is withheld.
    pub async fn inspect(&self, vm: &Ref) -> Result<VmFacts, Fault> {
        let wish = Wanted { kind: VM, ids: &[&vm.id], properties: &OF_VM };
        let mut vm_read = Read::of(self.retrieve(&[wish]).await?, &vm.id)?;
        let (disks, snapshots) = (vm_read.disks(), vm_read.snapshots());
        let Some(disks) = disks else { return Err(vm_read.withheld("config.hardware.device")) };
        let tracks_changes = vm_read.is_true("config.changeTrackingEnabled");
        let mut facts = VmFacts {
            name: vm_read.text("name").unwrap_or_else(|| vm.id.clone()),
            id: vm.id.clone(),
            is_powered_off: vm_read.text("runtime.powerState").as_deref() == Some("poweredOff"),
            tracks_changes,
            can_track_changes: vm_read.is_true("capability.changeTrackingSupported") || tracks_changes,
            hardware_version: vm_read.text("config.version").unwrap_or_default(),
            snapshot: snapshots.current.clone(),
            untracked_snapshots: Vec::new(),
            disks: disks.into_iter().map(|disk| facts_of(disk, &vm_read)).collect(),
        };
        if let Some(current) = &snapshots.current {
            self.add_snapshots(&mut facts, current, &snapshots.all).await?;
        }
        Ok(facts)
    }

    /// The change ids and sizes that the disks have in the snapshot, and the snapshots that are older than the tracking.
    async fn add_snapshots(&self, facts: &mut VmFacts, current: &str, all: &[(String, String)]) -> Result<(), Fault> {
        let mut ids = vec![current];
        ids.extend(all.iter().map(|(id, _)| &**id).filter(|id| *id != current).take(limits::SNAPSHOTS_PER_VM));
        let objects = self.retrieve(&[Wanted { kind: SNAPSHOT, ids: &ids, properties: &OF_SNAPSHOT }]).await?;
        let mut read: BTreeMap<_, _> = objects.into_iter().map(|object| (object.id.clone(), Read(object))).collect();
        if facts.tracks_changes {
            let is_untracked = |id: &String| read.get(id).is_some_and(|snapshot| !snapshot.is_tracked());
            facts.untracked_snapshots =
                all.iter().filter(|(id, _)| is_untracked(id)).map(|(_, name)| name.clone()).collect();
        }
        let Some(mut current) = read.remove(current) else { return Ok(()) };
        let Some(disks) = current.disks() else { return Err(current.withheld("config.hardware.device")) };
        for disk in &mut facts.disks {
            if let Some(there) = disks.iter().find(|there| there.key == disk.key) {
                disk.change_id.clone_from(&there.change_id);
                disk.capacity_bytes = there.capacity_bytes;
            }
        }
        Ok(())
    }

    /// Reads properties, all parts of the answer.
    async fn retrieve(&self, wishes: &[Wanted<'_>]) -> Result<Vec<Object>, Fault> {
        const FIRST: &str = "RetrievePropertiesEx";
        const NEXT: &str = "ContinueRetrievePropertiesEx";
        let ask = |at: &answer::ServiceContent| request::retrieve_properties(&at.property_collector, wishes);
        let mut part = self.call(ask, |answer| answer::properties(FIRST, answer)).await?;
        let mut objects = part.objects;
        let mut parts = 1;
        while let Some(token) = part.token.take() {
            parts += 1;
            if parts > limits::PROPERTY_PARTS {
                return Err(broken(NEXT, &format!("more than {} parts", limits::PROPERTY_PARTS)));
            }
            let ask = |at: &answer::ServiceContent| request::continue_properties(&at.property_collector, &token);
            part = self.call(ask, |answer| answer::properties(NEXT, answer)).await?;
            objects.append(&mut part.objects);
            if objects.len() > limits::SNAPSHOTS_PER_VM + 1 {
                return Err(broken(NEXT, "more objects than were asked for"));
            }
        }
        Ok(objects)
    }
}

fn facts_of(disk: answer::VirtualDisk, vm: &Read) -> DiskFacts {
    DiskFacts {
        key: disk.key,
        label: disk.label,
        node: disk.node,
        capacity_bytes: disk.capacity_bytes,
        // The one in the VM's own configuration is not of a moment at which anything can be read.
        change_id: None,
        layout_bytes: vm.layout_bytes(disk.key),
        excluded: disk.excluded,
    }
}

/// What was read of one object.
struct Read(Object);

impl Read {
    fn of(objects: Vec<Object>, id: &str) -> Result<Self, Fault> {
        let found = objects.into_iter().find(|object| object.id == id);
        let none =
            || Fault { kind: FaultKind::NoSuchVm, message: format!("vCenter tells nothing of {:?}", bounded(id)) };
        found.map(Self).ok_or_else(none)
    }

    /// Why something is not there that has to be.
    fn withheld(&self, property: &str) -> Fault {
        match self.0.missing.iter().find(|(path, _)| path == property) {
            Some((_, fault)) => Fault {
                kind: if fault == "NoPermission" { FaultKind::NoPermission } else { FaultKind::Other },
                message: format!("vCenter withholds {property} of {}: {fault}", bounded(&self.0.id)),
            },
            None => broken("RetrievePropertiesEx", &format!("{property} of {} is missing", bounded(&self.0.id))),
        }
    }

    fn text(&self, property: &str) -> Option<String> {
        match self.0.properties.get(property)? {
            Property::Text(text) => Some(bounded(text)),
            Property::Disks(_) | Property::Layout(_) | Property::Snapshots(_) => None,
        }
    }

    fn is_true(&self, property: &str) -> bool {
        matches!(self.text(property).as_deref(), Some("true" | "1"))
    }

    /// True of a snapshot that was made while change tracking was on.
    fn is_tracked(&self) -> bool {
        let has_change_id = match self.0.properties.get("config.hardware.device") {
            Some(Property::Disks(disks)) => disks.iter().any(|disk| disk.change_id.is_some()),
            Some(Property::Text(_) | Property::Layout(_) | Property::Snapshots(_)) | None => false,
        };
        has_change_id || self.is_true("config.changeTrackingEnabled")
    }

    fn disks(&mut self) -> Option<Vec<answer::VirtualDisk>> {
        match self.0.properties.remove("config.hardware.device")? {
            Property::Disks(disks) => Some(disks),
            Property::Text(_) | Property::Layout(_) | Property::Snapshots(_) => None,
        }
    }

    fn snapshots(&mut self) -> answer::Snapshots {
        match self.0.properties.remove("snapshot") {
            Some(Property::Snapshots(snapshots)) => snapshots,
            Some(Property::Text(_) | Property::Disks(_) | Property::Layout(_)) | None => answer::Snapshots::default(),
        }
    }

    fn layout_bytes(&self, key: i64) -> Option<u64> {
        match self.0.properties.get("layoutEx")? {
            Property::Layout(disks) => disks.iter().find(|(of, _)| *of == key).map(|(_, bytes)| *bytes),
            Property::Text(_) | Property::Disks(_) | Property::Snapshots(_) => None,
        }
    }
}
