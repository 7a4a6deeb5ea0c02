package transcode

import (
	"fmt"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/stream"
)

// TestSurround: each variant is listed with the sound that every player has, and after all
// of these with AC-3 and E-AC-3 of all channels. In DASH these are sets of their own.
func TestSurround(t *testing.T) {
	t.Parallel()
	dir := clip(t, "-f", "lavfi", "-i", "testsrc2=s=160x90:r=25:d=4", "-f", "lavfi", "-i", "sine=d=4,pan=5.1|c0=c0|c1=c0|c2=c0|c3=c0|c4=c0|c5=c0", "-f", "lavfi", "-i", "sine=880:d=4",
		"-map", "0", "-map", "1", "-map", "2", "-metadata:s:a:0", "language=eng", "-metadata:s:a:1", "language=fre", "-c:v", "libx264", "-preset", "ultrafast", "-c:a:0", "ac3", "-c:a:1", "aac", "-f", "matroska")
	out := output(t, "httpstream hls=/hls dash=/dash variants=mp4:160x90::quality=2;mp4:80x44::quality=2")
	out.Stream.Surround = []string{"ac3", "eac3"}
	roots, packages := packaged(t, dir, shortSegments, out)
	for i, root := range roots {
		if packages[i].Layout != stream.CMAF {
			t.Errorf("package %d is in %s", i, packages[i].Layout)
		}
		master := text(t, root, "master.m3u8")
		var groups []string
		for line := range strings.Lines(master) {
			if !strings.HasPrefix(line, "#EXT-X-STREAM-INF:") {
				continue
			}
			_, group, _ := strings.Cut(line, `,AUDIO="`)
			group, _, _ = strings.Cut(group, `"`)
			groups = append(groups, group)
			codecs := map[string]string{"audio": "mp4a.40.2", "surround": "ac-3", "surround-eac3": "ec-3"}
			for g, codec := range codecs {
				if strings.Contains(line, ","+codec+`"`) != (g == group) {
					t.Errorf("package %d: %s", i, line)
				}
			}
		}
		if fmt.Sprint(groups) != "[audio audio surround surround surround-eac3 surround-eac3]" {
			t.Errorf("package %d: the groups are %v\n%s", i, groups, master)
		}
		for _, want := range []string{
			`GROUP-ID="surround",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="6"`,
			`GROUP-ID="surround-eac3",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="6"`,
			`GROUP-ID="surround-eac3",NAME="Français",LANGUAGE="fr",DEFAULT=NO,AUTOSELECT=YES,CHANNELS="1"`,
			`GROUP-ID="audio",NAME="English",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2"`,
			`GROUP-ID="surround",NAME="Français",LANGUAGE="fr",DEFAULT=NO,AUTOSELECT=YES,CHANNELS="1"`,
		} {
			if !strings.Contains(master, want) {
				t.Errorf("package %d lacks %s:\n%s", i, want, master)
			}
		}
		if n := strings.Count(master, "#EXT-X-I-FRAME-STREAM-INF"); n != 2 {
			t.Errorf("package %d has %d lists of I-frames:\n%s", i, n, master)
		}
	}
	if mpd := text(t, roots[1], "master.mpd"); strings.Count(mpd, `contentType="audio"`) != 6 || !strings.Contains(mpd, `codecs="ac-3"`) || !strings.Contains(mpd, `codecs="ec-3"`) {
		t.Errorf("the manifest is %s", mpd)
	}
}

// TestNoSurround: a source with two channels has none to add, and an ffmpeg without the
// encoder is named.
func TestNoSurround(t *testing.T) {
	t.Parallel()
	m := film(640, 360)
	out := output(t, "httpstream hls=/hls variants=mp4:240p")
	out.Stream.Surround = []string{"ac3"}
	p := Build([]*job.Output{out}, m, Options{Capabilities: Capabilities{Encoders: NewSet("libx264", "aac")}})
	if err := p.Results[0].Err; err == nil || !strings.Contains(err.Message, "ac3") {
		t.Errorf("without its encoder: %v", err)
	}
	m.Audio[0].Channels = 2
	p = Build([]*job.Output{out}, m, Options{})
	if len(p.Notes) != 1 || !strings.Contains(p.Notes[0].Text, "no surround") || p.Results[0].Packages[0].Layout != stream.TS {
		t.Errorf("%+v, %s", p.Notes, p.Results[0].Packages[0].Layout)
	}
}
