package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"time"

	"github.com/copra-video/copra/tools/measure"
)

// chapters are the parts that the page has, with what each measures.
var chapters = []struct{ part, title, text string }{
	{"sharing", "What does a server cost beside ffmpeg?", "A job of eight video outputs and pictures from 30 s of 1080p: one ffmpeg for each output (a), and one careful command line that shares the decode (b)."},
	{"pictures", "What do pictures, clips and copies cost?", "Jobs of a film of some minutes in the built-in storage, each beside one careful command by hand. Time and CPU are those of the whole server with its database."},
	{"input", "How much of an input is read, and how soon?", "A film behind a line of 25 MB/s, each job beside one careful command by hand over the same line."},
	{"workers", "How much sooner is a job done by several real workers?", "Each worker has one slot and is kept on one core. Chunks of 30 s, with everything that a job does."},
	{"post", "How fast are jobs accepted?", "POST /v2/jobs at a steady rate."},
	{"start", "How soon does a job start?", "From POST to the start of ffmpeg."},
	{"idle", "What does a worker cost that has nothing to do?", "One worker, with an artifact store, and one API, two minutes long. Autovacuum's transactions are among those of the database."},
	{"ready", "How soon is a server ready?", "From the start of the process, with its own PostgreSQL."},
	{"memory", "How much memory does a large input take?", "The peak of the server's own process."},
	{"sizing", "What does a minute of film cost?", "CPU time of ffmpeg, of all cores together, for a minute of 1080p at 30 frames a second. [Sizing](sizing.md) says what follows."},
	{"spread", "How much sooner is a job done by many workers?", spreadText},
}

const spreadText = `A film of 2 h in chunks of 30 s. Encoders are simulated: each frame takes a fixed time, and nothing is encoded. PostgreSQL, River, the API and the
artifact store are real. All workers share one process and the cores of the machine, also with the database. "One" is the time for all frames, without the
warm-up of chunks, by computation. Each chunk encodes 2 s more than its 30, so that 240 workers can be 225 times as fast as one at most.

| what grows | what it costs |
|---|---|
| length of the input | one chunk for each 30 s: a row, a River job, a claim and an end, and one small statement a second while it runs |
| outputs | sizes of one video share the decode and the chunk, so rows do not grow with them; sound is encoded once for each setting |
| workers that encode | about one statement a second each for the lease, one for two seconds for the heartbeat, and one a second for each queue that is asked |
| workers that are idle | a heartbeat every 5 s, which also asks whether something waits, and a few a minute that look for what was left behind. A worker that was idle for a minute neither polls its queues nor leads River's clients |
| queued jobs | nothing until a worker is free: a fetch reads its index from the front (make load measures 10,000) |

**10,000 workers** are reasoned, not measured. Idle ones make some 4,000 short transactions a second, and busy ones, at the four to five a second that each
makes here, 45,000. That is more than one PostgreSQL of a few cores commits. Each worker has two connections that listen, so max_connections is the first limit.
Above about a thousand, use workers with more slots: heartbeat, polls and connections are those of a process and not of a slot. **A million queued jobs** are reasoned
too: POST, GET, lists and fetches go by indexes, whose depth hardly grows; what counts rows, as /metrics does, takes a hundred times as long as with
10,000, some seconds.`

// writePage writes the page for users of what was measured.
func (b *bench) writePage(ctx context.Context, file string, parts []string) error {
	var page bytes.Buffer
	fmt.Fprintf(&page, "# How fast is it?\n\nThis page is made by `make bench`. Ratios hold on other machines; times do not.\n\n")
	fmt.Fprintf(&page, "Measured on %s: %s, %s.\n", time.Now().UTC().Format("2006-01-02"), measure.Machine(ctx), measure.FirstWords(ctx, 3, "psql", "--version"))
	for _, c := range chapters {
		for _, p := range parts {
			if p == c.part && b.report.Has(p) {
				fmt.Fprintf(&page, "\n## %s\n\n%s\n\n", c.title, c.text)
				b.report.Markdown(&page, p)
			}
		}
	}
	return os.WriteFile(file, page.Bytes(), 0o644)
}
