package ffmpeg

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sync/semaphore"

	"github.com/copra-video/copra/internal/sandbox"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/encoder"
)

// DefaultDeviceSessions is how many encoders run on a card at once when nothing is
// said. Drivers of NVIDIA for consumers have allowed 8 since 2024, others more.
const DefaultDeviceSessions = 8

// device is a card that may encode.
type device struct {
	backends []encoder.Backend
	name     string   // as encoder.Backend.DeviceArgs takes it
	nodes    []string // its device files, and folders of them
	driver   string   // its version or the identity of the card; "" when not known
	sessions *semaphore.Weighted
	limit    int64
}

var (
	renderNode = regexp.MustCompile(`^renderD[0-9]+$`)
	nvidiaNode = regexp.MustCompile(`^nvidia([0-9]+)$`)
)

// findDevices lists the cards by the device files in a folder; none for "".
func findDevices(dev string, sessions int) []device {
	if dev == "" {
		return nil
	}
	var list []device
	add := func(d device) {
		d.limit = int64(sessions)
		d.sessions = semaphore.NewWeighted(d.limit)
		list = append(list, d)
	}
	// The control file is there when NVIDIA's driver is.
	if _, err := os.Stat(filepath.Join(dev, "nvidiactl")); err == nil {
		for _, name := range names(dev, nvidiaNode) {
			d := device{backends: []encoder.Backend{encoder.NVENC}, name: strings.TrimPrefix(name, "nvidia"), driver: content("/sys/module/nvidia/version")}
			for _, node := range []string{name, "nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset", "nvidia-caps"} {
				if _, err := os.Stat(filepath.Join(dev, node)); err == nil {
					d.nodes = append(d.nodes, filepath.Join(dev, node))
				}
			}
			add(d)
		}
	}
	for _, name := range names(filepath.Join(dev, "dri"), renderNode) {
		path := filepath.Join(dev, "dri", name)
		d := device{backends: []encoder.Backend{encoder.QSV, encoder.VAAPI}, name: path, nodes: []string{path}}
		vendor := content(filepath.Join("/sys/class/drm", name, "device/vendor"))
		d.driver = vendor + " " + content(filepath.Join("/sys/class/drm", name, "device/device"))
		switch vendor {
		case "", "0x8086": // Intel, or not known
		case "0x10de":
			continue // NVIDIA encodes by NVENC only
		default:
			d.backends = d.backends[1:]
		}
		add(d)
	}
	return list
}

// names lists the files of a folder that match, in their order.
func names(folder string, match *regexp.Regexp) []string {
	entries, err := os.ReadDir(folder)
	if err != nil {
		return nil // no such devices
	}
	var list []string
	for _, e := range entries {
		if match.MatchString(e.Name()) {
			list = append(list, e.Name())
		}
	}
	return list
}

// content is the text of a small file of the kernel; "" when there is none.
func content(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// deviceStates tell one set of cards and drivers from another.
func (t *Toolchain) deviceStates() []string {
	var list []string
	for _, d := range t.devices {
		list = append(list, fmt.Sprintf("%v %s %s %v", d.backends, d.name, d.driver, d.nodes))
	}
	return list
}

// Cards describes the cards that were found: device, backends and driver.
func (t *Toolchain) Cards() []string {
	var list []string
	for _, d := range t.devices {
		list = append(list, strings.TrimSpace(fmt.Sprintf("%s for %v %s", d.name, d.backends, d.driver)))
	}
	return list
}

// deviceOf is the card that a step uses; nil when it is not there any more.
func (t *Toolchain) deviceOf(u transcode.DeviceUse) *device {
	for i, d := range t.devices {
		if d.name == u.Device && slices.Contains(d.backends, u.Backend) {
			return &t.devices[i]
		}
	}
	return nil
}

// acquireDevices waits until each device has room for the sessions of a run. A run
// that takes more than a card allows gets the whole card.
func (t *Toolchain) acquireDevices(ctx context.Context, uses []transcode.DeviceUse) (release func(), err error) {
	var free []func()
	release = func() {
		for _, f := range free {
			f()
		}
	}
	for _, u := range uses {
		d := t.deviceOf(u)
		if d == nil {
			continue // the run fails and says so
		}
		n := min(int64(u.Sessions), d.limit)
		if err := d.sessions.Acquire(ctx, n); err != nil {
			release()
			return nil, context.Cause(ctx)
		}
		free = append(free, func() { d.sessions.Release(n) })
	}
	return release, nil
}

// deviceRules let a run use its devices and nothing else of /dev.
func (t *Toolchain) deviceRules(uses []transcode.DeviceUse) sandbox.Rules {
	var r sandbox.Rules
	for _, u := range uses {
		d := t.deviceOf(u)
		if d == nil {
			continue
		}
		for _, node := range d.nodes {
			r.Devices = append(r.Devices, node)
			if st, err := os.Stat(node); err == nil {
				if sys, ok := st.Sys().(*syscall.Stat_t); ok && sys.Gid != 0 && !slices.Contains(r.Groups, int(sys.Gid)) {
					r.Groups = append(r.Groups, int(sys.Gid))
				}
			}
		}
	}
	return r
}
