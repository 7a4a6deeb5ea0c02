package transcode_test

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/transcode/format"
	"github.com/copra-video/copra/transcode/stream"
)

// segmented cuts a small clip into four segments of each layout and reads what
// was made.
func segmented(t *testing.T) (fstest.MapFS, map[stream.Layout]stream.Package) {
	t.Helper()
	work := t.TempDir()
	rate := format.Rational{Num: 10, Den: 1}
	c := clip{rate: rate, seconds: 7, video: []encoded{x264("v", "64x36", "60k")}, audio: []encoded{aac("audio", "32k")}}
	c.encode(t, work)
	packages := map[stream.Layout]stream.Package{}
	for _, layout := range []stream.Layout{stream.TS, stream.CMAF} {
		kind := stream.Muxed
		if layout == stream.CMAF {
			kind = stream.Video
		}
		p := stream.Package{
			Layout: layout, Dir: string(layout), Name: "master", HLS: true, TargetDuration: 2, Duration: 7,
			Tracks: []stream.Track{newTrack(kind, "v", rate, layout), newTrack(stream.Audio, "audio", format.Rational{}, layout)},
		}
		publish(t, work, c, p)
		packages[layout] = p
	}
	files := fstest.MapFS{}
	for layout := range packages {
		root := filepath.Join(work, string(layout))
		if err := filepath.WalkDir(root, func(name string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			data, err := os.ReadFile(name)
			rel, _ := filepath.Rel(work, name)
			files[rel] = &fstest.MapFile{Data: data}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	}
	return files, packages
}

// TestSegmentsBroken damages segments; the error must name the track, the file
// and what is wrong.
func TestSegmentsBroken(t *testing.T) {
	t.Parallel()
	files, packages := segmented(t)
	edit := func(f fstest.MapFS, name string, change func([]byte) []byte) {
		f[name] = &fstest.MapFile{Data: change(bytes.Clone(f[name].Data))}
	}
	for _, test := range []struct {
		name   string
		layout stream.Layout
		damage func(f fstest.MapFS)
		want   []string
	}{
		{"a hole", stream.TS, func(f fstest.MapFS) { delete(f, "ts/v/segment-00002.ts") }, []string{"track v", "ts/v/segment-00002.ts is missing"}},
		{"the end is missing", stream.TS, func(f fstest.MapFS) {
			for name := range f {
				if strings.HasSuffix(name, ".ts") && name[len(name)-4] >= '3' {
					delete(f, name)
				}
			}
		}, []string{"cover 4", "of 7.000 s"}},
		{"nothing", stream.TS, func(f fstest.MapFS) {
			for name := range f {
				if strings.HasPrefix(name, "ts/v/segment") {
					delete(f, name)
				}
			}
		}, []string{"there are no segments in ts/v"}},
		{"cut in a packet", stream.TS, func(f fstest.MapFS) {
			edit(f, "ts/v/segment-00002.ts", func(b []byte) []byte { return b[:1000] })
		}, []string{"segment-00002.ts", "188"}},
		{"packets lost", stream.TS, func(f fstest.MapFS) {
			edit(f, "ts/v/segment-00002.ts", func(b []byte) []byte { return append(b[:188*10], b[188*11:]...) })
		}, []string{"segment-00002.ts", "continuity counter"}},
		{"segments swapped", stream.TS, func(f fstest.MapFS) {
			f["ts/v/segment-00002.ts"], f["ts/v/segment-00003.ts"] = f["ts/v/segment-00003.ts"], f["ts/v/segment-00002.ts"]
		}, []string{"segment-00002.ts", "continuity counter"}},
		{"no transport stream", stream.TS, func(f fstest.MapFS) {
			edit(f, "ts/audio/segment-00001.ts", func(b []byte) []byte { return make([]byte, len(b)) })
		}, []string{"track audio", "segment-00001.ts", "sync byte"}},
		{"empty", stream.CMAF, func(f fstest.MapFS) {
			edit(f, "cmaf/v/segment-00002.m4s", func([]byte) []byte { return nil })
		}, []string{"segment-00002.m4s", "no media"}},
		{"no init", stream.CMAF, func(f fstest.MapFS) { delete(f, "cmaf/v/init.mp4") }, []string{"cmaf/v/init.mp4"}},
		{"init of the other track", stream.CMAF, func(f fstest.MapFS) { f["cmaf/v/init.mp4"] = f["cmaf/audio/init.mp4"] }, []string{"cmaf/v/init.mp4", "no video"}},
		{"cut in the media", stream.CMAF, func(f fstest.MapFS) {
			edit(f, "cmaf/v/segment-00003.m4s", func(b []byte) []byte { return b[:len(b)/2] })
		}, []string{"segment-00003.m4s", "cut off"}},
		{"a segment twice", stream.CMAF, func(f fstest.MapFS) {
			f["cmaf/audio/segment-00003.m4s"] = f["cmaf/audio/segment-00002.m4s"]
		}, []string{"track audio", "segment-00003.m4s", "decode time"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			damaged := maps.Clone(files)
			test.damage(damaged)
			_, _, err := stream.Build(damaged, packages[test.layout], nil)
			if err == nil {
				t.Fatal("no error")
			}
			for _, w := range test.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("the error %q does not say %q", err, w)
				}
			}
		})
	}
}

// TestSegmentsEncrypted: encrypted segments measure the same as clear ones, except
// for the padding.
func TestSegmentsEncrypted(t *testing.T) {
	t.Parallel()
	files, packages := segmented(t)
	p := packages[stream.TS]
	_, clear, err := stream.Build(files, p, nil)
	if err != nil {
		t.Fatal(err)
	}
	key := []byte("0123456789abcdef")
	for name, f := range files {
		if strings.HasSuffix(name, ".ts") {
			n := int(name[len(name)-4] - '0')
			files[name] = &fstest.MapFile{Data: encrypt(t, key, n, f.Data)}
		}
	}
	for i := range p.Tracks {
		p.Tracks[i].Encryption = &stream.Encryption{KeyURI: "https://example.com/key", KeyName: "k"}
	}
	published, got, err := stream.Build(files, p, func(string) []byte { return key })
	if err != nil {
		t.Fatal(err)
	}
	for i := range got { // rates and sizes carry the padding
		if got[i].Size <= clear[i].Size || got[i].Size > clear[i].Size+16*int64(clear[i].Segments) {
			t.Errorf("the size of %s is %d, clear %d", got[i].ID, got[i].Size, clear[i].Size)
		}
		got[i].Size, got[i].Bandwidth, got[i].AverageBandwidth = clear[i].Size, clear[i].Bandwidth, clear[i].AverageBandwidth
	}
	if diff := cmp.Diff(clear, got); diff != "" {
		t.Error(diff)
	}
	for _, f := range published {
		if strings.HasSuffix(f.Path, "stream.m3u8") && strings.Count(string(f.Data), `#EXT-X-KEY:METHOD=AES-128,URI="https://example.com/key"`+"\n") != 1 {
			t.Errorf("%s has not one key line:\n%s", f.Path, f.Data)
		}
		if strings.Contains(f.Path, "iframes") {
			t.Errorf("%s names byte ranges of encrypted segments", f.Path)
		}
	}
	if _, _, err := stream.Build(files, p, func(string) []byte { return []byte("fedcba9876543210") }); err == nil {
		t.Error("a wrong key is no error")
	}
}

func encrypt(t *testing.T, key []byte, number int, data []byte) []byte {
	t.Helper()
	block, err := aes.NewCipher(key)
	if err != nil {
		t.Fatal(err)
	}
	label := 16 - len(data)%16
	out := append(bytes.Clone(data), bytes.Repeat([]byte{byte(label)}, label)...)
	var iv [16]byte
	binary.BigEndian.PutUint64(iv[8:], uint64(number))
	cipher.NewCBCEncrypter(block, iv[:]).CryptBlocks(out, out)
	return out
}
