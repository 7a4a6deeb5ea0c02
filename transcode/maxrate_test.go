package transcode

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/copra-video/copra/transcode/encoder"
)

// encoderArgs are the arguments of each video encoder of a plan's encode steps:
// those between one -map and the next.
func encoderArgs(p Plan) [][]string {
	var list [][]string
	for _, s := range p.Steps {
		if s.Kind != StepEncode {
			continue
		}
		var at []int
		for i, a := range s.FFmpegArgs() {
			if a == "-map" {
				at = append(at, i)
			}
		}
		for i, from := range at {
			to := len(s.FFmpegArgs())
			if i+1 < len(at) {
				to = at[i+1]
			}
			list = append(list, s.FFmpegArgs()[from:to])
		}
	}
	return list
}

func value(args []string, name string) int {
	i := slices.Index(args, name)
	if i < 0 || i+1 >= len(args) {
		return 0
	}
	n, _ := strconv.Atoi(strings.TrimSuffix(args[i+1], "k"))
	return n
}

// TestMaxrate: every variant of a stream has a maxrate and a buffer, whatever was
// asked for. So has every file that names a maxrate, if its encoder takes one:
// libvpx has no buffer beside a quality.
func TestMaxrate(t *testing.T) {
	for line, want := range map[string][2]int{ // maxrate, bufsize
		"httpstream hls=/h variants=mp4:360p::quality=4,maxrate=1000k":      {1000, 2000},
		"httpstream hls=/h variants=mp4:360p_800k":                          {1200, 1600},
		"httpstream hls=/h variants=mp4:360p_800k::maxrate=900k":            {900, 1800},
		"httpstream hls=/h variants=mp4:360p":                               {1200, 1600},
		"httpstream hls=/h variants=mp4:360p::quality=4":                    {3100, 6200},
		"httpstream hls=/h variants=mp4:360p::quality=5":                    {4400, 8800},
		"httpstream hls=/h variants=mp4:1080p::quality=4":                   {16000, 32000},
		"httpstream hls=/h variants=mp4:hevc_360p::quality=4,maxrate=1000k": {1000, 2000},
		"httpstream hls=/h variants=mp4:hevc_360p::quality=4":               {3100, 6200},
		"httpstream hls=/h variants=mp4:hevc_360p_800k":                     {1200, 1600},
		"mp4:360p::quality=4 path=/a.mp4":                                   {0, 0},
		"mp4:360p::quality=4,maxrate=1000k path=/a.mp4":                     {1000, 2000},
		"mp4:hevc_360p::quality=4,maxrate=1000k path=/a.mp4":                {1000, 2000},
		"webm:vp9_360p_800k path=/a.webm":                                   {1200, 1600},
		"mp4:av1_360p::quality=4,maxrate=1000k path=/a.mp4":                 {1000, 2000},
	} {
		p := Build(outputs(t, line), film(1920, 1080), Options{})
		if err := p.Results[0].Err; err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		for _, args := range encoderArgs(p) {
			if got := [2]int{value(args, "-maxrate"), value(args, "-bufsize")}; got != want {
				t.Errorf("%s: maxrate and bufsize are %v, want %v: %q", line, got, want, args)
			}
		}
	}
}

// The default maxrate of a variant does not separate it from a file with the same
// quality, in whichever order they are asked for.
func TestGuardedAreShared(t *testing.T) {
	lines := []string{"mp4:360p::quality=4 path=/a.mp4", "httpstream hls=/h variants=mp4:360p::quality=4"}
	for range 2 {
		p := Build(outputs(t, lines...), film(1920, 1080), Options{})
		all := encoderArgs(p)
		if len(all) != 1 || value(all[0], "-maxrate") == 0 {
			t.Errorf("%q: %q", lines, all)
		}
		slices.Reverse(lines)
	}
}

// rates measures the video of a file: its average, and the largest average of
// six seconds between keyframes, in kbit/s.
func rates(t testing.TB, dir, name string) (average, peak float64) {
	t.Helper()
	out, _ := command(t, dir, "ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=pts_time,size:stream=duration", "-of", "json", name)
	var doc struct {
		Packets []struct {
			Time string `json:"pts_time"`
			Size string
		}
	}
	if err := json.Unmarshal([]byte(out), &doc); err != nil {
		t.Fatal(err)
	}
	cells := map[int]float64{} // of two seconds
	last, bits := 0.0, 0.0
	for _, p := range doc.Packets {
		at, _ := strconv.ParseFloat(p.Time, 64)
		size, _ := strconv.ParseFloat(p.Size, 64)
		cells[int(at/encoder.KeyframeSeconds+0.01)] += size * 8
		last, bits = max(last, at), bits+size*8
	}
	for i := 0; i+2 < len(cells); i++ {
		peak = max(peak, (cells[i]+cells[i+1]+cells[i+2])/6000)
	}
	return bits / (last + 0.04) / 1000, peak
}

// TestRates makes ladders of a very hard and of an easy clip. On noise the average
// is at most 7 % below the maxrate, and never above the maxrate and the second of
// it that the buffer has at the start. Where the quality needs less, the maxrate changes nothing.
func TestRates(t *testing.T) {
	t.Parallel()
	const ceiling, seconds, lent = 150, 12, 1.0
	sources := map[string]string{
		"hard": "color=gray:s=96x54:r=25:d=12,noise=alls=100:allf=t",
		"easy": "testsrc=s=96x54:r=25:d=12",
	}
	for name, graph := range sources {
		dir := clip(t, "-f", "lavfi", "-i", graph, "-c:v", "libx264", "-preset", "ultrafast", "-crf", "8", "-pix_fmt", "yuv420p", "-f", "mp4")
		for codec, variant := range map[string]string{"h264": "mp4:h264", "hevc": "mp4:hevc"} {
			t.Run(name+" "+codec, func(t *testing.T) {
				t.Parallel()
				own := t.TempDir()
				command(t, own, "ln", dir+"/"+SourceName, SourceName)
				p := run(t, own, fast, fmt.Sprintf("%s::quality=4,maxrate=%dk path=/a", variant, ceiling), variant+"::quality=4 path=/b")
				average, peak := rates(t, own, p.Results[0].Files[0].Name)
				free, _ := rates(t, own, p.Results[1].Files[0].Name)
				t.Logf("average %.0f, peak %.0f, unbounded %.0f", average, peak, free)
				switch {
				case name == "easy" && (average > ceiling || average < 0.98*free || average > 1.02*free):
					t.Errorf("the average is %.0f kbit/s, and %.0f without the ceiling of %d", average, free, ceiling)
				case name == "hard" && free < 2*ceiling:
					t.Errorf("the clip needs %.0f kbit/s only", free)
				case name == "hard" && (average > ceiling*(1+lent/seconds) || average < 0.93*ceiling):
					t.Errorf("the average is %.0f kbit/s, want it at most 7 %% below the ceiling of %d", average, ceiling)
				}
				if peak > 1.34*ceiling {
					t.Errorf("the peak is %.0f kbit/s with a ceiling of %d", peak, ceiling)
				}
			})
		}
	}
}
