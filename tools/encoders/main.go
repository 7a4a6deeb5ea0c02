// Command encoders measures the presets of the software encoders, and writes
// docs/encoders.md: how many bits and how much CPU time each needs for the same SSIM,
// relative to the preset that is used today. It encodes as a worker does, with the
// arguments of package encoder.
//
// Times are CPU times, so that they hardly depend on what else the machine does.
// `make encoders` runs it.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/copra-video/copra/tools/measure"
)

// lab is what all measurements share.
type lab struct {
	dir         string
	film, media string
	seconds     float64 // of each clip
	parallel    int
	only        map[string]bool // names of clips; empty: all
	try         []string
	results     results
	encodes     atomic.Int64
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	f := flag.NewFlagSet("encoders", flag.ContinueOnError)
	l := &lab{}
	var codecs []string
	for _, s := range sweeps {
		codecs = append(codecs, s.codec)
	}
	names := f.String("codecs", strings.Join(codecs, ","), "what to measure")
	only := f.String("clips", "", "names of clips, such as \"film,grain\"; by default all")
	cores := f.Int("cores", 2, "cores for all that runs; 0: all there are")
	f.StringVar(&l.film, "film", measure.Film(), "a film to cut clips from, at least 24 s; by default the one of make demo, where it has been fetched")
	f.StringVar(&l.media, "media", os.Getenv("COPRA_ENCODERS_MEDIA"), "a folder with stereo-1080p25.mp4 and parametric-stereo.mp4, clips by cameras; by default $COPRA_ENCODERS_MEDIA")
	f.Float64Var(&l.seconds, "seconds", 2, "length of the clips")
	f.Func("try", "one more way to encode, such as \"libx264 veryfast -rc-lookahead 30\"; repeatable", func(s string) error {
		l.try = append(l.try, s)
		return nil
	})
	limit := f.Duration("limit", 2*time.Hour, "clips that are not done by then do not count")
	kept := f.String("results", "", "file for what was measured; what it has is not measured again")
	page := f.String("page", "", "file to write docs/encoders.md to")
	if err := f.Parse(args); err != nil {
		return 2
	}
	measure.LimitCores(*cores)
	l.parallel = runtime.NumCPU()
	l.only = set(*only)
	if err := l.measure(ctx, set(*names), *limit, *kept, *page); err != nil {
		fmt.Fprintln(os.Stderr, "encoders:", err)
		return 1
	}
	return 0
}

// set has the names of a list with commas.
func set(list string) map[string]bool {
	names := map[string]bool{}
	for n := range strings.SplitSeq(list, ",") {
		if n = strings.TrimSpace(n); n != "" {
			names[n] = true
		}
	}
	return names
}

// measure encodes all clips within the limit and prints the tables, also to the page.
func (l *lab) measure(ctx context.Context, codecs map[string]bool, limit time.Duration, kept, page string) (err error) {
	if l.dir, err = os.MkdirTemp("", "copra-encoders-"); err != nil {
		return err
	}
	defer os.RemoveAll(l.dir)
	if err := l.results.load(kept); err != nil {
		return err
	}
	made, err := l.makeClips(ctx)
	if err != nil {
		return err
	}
	var ways []candidate
	var tables []table
	for _, s := range sweeps {
		if !codecs[s.codec] {
			continue
		}
		list, err := l.candidates(s)
		if err != nil {
			fmt.Fprintln(os.Stderr, "encoders:", err)
			continue
		}
		ways = append(ways, list...)
		tables = append(tables, table{sweep: s, ways: list})
	}
	if len(ways) == 0 {
		return errors.New("nothing to measure: -codecs takes h264, hevc, av1, vp9 and vp8")
	}
	bounded, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var failed error
	for _, c := range made {
		if bounded.Err() != nil {
			break
		}
		if failed = l.encodeClip(bounded, c, ways); failed != nil && bounded.Err() == nil {
			break
		}
		if failed = l.results.save(kept); failed != nil {
			break
		}
	}
	if err := errors.Join(failed, ctx.Err()); err != nil {
		return err
	}
	for i := range tables {
		tables[i].fill(made, &l.results)
	}
	return l.print(ctx, made, tables, page)
}

// print writes the tables to the standard output and to the page, if there is one.
func (l *lab) print(ctx context.Context, made []clip, tables []table, page string) error {
	text := pageText(measure.Machine(ctx), l.seconds, made, tables)
	if page == "" {
		fmt.Print(text)
		return nil
	}
	page, err := filepath.Abs(page)
	if err != nil {
		return err
	}
	if i := slices.IndexFunc(tables, func(t table) bool { return len(t.rows) == 0 }); i >= 0 {
		return fmt.Errorf("%s: no clip was done in time, so the page is not written", tables[i].title)
	}
	return os.WriteFile(page, []byte(text), 0o644)
}
