package client

import (
	"context"
	"errors"
	"net/http"
	"time"
)

// FFmpegRun is one run of FFmpeg for a job.
type FFmpegRun struct {
	At         time.Time `json:"at"`
	Run        int64     `json:"run"` // of the job: a retry is another one
	Node       string    `json:"node"`
	Task       *int64    `json:"task"` // nil: the worker of the job ran it
	Step       string    `json:"step"`
	Kind       string    `json:"kind"`
	Seconds    float64   `json:"seconds"`
	CPUSeconds float64   `json:"cpu_seconds"` // of all cores
	Speed      *float64  `json:"speed"`       // seconds of media a second; nil: not known
	Error      string    `json:"error"`       // "" when it has not failed
	Command    []string  `json:"command"`
	Messages   string    `json:"messages"` // the end of what FFmpeg said
}

type logs struct {
	JobID string `json:"job_id"`
	Logs  []FFmpegRun
}

func (l *logs) check() error {
	if l.JobID == "" {
		return errors.New("it is not the log of a job")
	}
	return nil
}

// Logs returns the runs of FFmpeg for a job that have ended, oldest first. They hold
// no credentials.
func (c *Client) Logs(ctx context.Context, id string) ([]FFmpegRun, error) {
	answer, err := one[logs](ctx, c, call{do: "read log", method: http.MethodGet, want: http.StatusOK, repeat: true}, id, "/logs")
	if err != nil {
		return nil, err
	}
	return answer.Logs, nil
}
