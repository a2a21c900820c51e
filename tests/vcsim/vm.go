package main

import (
	"crypto/rand"
	"fmt"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// An area that was written while the VM was at a point of its history.
type write struct{ point, start, length int64 }

// What is tracked of one disk.
type track struct {
	uuid   string // the first half of its change ids; another one after a reset
	writes []write

	question [3]int64 // of the last answer
	joined   []types.DiskChangeExtent
}

// A VM whose disks are tracked. The simulator's own comes first and by value: the property collector looks there.
type trackedVM struct {
	simulator.VirtualMachine
	mu        sync.Mutex
	point     int64 // the second half of change ids; every snapshot ends one
	tracks    map[int32]*track
	snapshots []*trackedSnapshot
}

type trackedSnapshot struct {
	simulator.VirtualMachineSnapshot
	vm *trackedVM
}

var (
	byName   = map[string]*trackedVM{}
	swapping sync.Mutex
)

// The simulator casts objects of its registry to its own types: they are there while f runs.
func (vm *trackedVM) plain(f func()) {
	swapping.Lock()
	defer swapping.Unlock()
	simulator.Map.Put(&vm.VirtualMachine)
	for _, snapshot := range vm.snapshots {
		simulator.Map.Put(&snapshot.VirtualMachineSnapshot)
	}
	defer func() {
		simulator.Map.Put(vm)
		kept := vm.snapshots[:0]
		for _, snapshot := range vm.snapshots {
			if simulator.Map.Get(snapshot.Self) != nil { // it was not removed
				simulator.Map.Put(snapshot)
				kept = append(kept, snapshot)
			}
		}
		vm.snapshots = kept
	}()
	f()
}

func adoptAll(diskKB int64) {
	for _, entity := range simulator.Map.All("VirtualMachine") {
		vm := &trackedVM{VirtualMachine: *entity.(*simulator.VirtualMachine), point: 1, tracks: map[int32]*track{}}
		var key int32 = 2000
		for _, device := range vm.Config.Hardware.Device {
			if disk, ok := device.(*types.VirtualDisk); ok {
				disk.Key, disk.CapacityInKB, disk.CapacityInBytes = key, diskKB, diskKB*1024
				disk.DeviceInfo = &types.Description{Label: fmt.Sprintf("Hard disk %d", key-1999), Summary: "thin"}
				vm.tracks[key] = &track{uuid: newUUID()}
				key++
			}
		}
		vm.Config.Version = "vmx-13"
		vm.Config.ChangeTrackingEnabled = types.NewBool(true)
		vm.Capability.ChangeTrackingSupported = types.NewBool(true)
		vm.LayoutEx.File, vm.LayoutEx.Disk = nil, nil
		simulator.Map.Put(vm)
		byName[vm.Name] = vm
	}
}

// The first half of a change id as VMware spells it.
func newUUID() string {
	b := make([]byte, 16)
	if _, err := rand.Read(b); err != nil {
		panic(err)
	}
	return fmt.Sprintf("% x-% x", b[:8], b[8:])
}

func diskOf(devices []types.BaseVirtualDevice, key int32) *types.VirtualDisk {
	for _, device := range devices {
		if disk, ok := device.(*types.VirtualDisk); ok && disk.Key == key {
			return disk
		}
	}
	return nil
}

// A copy of the backing with that change id, of the five kinds that carry one.
func withChangeID(backing types.BaseVirtualDeviceBackingInfo, id string) types.BaseVirtualDeviceBackingInfo {
	switch b := backing.(type) {
	case *types.VirtualDiskFlatVer2BackingInfo:
		c := *b
		c.ChangeId = id
		return &c
	case *types.VirtualDiskSparseVer2BackingInfo:
		c := *b
		c.ChangeId = id
		return &c
	case *types.VirtualDiskSeSparseBackingInfo:
		c := *b
		c.ChangeId = id
		return &c
	case *types.VirtualDiskRawDiskMappingVer1BackingInfo:
		c := *b
		c.ChangeId = id
		return &c
	case *types.VirtualDiskRawDiskVer2BackingInfo:
		c := *b
		c.ChangeId = id
		return &c
	}
	return backing
}

// The point at which a snapshot was taken, by the change id that its disk has.
func changeIDOf(backing types.BaseVirtualDeviceBackingInfo) string {
	switch b := backing.(type) {
	case *types.VirtualDiskFlatVer2BackingInfo:
		return b.ChangeId
	case *types.VirtualDiskSparseVer2BackingInfo:
		return b.ChangeId
	case *types.VirtualDiskSeSparseBackingInfo:
		return b.ChangeId
	case *types.VirtualDiskRawDiskMappingVer1BackingInfo:
		return b.ChangeId
	case *types.VirtualDiskRawDiskVer2BackingInfo:
		return b.ChangeId
	}
	return ""
}

// The simulator would look for files of the disks that the tests have added: it sees none while f runs.
func (vm *trackedVM) withoutDisks(f func()) {
	all, layout := vm.Config.Hardware.Device, vm.LayoutEx
	vm.Config.Hardware.Device, vm.LayoutEx = nil, &types.VirtualMachineFileLayoutEx{}
	vm.plain(f)
	vm.Config.Hardware.Device, vm.LayoutEx = all, layout
}

func (vm *trackedVM) ReconfigVMTask(ctx *simulator.Context, req *types.ReconfigVM_Task) (res soap.HasFault) {
	vm.mu.Lock()
	defer vm.mu.Unlock()
	vm.withoutDisks(func() { res = vm.VirtualMachine.ReconfigVMTask(ctx, req) })
	return
}

func (vm *trackedVM) CreateSnapshotTask(req *types.CreateSnapshot_Task) (res soap.HasFault) {
	vm.mu.Lock()
	defer vm.mu.Unlock()
	all := vm.Config.Hardware.Device
	vm.withoutDisks(func() { res = vm.VirtualMachine.CreateSnapshotTask(req) })
	if vm.Snapshot == nil || vm.Snapshot.CurrentSnapshot == nil {
		return
	}
	snapshot, ok := simulator.Map.Get(*vm.Snapshot.CurrentSnapshot).(*simulator.VirtualMachineSnapshot)
	if !ok { // the task failed: nothing new
		return
	}
	devices := append([]types.BaseVirtualDevice(nil), all...)
	on := vm.Config.ChangeTrackingEnabled
	for i, device := range devices {
		disk, ok := device.(*types.VirtualDisk)
		if !ok {
			continue
		}
		copied := *disk
		if on != nil && *on && vm.tracks[disk.Key] != nil {
			copied.Backing = withChangeID(disk.Backing, fmt.Sprintf("%s/%d", vm.tracks[disk.Key].uuid, vm.point))
		}
		devices[i] = &copied
	}
	vm.point++
	snapshot.Config.Hardware.Device = devices
	tracked := &trackedSnapshot{VirtualMachineSnapshot: *snapshot, vm: vm}
	vm.snapshots = append(vm.snapshots, tracked)
	simulator.Map.Put(tracked)
	return
}

func (s *trackedSnapshot) RemoveSnapshotTask(ctx *simulator.Context, req *types.RemoveSnapshot_Task) (res soap.HasFault) {
	s.vm.plain(func() { res = s.VirtualMachineSnapshot.RemoveSnapshotTask(ctx, req) })
	if r := res.(*methods.RemoveSnapshot_TaskBody).Res; r != nil { // vCenter names the VM here, govmomi 0.24 the snapshot
		simulator.Map.Get(r.Returnval).(*simulator.Task).Info.Entity = &s.vm.Self
	}
	return
}

func (vm *trackedVM) RemoveAllSnapshotsTask(ctx *simulator.Context, req *types.RemoveAllSnapshots_Task) (res soap.HasFault) {
	vm.plain(func() { res = vm.VirtualMachine.RemoveAllSnapshotsTask(ctx, req) })
	return
}
