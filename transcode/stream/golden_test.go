package stream

import (
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/tools/txtar"

	"github.com/copra-video/copra/transcode/format"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// video is a measured track of segments that last 6 s but for the last, all
// of the same rate in bit/s, with a key frame at the start of each.
func video(id string, w, h int, rate int64) *trackInfo {
	m := &trackInfo{
		Track:     Track{ID: id, Type: Muxed, Dir: id, FrameRate: format.Rational{Num: 25, Den: 1}},
		timescale: 90000, rate: 25, frames: 350,
		video: &videoConfig{codec: "avc1.64001f", width: w, height: h, sarNum: 1, sarDen: 1, transfer: 1},
		audio: &audioConfig{codec: "mp4a.40.2", sampleRate: 48000, channels: 2},
	}
	m.cut("segment", rate)
	return m
}

func audio(id string, rate int64) *trackInfo {
	m := video(id, 0, 0, rate)
	m.Type, m.video, m.rate = Audio, nil, 0
	return m
}

// cut gives the track 14 s of segments.
func (m *trackInfo) cut(source string, rate int64) {
	m.end, m.Segments = 14, source+"%d"
	for i := range 3 {
		s := segment{source: source + string(rune('1'+i)), start: float64(6 * i), time: int64(6*i) * m.timescale}
		s.duration = min(6, 14-s.start)
		s.ticks = int64(s.duration * float64(m.timescale))
		s.size = int64(s.duration) * rate / 8
		if m.video != nil {
			s.keys = []keyFrame{{off: 376, size: s.size / 20, start: s.start}}
		}
		m.segments = append(m.segments, s)
	}
}

// cmaf turns a track of golden tests into one of fMP4.
func cmaf(m *trackInfo, kind TrackType) *trackInfo {
	m.Type, m.init = kind, m.Dir+"/init.mp4"
	if kind == Video {
		m.audio = nil
	}
	return m
}

// TestPlaylists holds what is written against golden files. -update rewrites
// them.
func TestPlaylists(t *testing.T) {
	hdr := func(m *trackInfo) *trackInfo {
		m.video.codec = "hvc1.2.4.L93.90"
		m.video.primaries, m.video.transfer, m.video.matrix = 9, 16, 9
		return m
	}
	coded := func(m *trackInfo, codec string) *trackInfo {
		m.video.codec = codec
		return m
	}
	encrypted := video("720p", 1280, 720, 2_400_000)
	encrypted.Encryption = &Encryption{KeyURI: `https://example.com/key?a="b"&c`}
	narrow := video("pal", 720, 576, 1_000_000)
	narrow.video.sarNum, narrow.video.sarDen = 64, 45
	odd := video("a b#1", 640, 360, 800_000)
	odd.Dir = "a b#1/t:1"
	group := func(m *trackInfo, lang, name string, standard bool) *trackInfo {
		m = cmaf(m, Audio)
		m.Language, m.Name, m.Default = lang, name, standard
		return m
	}
	purpose := func(m *trackInfo, p Purpose, alternative int) *trackInfo {
		m.Purpose, m.Alternative = p, alternative
		return m
	}
	tiled := &Thumbnails{Columns: 2, Rows: 2, Width: 160, Height: 90, Interval: 2.5}
	sheets := []sheet{{size: 10_000, duration: 10}, {size: 9000, start: 10, duration: 4}}
	for name, b := range map[string]*packager{
		// The variant nearest to 2000 kbit/s first, audio alone last.
		"ts": {Package: Package{Layout: TS, HLS: true, Name: "master"}, tracks: []*trackInfo{
			audio("audio", 70_000), video("240p", 426, 240, 400_000), video("720p", 1280, 720, 2_400_000), video("1080p", 1920, 1080, 4_500_000),
		}},
		"version3":  {Package: Package{Layout: TS, HLS: true, Name: "master", Version: 3}, tracks: []*trackInfo{video("720p", 1280, 720, 2_400_000)}},
		"encrypted": {Package: Package{Layout: TS, HLS: true, Name: "master"}, tracks: []*trackInfo{encrypted}},
		// Pixels that are not square; names that need escapes.
		"names": {Package: Package{Layout: TS, HLS: true, Name: "x y"}, tracks: []*trackInfo{narrow, odd}},
		"cmaf": {Package: Package{Layout: CMAF, HLS: true, DASH: true, Name: "master", TargetDuration: 6}, tracks: []*trackInfo{
			group(audio("en", 130_000), "eng", "English", false), group(audio("de", 128_000), "ger", "", true),
			cmaf(video("360p", 640, 360, 700_000), Video), hdr(cmaf(video("$1", 1280, 720, 2_000_000), Video)),
		}},
		// Several codecs: H.264 first, and a score on all.
		"mixed": {Package: Package{Layout: CMAF, HLS: true, DASH: true, Name: "master", TargetDuration: 6}, tracks: []*trackInfo{
			coded(cmaf(video("av1-720", 1280, 720, 1_200_000), Video), "av01.0.05M.08"), coded(cmaf(video("av1-360", 640, 360, 500_000), Video), "av01.0.01M.08"),
			coded(cmaf(video("vp9-720", 1280, 720, 1_500_000), Video), "vp09.00.31.08"), cmaf(video("360p", 640, 360, 900_000), Video),
			cmaf(video("720p", 1280, 720, 2_500_000), Video), coded(cmaf(video("hevc-720", 1280, 720, 1_600_000), Video), "hvc1.1.6.L93.90"),
			cmaf(audio("audio", 128_000), Audio),
		}},
		// Tracks for some viewers; the shape of the largest picture counts.
		"purposes": {Package: Package{Layout: CMAF, HLS: true, DASH: true, Name: "master", TargetDuration: 6}, tracks: []*trackInfo{
			cmaf(video("240p", 427, 240, 400_000), Video), cmaf(video("720p", 1280, 720, 2_000_000), Video),
			group(audio("main", 128_000), "eng", "", true), purpose(group(audio("ad", 128_000), "eng", "", false), DescribesVideo, 1),
			purpose(group(audio("talk", 128_000), "eng", "The director", false), Commentary, 2),
			purpose(group(audio("clear", 128_000), "eng", "", false), ClearSpeech, 3),
		}, texts: []*textTrack{
			{Track: Track{ID: "sdh", Type: Text, Language: "eng", Purpose: SDH}, edges: []float64{0, 6}},
			{Track: Track{ID: "talk-text", Type: Text, Language: "eng", Purpose: Commentary}, edges: []float64{0, 6}},
			{Track: Track{ID: "forced", Type: Text, Language: "eng", Forced: true, Default: true}, edges: []float64{0, 6}},
		}},
		// Two sheets, the second filled in part.
		"thumbnails": {Package: Package{Layout: CMAF, HLS: true, DASH: true, Name: "master", TargetDuration: 6, Thumbnails: tiled}, sheets: sheets, tracks: []*trackInfo{
			cmaf(video("360p", 640, 360, 700_000), Video),
		}},
		"thumbnails-ts": {Package: Package{Layout: TS, HLS: true, Name: "master", Thumbnails: tiled}, sheets: sheets, tracks: []*trackInfo{video("360p", 640, 360, 700_000)}},
		"audio-only": {Package: Package{Layout: CMAF, HLS: true, DASH: true, Name: "master", TargetDuration: 6}, tracks: []*trackInfo{
			cmaf(audio("audio", 130_000), Audio),
		}},
	} {
		t.Run(name, func(t *testing.T) {
			b.target = b.targetDuration()
			files := b.hls()
			if b.DASH {
				files = append(files, b.dash())
			}
			var got txtar.Archive
			for _, f := range files {
				got.Files = append(got.Files, txtar.File{Name: f.Path, Data: f.Data})
			}
			golden := filepath.Join("testdata", name+".txtar")
			if *update {
				if err := os.WriteFile(golden, txtar.Format(&got), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(txtar.Format(&got))); diff != "" {
				t.Error(diff)
			}
		})
	}
}
