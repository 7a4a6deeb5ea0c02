package players

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
)

// nobody is a user without rights: VLC does not run as root.
const nobody = 65534

// TestVLC: flashes and beeps come together in VLC 3, which ignores edit lists in fragmented
// MP4. VLC writes what its demuxers make of a stream into a TS, with the times at which it
// would show and play it. With COPRA_PLAYERS=1, which make players sets.
func TestVLC(t *testing.T) {
	testmedia.Long(t)
	if os.Getenv("COPRA_PLAYERS") == "" {
		t.Log("TestGStreamer holds the same")
		return
	}
	for _, r := range sourceRates() {
		t.Run(r.name, func(t *testing.T) {
			for _, address := range flashes(t, r) {
				w := vlc(t, address)
				name := address[strings.Index(address[8:], "/")+8:]
				t.Logf("%s: the sound is %.1f ms late", name, 1000*w.offset())
				if len(w.Flashes) != flashSeconds || len(w.Beeps) != flashSeconds || math.Abs(w.offset()) > 0.005 {
					t.Errorf("%s: flashes at %.3f, beeps at %.3f", name, w.Flashes, w.Beeps)
				}
			}
		})
	}
}

// vlc has VLC play an address and returns when flashes and beeps would come.
func vlc(t *testing.T, address string) (w watched) {
	t.Helper()
	program, err := exec.LookPath("cvlc")
	if err != nil {
		testmedia.Missing(t, "VLC is not installed, run scripts/setup.sh players")
	}
	home, err := os.MkdirTemp("", "copra-vlc-") //nolint:usetesting // the folders above that of the test are closed to others
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(home)
	out := filepath.Join(home, "played.ts")
	cmd := exec.CommandContext(t.Context(), program, "-q", "--no-interact", "--play-and-exit", address, "--sout", "#std{access=file,mux=ts,dst="+out+"}")
	cmd.Dir, cmd.Env = home, append(os.Environ(), "HOME="+home)
	if os.Geteuid() == 0 {
		if err := os.Chown(home, nobody, nobody); err != nil {
			t.Fatal(err)
		}
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	if msg, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("cvlc: %v\n%s", err, msg)
	}
	ffmpeg := func(args ...string) []byte {
		cmd := exec.CommandContext(t.Context(), testmedia.Tool(t, "ffmpeg"), append([]string{"-v", "error", "-copyts", "-i", out}, args...)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		data, err := cmd.Output()
		if err != nil {
			t.Fatalf("ffmpeg: %v\n%s", err, stderr.String())
		}
		return data
	}
	const rate = 48000
	// VLC writes all tracks of audio, in the order in which it finds them.
	for track := 0; track < 2 && len(w.Beeps) == 0; track++ {
		loud := -1.0
		samples := ffmpeg("-map", fmt.Sprintf("0:a:%d", track), "-af", "aresample=async=1:min_hard_comp=0.001:first_pts=0",
			"-ac", "1", "-ar", strconv.Itoa(rate), "-f", "s16le", "-")
		for i := 0; i+1 < len(samples); i += 2 {
			if v := int16(binary.LittleEndian.Uint16(samples[i:])); v > 6000 || v < -6000 {
				at := float64(i/2) / rate
				if at-loud > 0.3 {
					w.Beeps = append(w.Beeps, at)
				}
				loud = at
			}
		}
	}
	at, lit := 0.0, false
	for line := range bytes.Lines(ffmpeg("-map", "0:v:0", "-vf", "signalstats,metadata=print:key=lavfi.signalstats.YAVG:file=-", "-f", "null", "-")) {
		if m := frameTime.FindSubmatch(line); m != nil {
			at, _ = strconv.ParseFloat(string(m[1]), 64)
		} else if m := frameLight.FindSubmatch(line); m != nil {
			light, _ := strconv.ParseFloat(string(m[1]), 64)
			if light > 128 && !lit {
				w.Flashes = append(w.Flashes, at)
			}
			lit = light > 128
			w.Frames++
		}
	}
	return w
}

var (
	frameTime  = regexp.MustCompile(`pts_time:([0-9.]+)`)
	frameLight = regexp.MustCompile(`YAVG=([0-9.]+)`)
)
