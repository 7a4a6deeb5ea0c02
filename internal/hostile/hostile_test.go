package hostile

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/internal/sandbox"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

func TestMain(m *testing.M) {
	sandbox.Main()
	os.Exit(m.Run())
}

// The bounds for one input. The bound on time is in addition to slowdown times
// the time of the undamaged clip in the same run, since the machine may be
// loaded.
const (
	maxTime      = 30 * time.Second
	slowdown     = 10
	maxMemory    = 1536 << 20 // of one ffmpeg or ffprobe: a picture of 900 megapixels is gray for once
	maxWorkFiles = 64 << 20   // beside the input
	stall        = 15 * time.Second
)

// request is the request for an input of a family.
func request(family string) []byte {
	output := map[string]string{"mp3": "mp3:64k", "jpg": "jpg:64x", "bombs": "jpg:64x\": {\"path\": \"/a.jpg\"}, \"mp4:64x36"}[family]
	if output == "" {
		output = "mp4:64x36"
	}
	return fmt.Appendf(nil, `{"input": {"url": "https://host/in"}, "storage": {"service": "coconut"}, "outputs": {"%s": {"path": "/a"}}}`, output)
}

// TestHostile runs a sample, and with COPRA_CHAOS=1, as make chaos sets it, a
// hundred cuts of a clip of each usual kind.
func TestHostile(t *testing.T) {
	testmedia.Long(t)
	report, err := sandbox.Check(t.Context(), sandbox.Trial{})
	if err != nil {
		t.Fatal(err)
	}
	tools, err := ffmpeg.Open(t.Context(), ffmpeg.Options{FFmpeg: testmedia.Tool(t, "ffmpeg"), FFprobe: testmedia.Tool(t, "ffprobe")})
	if err != nil {
		t.Fatal(err)
	}
	tools = tools.Sandboxed(ffmpeg.Sandbox{Landlock: report.Files, Memory: 4 << 30})
	thorough := os.Getenv("COPRA_CHAOS") != ""

	var table table
	defer table.print(t)
	work := make(chan input)
	var wg sync.WaitGroup
	for range 3 {
		wg.Go(func() {
			for in := range work {
				table.add(in, try(t, tools, in))
			}
		})
	}
	for i, family := range testmedia.Families(t) {
		cuts, flips := 1, 1
		switch {
		case thorough && i < testmedia.Usual:
			cuts, flips = 100, 30
		case thorough:
			cuts, flips = 40, 20
		case i == 0:
			cuts = 5
		}
		whole, err := os.ReadFile(family.Path)
		if err != nil {
			t.Fatal(err)
		}
		base := try(t, tools, input{family.Name, "whole." + family.Name, whole, maxTime})
		if base.err != nil {
			t.Errorf("%s, undamaged: %v", family.Path, base.err)
		}
		limit := maxTime + slowdown*base.took
		for i, data := range testmedia.Cuts(whole, cuts) {
			work <- input{family.Name, fmt.Sprintf("cut-%03d-at-%d.%s", i, len(data), family.Name), data, limit}
		}
		for i, data := range testmedia.Flips(whole, flips) {
			work <- input{family.Name, fmt.Sprintf("flip-%03d.%s", i, family.Name), data, limit}
		}
	}
	bombs := testmedia.Bombs(t)
	for _, name := range slices.Sorted(maps.Keys(bombs)) {
		work <- input{"bombs", name, bombs[name], maxTime}
	}
	close(work)
	wg.Wait()

	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_CHILDREN, &usage); err != nil {
		t.Fatal(err)
	}
	if most := usage.Maxrss << 10; most > maxMemory {
		t.Errorf("an ffmpeg or ffprobe had %d MiB", most>>20)
	}
	if table.total("").good == 0 {
		t.Error("no damaged clip was good for anything")
	}
}

// input is one file to try.
type input struct {
	family, name string
	data         []byte
	limit        time.Duration
}

// outcome is the result for one input.
type outcome struct {
	good              int // outputs
	err               error
	took              time.Duration
	memory, workFiles int64
}

// try takes an input through the steps of a job and checks the bounds.
func try(t *testing.T, tools *ffmpeg.Toolchain, in input) outcome {
	dir, err := os.MkdirTemp(t.TempDir(), "run-") //nolint:usetesting // it goes with the input
	if err != nil {
		t.Error(err)
		return outcome{}
	}
	defer os.RemoveAll(dir)
	source := filepath.Join(dir, transcode.SourceName)
	if err := os.WriteFile(source, in.data, 0o600); err != nil {
		t.Error(err)
		return outcome{}
	}
	watched := watch(dir)
	begin := time.Now()
	good, err := convert(t.Context(), tools, in.family, dir, source)
	o := outcome{good: good, err: err, took: time.Since(begin)}
	o.memory, o.workFiles = watched()
	o.workFiles -= int64(len(in.data))
	if err != nil {
		sentence := ffmpeg.Failure(err).Message
		if sentence == "" || strings.ContainsAny(sentence, "\x00\n") || strings.Contains(sentence, dir) || ffmpeg.Reason(err).Requeue() {
			t.Errorf("%s fails with %q: %v", in.name, sentence, err)
		}
	}
	if o.took > in.limit {
		t.Errorf("%s took %v, of %v", in.name, o.took, in.limit)
	}
	if o.memory > maxMemory {
		t.Errorf("%s took %d MiB of memory", in.name, o.memory>>20)
	}
	if o.workFiles > maxWorkFiles {
		t.Errorf("%s left %d MiB in the work directory", in.name, o.workFiles>>20)
	}
	return o
}

// convert does what the worker does with an input: it probes, plans, runs and
// verifies. It returns how many outputs were good, and the first error.
func convert(ctx context.Context, tools *ffmpeg.Toolchain, family, dir, source string) (good int, err error) {
	media, err := tools.Probe(ctx, source)
	if err != nil {
		return 0, err
	}
	spec, err := coconut.DecodeJob(request(family))
	if err != nil {
		return 0, err
	}
	var outputs []*job.Output
	for _, o := range spec.Outputs {
		resolved, err := coconut.ResolveOutput(o, coconut.Vars(media))
		if err != nil {
			return 0, err
		}
		outputs = append(outputs, resolved)
	}
	plan := transcode.Build(outputs, media, transcode.Options{Capabilities: tools.Capabilities()})
	failed := map[string]error{}
	for _, s := range plan.Steps {
		for _, need := range s.Needs {
			if failed[need] != nil {
				failed[s.ID] = failed[need]
			}
		}
		if failed[s.ID] != nil {
			continue
		}
		for _, d := range s.Dirs {
			if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
				return good, err
			}
		}
		if err := tools.Run(ctx, ffmpeg.Command{Args: s.Op.FFmpeg.Args, Dir: dir, StallTimeout: stall}); err != nil && !s.Optional {
			failed[s.ID] = err
		}
	}
	var first error
	for i, result := range plan.Results {
		var err error
		if result.Err != nil {
			err = result.Err
		}
		for _, s := range plan.Steps {
			if err == nil && slices.Contains(s.Outputs, i) {
				err = failed[s.ID]
			}
		}
		for _, f := range result.Files {
			name := f.Name
			if f.Count > 0 {
				name = fmt.Sprintf(f.Name, 1)
			}
			if err == nil {
				_, err = tools.Verify(ctx, filepath.Join(dir, name), f.Expect)
			}
		}
		if err == nil {
			good++
		} else if first == nil {
			first = err
		}
	}
	return good, first
}
