package admission

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/format"
)

// planned is the plan of a job of one video output for each format, from a film
// of 2160p at 30 frames a second.
func planned(t *testing.T, formats ...string) transcode.Plan {
	t.Helper()
	m, err := job.ParseMedia([]byte(`{"streams":[{"index":0,"codec_type":"video","codec_name":"h264","width":3840,"height":2160,
		"pix_fmt":"yuv420p","r_frame_rate":"30/1","avg_frame_rate":"30/1","duration":"60"}],"format":{"format_name":"mov,mp4","duration":"60"}}`))
	if err != nil {
		t.Fatal(err)
	}
	var outputs []*job.Output
	for _, text := range formats {
		f, err := format.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		outputs = append(outputs, &job.Output{Key: text, Type: job.TypeVideo, Format: f, Path: "/a", Video: &job.VideoParams{}})
	}
	p := transcode.Build(outputs, m, transcode.Options{})
	for _, r := range p.Results {
		if r.Err != nil {
			t.Fatal(r.Err)
		}
	}
	return p
}

func TestSlotsFor(t *testing.T) {
	for _, c := range []struct {
		name    string
		formats []string
		slots   int
		want    int64
	}{
		{"small", []string{"mp4:240p"}, 8, 1},
		{"a ladder", []string{"mp4:360p", "mp4:480p", "mp4:720p", "mp4:1080p"}, 8, 1}, // as docs/operations.md has it
		{"large", []string{"mp4:hevc_2160p"}, 8, 4},
		{"large on a small machine", []string{"mp4:hevc_2160p"}, 4, 4},
	} {
		if got := slotsFor(planned(t, c.formats...), c.slots); got != c.want {
			t.Errorf("%s takes %d of %d slots, want %d", c.name, got, c.slots, c.want)
		}
	}
	if got := slotsFor(transcode.Plan{}, 4); got != 1 {
		t.Errorf("nothing to encode takes %d slots", got)
	}
}

func TestAcquireSlots(t *testing.T) {
	s := NewSlots(2)
	small := transcode.Plan{}
	large := transcode.Plan{Steps: []transcode.Step{{VideoEncodes: 1, Cost: 1e6, Duration: time.Second}}}
	take := func(ctx context.Context, p transcode.Plan) (func(), error) {
		_, release, err := s.Acquire(ctx, p)
		return release, err
	}
	release, err := take(t.Context(), large)
	if err != nil {
		t.Fatal(err)
	}
	why := errors.New("cancelled")
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(why)
	if _, err := take(ctx, small); !errors.Is(err, why) {
		t.Errorf("a small job beside one that takes all: %v", err)
	}
	release()
	for range 2 {
		if _, err := take(t.Context(), small); err != nil {
			t.Error(err)
		}
	}
}
