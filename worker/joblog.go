package worker

import (
	"context"
	"errors"
	"log/slog"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// runStore keeps the log of a job.
type runStore interface {
	LogRun(ctx context.Context, jobID string, r job.FFmpegRun) error
}

// jobLog writes the runs of ffmpeg of one run, or one task, into the log of the job.
// It never fails and never holds up the work.
type jobLog struct {
	store  runStore
	jobID  string
	run    int64 // 0: that of the job now
	task   int64
	node   string
	log    *slog.Logger
	counts *Metrics

	writing sync.WaitGroup
}

// jobLog opens the log of a job for a run, or for a task of it.
func (w *Worker) jobLog(jobID string, run, task int64) *jobLog {
	return &jobLog{store: w.runs, jobID: jobID, run: run, task: task, node: w.node, log: w.log, counts: w.metrics}
}

const (
	// maxSaid is how many bytes of ffmpeg's messages are kept, from the end, and
	// maxArgument how many of an argument: the graph of filters of a ladder is long.
	maxSaid, maxArgument = 8 << 10, 16 << 10
	// logTimeout is how long the database may take.
	logTimeout = 5 * time.Second
)

// omitted are options before every input whose values are the same for all, and long.
var omitted = []string{"-protocol_whitelist", "-format_whitelist"}

// ran logs a run of ffmpeg for a step.
func (l *jobLog) ran(ctx context.Context, st transcode.Step, r ffmpeg.Report) {
	entry := job.FFmpegRun{
		Run: l.run, Task: l.task, Node: l.node, Step: st.ID, Kind: string(st.Kind),
		At: r.Start, Took: r.Took, CPU: r.CPU, Media: st.Duration, Said: lastBytes(redact(r.Said), maxSaid),
	}
	for i, a := range r.Args {
		if slices.Contains(omitted, a) || i > 0 && slices.Contains(omitted, r.Args[i-1]) {
			continue
		}
		entry.Command = append(entry.Command, firstBytes(redact(a), maxArgument))
	}
	switch failed, ok := errors.AsType[*ffmpeg.RunError](r.Err); {
	case ok:
		entry.Error = redact(failed.Error())
	case r.Err != nil:
		entry.Error = "it was ended: " + redact(r.Err.Error())
	}
	l.counts.ran(st, entry)
	l.writing.Go(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), logTimeout)
		defer cancel()
		if err := l.store.LogRun(ctx, l.jobID, entry); err != nil {
			l.log.DebugContext(ctx, "run of ffmpeg not logged", "error", err)
		}
	})
}

// close waits until all is written.
func (l *jobLog) close() { l.writing.Wait() }

// ffmpeg reads local files and its arguments name no address. What a file says of
// itself, as in the title of an input, may; and then it may hold a password or a
// signature.
var (
	userinfo = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://)[^\s/@?#'"]+@`)
	query    = regexp.MustCompile(`([A-Za-z][A-Za-z0-9+.-]*://[^\s?'"]*)\?[^\s'"]*`)
)

// redact takes user names, passwords and queries out of the addresses in a text.
func redact(s string) string {
	if !strings.Contains(s, "://") {
		return s
	}
	return query.ReplaceAllString(userinfo.ReplaceAllString(s, "${1}[redacted]@"), "${1}?[redacted]")
}

func lastBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return "..." + s[len(s)-n:]
}

func firstBytes(s string, n int) string {
	if len(s) <= n {
		return s
	}
	return s[:n] + "..."
}
