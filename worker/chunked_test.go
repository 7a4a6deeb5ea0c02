package worker

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"testing"
	"time"

	"github.com/copra-video/copra/job"
	artifactstore "github.com/copra-video/copra/storage/artifacts"
	"github.com/copra-video/copra/transcode/format"
	"github.com/copra-video/copra/worker/artifacts"
)

// fakeNodes are so many live workers and queued jobs.
type fakeNodes struct {
	alive           int
	queued, running int64
	err             error
}

func (f fakeNodes) LiveNodes(context.Context, time.Duration) (int, error) { return f.alive, f.err }

func (f fakeNodes) QueueDepth(context.Context) ([]job.QueueCount, error) {
	return []job.QueueCount{
		{Queue: "transcode", State: "running", Count: f.running}, {Queue: "transcode", State: "available", Count: f.queued},
		{Queue: "notify", State: "available", Count: 1000},
	}, nil
}

// TestChunked: a job that does not ask for chunks has them where another worker has nothing else
// to do, and the input is long.
func TestChunked(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name    string
		nodes   fakeNodes
		seconds float64
		asked   bool
		off     bool
		noStore bool
		attempt int
		format  string
		want    bool
	}{
		{name: "two workers", nodes: fakeNodes{alive: 2, running: 1}, seconds: 900, want: true},
		{name: "one worker", nodes: fakeNodes{alive: 1, running: 1}, seconds: 900},
		{name: "short", nodes: fakeNodes{alive: 9}, seconds: 599},
		{name: "others are queued for", nodes: fakeNodes{alive: 3, queued: 2}, seconds: 900},
		{name: "one is left", nodes: fakeNodes{alive: 4, queued: 2}, seconds: 900, want: true},
		{name: "nothing to share by", nodes: fakeNodes{alive: 9}, seconds: 900, noStore: true},
		{name: "off", nodes: fakeNodes{alive: 9}, seconds: 900, off: true},
		{name: "a bitrate", nodes: fakeNodes{alive: 2}, seconds: 900, format: "mp4:720p_2000k"},
		{name: "a bitrate, three workers", nodes: fakeNodes{alive: 3}, seconds: 900, format: "mp4:720p_2000k", want: true},
		{name: "a bitrate, asked", nodes: fakeNodes{alive: 1}, seconds: 900, asked: true, format: "mp4:720p_2000k", want: true},
		{name: "asked", nodes: fakeNodes{alive: 1}, seconds: 61, asked: true, noStore: true, want: true},
		{name: "asked, off", nodes: fakeNodes{alive: 9}, seconds: 900, asked: true, off: true},
		{name: "asked, short", nodes: fakeNodes{alive: 9}, seconds: 59, asked: true},
		{name: "after a worker has died", nodes: fakeNodes{alive: 1}, seconds: 900, attempt: 2, want: true},
		{name: "not known", nodes: fakeNodes{alive: 9, err: errors.New("away")}, seconds: 900},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			var store *artifactstore.Store
			if !c.noStore {
				store = &artifactstore.Store{}
			}
			w := &Worker{nodes: c.nodes, chunks: !c.off, cache: artifacts.NewCache(store, "", slog.New(slog.DiscardHandler), nil)}
			f, err := format.Parse(cmp.Or(c.format, "mp4:720p::quality=4"))
			if err != nil {
				t.Fatal(err)
			}
			tr := &transcoding{claimed: &claimed{w: w, log: slog.New(slog.DiscardHandler), attempt: max(1, c.attempt), spec: &job.Spec{Settings: job.Settings{UltraFast: c.asked}}}}
			rate := format.Rational{Num: 25, Den: 1}
			media := job.Media{FormatName: "mov,mp4", Duration: c.seconds, Video: []job.VideoStream{{
				Codec: "h264", Width: 1280, Height: 720, PixFmt: "yuv420p", BitDepth: 8, FPS: rate, BaseFPS: rate, Duration: c.seconds,
			}}}
			r := &resolved{transcoding: tr, media: media, outputs: []*job.Output{{Key: "a", Type: job.TypeVideo, Format: f, Path: "/a.mp4", Video: &job.VideoParams{}}}, helpers: tr.countHelpers(t.Context(), media)}
			if got := r.planning().ChunkSeconds > 0; got != c.want {
				t.Errorf("in chunks: %v, want %v", got, c.want)
			}
		})
	}
}
