package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/tools/measure"
)

// mostMemory bounds the memory of the server's own process, in bytes.
const mostMemory = 150e6

// memory has a large file transcoded and measures the peak memory of the server's
// process, which fetches and publishes. That of ffmpeg does not count.
func (b *bench) memory(ctx context.Context) error {
	dir, err := b.Sub("memory")
	if err != nil {
		return err
	}
	padded, err := b.padded(ctx, dir)
	if err != nil {
		return err
	}
	origin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/whole.mp4" {
			r.Header.Del("Range") // the answer is the whole file
			w.Header().Set("Accept-Ranges", "none")
			serveWhole(w, padded)
			return
		}
		http.ServeFile(w, r, padded)
	}))
	defer origin.Close()

	small := client.Outputs{"mp4:0x90": "/out.mp4"}
	for _, c := range []struct{ what, input string }{
		{"an input with ranges", origin.URL + "/ranges.mp4"},
		{"an input without ranges", origin.URL + "/whole.mp4"},
		{"an upload", ""},
	} {
		if err := b.peak(ctx, c.what, padded, c.input, small, nil); err != nil {
			return err
		}
	}
	return b.largeResults(ctx, dir)
}

// peak runs a job on a new server and reports its peak memory. An input of "" has file
// uploaded.
func (b *bench) peak(ctx context.Context, what, file, input string, outputs client.Outputs, storage *client.Storage) error {
	name := "memory-" + strconv.FormatInt(time.Now().UnixNano(), 36)
	srv, err := b.Standalone(ctx, name)
	if err != nil {
		return err
	}
	defer os.RemoveAll(filepath.Join(b.Dir, name)) // gigabytes
	defer srv.Stop()
	idle, err := srv.PeakMemory()
	if err != nil {
		return err
	}
	if input == "" {
		if input, err = srv.API.UploadFile(ctx, file); err != nil {
			return err
		}
	}
	if _, _, _, err := srv.Job(ctx, srv.Request(input, outputs, storage)); err != nil {
		return err
	}
	peak, err := srv.PeakMemory()
	if err != nil {
		return err
	}
	b.report.Expect(fmt.Sprintf("memory: %.1f GiB as %s (started with %.0f MB)", float64(b.large)/(1<<30), what, float64(idle)/1e6),
		fmt.Sprintf("%.0f MB", float64(peak)/1e6), "< 150 MB", peak < mostMemory)
	return nil
}

// padded makes a short film with an empty box behind it, which makes it as large as
// b.large says. The file is sparse.
func (b *bench) padded(ctx context.Context, dir string) (string, error) {
	file := filepath.Join(dir, "padded.mp4")
	if _, err := measure.FFmpeg(ctx, dir, "-f", "lavfi", "-i", "testsrc=size=320x180:rate=25:duration=2", "-f", "lavfi", "-i", "sine",
		"-shortest", "-c:v", "libx264", "-preset", "ultrafast", "-pix_fmt", "yuv420p", "-c:a", "aac", "-movflags", "+faststart", file); err != nil {
		return "", err
	}
	f, err := os.OpenFile(file, os.O_RDWR|os.O_APPEND, 0)
	if err != nil {
		return "", err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", err
	}
	// A box with a size of 64 bits (ISO/IEC 14496-12, section 4.2).
	box := append([]byte{0, 0, 0, 1}, "free"...)
	box = binary.BigEndian.AppendUint64(box, uint64(b.large))
	if _, err := f.Write(box); err != nil {
		return "", err
	}
	return file, f.Truncate(st.Size() + b.large)
}

// serveWhole answers with a file as a server without byte ranges does.
func serveWhole(w http.ResponseWriter, file string) {
	f, err := os.Open(file)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "video/mp4")
	w.Header().Set("Content-Length", strconv.FormatInt(st.Size(), 10))
	_, _ = f.WriteTo(w) // fails only when the client has disconnected
}
