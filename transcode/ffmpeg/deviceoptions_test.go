package ffmpeg

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/encoder"
)

// ownOption is an option that an encoder lists of itself.
type ownOption struct {
	kind   string // "int", "boolean"
	values []string
	ranges bool // numbers are taken
	lo, hi float64
}

var (
	optionLine = regexp.MustCompile(`^  -(\S+)\s+<(\w+)>(?:.*\(from (\S+) to (\S+)\))?`)
	valueLine  = regexp.MustCompile(`^     (\S+) `)
)

// ownOptions reads "-h encoder=NAME".
func ownOptions(help string) map[string]*ownOption {
	options := map[string]*ownOption{}
	var last *ownOption
	for line := range strings.Lines(help) {
		if m := optionLine.FindStringSubmatch(line); m != nil {
			last = &ownOption{kind: m[2], ranges: m[3] != ""}
			last.lo, last.hi = bound(m[3]), bound(m[4])
			options[m[1]] = last
		} else if m := valueLine.FindStringSubmatch(line); m != nil && last != nil {
			last.values = append(last.values, m[1])
		}
	}
	return options
}

func bound(s string) float64 {
	switch s {
	case "INT_MAX":
		return 1 << 31
	case "INT_MIN":
		return -1 << 31
	}
	f, _ := strconv.ParseFloat(s, 64)
	return f
}

// takes reports whether a value is one of those listed, or a number in the range.
// A number beside a list of names is refused, since it could mean something else by
// luck; a single name is that of a special number.
func (o *ownOption) takes(value string) bool {
	if len(o.values) > 0 && slices.Contains(o.values, value) {
		return true
	}
	n, err := strconv.ParseFloat(value, 64)
	switch {
	case err != nil:
		return false
	case o.kind == "boolean":
		return n == 0 || n == 1
	}
	return len(o.values) < 2 && (!o.ranges || o.lo <= n && n <= o.hi)
}

// commonOptions are those of libavcodec and of the program, which "-h encoder="
// does not list (ffmpeg-codecs(1), ffmpeg(1)).
var commonOptions = strings.Fields("b maxrate bufsize g bf flags global_quality force_key_frames tag level")

// deviceSettings are settings of all kinds that a row is asked for.
func deviceSettings(e *encoder.Video) []encoder.Settings {
	name := e.Codecs[0]
	row := codec.Lookup(codec.Video, name)
	presets := []string{e.Preset}
	for _, p := range e.Presets {
		presets = append(presets, p)
	}
	var list []encoder.Settings
	for _, pixFmt := range []string{"yuv420p", "yuv420p10le"} {
		if !e.TakesPixFmt(pixFmt) {
			continue
		}
		for _, preset := range presets {
			list = append(list, encoder.Settings{BitrateK: 800, Preset: preset, PixFmt: pixFmt})
		}
		for _, level := range row.Levels {
			list = append(list, encoder.Settings{BitrateK: 800, MaxrateK: 900, Preset: e.Preset, PixFmt: pixFmt, Level: level})
		}
		for _, quality := range e.Quality {
			list = append(list,
				encoder.Settings{CRF: quality, Preset: e.Preset, PixFmt: pixFmt, NoBFrames: true},
				encoder.Settings{CRF: quality, MaxrateK: 1000, Preset: e.Preset, PixFmt: pixFmt})
		}
		for _, profile := range append([]string{""}, row.ProfileNames()...) {
			if p, err := e.Profile(pixFmt, profile); err == nil {
				s := encoder.Settings{BitrateK: 800, Preset: e.Preset, PixFmt: pixFmt, Profile: p}
				if e.DeviceTakes(s, false) == "" {
					list = append(list, s)
				}
			}
		}
	}
	for i := range list {
		if list[i].Profile == "" {
			list[i].Profile, _ = e.Profile(list[i].PixFmt, "")
		}
	}
	return list
}

// TestDeviceOptions: FFmpeg itself lists every option and every value that the rows
// of devices use. That needs no device.
func TestDeviceOptions(t *testing.T) {
	t.Parallel()
	found := tools(t)
	seen := 0
	for _, e := range encoder.HardwareRows() {
		if !found.Capabilities().Encoders.Has(e.Name) {
			if e.Codecs[0] != "av1" {
				t.Errorf("this ffmpeg has no %s", e.Name)
			}
			continue // FFmpeg has AV1 on devices since 6.0
		}
		help, _, err := found.query(context.Background(), nil, found.ffmpeg, "-h", "encoder="+e.Name)
		if err != nil {
			t.Fatal(err)
		}
		for _, fault := range deviceOptionFaults(e, help) {
			t.Errorf("%s: %s", e.Name, fault)
		}
		seen++
	}
	if seen < 6 {
		t.Errorf("%d encoders of devices were looked at", seen)
	}
}

func deviceOptionFaults(e *encoder.Video, help string) (faults []string) {
	options := ownOptions(help)
	for _, s := range deviceSettings(e) {
		args := e.Args(s, encoder.Run{GOP: 50})
		for i := 0; i+1 < len(args); i += 2 {
			name, _, _ := strings.Cut(strings.TrimPrefix(args[i], "-"), ":")
			switch own := options[name]; {
			case !strings.HasPrefix(args[i], "-"):
				faults = append(faults, fmt.Sprintf("%q is no option in %q", args[i], args))
			case own != nil && !own.takes(args[i+1]):
				faults = append(faults, fmt.Sprintf("-%s does not take %q but %q", name, args[i+1], own.values))
			case own == nil && !slices.Contains(commonOptions, name):
				faults = append(faults, "there is no option -"+name)
			}
		}
	}
	slices.Sort(faults)
	return slices.Compact(faults)
}

// TestDeviceOptionFaults: an option that is not there, and a value that is not
// listed, are seen.
func TestDeviceOptionFaults(t *testing.T) {
	t.Parallel()
	help := `  -preset            <int>        E..V....... (from 1 to 7) (default medium)
     slow            3            E..V.......
     slower          2            E..V.......
  -idr_interval      <int>        E..V....... Distance (from 0 to 1) (default 0)
`
	e := encoder.Hardware("hevc", "mp4")[1]
	faults := strings.Join(deviceOptionFaults(e, help), "\n")
	for _, want := range []string{`-preset does not take "medium"`, "no option -forced_idr"} {
		if !strings.Contains(faults, want) {
			t.Errorf("%q is missing in:\n%s", want, faults)
		}
	}
	if strings.Contains(faults, "idr_interval") || strings.Contains(faults, `take "slow"`) {
		t.Errorf("faults that are none:\n%s", faults)
	}
}

// TestDeviceGraphs: FFmpeg parses what opens a device, and the filters that bring
// pictures to it, up to the place where the device is missing.
func TestDeviceGraphs(t *testing.T) {
	t.Parallel()
	found := tools(t)
	for _, b := range encoder.Backends() {
		device := "/dev/dri/renderD128"
		if b == encoder.NVENC {
			device = "0"
		}
		args := append(b.DeviceArgs(device), "-f", "lavfi", "-i", "color=d=0.1", "-f", "null", "-")
		_, messages, err := found.query(context.Background(), nil, found.ffmpeg, args...)
		if err == nil {
			continue // there is such a device
		}
		if !strings.Contains(messages, "Device creation failed") {
			t.Errorf("%s: %s", b, messages)
		}
	}
	for _, e := range encoder.HardwareRows() {
		if e.Backend != encoder.VAAPI || e.Codecs[0] != "h264" {
			continue
		}
		_, messages, err := found.query(context.Background(), nil, found.ffmpeg, "-f", "lavfi", "-i", "color=d=0.1",
			"-vf", strings.Join(e.UploadFilters("yuv420p"), ","), "-f", "null", "-")
		if err == nil || !strings.Contains(messages, "hardware device reference is required") {
			t.Errorf("%s: %v: %s", e.Name, err, messages)
		}
	}
}
