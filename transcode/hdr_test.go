package transcode

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
)

const masterDisplay = "master-display=G(13250,34500)B(7500,3000)R(34000,16000)WP(15635,16450)L(10000000,50):max-cll=1000,400"

// hdrClip is a second of grey in 10 bits with the given transfer.
func hdrClip(t testing.TB, transfer, more string) string {
	t.Helper()
	params := "log-level=error:colorprim=bt2020:colormatrix=bt2020nc:transfer=" + transfer
	if more != "" {
		params += ":" + more
	}
	// Half of the scale is 92 cd/m2 in PQ, which is brighter than mid grey. HLG
	// is designed so that half of the scale looks the same as in SDR.
	return clip(t, "-f", "lavfi", "-i", "color=c=gray:s=160x90:r=25:d=1,format=yuv420p10le,noise=alls=3:allf=t",
		"-c:v", "libx265", "-preset", "ultrafast", "-x265-params", params, "-tag:v", "hvc1", "-f", "mp4")
}

// probeHDR probes as the server does: with the HDR metadata of the first frame.
func probeHDR(t testing.TB, dir, name string) job.Media {
	t.Helper()
	m := probe(t, dir, name)
	for _, stream := range m.MissingHDR() {
		out, _ := command(t, dir, "ffprobe", "-v", "error", "-of", "json", "-show_frames", "-show_entries", "frame=side_data_list",
			"-select_streams", strconv.Itoa(stream), "-read_intervals", "%+#1", name)
		m.MergeHDR(stream, []byte(out))
	}
	return m
}

func TestHDR(t *testing.T) {
	t.Parallel()
	type want struct {
		pixFmt, transfer, primaries string
		light                       bool
	}
	pq := want{"yuv420p10le", "smpte2084", "bt2020", true}
	hlg := want{"yuv420p10le", "arib-std-b67", "bt2020", false}
	sdr := want{"yuv420p", "bt709", "bt709", false}
	for name, tt := range map[string]struct {
		transfer, more string
		luma           float64 // of the grey in SDR
		wants          map[string]want
	}{
		"HDR10": {"smpte2084", "hdr10=1:" + masterDisplay, 149, map[string]want{
			"mp4:hevc:x": pq, "mp4:av1:x": pq, "mpegts:hevc:x": pq, "mkv:hevc:x": pq,
			"mp4:hevc:x:force_sdr": sdr, "mp4:h264:x": sdr, "mp4:h264_80x:x:quality=3": sdr, "webm::x": sdr,
			"mp4:hevc:x:pix_fmt=yuv420p":     sdr,
			"mp4:h264:x:pix_fmt=yuv420p10le": {"yuv420p10le", "smpte2084", "bt2020", false}, "mov:prores:x": {"yuv422p10le", "smpte2084", "bt2020", false},
		}},
		"PQ without metadata": {"smpte2084", "", 149, map[string]want{
			"mp4:hevc:x": {"yuv420p10le", "smpte2084", "bt2020", false}, "mp4:h264:x": sdr, "mp4:av1:x:force_sdr": sdr,
		}},
		"HLG": {"arib-std-b67", "", 124, map[string]want{"mp4:hevc:x": hlg, "mp4:av1:x": hlg, "mp4:hevc:x:force_sdr": sdr, "mp4:h264:x": sdr}},
		"SDR": {"bt2020-10", "", 126, map[string]want{
			"mp4:hevc:x:force_sdr": {"yuv420p", "bt2020-10", "bt2020", false}, "mp4:h264:x": {"yuv420p", "bt2020-10", "bt2020", false},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := hdrClip(t, tt.transfer, tt.more)
			m := probeHDR(t, dir, SourceName)
			if got := m.Video[0].HDR.HasMasteringDisplay(); got != strings.Contains(tt.more, "master") {
				t.Fatalf("mastering display found: %v; %s", got, m.Raw)
			}
			o := fast
			o.Presets = map[string]string{"libx264": "ultrafast", "libx265": "ultrafast", "libsvtav1": "12", "libvpx": "8"}
			var lines []string
			for f := range tt.wants {
				lines = append(lines, f+" path=/a")
			}
			slices.Sort(lines)
			p := Build(outputs(t, lines...), m, o)
			made := runSteps(t, dir, p)
			for i, r := range p.Results {
				f, _, _ := strings.Cut(lines[i], " ")
				if r.Err != nil || !made[r.Files[0].Name] {
					t.Errorf("%s: %v", f, r.Err)
					continue
				}
				got := probeHDR(t, dir, r.Files[0].Name)
				v, w := got.Video[0], tt.wants[f]
				if v.PixFmt != w.pixFmt || v.ColorTransfer != w.transfer || v.ColorPrimaries != w.primaries {
					t.Errorf("%s: %s %s %s, want %+v", f, v.PixFmt, v.ColorTransfer, v.ColorPrimaries, w)
				}
				if w.light && (!near(v.HDR.MaxLuminance, 1000) || !near(v.HDR.Red[0], 0.68) || v.HDR.MaxCLL != 1000 || v.HDR.MaxFALL != 400) {
					t.Errorf("%s: light %+v", f, v.HDR)
				}
				if !w.light && v.HDR != (job.HDRMetadata{}) && w.transfer != "smpte2084" {
					t.Errorf("%s: SDR with light %+v", f, v.HDR)
				}
				if w == sdr {
					if y := meanLuma(t, dir, r.Files[0].Name); y < tt.luma-15 || y > tt.luma+15 {
						t.Errorf("%s: mean luma %.0f, want about %.0f", f, y, tt.luma)
					}
				}
			}
		})
	}
}

func near(a, b float64) bool { return math.Abs(a-b) < 0.002*b }

func meanLuma(t testing.TB, dir, name string) float64 {
	t.Helper()
	out, _ := command(t, dir, "ffprobe", "-v", "error", "-f", "lavfi", "-i", fmt.Sprintf("movie=%s,signalstats", name), "-show_entries", "frame_tags=lavfi.signalstats.YAVG", "-read_intervals", "%+#1", "-of", "json")
	var doc struct {
		Frames []struct{ Tags map[string]string }
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil || len(doc.Frames) == 0 {
		t.Fatalf("%v: %s", err, out)
	}
	y, _ := strconv.ParseFloat(doc.Frames[0].Tags["lavfi.signalstats.YAVG"], 64)
	return y
}

// A source that names a reserved transfer, or primaries without a transfer, does
// not become HEVC with an unknown transfer.
func TestUnknownTransfer(t *testing.T) {
	t.Parallel()
	base := clip(t, "-f", "lavfi", "-i", "testsrc=s=64x36:r=25:d=0.4", "-c:v", "libx264", "-pix_fmt", "yuv420p", "-f", "mp4")
	for name, tt := range map[string]struct{ tags, want string }{
		"reserved":     {"colour_primaries=1:transfer_characteristics=3:matrix_coefficients=1", "bt709"},
		"not said":     {"colour_primaries=9:transfer_characteristics=2:matrix_coefficients=9", "bt2020-10"},
		"nothing said": {"colour_primaries=2:transfer_characteristics=3:matrix_coefficients=2", "smpte170m"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := clip(t, "-i", base+"/"+SourceName, "-c", "copy", "-bsf:v", "h264_metadata="+tt.tags, "-f", "mpegts")
			p := run(t, dir, fast, "mp4:hevc:x path=/a.mp4")
			out, _ := command(t, dir, "ffprobe", "-v", "error", "-show_entries", "stream=color_transfer", "-of", "csv=p=0", p.Results[0].Files[0].Name)
			if got := strings.TrimSpace(out); got != tt.want {
				t.Errorf("transfer %q, want %q", got, tt.want)
			}
		})
	}
}
