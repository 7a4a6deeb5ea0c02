package coconut

import (
	"math"
	"time"

	"github.com/copra-video/copra/job"
)

// logsBody is the answer to GET /v2/jobs/{id}/logs.
type logsBody struct {
	JobID string    `json:"job_id"`
	Logs  []logBody `json:"logs"`
}

type logBody struct {
	At         string   `json:"at"`
	Run        int64    `json:"run"`
	Node       string   `json:"node"`
	Task       *int64   `json:"task"`
	Step       string   `json:"step"`
	Kind       string   `json:"kind"`
	Seconds    float64  `json:"seconds"`
	CPUSeconds float64  `json:"cpu_seconds"`
	Speed      *float64 `json:"speed"`
	Error      *string  `json:"error"`
	Command    []string `json:"command"`
	Messages   string   `json:"messages"`
}

// EncodeLogs encodes the runs of ffmpeg for a job.
func EncodeLogs(id string, all []job.FFmpegRun) []byte {
	b := logsBody{JobID: id, Logs: make([]logBody, 0, len(all))}
	for _, r := range all {
		l := logBody{
			At: timestamp(r.At), Run: r.Run, Node: r.Node, Step: r.Step, Kind: r.Kind,
			Seconds: milliseconds(r.Took), CPUSeconds: milliseconds(r.CPU), Command: append([]string{"ffmpeg"}, r.Command...), Messages: r.Said,
		}
		if r.Task != 0 {
			l.Task = &r.Task
		}
		if s := r.Speed(); s > 0 {
			s = math.Round(s*100) / 100
			l.Speed = &s
		}
		if r.Error != "" {
			l.Error = &r.Error
		}
		b.Logs = append(b.Logs, l)
	}
	return encode(b)
}

// milliseconds is d in seconds, to the millisecond.
func milliseconds(d time.Duration) float64 { return d.Round(time.Millisecond).Seconds() }
