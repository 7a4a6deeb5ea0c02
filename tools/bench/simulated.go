package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	program "github.com/copra-video/copra/transcode/ffmpeg"
)

// The film that is simulated, and what an encoder takes for a frame of it: about as long
// as one core takes for a ladder of five sizes up to 1080 lines.
const (
	simulatedSeconds = 2 * 3600
	simulatedRate    = 24
	frameCost        = 78 * time.Millisecond
)

// simulatedProbe is what ffprobe would say of the film and of what is made of it.
var simulatedProbe = fmt.Sprintf(`{"streams":[{"index":0,"codec_type":"video","codec_name":"h264","width":1920,"height":1080,"pix_fmt":"yuv420p",
	"r_frame_rate":"%d/1","avg_frame_rate":"%[1]d/1","duration":"%d","nb_frames":"%d"}],
	"format":{"format_name":"mov,mp4,m4a,3gp,3g2,mj2","duration":"%[2]d","size":"1000000000"}}`, simulatedRate, simulatedSeconds, simulatedSeconds*simulatedRate)

// simulated is an ffmpeg that encodes nothing: it takes a fixed time for each frame, and
// writes files that can be joined. It implements worker.Media.
type simulated struct {
	film job.Media
	// faster divides the time that a frame takes.
	faster float64
}

func newSimulated(faster float64) (*simulated, error) {
	film, err := job.ParseMedia([]byte(simulatedProbe))
	return &simulated{film, faster}, err
}

// oneWorker is the time that one worker would take: the encoder's time for all frames.
func (s *simulated) oneWorker() time.Duration {
	return time.Duration(float64(simulatedSeconds*simulatedRate) * float64(frameCost) / s.faster)
}

func (*simulated) Version() string { return "simulated" }

// ServesInputs reports false: the film is fetched whole, which takes no time.
func (*simulated) ServesInputs() bool { return false }

func (*simulated) Capabilities() transcode.Capabilities { return transcode.Capabilities{} }

func (s *simulated) Probe(context.Context, string) (job.Media, error) { return s.film, nil }

func (*simulated) DecodePhoto(context.Context, string, string) error { return nil }

func (*simulated) Timeline(context.Context, string, string, job.Media, time.Duration) (job.Timeline, error) {
	return job.Timeline{}, fmt.Errorf("a simulated film is not measured")
}

func (*simulated) Weights(context.Context, string, string, int, time.Duration) (transcode.Weights, error) {
	return nil, nil
}

func (s *simulated) Verify(context.Context, string, transcode.Expect) (job.Media, error) {
	return s.film, nil
}

func (s *simulated) ProbePlaylist(context.Context, string) (job.Media, error) { return s.film, nil }

// chosen finds where a chunk begins and ends, in seconds, in the filter that chooses its frames.
var chosen = regexp.MustCompile(`select='(?:gte\(t,([0-9.]+)\))?\*?(?:lt\(t,([0-9.]+)\))?'`)

// simulatedChunk is an MP4 without frames: 64 KiB in a box that readers skip.
var simulatedChunk = slices.Concat([]byte{0, 1, 0, 0, 'f', 'r', 'e', 'e'}, make([]byte, 1<<16-8))

// Run writes the files of a step. A chunk takes the time of its frames, and everything else
// none, apart from what this program itself does.
func (s *simulated) Run(ctx context.Context, c program.Command) error {
	if c.Input != nil {
		for buf := make([]byte, 1<<16); ; {
			if _, err := c.Input.Read(ctx, buf); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				return err
			}
		}
	}
	for i, a := range c.Args {
		if a == "-filter_complex" {
			if err := s.encode(ctx, c.Args[i+1]); err != nil {
				return err
			}
		}
		if a != "-f" || i+2 >= len(c.Args) {
			continue
		}
		content := simulatedChunk
		if c.Args[i+1] == "framecrc" {
			content = []byte("#")
		}
		if err := os.WriteFile(filepath.Join(c.Dir, c.Args[i+2]), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func (s *simulated) encode(ctx context.Context, graph string) error {
	from, to := 0.0, float64(simulatedSeconds)
	if m := chosen.FindStringSubmatch(graph); m != nil {
		if m[1] != "" {
			from, _ = strconv.ParseFloat(m[1], 64)
		}
		if m[2] != "" {
			to, _ = strconv.ParseFloat(m[2], 64)
		}
	}
	took := time.Duration((to - from) * simulatedRate * float64(frameCost) / s.faster)
	select {
	case <-time.After(took):
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// quiet is a log of warnings.
func quiet(to io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(to, &slog.HandlerOptions{Level: slog.LevelWarn}))
}
