package ffmpeg

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/devicestandin"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/encoder"
)

// card installs the stand-in of a card with a limit of sessions.
func card(t *testing.T, limit int) devicestandin.Card {
	t.Helper()
	real := tools(t)
	c, err := devicestandin.Install(t.TempDir(), real.ffmpeg, real.ffprobe, limit)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// tryCard opens the toolchain with a card in a state, with the capabilities of the
// programs at hand, which the stand-in would only pass on.
func tryCard(t *testing.T, c devicestandin.Card, state string) *Toolchain {
	t.Helper()
	if err := c.Set(state); err != nil {
		t.Fatal(err)
	}
	real := tools(t)
	tried := &Toolchain{
		ffmpeg: c.FFmpeg, ffprobe: real.ffprobe, killDelay: defaultKillDelay, devices: findDevices(c.Devices, 2),
		capabilities: transcode.Capabilities{Encoders: transcode.NewSet("h264_nvenc", "libx264")},
	}
	if state == devicestandin.Hung {
		tried.trialStall = 100 * time.Millisecond
	}
	if err := tried.tryDevices(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	return tried
}

// TestTrial: a card that works is found, and each way in which it may not work is
// told apart.
func TestTrial(t *testing.T) {
	t.Parallel()
	c := card(t, 0)
	for _, row := range []struct{ state, reason string }{
		{devicestandin.Works, ""},
		{devicestandin.Gone, "Cannot load libcuda.so.1"},
		{devicestandin.Hung, "ffmpeg made no progress"},
		{devicestandin.Poor, "its picture is damaged: SSIM 0."},
		{devicestandin.Off, "its keyframes are at 0.000000, 1.500000 s, not at 0.000000, 2.000000 s"},
	} {
		got := tryCard(t, c, row.state).Capabilities().Devices
		if len(got) != 1 || got[0].Encoder != "h264_nvenc" || got[0].Device != "0" || got[0].Depth != 8 {
			t.Fatalf("%q: tried %+v", row.state, got)
		}
		d := got[0]
		if d.Works != (row.reason == "") || !strings.Contains(d.Reason, row.reason) {
			t.Errorf("%q: works %t, reason %q, want %q", row.state, d.Works, d.Reason, row.reason)
		}
		if d.Works && (d.SSIM < trialSSIM || d.SoftwareSSIM < trialSSIM || d.Speed <= 0) {
			t.Errorf("%+v", d)
		}
	}
}

// TestTrialAgain: at a later start only what failed is tried again, and nothing more
// of a card that hangs.
func TestTrialAgain(t *testing.T) {
	t.Parallel()
	c := card(t, 0)
	tried := tryCard(t, c, devicestandin.Gone)
	tried.capabilities.Encoders = transcode.NewSet("h264_nvenc", "hevc_nvenc", "libx264", "libx265")
	works := transcode.DeviceEncoder{Encoder: "h264_nvenc", Device: "0", Depth: 8, Works: true, SSIM: 0.99, Speed: 7}
	if err := c.Set(devicestandin.Hung); err != nil {
		t.Fatal(err)
	}
	tried.trialStall = 100 * time.Millisecond
	if err := tried.tryDevices(t.Context(), []transcode.DeviceEncoder{works}); err != nil {
		t.Fatal(err)
	}
	got := tried.Capabilities().Devices
	if len(got) != 3 || !slices.Contains(got, works) {
		t.Fatalf("tried %+v", got)
	}
	var reasons []string
	for _, d := range got {
		if d != works {
			reasons = append(reasons, d.Reason)
		}
	}
	if !strings.Contains(reasons[0], "made no progress") || reasons[1] != "it was not tried, since the device hung before" {
		t.Errorf("reasons %q", reasons)
	}
	// A file of capabilities with a failure has the card tried at the next start, and
	// the outcome kept.
	file := filepath.Join(t.TempDir(), "capabilities")
	old := cacheFile{Format: cacheFormat, Capabilities: tried.capabilities}
	old.Capabilities.Version = "5.1"
	old.Capabilities.Devices = []transcode.DeviceEncoder{works, {Encoder: "hevc_nvenc", Device: "0", Depth: 8, Reason: "no session was left"}}
	if err := old.write(file); err != nil {
		t.Fatal(err)
	}
	tried.capabilities = old.Capabilities
	if err := tried.retryDevices(t.Context(), Options{CacheFile: file, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	kept, err := readCache(file)
	if err != nil || len(kept.Capabilities.Devices) != 3 || !slices.Equal(kept.Capabilities.Devices, tried.capabilities.Devices) {
		t.Errorf("kept %+v, %v", kept.Capabilities.Devices, err)
	}
}

// TestFindDevices: the cards of a machine by its device files.
func TestFindDevices(t *testing.T) {
	t.Parallel()
	dev := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dev, "dri"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "dri/renderD990", "dri/card0", "null"} {
		if err := os.WriteFile(filepath.Join(dev, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	for _, d := range findDevices(dev, 1) {
		line := d.name
		for _, b := range d.backends {
			line += " " + string(b)
		}
		for _, n := range d.nodes {
			line += " " + strings.TrimPrefix(n, dev+"/")
		}
		got = append(got, strings.TrimPrefix(line, dev+"/"))
	}
	want := []string{"0 nvenc nvidia0 nvidiactl nvidia-uvm", "1 nvenc nvidia1 nvidiactl nvidia-uvm", "dri/renderD990 qsv vaapi dri/renderD990"}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("found %q, want %q", got, want)
	}
	if err := os.Remove(filepath.Join(dev, "nvidiactl")); err != nil {
		t.Fatal(err)
	}
	if got := findDevices(dev, 1); len(got) != 1 {
		t.Errorf("without the driver's control file: %d devices", len(got))
	}
	if findDevices("", 1) != nil || findDevices(filepath.Join(dev, "none"), 1) != nil {
		t.Error("devices where there are none")
	}
}

// TestDeviceSessions: runs wait for a session instead of failing at the card's limit.
func TestDeviceSessions(t *testing.T) {
	t.Parallel()
	c := card(t, 2)
	tried := tryCard(t, c, devicestandin.Works)
	e := encoder.Hardware("h264", "mp4")[0]
	use := []transcode.DeviceUse{{Backend: encoder.NVENC, Device: "0", Sessions: 1}}
	args := append(encoder.NVENC.DeviceArgs("0"), "-f", "lavfi", "-i", "testsrc2=size=320x180:rate=30:duration=1", "-vf", "format=nv12", "-c:v", e.Name)
	args = append(args, e.Args(encoder.Settings{CRF: 28, Preset: "p5", Profile: "high", PixFmt: "yuv420p"}, encoder.Run{GOP: 60})...)
	args = append(args, "-f", "mp4", "out.mp4")
	var wg sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		dir := t.TempDir()
		wg.Go(func() { errs[i] = tried.Run(context.Background(), Command{Args: args, Dir: dir, Devices: use}) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			t.Errorf("a run failed: %v", err)
		}
	}
	if most, err := c.Most(); err != nil || most != 2 {
		t.Errorf("%d sessions at once, want 2 (%v)", most, err)
	}
	// The same runs without waiting meet the limit.
	ended, cancel := context.WithCancelCause(t.Context())
	cancel(os.ErrDeadlineExceeded)
	if _, err := tried.acquireDevices(ended, use); err == nil {
		t.Error("a session after the context's end")
	}
}

// TestDeviceRules: a run may use the files of its card, and no other of /dev.
func TestDeviceRules(t *testing.T) {
	t.Parallel()
	c := card(t, 0)
	with := (&Toolchain{devices: findDevices(c.Devices, 1)}).Sandboxed(Sandbox{Landlock: true, Memory: 1 << 30})
	use := []transcode.DeviceUse{{Backend: encoder.NVENC, Device: "0", Sessions: 1}}
	rules := with.runRules(t.TempDir(), use)
	if len(rules.Devices) != 2 || rules.Memory != 0 {
		t.Errorf("rules of a run on a card: %+v", rules)
	}
	rules = with.runRules(t.TempDir(), nil)
	if len(rules.Devices) != 0 || rules.Memory == 0 {
		t.Errorf("rules of a run without: %+v", rules)
	}
}
