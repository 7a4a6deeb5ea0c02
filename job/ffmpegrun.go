package job

import "time"

// FFmpegRun is one run of ffmpeg for a job, as the log of the job keeps it. It holds
// no credentials.
type FFmpegRun struct {
	Run     int64  // of the job: its fencing token
	Task    int64  // the task, when another worker than the job's ran it; 0: none
	Node    string // the worker
	Step    string // in the plan: "encode-1"
	Kind    string // of the step: "encode"
	At      time.Time
	Took    time.Duration
	CPU     time.Duration // of all cores
	Media   time.Duration // the part of the time line that it ran over; 0: not known
	Command []string      // the arguments of ffmpeg
	Said    string        // the end of its messages
	Error   string        // how it failed; "": it did not
}

// Speed is how many seconds of media it made in a second; 0 when that is not known.
func (r FFmpegRun) Speed() float64 {
	if r.Took <= 0 || r.Error != "" {
		return 0
	}
	return r.Media.Seconds() / r.Took.Seconds()
}
