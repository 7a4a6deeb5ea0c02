package transcode

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
)

// captioned are captions at an address, and the file as if it had been fetched to dir.
func captioned(t testing.TB, dir string, outs []*job.Output, texts map[string]string) {
	t.Helper()
	p := Build(outs, probe(t, dir, SourceName), Options{})
	for _, f := range p.Fetches {
		text, ok := texts[p.Secrets[f.URL].Reveal()]
		if !ok || f.Captions == nil {
			t.Fatalf("something else is fetched: %+v", f)
		}
		if err := os.WriteFile(filepath.Join(dir, f.Name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCaptionFiles: captions are tracks of MP4, MOV and Matroska, cut like the video,
// also where that is copied.
func TestCaptionFiles(t *testing.T) {
	t.Parallel()
	dir := clip(t, "-f", "lavfi", "-i", "testsrc2=s=128x72:r=25:d=4", "-f", "lavfi", "-i", "sine=d=4", "-c:v", "libx264", "-preset", "ultrafast", "-g", "25", "-c:a", "aac", "-f", "mp4")
	list := []job.Captions{
		{URL: job.NewSecret("https://a/en.srt"), Language: "en", Name: "English: \"all'", Default: true, SDH: true},
		{URL: job.NewSecret("https://a/de.srt"), Language: "de-AT", Forced: true},
	}
	lines := []string{"mp4:0x72 path=/a.mp4", "mov:0x72 path=/a.mov offset=1 duration=2", "mkv:0x72 path=/a.mkv", "mp4:copy path=/c.mp4 offset=1", "mp4:0x72 path=/none.mp4 offset=3.5"}
	var outs []*job.Output
	for _, l := range lines {
		o := output(t, l)
		o.Video.Captions = list
		outs = append(outs, o)
	}
	captioned(t, dir, outs, map[string]string{
		"https://a/en.srt": "1\n00:00:00,500 --> 00:00:01,500\nfirst & <i>foremost</i>\n\n2\n00:00:02,000 --> 00:00:03,400\n{\\an8}second\n",
		"https://a/de.srt": "1\n00:00:01,200 --> 00:00:01,700\nSchild\n",
	})
	p := Build(outs, probe(t, dir, SourceName), fast)
	checkPlan(t, p)
	if len(p.Fetches) != 2 || len(p.Fetches[0].Outputs) != len(lines) {
		t.Errorf("fetched is %+v", p.Fetches)
	}
	for _, s := range p.Steps {
		if stderr, err := step(t, dir, p.Secrets, s, "-v", "error"); err != nil {
			t.Fatalf("step %s %q: %v\n%s", s.ID, s.FFmpegArgs(), err, stderr)
		}
	}
	// Matroska moves all tracks by the priming of the sound.
	want := []string{
		"mov_text eng/deu 100/011: 0.500-1.500 first & <i>foremost</i> | 2.000-3.400 second # 1.200-1.700 Schild",
		"mov_text eng/ger: 0.000-0.500 first & <i>foremost</i> | 1.000-2.000 second # 0.200-0.700 Schild",
		"subrip eng/ger 110/001: 0.523-1.523 first & <i>foremost</i> | 2.023-3.423 second # 1.223-1.723 Schild",
		"mov_text eng/deu: 0.000-0.500 first & <i>foremost</i> | 1.000-2.400 second # 0.200-0.700 Schild",
		"mov_text eng/deu:  # ",
	}
	for i, r := range p.Results {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
		checkFile(t, dir, r.Files[0])
		got := captionsOf(t, dir, r.Files[0].Name)
		codec, rest, _ := strings.Cut(want[i], " ")
		languages, cues, _ := strings.Cut(rest, ": ")
		languages, flags, flagged := strings.Cut(languages, " ")
		if got.codec != codec || got.languages != languages || got.cues != cues || flagged && i == 2 && got.flags != flags {
			t.Errorf("%s: got %+v\nwant %s", lines[i], got, want[i])
		}
	}
}

type captionTracks struct{ codec, languages, flags, cues string }

// captionsOf reads the tracks of text back.
func captionsOf(t testing.TB, dir, name string) captionTracks {
	t.Helper()
	var found struct {
		Streams []struct {
			Codec       string `json:"codec_name"`
			Disposition map[string]int
			Tags        map[string]string
		}
	}
	if err := json.Unmarshal(ffprobe(t, dir, name, "-select_streams", "s", "-show_streams"), &found); err != nil {
		t.Fatal(err)
	}
	var c captionTracks
	var languages, flags, cues []string
	for n, s := range found.Streams {
		c.codec = s.Codec
		languages = append(languages, s.Tags["language"])
		flags = append(flags, fmt.Sprintf("%d%d%d", s.Disposition["default"], s.Disposition["hearing_impaired"], s.Disposition["forced"]))
		out, _ := command(t, dir, "ffmpeg", "-v", "error", "-copyts", "-i", name, "-map", fmt.Sprintf("0:s:%d", n), "-f", "srt", "-")
		var list []string
		for block := range strings.SplitSeq(strings.TrimSpace(out), "\n\n") {
			lines := strings.SplitN(block, "\n", 3)
			if len(lines) < 3 {
				continue
			}
			times := strings.NewReplacer("00:00:0", "", " --> ", "-", ",", ".").Replace(lines[1])
			list = append(list, times+" "+strings.TrimPrefix(lines[2], "{\\an8}"))
		}
		cues = append(cues, strings.Join(list, " | "))
	}
	c.languages, c.flags, c.cues = strings.Join(languages, "/"), strings.Join(flags, "/"), strings.Join(cues, " # ")
	return c
}

// TestCaptionStreams: captions are tracks of streams, before the subtitles of the
// source, with what players need to choose.
func TestCaptionStreams(t *testing.T) {
	t.Parallel()
	dir := bilingual(t)
	out := output(t, "httpstream hls=/hls dash=/dash variants=mp4:128x72::quality=2")
	out.Stream.Captions = []job.Captions{
		{URL: job.NewSecret("https://a/1"), Language: "en", SDH: true, Default: true},
		{URL: job.NewSecret("https://a/2"), Language: "pt-BR", Forced: true},
		{URL: job.NewSecret("https://a/3"), Name: "Director's cut"},
	}
	const text3 = "WEBVTT\n\n00:01.000 --> 00:05.500 line:0\nover edges\n\n00:20.000 --> 00:21.000\nlater than the film\n"
	captioned(t, dir, []*job.Output{out}, map[string]string{
		"https://a/1": "1\n00:00:02,500 --> 00:00:03,000\n[door]\n", "https://a/2": "1\n00:00:01,000 --> 00:00:02,000\nPLACA\n", "https://a/3": text3,
	})
	roots, _ := packaged(t, dir, shortSegments, out)
	for i, root := range roots {
		master := text(t, root, "master.m3u8")
		for _, want := range []string{
			`NAME="English (SDH)",LANGUAGE="en",DEFAULT=YES,AUTOSELECT=YES,FORCED=NO,CHARACTERISTICS="public.accessibility.transcribes-spoken-dialog,public.accessibility.describes-music-and-sound",URI=`,
			`NAME="Português (BR)",LANGUAGE="pt-BR",DEFAULT=NO,AUTOSELECT=YES,FORCED=YES,URI=`,
			`NAME="Director's cut",LANGUAGE="und",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,URI=`,
			`NAME="English",LANGUAGE="en",DEFAULT=NO`, `NAME="Deutsch",LANGUAGE="de",DEFAULT=NO`,
		} {
			if !strings.Contains(master, want) {
				t.Errorf("package %d lacks %s:\n%s", i, want, master)
			}
		}
		name, stamp, times := "subtitles-other/text-%05d.vtt", "900000", "00:00:01.000 --> 00:00:05.500"
		if i == 1 { // begins with the picture, which is 23 ms late
			name, stamp, times = "subtitles-other-%05d.vtt", "0", "00:00:00.977 --> 00:00:05.477"
		}
		for n := 1; n <= 3; n++ {
			want := "WEBVTT\nX-TIMESTAMP-MAP=MPEGTS:" + stamp + ",LOCAL:00:00:00.000\n\n" + times + " line:0\nover edges\n"
			if got := text(t, root, fmt.Sprintf(name, n)); got != want {
				t.Errorf("package %d: segment %d is %q, want %q", i, n, got, want)
			}
		}
	}
	mpd := text(t, roots[1], "master.mpd")
	for _, want := range []string{
		`<Label>English (SDH)</Label>`, `<Accessibility schemeIdUri="urn:tva:metadata:cs:AudioPurposeCS:2007" value="2">`,
		`<Role schemeIdUri="urn:mpeg:dash:role:2011" value="caption"></Role>` + "\n" + `      <Role schemeIdUri="urn:mpeg:dash:role:2011" value="main">`,
		`value="forced-subtitle"`, `lang="pt-BR"`,
	} {
		if !strings.Contains(mpd, want) {
			t.Errorf("the manifest lacks %s:\n%s", want, mpd)
		}
	}
}
