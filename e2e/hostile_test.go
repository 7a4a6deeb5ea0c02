package e2e

import (
	"bytes"
	"compress/zlib"
	be "encoding/binary"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
)

// Hostile inputs: real clips cut off and damaged at many points, and bombs,
// which claim or unpack to more than anybody means. Each job must end in time,
// with a result that plays or with a plain reason.
func TestHostileMedia(t *testing.T) {
	if testing.Short() {
		t.Skip("not short")
	}
	t.Parallel()
	srv, dir := shared(t), openDir(t)
	points := 3
	if os.Getenv("COPRA_CHAOS") != "" {
		points = 20
	}
	inputsByName := map[string]string{}
	add := func(name string, data []byte) {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		inputsByName[name] = inputs(t).add(path)
	}
	for _, clip := range []testmedia.Recipe{testmedia.Short, testmedia.WebM, testmedia.LateStart} {
		whole := contents(t, testmedia.Clip(t, clip))
		random := rand.New(rand.NewPCG(1, uint64(len(clip.Name))))
		for i := range points {
			add(fmt.Sprintf("cut-%02d-%s", i, clip.Name), whole[:len(whole)*(2*i+1)/(2*points)])
			flipped := bytes.Clone(whole)
			for range 1 << (i % 10) {
				flipped[random.IntN(len(flipped))] ^= 1 << random.IntN(8)
			}
			add(fmt.Sprintf("flip-%02d-%s", i, clip.Name), flipped)
		}
	}
	add("claim.png", pngOf(30000, 30000, nil))
	add("bomb.png", pngOf(30000, 30000, make([]byte, 30000*(30000/8+1))))
	short := contents(t, testmedia.Clip(t, testmedia.NoAudio))
	add("fast.mp4", patched(t, short, "mdhd", 12, 1_000_000_000))
	add("long.mp4", patched(t, patched(t, contents(t, testmedia.Clip(t, testmedia.OneFrame)), "stts", 12, 3600*12800), "mdhd", 16, 3600*12800))
	add("streams.mkv", manyStreams(t))

	ids, begin, peak := map[string]string{}, time.Now(), watchMemory(t, filepath.Join(srv.data, "scratch"))
	for name, address := range inputsByName {
		ids[name] = srv.create(t, jobOf(address, object{"mp4:64x36": object{"path": "/a.mp4"}, "jpg:64x": object{"path": "/a.jpg"}})).ID
	}
	good := 0
	for name, id := range ids {
		j := srv.wait(t, id, 3*time.Minute)
		t.Logf("%s: %s", name, outcome(j))
		if j.Input.Error != "" {
			plain(t, j.Input.Error, "")
			continue
		}
		for _, o := range j.Outputs {
			switch {
			case o.Error != "":
				plain(t, o.Error, "")
			case o.Type == "video":
				good++
				if f := probe(t, o.URL); f.count("video") != 1 {
					t.Errorf("%s: %+v", name, f.Streams)
				}
			}
		}
		if j.Status == "job.failed" && j.Outputs[0].Error == "" && j.Outputs[1].Error == "" {
			t.Errorf("%s failed without a word: %s", name, j.raw)
		}
	}
	most := peak()
	t.Logf("%d inputs, %d videos, %s, an ffmpeg had up to %d MiB", len(ids), good, time.Since(begin).Round(time.Second), most>>20)
	if most > 2<<30 {
		t.Errorf("an ffmpeg took %d MiB", most>>20)
	}
	if good == 0 {
		t.Error("no damaged clip was good for anything")
	}
}

func outcome(j jobDoc) string {
	if j.Input.Error != "" {
		return j.Input.Error
	}
	for _, o := range j.Outputs {
		if o.Error != "" {
			return o.Key + ": " + o.Error
		}
	}
	return j.Status
}

// watchMemory follows how much memory any process below a folder has had, until
// it is asked for the most.
func watchMemory(t testing.TB, below string) (peak func() int64) {
	end, most := make(chan struct{}), make(chan int64)
	go func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		var top int64
		for {
			select {
			case <-tick.C:
			case <-end:
				most <- top
				return
			}
			for _, p := range processes() {
				if !strings.HasPrefix(p.cwd, below) {
					continue
				}
				status, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.pid))
				if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
					var kib int64
					_, _ = fmt.Sscan(rest, &kib)
					top = max(top, kib<<10)
				}
			}
		}
	}()
	return sync.OnceValue(func() int64 {
		close(end)
		return <-most
	})
}

func contents(t testing.TB, path string) []byte {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

// pngOf is a picture of one bit a pixel, with rows as they are packed; nil: it
// says how large it is and ends.
func pngOf(w, h uint32, rows []byte) []byte {
	var out bytes.Buffer
	out.WriteString("\x89PNG\r\n\x1a\n")
	chunk := func(kind string, data []byte) {
		_ = be.Write(&out, be.BigEndian, uint32(len(data)))
		body := append([]byte(kind), data...)
		out.Write(body)
		_ = be.Write(&out, be.BigEndian, crc32.ChecksumIEEE(body))
	}
	head := be.BigEndian.AppendUint32(be.BigEndian.AppendUint32(nil, w), h)
	chunk("IHDR", append(head, 1, 0, 0, 0, 0))
	if rows != nil {
		var packed bytes.Buffer
		z, _ := zlib.NewWriterLevel(&packed, zlib.BestSpeed)
		_, _ = z.Write(rows)
		_ = z.Close()
		chunk("IDAT", packed.Bytes())
		chunk("IEND", nil)
	}
	return out.Bytes()
}

// patched writes a number into the first box of a kind, at an offset from its
// content.
func patched(t testing.TB, data []byte, box string, offset int, v uint32) []byte {
	t.Helper()
	i := bytes.Index(data, []byte(box))
	if i < 0 {
		t.Fatalf("no %s in the clip", box)
	}
	out := bytes.Clone(data)
	be.BigEndian.PutUint32(out[i+4+offset:], v)
	return out
}

// manyStreams has more sound tracks than anybody listens to.
func manyStreams(t testing.TB) []byte {
	t.Helper()
	out := filepath.Join(t.TempDir(), "streams.mkv")
	args := []string{"-v", "error", "-f", "lavfi", "-i", "testsrc2=s=64x36:d=0.2", "-f", "lavfi", "-i", "anullsrc=r=8000:cl=mono", "-t", "0.2", "-map", "0:v"}
	for range 300 {
		args = append(args, "-map", "1:a")
	}
	args = append(args, "-c:v", "mpeg4", "-c:a", "pcm_s16le", out)
	if text, err := exec.Command("ffmpeg", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	return contents(t, out)
}
