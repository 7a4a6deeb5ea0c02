// Command load puts a server under heavy load and checks what the project promises:
//
//	post   POST /v2/jobs at a rate that does not wait for answers, on a whole
//	       server with a worker: latency, and that every job ends, with a webhook
//	queue  with thousands of jobs queued, against none: GET, the list, POST,
//	       metrics, and how soon a job of high priority starts
//	soak   a thousand jobs through one worker: memory, goroutines, files
//	silent webhooks while many others wait for hosts that never answer
//
// It is run by `make load`. The program and PostgreSQL are the real ones. In place of
// ffmpeg and ffprobe are scripts that copy what was made before, so the work of a job is
// that of the server. The exit code is 1 if a promise is broken. Latencies are only
// reported, because they depend on the machine too.
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

// load is what the parts share.
type load struct {
	measure.Lab
	rate   float64       // requests a second
	length time.Duration // how long they are sent
	split  bool          // API and worker are two processes
	queued int           // jobs
	jobs   int           // of the soak
	slots  int           // of workers
	tools  *standIn
	report measure.Report
}

// order has the parts in the order in which they run.
var order = []string{"post", "queue", "soak", "silent"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	f := flag.NewFlagSet("load", flag.ContinueOnError)
	l := &load{}
	parts := f.String("parts", strings.Join(order, ","), "what to do")
	cores := f.Int("cores", 2, "cores for all that runs; 0: all there are")
	sandbox := f.String("sandbox", "off", "--sandbox of the server, for the stand-ins of ffmpeg")
	f.StringVar(&l.Bin, "bin", "bin/copra", "the program to test")
	f.StringVar(&l.Dir, "dir", "", "folder for what is written, which then stays")
	f.Float64Var(&l.rate, "rate", 200, "post: requests a second")
	f.DurationVar(&l.length, "for", time.Minute, "post: how long requests are sent")
	f.BoolVar(&l.split, "split", false, "post: api and worker as two processes, in the place of one")
	f.IntVar(&l.queued, "queued", 10000, "queue: jobs that are queued")
	f.IntVar(&l.jobs, "jobs", 1000, "soak: jobs")
	f.IntVar(&l.slots, "slots", 2, "--slots of workers")
	if err := f.Parse(args); err != nil {
		return 2
	}
	measure.LimitCores(*cores)
	if err := l.run(ctx, strings.Split(*parts, ","), *sandbox); err != nil {
		fmt.Fprintln(os.Stderr, "load:", err)
		return 1
	}
	if l.report.Print(os.Stdout) > 0 {
		return 1
	}
	return 0
}

func (l *load) run(ctx context.Context, parts []string, sandbox string) error {
	all := map[string]func(context.Context) error{"post": l.post, "queue": l.queue, "soak": l.soak, "silent": l.silent}
	for _, p := range parts {
		if all[p] == nil {
			return fmt.Errorf("there is no part %q: expected %s", p, strings.Join(order, ", "))
		}
	}
	closeLab, err := l.Open()
	if err != nil {
		return err
	}
	defer closeLab()
	if l.tools, err = l.standIns(ctx, sandbox); err != nil {
		return err
	}
	defer l.tools.close()
	for _, p := range order {
		if !slices.Contains(parts, p) {
			continue
		}
		l.say("== %s", p)
		if err := all[p](ctx); err != nil {
			return fmt.Errorf("%s: %w", p, err)
		}
	}
	return nil
}

// say prints progress.
func (l *load) say(format string, args ...any) { fmt.Fprintf(os.Stderr, format+"\n", args...) }
