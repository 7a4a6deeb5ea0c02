package transcode

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/captions"
)

// pgs is a stream of Blu-ray subtitles for a picture of w by h: a white box over the lower
// half of it, from one second to another.
func pgs(w, h, from, to int) []byte {
	var out bytes.Buffer
	segment := func(at int, kind byte, parts ...any) {
		var b bytes.Buffer
		for _, p := range parts {
			if n, ok := p.(int); ok {
				p = uint16(n)
			}
			_ = binary.Write(&b, binary.BigEndian, p)
		}
		out.WriteString("PG")
		_ = binary.Write(&out, binary.BigEndian, []uint32{uint32(90000 * at), 0})
		out.WriteByte(kind)
		_ = binary.Write(&out, binary.BigEndian, uint16(b.Len()))
		out.Write(b.Bytes())
	}
	var box []byte
	for range h / 2 {
		box = append(box, 0, 0xc0|byte(w>>8), byte(w), 1, 0, 0)
	}
	composition := []any{w, h, byte(0x10)}
	window := []any{byte(1), byte(0), 0, h / 2, w, h / 2}
	segment(from, 0x16, append(composition, 0, byte(0x80), byte(0), byte(0), byte(1), 0, byte(0), byte(0), 0, h/2)...)
	segment(from, 0x17, window...)
	segment(from, 0x14, byte(0), byte(0), []byte{1, 235, 128, 128, 255})
	segment(from, 0x15, 0, byte(0), byte(0xc0), byte(0), len(box)+4, w, h/2, box)
	segment(from, 0x80)
	segment(to, 0x16, append(composition, 1, byte(0), byte(0), byte(0), byte(0))...)
	segment(to, 0x17, window...)
	segment(to, 0x80)
	return out.Bytes()
}

// subtitled is a dark film of 4 s in Matroska with subtitles from second 1 to 2: text, ASS,
// pictures as on Blu-ray, and the same as on DVD.
func subtitled(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range map[string]string{
		"en.srt": "1\n00:00:01,000 --> 00:00:02,000\nMMMMMMMMMMMM\nMMMMMMMMMMMM\n",
		"ja.ass": "[Script Info]\nPlayResX: 160\nPlayResY: 120\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize, PrimaryColour, Alignment\nStyle: D,Sans,40,&H000000FF,5\n[Events]\nFormat: Start, End, Style, Text\nDialogue: 0:00:01.00,0:00:02.00,D,MMMM\n",
		"de.sup": string(pgs(160, 120, 1, 2)),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	command(t, dir, "ffmpeg", "-v", "error", "-y", "-f", "lavfi", "-i", "color=0x202020:s=160x120:r=10:d=4", "-i", "en.srt", "-i", "ja.ass", "-itsoffset", "1", "-i", "de.sup", "-map", "0", "-map", "1", "-map", "2", "-map", "3", "-map", "3",
		"-c:v", "libx264", "-preset", "ultrafast", "-g", "10", "-c:s:0", "srt", "-c:s:1", "ass", "-c:s:2", "copy", "-c:s:3", "dvdsub",
		"-metadata:s:s:0", "language=eng", "-metadata:s:s:1", "language=jpn", "-metadata:s:s:2", "language=ger", "-metadata:s:s:3", "language=fre", "-f", "matroska", SourceName)
	return dir
}

// TestBurn: captions of files and of the source are part of the picture, at their times, also
// where the output begins later. Pictures of the source lie where they do on disc.
func TestBurn(t *testing.T) {
	t.Parallel()
	dir := subtitled(t)
	address := job.Burn{URL: job.NewSecret("https://a/en.srt"), Language: "en"}
	cases := []struct {
		line      string
		burn      job.Burn
		from, to  float64
		red, half bool // half: the lower half is white, and nothing else
	}{
		{"mp4:0x120 path=/a.mp4", job.Burn{TrackLanguage: "en-US"}, 1, 2, false, false},
		{"mp4:0x120 path=/b.mp4 offset=0.5", address, 0.5, 1.5, false, false},
		{"mp4:0x120 path=/c.mp4", job.Burn{Track: 2}, 1, 2, true, false},
		{"mp4:0x120 path=/d.mp4", job.Burn{TrackLanguage: "de"}, 1, 2, false, true},
		{"mp4:0x60 path=/e.mp4", job.Burn{TrackLanguage: "fr"}, 1, 9, false, true}, // FFmpeg's encoder for DVD forgets the end
		{"mp4:0x120 path=/f.mp4 offset=0.5 duration=2", job.Burn{Track: 3}, 0.5, 1.5, false, true},
		{"mp4:0x120 path=/g.mp4", address, 1, 2, false, false},
	}
	var outs []*job.Output
	for _, c := range cases {
		o := output(t, c.line)
		o.Video.Burn = &c.burn
		outs = append(outs, o)
	}
	p := Build(outs, probe(t, dir, SourceName), Options{})
	for _, f := range p.Fetches {
		text, err := captions.ASS([]byte("1\n00:00:01,000 --> 00:00:02,000\nMMMMMMMMMMMM\nMMMMMMMMMMMM\n"), *f.Captions, *f.Style)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, f.Name), text, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(p.Fetches) != 1 || len(p.Fetches[0].Outputs) != 2 {
		t.Errorf("fetches %+v", p.Fetches)
	}
	checkPlan(t, p)
	checkJSON(t, p)
	runOutputs(t, dir, Options{}, outs...)
	for i, c := range cases {
		name := p.Results[i].Files[0].Name
		// By its size, rate and bitrate, whatever has become of times. For 1000 frames a second it is more.
		said, _ := command(t, dir, "ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=level", "-of", "csv=p=0", name)
		if level := strings.TrimSpace(said); level != "20" {
			t.Errorf("%s: level %s", c.line, level)
		}
		upper, lower := light(t, dir, name, "iw:ih/2:0:0"), light(t, dir, name, "iw:ih/2:0:ih/2")
		for n := range lower {
			at := float64(n) / 10
			on := at > c.from-0.05 && at < c.to-0.05
			whole := float64(lower[n][0])
			drawn := whole > 33 // of 31
			if c.red {
				drawn = whole > float64(lower[n][2])+10
			}
			if drawn != on {
				t.Errorf("%s: at %.1f s the lower half is %v, drawn should be %v", c.line, at, lower[n], on)
				break
			}
			if c.half && on && (whole < 200 || upper[n][0] > 60) {
				t.Errorf("%s: at %.1f s the halves are %v and %v", c.line, at, upper[n], lower[n])
				break
			}
		}
	}
}

// TestBurnRefused: what cannot be drawn is refused with a sentence.
func TestBurnRefused(t *testing.T) {
	t.Parallel()
	m := film(640, 360)
	m.Subtitles = []job.SubtitleStream{{Index: 2, Codec: "subrip", Text: true, Language: "eng"}, {Index: 3, Codec: "dvb_teletext"}}
	for words, c := range map[string]struct {
		burn    job.Burn
		filters Set
	}{
		"no subtitles number 3; it has 1 (eng, subrip), 2 (dvb_teletext)": {job.Burn{Track: 3}, nil},
		"no subtitles in the language de":                                 {job.Burn{TrackLanguage: "de"}, nil},
		"dvb_teletext, which cannot be drawn":                             {job.Burn{Track: 2}, nil},
		"filter ass (of libass)":                                          {job.Burn{Track: 1}, NewSet("overlay")},
	} {
		for _, line := range []string{"mp4:240p path=/a.mp4", "httpstream hls=/hls variants=mp4:240p"} {
			o := output(t, line)
			if o.Stream != nil {
				o.Stream.Burn = &c.burn
			} else {
				o.Video.Burn = &c.burn
			}
			p := Build([]*job.Output{o}, m, Options{Capabilities: Capabilities{Filters: c.filters}})
			if err := p.Results[0].Err; err == nil || !strings.Contains(err.Message, words) {
				t.Errorf("%s: %v, want %q", line, err, words)
			}
		}
	}
}

// TestBurnArguments: no word of a customer is in an argument; in chunks text is drawn, and pictures
// are in one piece; video that is copied where it fits is encoded.
func TestBurnArguments(t *testing.T) {
	t.Parallel()
	m := film(640, 360)
	m.Subtitles = []job.SubtitleStream{{Index: 2, Codec: "hdmv_pgs_subtitle"}}
	text, picture := output(t, "mp4:240p path=/a.mp4"), output(t, "mp4:240p path=/b.mp4")
	text.Video.Burn, picture.Video.Burn = &job.Burn{URL: job.NewSecret("https://canary/a.srt"), Language: "en"}, &job.Burn{Track: 1}
	p := Build([]*job.Output{text, picture}, m, Options{ChunkSeconds: 10, Fonts: "/srv/fonts"})
	if len(p.OnePiece) != 1 || p.OnePiece[0].Outputs[0] != 1 {
		t.Errorf("in one piece: %+v", p.OnePiece)
	}
	drawn := 0
	for _, s := range p.Steps {
		args := strings.Join(s.FFmpegArgs(), " ")
		if strings.Contains(args, "canary") {
			t.Errorf("arguments %s", args)
		}
		if strings.Contains(args, ",ass=filename=burn-") && strings.Contains(args, ".ass:fontsdir=/srv/fonts") {
			drawn++
			if !s.Portable() || len(p.Alone(s).Fetches) != 1 {
				t.Errorf("%s cannot run elsewhere: %+v", s.ID, p.Alone(s).Fetches)
			}
		}
	}
	if drawn != 3 {
		t.Errorf("text is drawn in %d chunks of 3", drawn)
	}
}
