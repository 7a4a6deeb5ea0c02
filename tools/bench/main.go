// Command bench measures the speed and the memory that the project promises, each against
// a bound:
//
//	sharing  a job of eight video outputs and pictures against one ffmpeg per
//	         output, and against a shared command line written by hand
//	pictures pictures, a clip, a copy and sound of a long input, each against a
//	         careful command by hand
//	post     POST /v2/jobs at a steady rate: latency, and whether any is lost
//	ready    the time from a server's start until it is ready, with -against
//	         beside another build
//	start    the time from POST to ffmpeg's start
//	sizing   the CPU time for a minute of film of what people ask for
//	idle     transactions and CPU time of a worker and an API without work
//	workers  a job of chunks by one, two and four real workers of one core each
//	spread   a job of a long film that many workers with simulated encoders share
//	memory   the peak memory of the server's own process with a large input
//	input    jobs of parts of a long film over a slow line beside commands by hand: time
//	         and bytes; the time from POST to the first frame
//	stream   a stream of some minutes to a near bucket and over a slow line: time
//	         and work directory, with -against beside another program; not run
//	         unless it is named
//	rates    how near ladders come to their bitrates on easy, hard and uneven
//	         content, and the peaks of their segments
//	rules    rule by rule, streams of the server against those of plain ffmpeg
//
// It is run by `make bench`, the last two by `make rates` and `make rules`. What is
// compared runs in turn on the same machine, so that ratios hold on a busy one too.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/copra-video/copra/tools/measure"
)

// bench is what the parts share.
type bench struct {
	measure.Lab
	clip    string // 30 s of video
	rounds  int
	rate    int           // requests a second
	length  time.Duration // how long they are sent
	jobs    int
	workers []int  // simulated ones that share a job
	film    int    // seconds that real ones share
	large   int64  // bytes of the large input
	only    string // contents of rates

	minutes float64 // of the stream
	line    int64   // the slow line, in Mbit/s
	against string  // another build; "": none

	report measure.Report
}

func main() {
	if recordStart() {
		return // this process was a stand-in for ffmpeg or ffprobe
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	f := flag.NewFlagSet("bench", flag.ContinueOnError)
	b := &bench{}
	parts := f.String("parts", strings.Join(usual, ","), "what to measure")
	strict := f.Bool("strict", false, "exit with code 1 when an expectation is not met")
	cores := f.Int("cores", 2, "cores for all that runs; 0: all there are")
	keep := f.String("dir", "", "folder for what is written, which then stays")
	gib := f.Float64("gib", 1, "size of the large input in GiB")
	f.StringVar(&b.Bin, "bin", "bin/copra", "the program to measure")
	f.StringVar(&b.clip, "clip", "", "the video to transcode; by default the one of make demo, or one that ffmpeg makes")
	f.IntVar(&b.rounds, "rounds", 2, "rounds of comparisons; sharing runs half as many")
	limit := f.Duration("limit", 30*time.Minute, "no part is begun after that, nor takes longer")
	f.IntVar(&b.rate, "rate", 100, "requests a second")
	f.DurationVar(&b.length, "for", 20*time.Second, "how long requests are sent")
	f.Float64Var(&b.minutes, "minutes", 4, "length of the stream, of the film of input, and of the long input of pictures")
	f.Int64Var(&b.line, "line", 20, "the slow line, in Mbit/s")
	f.StringVar(&b.against, "against", "", "another build of the program to compare ready and stream with")
	f.IntVar(&b.jobs, "jobs", 20, "jobs whose start is measured")
	f.StringVar(&b.only, "contents", "", "what rates encodes, such as \"film;noise\", with what it is made from; by default everything")
	f.IntVar(&b.film, "film", 360, "workers: seconds of the film that real workers share, in chunks of 30")
	page := f.String("page", "", "file to write docs/performance.md to")
	workers := f.String("workers", "8,64,256", "spread: how many simulated workers")
	if err := f.Parse(args); err != nil {
		return 2
	}
	for n := range strings.SplitSeq(*workers, ",") {
		k, err := strconv.Atoi(n)
		if err != nil || k < 1 {
			fmt.Fprintf(os.Stderr, "bench: -workers %q: expected numbers such as 8,64\n", *workers)
			return 2
		}
		b.workers = append(b.workers, k)
	}
	measure.LimitCores(*cores)
	b.large = int64(*gib * (1 << 30))
	b.Dir = *keep
	failed := b.run(ctx, strings.Split(*parts, ","), *limit)
	if failed != nil {
		fmt.Fprintln(os.Stderr, "bench:", failed)
	}
	missed := b.report.Print(os.Stdout)
	if *page != "" {
		if err := b.writePage(ctx, *page, strings.Split(*parts, ",")); err != nil {
			fmt.Fprintln(os.Stderr, "bench:", err)
			return 1
		}
	}
	if failed != nil || missed > 0 && *strict {
		return 1
	}
	return 0
}

// usual are the parts that `make bench` runs.
var usual = []string{"sharing", "pictures", "input", "workers", "post", "ready", "start", "idle", "memory", "sizing", "spread"}

// run runs the parts. When one fails the others run all the same, and the error says which
// failed, or were not begun before limit.
func (b *bench) run(ctx context.Context, parts []string, limit time.Duration) error {
	all := map[string]func(context.Context) error{
		"sharing": b.sharing, "pictures": b.pictures, "input": b.input, "workers": b.realWorkers, "post": b.post, "ready": b.ready, "start": b.start, "idle": b.idle, "memory": b.memory,
		"sizing": b.sizing, "spread": b.spread, "stream": b.stream, "rates": b.rates, "rules": b.rules,
	}
	for _, p := range parts {
		if all[p] == nil {
			return fmt.Errorf("there is no part %q: expected %s, stream, rates or rules", p, strings.Join(usual, ", "))
		}
	}
	closeLab, err := b.Open()
	if err != nil {
		return err
	}
	defer closeLab()
	begin := time.Now()
	var failed []error
	for _, p := range slices.Concat(usual, []string{"stream", "rates", "rules"}) {
		switch {
		case !slices.Contains(parts, p):
			continue
		case ctx.Err() != nil:
			return errors.Join(append(failed, ctx.Err())...)
		case time.Since(begin) > limit:
			failed = append(failed, fmt.Errorf("%s: not begun within %s", p, limit))
			continue
		}
		fmt.Fprintf(os.Stderr, "== %s, after %s\n", p, time.Since(begin).Round(time.Second))
		part, cancel := context.WithTimeout(ctx, limit)
		if err := all[p](part); err != nil {
			failed = append(failed, fmt.Errorf("%s: %w", p, err))
		}
		cancel()
	}
	fmt.Fprintf(os.Stderr, "== done after %s\n", time.Since(begin).Round(time.Second))
	return errors.Join(failed...)
}
