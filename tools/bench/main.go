// Command bench measures the speed and the memory that the project promises, each against
// a bound:
//
//	sharing  a job of eight video outputs and pictures against one ffmpeg per
//	         output, and against a shared command line written by hand
//	post     POST /v2/jobs at a steady rate: latency, and whether any is lost
//	ready    the time from a server's start until it is ready, with -against
//	         beside another build
//	start    the time from POST to ffmpeg's start
//	memory   the peak memory of the server's own process with a large input
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
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/copra-video/copra/tools/measure"
)

// bench is what the parts share.
type bench struct {
	measure.Lab
	clip   string // 30 s of video
	rounds int
	rate   int           // requests a second
	length time.Duration // how long they are sent
	jobs   int
	large  int64  // bytes of the large input
	only   string // contents of rates

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
	parts := f.String("parts", "sharing,post,ready,start,memory", "what to measure")
	strict := f.Bool("strict", false, "exit with code 1 when an expectation is not met")
	cores := f.Int("cores", 2, "cores for all that runs; 0: all there are")
	keep := f.String("dir", "", "folder for what is written, which then stays")
	gib := f.Float64("gib", 1, "size of the large input in GiB")
	f.StringVar(&b.Bin, "bin", "bin/copra", "the program to measure")
	f.StringVar(&b.clip, "clip", "", "the video to transcode; by default the one of make demo, or one that ffmpeg makes")
	f.IntVar(&b.rounds, "rounds", 3, "rounds of the comparison")
	f.IntVar(&b.rate, "rate", 100, "requests a second")
	f.DurationVar(&b.length, "for", 20*time.Second, "how long requests are sent")
	f.Float64Var(&b.minutes, "minutes", 4, "length of the stream")
	f.Int64Var(&b.line, "line", 20, "the slow line, in Mbit/s")
	f.StringVar(&b.against, "against", "", "another build of the program to compare ready and stream with")
	f.IntVar(&b.jobs, "jobs", 20, "jobs whose start is measured")
	f.StringVar(&b.only, "contents", "", "what rates encodes, such as \"film;noise\", with what it is made from; by default everything")
	if err := f.Parse(args); err != nil {
		return 2
	}
	measure.LimitCores(*cores)
	b.large = int64(*gib * (1 << 30))
	b.Dir = *keep
	if err := b.run(ctx, strings.Split(*parts, ",")); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		return 1
	}
	missed := b.report.Print(os.Stdout)
	if missed > 0 && *strict {
		return 1
	}
	return 0
}

func (b *bench) run(ctx context.Context, parts []string) error {
	all := map[string]func(context.Context) error{
		"sharing": b.sharing, "post": b.post, "ready": b.ready, "start": b.start, "memory": b.memory, "stream": b.stream, "rates": b.rates, "rules": b.rules,
	}
	for _, p := range parts {
		if all[p] == nil {
			return fmt.Errorf("there is no part %q: expected sharing, post, ready, start, memory, stream, rates or rules", p)
		}
	}
	closeLab, err := b.Open()
	if err != nil {
		return err
	}
	defer closeLab()
	for _, p := range []string{"sharing", "post", "ready", "start", "memory", "stream", "rates", "rules"} {
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
