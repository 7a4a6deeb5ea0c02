package transcode

import (
	"encoding/binary"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/stream"
)

// withSoundFiles puts files of sound into dir as if they had been fetched: each is made by
// the arguments of ffmpeg that its address stands for.
func withSoundFiles(t testing.TB, dir string, out *job.Output, sources map[string]string) {
	t.Helper()
	p := Build([]*job.Output{out}, probe(t, dir, SourceName), Options{})
	for _, f := range p.Fetches {
		source, ok := sources[p.Secrets[f.URL].Reveal()]
		if !ok || !f.Sound {
			t.Fatalf("something else is fetched: %+v", f)
		}
		args := append([]string{"-v", "error", "-f", "lavfi", "-i"}, strings.Fields(source)...)
		made, err := exec.CommandContext(t.Context(), testmedia.FFmpeg(t, "ffmpeg"), append(args, "-y", filepath.Join(dir, f.Name))...).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, made)
		}
	}
}

// tone is the frequency in Hz of the first channel of a playlist's sound between two moments, by
// the times that it crosses zero; 0: it is silent.
func tone(t testing.TB, playlist string, from, to float64) (hz float64, seconds float64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), testmedia.FFmpeg(t, "ffmpeg"), "-v", "error", "-i", playlist, "-map", "0:a:0", "-ac", "1", "-ar", "48000", "-f", "s16le", "-")
	pcm, err := cmd.Output()
	if err != nil {
		t.Fatalf("decode %s: %v", playlist, err)
	}
	const rate = 48000
	seconds = float64(len(pcm)/2) / rate
	crossed, before, loudest := 0, int16(0), 0.0
	for n := int(from * rate); n < min(int(to*rate), len(pcm)/2); n++ {
		v := int16(binary.LittleEndian.Uint16(pcm[2*n:])) // #nosec G115 -- it is PCM with a sign
		if before < 0 && v >= 0 {
			crossed++
		}
		before, loudest = v, max(loudest, math.Abs(float64(v)))
	}
	if loudest < 300 { // -40 dB
		return 0, seconds
	}
	return float64(crossed) / (to - from), seconds
}

// TestAudioFromFiles: sound of other files is in the group of the source's, as long as the
// picture whatever its own length; the default one is first. Of a longer one in mono with
// another rate nothing is heard behind the end, and of a short one silence.
func TestAudioFromFiles(t *testing.T) {
	t.Parallel()
	dir := clip(t, "-f", "lavfi", "-i", "testsrc2=s=128x72:r=25:d=4", "-f", "lavfi", "-i", "sine=f=440:d=4", "-map", "0", "-map", "1",
		"-metadata:s:a:0", "language=eng", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", "-f", "mp4")
	out := output(t, "httpstream hls=/hls dash=/dash variants=mp4:0x72::quality=2;mp4:0x36::quality=2")
	out.Stream.Audio = []job.AudioFile{
		{URL: job.NewSecret("https://a/short"), Language: "en", Name: "Described", Role: job.AudioDescription},
		{URL: job.NewSecret("https://a/long"), Language: "de", Default: true, Role: job.AudioDub},
		{URL: job.NewSecret("https://a/talk"), Language: "en", Role: job.AudioCommentary},
	}
	withSoundFiles(t, dir, out, map[string]string{
		"https://a/short": "sine=f=880:d=1.5 -f wav", "https://a/long": "sine=f=1320:d=9:r=44100 -c:a libmp3lame -f mp3", "https://a/talk": "sine=f=220:d=4 -c:a aac -f mpegts",
	})
	plan := Build([]*job.Output{out}, probe(t, dir, SourceName), Options{Isolate: true})
	for _, s := range plan.Steps {
		if args := strings.Join(s.FFmpegArgs(), " "); strings.Contains(args, "-i sound-") && (!s.Portable() || len(plan.Alone(s).Fetches) != 1 || s.ReadsSource() || strings.Contains(args, "https://a/")) {
			t.Errorf("%s cannot run elsewhere, or reads what it need not: %s", s.ID, args)
		}
	}
	roots, packages := packaged(t, dir, shortSegments, out)
	for i, root := range roots {
		if packages[i].HLS {
			master := text(t, root, "master.m3u8")
			for _, want := range []string{
				`NAME="Deutsch",LANGUAGE="de",DEFAULT=YES,AUTOSELECT=YES,CHANNELS="2"`,
				`NAME="English",LANGUAGE="en",DEFAULT=NO,AUTOSELECT=YES,CHANNELS="1"`,
				`NAME="Described",LANGUAGE="en",DEFAULT=NO,AUTOSELECT=YES,CHANNELS="2",CHARACTERISTICS="public.accessibility.describes-video"`,
				`NAME="English 2",LANGUAGE="en",DEFAULT=NO,AUTOSELECT=NO,CHANNELS="2"`,
			} {
				if !strings.Contains(master, want) {
					t.Errorf("the playlist lacks %s:\n%s", want, master)
				}
			}
			if strings.Index(master, `"Deutsch"`) > strings.Index(master, `"English"`) {
				t.Errorf("the default one is not first:\n%s", master)
			}
			continue
		}
		mpd := text(t, root, "master.mpd")
		for _, want := range []string{`value="dub"`, `value="commentary"`, `schemeIdUri="urn:tva:metadata:cs:AudioPurposeCS:2007" value="1"`, `value="main"`} {
			if !strings.Contains(mpd, want) {
				t.Errorf("the manifest lacks %s:\n%s", want, mpd)
			}
		}
	}
	for _, track := range packages[0].Tracks {
		if track.Type != stream.Audio {
			continue
		}
		heard := map[string][2]float64{"audio": {440, 440}, "audio-en": {880, 0}, "audio-de": {1320, 1320}, "audio-en-2": {220, 220}}
		want, ok := heard[track.ID]
		if !ok {
			t.Fatalf("there is a track %q", track.ID)
		}
		list := filepath.Join(roots[0], track.Dir, "stream.m3u8")
		if _, err := os.Stat(list); err != nil {
			t.Fatalf("%v", err)
		}
		early, length := tone(t, list, 0.5, 1)
		late, _ := tone(t, list, 2.5, 3.5)
		if math.Abs(early-want[0]) > 5 || math.Abs(late-want[1]) > 5 || math.Abs(length-4) > 0.06 {
			t.Errorf("%s: %.0f Hz, later %.0f Hz, %.3f s, want %v Hz and 4 s", track.ID, early, late, length, want)
		}
	}
}

// TestAudioOfSilentSource: a source without sound gets that of the files.
func TestAudioOfSilentSource(t *testing.T) {
	t.Parallel()
	dir := clip(t, "-f", "lavfi", "-i", "testsrc2=s=128x72:r=25:d=4", "-c:v", "libx264", "-preset", "ultrafast", "-f", "mpegts")
	out := output(t, "httpstream hls=/hls variants=mp4:0x72::quality=2,loudness=-20")
	out.Stream.Audio = []job.AudioFile{{URL: job.NewSecret("https://a/1"), Language: "fr"}}
	out.Stream.Captions = []job.Captions{{Speech: true}}
	withSoundFiles(t, dir, out, map[string]string{"https://a/1": "sine=f=880:d=7 -f wav"})
	roots, packages := packaged(t, dir, shortSegments, out)
	if len(packages[0].Tracks) != 1 || packages[0].Tracks[0].Type != stream.Muxed || packages[0].Tracks[0].Language != "fr" {
		t.Fatalf("the tracks are %+v", packages[0].Tracks)
	}
	hz, length := tone(t, filepath.Join(roots[0], packages[0].Tracks[0].Dir, "stream.m3u8"), 1, 3)
	if math.Abs(hz-880) > 5 || math.Abs(length-4) > 0.06 {
		t.Errorf("%.0f Hz for %.3f s", hz, length)
	}
	p := Build([]*job.Output{out}, probe(t, dir, SourceName), Options{})
	if len(p.Notes) != 1 || !strings.Contains(p.Notes[0].Text, "no sound") || p.Space.Bounded {
		t.Errorf("notes %+v", p.Notes)
	}
}
