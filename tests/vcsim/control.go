package main

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/vmware/govmomi/vim25/types"
)

// The values of one request; the first that is no number is the fault of all.
type values struct {
	r   *http.Request
	bad error
}

func (v *values) number(name string, otherwise int64) int64 {
	text := v.r.FormValue(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		v.bad = fmt.Errorf("%s is %q, which is no whole number", name, text)
	}
	return n
}

// What a test can bring about, by POST with values of a form. `vm` names the VM.
func controls(f *front) http.Handler {
	mux := http.NewServeMux()
	on := func(path string, act func(v *values) error) {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) {
			v := &values{r: r}
			err := act(v)
			if v.bad != nil {
				err = v.bad
			}
			if err != nil {
				http.Error(w, err.Error(), http.StatusBadRequest)
			}
		})
	}
	onVM := func(path string, act func(vm *trackedVM, v *values) error) {
		on(path, func(v *values) error {
			vm := byName[v.r.FormValue("vm")]
			if vm == nil {
				return fmt.Errorf("there is no VM %q", v.r.FormValue("vm"))
			}
			return act(vm, v)
		})
	}
	onVM("/write", (*trackedVM).write)
	onVM("/reset", (*trackedVM).reset)
	onVM("/disk", (*trackedVM).setDisk)
	onVM("/vm", (*trackedVM).set)
	onVM("/layout", (*trackedVM).setLayout)
	onVM("/snapshot", func(vm *trackedVM, v *values) error {
		vm.CreateSnapshotTask(&types.CreateSnapshot_Task{This: vm.Self, Name: v.r.FormValue("name")})
		return nil
	})
	on("/answers", func(v *values) error {
		answers.Lock()
		defer answers.Unlock()
		answers.page = v.number("page", answers.page)
		answers.pageBytes = v.number("page_bytes", answers.pageBytes)
		answers.zero = v.number("zero", answers.zero)
		answers.whole = v.number("whole", 0) == 1
		if refusal := v.r.FormValue("refusal"); refusal != "" {
			answers.refusal = refusal
		}
		return nil
	})
	on("/misfortune", f.prepare)
	on("/expire", func(*values) error {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.sessions = map[string]bool{}
		return nil
	})
	mux.HandleFunc("/calls", func(w http.ResponseWriter, _ *http.Request) {
		f.mu.Lock()
		defer f.mu.Unlock()
		json.NewEncoder(w).Encode(map[string]interface{}{"calls": f.calls, "sessions": len(f.sessions)})
	})
	return mux
}

func (f *front) prepare(v *values) error {
	met := &misfortune{
		times:    int(v.number("times", 1)),
		delay:    time.Duration(v.number("delay_ms", 0)) * time.Millisecond,
		hang:     v.number("hang", 0) == 1,
		fault:    v.r.FormValue("fault"),
		property: v.r.FormValue("property"),
		status:   int(v.number("status", 200)),
	}
	if file := v.r.FormValue("raw_file"); file != "" {
		raw, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		text := string(raw)
		met.raw = &text
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.next[v.r.FormValue("method")] = met
	return nil
}

// Marks `count` areas of `length` bytes, `stride` bytes apart, from `start` on.
func (vm *trackedVM) write(v *values) error {
	key := int32(v.number("key", 2000))
	start, length := v.number("start", 0), v.number("length", 65536)
	count, stride := v.number("count", 1), v.number("stride", 2*length)
	vm.mu.Lock()
	defer vm.mu.Unlock()
	if vm.tracks[key] == nil {
		return fmt.Errorf("there is no disk %d", key)
	}
	for n := int64(0); n < count; n++ {
		vm.tracks[key].writes = append(vm.tracks[key].writes, write{vm.point, start + n*stride, length})
	}
	return nil
}

// Change tracking begins anew: what was allocated stays so, and no earlier change id is known.
func (vm *trackedVM) reset(v *values) error {
	key := int32(v.number("key", 2000))
	vm.mu.Lock()
	defer vm.mu.Unlock()
	if vm.tracks[key] == nil {
		return fmt.Errorf("there is no disk %d", key)
	}
	vm.tracks[key].uuid = newUUID()
	return nil
}

// Changes the VM: power, cbt, supported, version.
func (vm *trackedVM) set(v *values) error {
	vm.mu.Lock()
	defer vm.mu.Unlock()
	if power := v.r.FormValue("power"); power != "" {
		vm.Runtime.PowerState = types.VirtualMachinePowerState(power)
	}
	if v.r.Form.Has("cbt") {
		vm.Config.ChangeTrackingEnabled = types.NewBool(v.number("cbt", 0) == 1)
	}
	if v.r.Form.Has("supported") {
		vm.Capability.ChangeTrackingSupported = types.NewBool(v.number("supported", 0) == 1)
	}
	if version := v.r.FormValue("version"); version != "" {
		vm.Config.Version = version
	}
	return nil
}

// Adds a disk, or changes one: capacity, mode, kind of backing, physical or virtual raw mapping.
func (vm *trackedVM) setDisk(v *values) error {
	key, bytes := int32(v.number("key", 2000)), v.number("bytes", 0)
	vm.mu.Lock()
	defer vm.mu.Unlock()
	disk := diskOf(vm.Config.Hardware.Device, key)
	if disk == nil {
		unit, controller := int32(key-2000), diskOf(vm.Config.Hardware.Device, 2000).ControllerKey
		disk = &types.VirtualDisk{}
		disk.Key, disk.UnitNumber, disk.ControllerKey = key, &unit, controller
		disk.DeviceInfo = &types.Description{Label: fmt.Sprintf("Hard disk %d", key-1999), Summary: "thin"}
		disk.Backing = &types.VirtualDiskFlatVer2BackingInfo{DiskMode: "persistent"}
		vm.Config.Hardware.Device = append(vm.Config.Hardware.Device, disk)
		vm.tracks[key] = &track{uuid: newUUID()}
	}
	if bytes > 0 {
		disk.CapacityInBytes, disk.CapacityInKB = bytes, bytes/1024
	}
	mode := v.r.FormValue("mode")
	if mode == "" {
		mode = "persistent"
	}
	switch backing := v.r.FormValue("backing"); backing {
	case "":
	case "FlatVer2":
		disk.Backing = &types.VirtualDiskFlatVer2BackingInfo{DiskMode: mode}
	case "SparseVer2":
		disk.Backing = &types.VirtualDiskSparseVer2BackingInfo{DiskMode: mode}
	case "SeSparse":
		disk.Backing = &types.VirtualDiskSeSparseBackingInfo{DiskMode: mode}
	case "RawDiskMappingVer1":
		disk.Backing = &types.VirtualDiskRawDiskMappingVer1BackingInfo{DiskMode: mode, CompatibilityMode: v.r.FormValue("compatibility")}
	case "RawDiskVer2":
		disk.Backing = &types.VirtualDiskRawDiskVer2BackingInfo{}
	default:
		return fmt.Errorf("%q is no kind of backing", backing)
	}
	return nil
}

// Gives a disk files of its own in layoutEx: `extent` bytes in the base, `delta` bytes in a snapshot. The keys of files
// begin at `file_key`, which may well be the key of another disk.
func (vm *trackedVM) setLayout(v *values) error {
	key, fileKey := int32(v.number("key", 2000)), int32(v.number("file_key", 100))
	vm.mu.Lock()
	defer vm.mu.Unlock()
	layout := vm.LayoutEx
	add := func(kind string, size int64) int32 {
		layout.File = append(layout.File, types.VirtualMachineFileLayoutExFileInfo{
			Key: fileKey, Name: fmt.Sprintf("[ds] %s/%d.vmdk", vm.Name, fileKey), Type: kind, Size: size,
		})
		fileKey++
		return fileKey - 1
	}
	base := []int32{add("diskDescriptor", 512), add("diskExtent", v.number("extent", 0))}
	chain := []types.VirtualMachineFileLayoutExDiskUnit{{FileKey: base}}
	if delta := v.number("delta", 0); delta > 0 {
		keys := []int32{add("diskDescriptor", 512), add("diskExtent", delta)}
		chain = append(chain, types.VirtualMachineFileLayoutExDiskUnit{FileKey: keys})
	}
	layout.Disk = append(layout.Disk, types.VirtualMachineFileLayoutExDiskLayout{Key: key, Chain: chain})
	return nil
}
