package main

import (
	"sort"
	"strconv"
	"strings"
	"sync"

	"github.com/vmware/govmomi/simulator"
	"github.com/vmware/govmomi/vim25/methods"
	"github.com/vmware/govmomi/vim25/soap"
	"github.com/vmware/govmomi/vim25/types"
)

// How QueryChangedDiskAreas answers.
var answers = struct {
	sync.Mutex
	page      int64  // most areas of a page
	pageBytes int64  // most bytes that a page is about; 0: no bound. A page may be empty for it.
	whole     bool   // "*" is answered with the whole disk, as some storage does
	zero      int64  // so many answers have the length 0
	refusal   string // the fault of a change id of another uuid: FileFault or InvalidArgument
}{page: 2000, refusal: "FileFault"}

func argument(name string) *types.InvalidArgument {
	return &types.InvalidArgument{InvalidProperty: name}
}

func (vm *trackedVM) QueryChangedDiskAreas(req *types.QueryChangedDiskAreas) soap.HasFault {
	body := &methods.QueryChangedDiskAreasBody{}
	bad := func(message string, fault types.BaseMethodFault) soap.HasFault {
		body.Fault_ = simulator.Fault(message, fault)
		return body
	}
	noFile := func() soap.HasFault {
		return bad("Error caused by file /vmfs/volumes/ds/x.vmdk", &types.FileFault{File: "/vmfs/volumes/ds/x.vmdk"})
	}
	vm.mu.Lock()
	defer vm.mu.Unlock()
	answers.Lock()
	defer answers.Unlock()
	if on := vm.Config.ChangeTrackingEnabled; on == nil || !*on {
		return noFile()
	}
	devices := vm.Config.Hardware.Device
	if req.Snapshot != nil {
		snapshot, ok := simulator.Map.Get(*req.Snapshot).(*trackedSnapshot)
		if !ok {
			return bad("snapshot not found", &types.ManagedObjectNotFound{Obj: *req.Snapshot})
		}
		devices = snapshot.Config.Hardware.Device
	} else if vm.Runtime.PowerState != types.VirtualMachinePowerStatePoweredOff {
		return noFile() // it is open for writing
	}
	disk, tracked := diskOf(devices, req.DeviceKey), vm.tracks[req.DeviceKey]
	if disk == nil || tracked == nil {
		return bad("A specified parameter was not correct: deviceKey", argument("deviceKey"))
	}
	capacity := disk.CapacityInBytes
	if req.StartOffset < 0 || req.StartOffset >= capacity {
		return bad("A specified parameter was not correct: startOffset", argument("startOffset"))
	}
	upTo := vm.point
	if id := changeIDOf(disk.Backing); id != "" {
		upTo, _ = strconv.ParseInt(id[strings.LastIndex(id, "/")+1:], 10, 64)
	} else if req.Snapshot != nil {
		return noFile() // the snapshot is older than the tracking
	}
	since := int64(-1) // "*": everything ever written
	if req.ChangeId != "*" {
		i := strings.LastIndex(req.ChangeId, "/")
		n, err := strconv.ParseInt(req.ChangeId[i+1:], 10, 64)
		if i < 0 || err != nil || req.ChangeId[:i] != tracked.uuid {
			if answers.refusal == "InvalidArgument" {
				return bad("A specified parameter was not correct: changeId", argument("changeId"))
			}
			return noFile()
		}
		since = n
	}
	all := tracked.union(since, upTo)
	if answers.whole && since < 0 {
		all = []types.DiskChangeExtent{{Start: 0, Length: capacity}}
	}
	info := pageOf(all, req.StartOffset, capacity)
	if answers.zero > 0 {
		answers.zero--
		info.Length = 0
	}
	body.Res = &types.QueryChangedDiskAreasResponse{Returnval: info}
	return body
}

// The areas that were written after one point and up to another, in order, those that touch joined. A client asks for
// the same ones page by page, so that the last answer is kept.
func (t *track) union(since, upTo int64) []types.DiskChangeExtent {
	question := [3]int64{since, upTo, int64(len(t.writes))}
	if t.joined != nil && t.question == question {
		return t.joined
	}
	t.question, t.joined = question, join(t.writes, since, upTo)
	return t.joined
}

func join(writes []write, since, upTo int64) []types.DiskChangeExtent {
	areas := []types.DiskChangeExtent{}
	for _, w := range writes {
		if w.point > since && w.point <= upTo {
			areas = append(areas, types.DiskChangeExtent{Start: w.start, Length: w.length})
		}
	}
	sort.Slice(areas, func(i, j int) bool { return areas[i].Start < areas[j].Start })
	joined := areas[:0]
	for _, a := range areas {
		if n := len(joined); n > 0 && joined[n-1].Start+joined[n-1].Length >= a.Start {
			if end := a.Start + a.Length; end > joined[n-1].Start+joined[n-1].Length {
				joined[n-1].Length = end - joined[n-1].Start
			}
			continue
		}
		joined = append(joined, a)
	}
	return joined
}

func pageOf(areas []types.DiskChangeExtent, from, capacity int64) types.DiskChangeInfo {
	end := capacity
	if answers.pageBytes > 0 && from+answers.pageBytes < end {
		end = from + answers.pageBytes
	}
	info := types.DiskChangeInfo{StartOffset: from}
	first := sort.Search(len(areas), func(i int) bool { return areas[i].Start+areas[i].Length > from })
	for _, a := range areas[first:] {
		start, stop := a.Start, a.Start+a.Length
		if start < from {
			start = from
		}
		if stop > end {
			stop = end
		}
		if start >= stop {
			continue
		}
		if int64(len(info.ChangedArea)) == answers.page { // the client asks again from here
			end = start
			break
		}
		info.ChangedArea = append(info.ChangedArea, types.DiskChangeExtent{Start: start, Length: stop - start})
	}
	info.Length = end - from
	return info
}
