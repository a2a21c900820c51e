"""Asks a vCenter as VMware's own library for Python does, and prints what it was told as JSON (see real_client.rs)."""

import json
import ssl
import sys

from pyVim.connect import Disconnect, SmartConnect
from pyVim.task import WaitForTask
from pyVmomi import vim, vmodl


def changed(vm, snapshot, disk, since):
    """Start and length of every area, over all pages, and how many pages there were."""
    areas, offset, pages = [], 0, 0
    while offset < disk.capacityInBytes:
        page = vm.QueryChangedDiskAreas(snapshot, disk.key, offset, since)
        areas += [(area.start, area.length) for area in page.changedArea]
        offset, pages = page.startOffset + page.length, pages + 1
    return areas, pages


def disks_of(config):
    return [device for device in config.hardware.device if isinstance(device, vim.vm.device.VirtualDisk)]


def fault_of(call):
    try:
        call()
    except (vmodl.MethodFault, vmodl.RuntimeFault) as fault:
        return [type(fault).__name__, getattr(fault, "invalidProperty", None)]
    return None


def main():
    host, port, authority, user, password, path = sys.argv[1:7]
    context = ssl.create_default_context(cafile=authority)
    service = SmartConnect(host=host, port=int(port), user=user, pwd=password, sslContext=context)
    content = service.RetrieveContent()
    vm = content.searchIndex.FindByInventoryPath(path)
    if not vm.config.changeTrackingEnabled:
        WaitForTask(vm.ReconfigVM_Task(vim.vm.ConfigSpec(changeTrackingEnabled=True)))
    if len(sys.argv) > 7:
        WaitForTask(vm.CreateSnapshot_Task(sys.argv[7], "", False, False))
    snapshot = vm.snapshot.currentSnapshot
    told = {"supported": vm.capability.changeTrackingSupported, "version": vm.config.version, "disks": {}}
    for disk in disks_of(snapshot.config):
        areas, pages = changed(vm, snapshot, disk, "*")
        told["disks"][disk.key] = {
            "label": disk.deviceInfo.label,
            "capacity": disk.capacityInBytes,
            "change_id": disk.backing.changeId,
            "areas": areas,
            "pages": pages,
        }
    first = disks_of(snapshot.config)[0]
    ask = vm.QueryChangedDiskAreas
    told["faults"] = {
        "past the end": fault_of(lambda: ask(snapshot, first.key, first.capacityInBytes, "*")),
        "no disk": fault_of(lambda: ask(snapshot, 9999, 0, "*")),
        "another uuid": fault_of(lambda: ask(snapshot, first.key, 0, "52 00/1")),
        "no snapshot": fault_of(lambda: ask(None, first.key, 0, "*")),
        "snapshot gone": fault_of(lambda: ask(vim.vm.Snapshot("snapshot-9999", service._stub), first.key, 0, "*")),
    }
    print(json.dumps(told))
    Disconnect(service)


main()
