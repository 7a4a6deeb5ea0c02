// Command bench measures what the project promises of its speed and size, each
// against an expectation:
//
//	sharing  a job of eight video outputs and pictures against one ffmpeg per
//	         output, and against a shared command line written by hand
//	post     POST /v2/jobs at a steady rate: latency, and whether any is lost
//	start    the time from POST to ffmpeg's start
//	memory   the peak memory of the server's own process with a large input
//
// It is run by `make bench`; what is compared runs in turn on the same
// machine, so ratios hold on a noisy one too.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// bench is what the parts share.
type bench struct {
	bin    string // the program under test
	dir    string // for everything that is written
	clip   string // 30 s of video
	rounds int
	rate   int
	length time.Duration
	jobs   int
	large  int64 // bytes of the large input
	sink   *sink
	report report
}

// onTwoCores marks the second life of the process, see limitCores.
const onTwoCores = "COPRA_BENCH_CORES"

func main() {
	if recordStart() {
		return // this process stands in for ffmpeg or ffprobe
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	b := &bench{}
	parts := f.String("parts", "sharing,post,start,memory", "what to measure")
	strict := f.Bool("strict", false, "exit with code 1 when an expectation is not met")
	cores := f.Int("cores", 2, "cores for all that runs; 0: all there are")
	keep := f.String("dir", "", "folder for what is written, which then stays")
	gib := f.Float64("gib", 1, "size of the large input in GiB")
	f.StringVar(&b.bin, "bin", "bin/copra", "the program to measure")
	f.StringVar(&b.clip, "clip", "", "the video to transcode; by default the one of make demo, or one that ffmpeg makes")
	f.IntVar(&b.rounds, "rounds", 3, "rounds of the comparison")
	f.IntVar(&b.rate, "rate", 100, "requests a second")
	f.DurationVar(&b.length, "for", 20*time.Second, "how long requests are sent")
	f.IntVar(&b.jobs, "jobs", 20, "jobs whose start is measured")
	if err := f.Parse(args); err != nil {
		return 2
	}
	limitCores(*cores)
	b.large = int64(*gib * (1 << 30))
	b.dir = *keep
	if err := b.run(ctx, strings.Split(*parts, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	missed := b.report.print(os.Stdout)
	if missed > 0 && *strict {
		return 1
	}
	return 0
}

func (b *bench) run(ctx context.Context, parts []string) (err error) {
	all := map[string]func(context.Context) error{
		"sharing": b.sharing, "post": b.post, "start": b.start, "memory": b.memory,
	}
	for _, p := range parts {
		if all[p] == nil {
			return fmt.Errorf("there is no part %q: expected sharing, post, start or memory", p)
		}
	}
	if b.bin, err = filepath.Abs(b.bin); err != nil {
		return err
	}
	if _, err := os.Stat(b.bin); err != nil {
		return fmt.Errorf("%w; make build makes it", err)
	}
	remove, err := b.makeDir()
	if err != nil {
		return err
	}
	defer remove()
	if b.sink, err = newSink(); err != nil {
		return err
	}
	defer b.sink.close()
	for _, p := range []string{"sharing", "post", "start", "memory"} {
		if !slices.Contains(parts, p) {
			continue
		}
		fmt.Fprintf(os.Stderr, "== %s\n", p)
		if err := all[p](ctx); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	return nil
}

// makeDir makes the folder for everything, which others must be able to enter:
// PostgreSQL does not run as root.
func (b *bench) makeDir() (remove func(), err error) {
	if b.dir != "" {
		b.dir, err = filepath.Abs(b.dir)
		return func() {}, errors.Join(err, os.MkdirAll(b.dir, 0o755))
	}
	if b.dir, err = os.MkdirTemp("", "copra-bench-"); err != nil {
		return nil, err
	}
	return func() { os.RemoveAll(b.dir) }, os.Chmod(b.dir, 0o755)
}

// sub makes a folder for one part.
func (b *bench) sub(names ...string) (string, error) {
	dir := filepath.Join(append([]string{b.dir}, names...)...)
	return dir, os.MkdirAll(dir, 0o755)
}

// limitCores starts this program again on the first n cores, together with all
// that it starts, so that figures of different machines can be compared.
func limitCores(n int) {
	if n <= 0 || runtime.NumCPU() <= n || os.Getenv(onTwoCores) != "" {
		return
	}
	self, err := os.Executable()
	if err != nil {
		return
	}
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		fmt.Fprintf(os.Stderr, "bench: no taskset here, so all %d cores are used\n", runtime.NumCPU())
		return
	}
	argv := append([]string{"taskset", "-c", "0-" + strconv.Itoa(n-1), self}, os.Args[1:]...)
	err = syscall.Exec(taskset, argv, append(os.Environ(), onTwoCores+"=1"))
	fmt.Fprintln(os.Stderr, "bench: run on fewer cores:", err)
}
