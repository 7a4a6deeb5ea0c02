package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Job is a job as the server shows it.
type Job struct {
	ID          string        `json:"id"`
	CreatedAt   Time          `json:"created_at"`
	CompletedAt Time          `json:"completed_at"` // zero until the job has ended
	Status      JobStatus     `json:"status"`
	Progress    Percent       `json:"progress"`
	Error       string        `json:"error,omitempty"` // "cancelled" when the job as a whole was ended
	Input       InputState    `json:"input"`
	Outputs     []OutputState `json:"outputs"` // in the order of the request
	// Metadata is that of the request.
	Metadata map[string]string `json:"metadata,omitempty"`
}

// Output returns the output with this key, nil when there is none.
func (j *Job) Output(key string) *OutputState {
	for i := range j.Outputs {
		if j.Outputs[i].Key == key {
			return &j.Outputs[i]
		}
	}
	return nil
}

// Err returns nil unless the job has failed; then it has the reasons that the
// server gives.
func (j *Job) Err() error {
	if j.Status != JobFailed {
		return nil
	}
	var reasons []string
	if j.Error != "" {
		reasons = append(reasons, j.Error)
	}
	if j.Input.Error != "" {
		reasons = append(reasons, "input: "+j.Input.Error)
	}
	for _, o := range j.Outputs {
		if o.Error != "" {
			reasons = append(reasons, o.Key+": "+o.Error)
		}
	}
	if len(reasons) == 0 {
		return fmt.Errorf("the job %s failed", j.ID)
	}
	return fmt.Errorf("the job %s failed: %s", j.ID, strings.Join(reasons, "; "))
}

func (j *Job) check() error {
	if j.ID == "" {
		return errors.New("it is not a job: it has no id")
	}
	return nil
}

// InputState is how far the input is.
type InputState struct {
	Status   InputStatus `json:"status"`
	Error    string      `json:"error,omitempty"`
	Metadata *Probe      `json:"metadata,omitempty"` // in notifications only
}

// OutputState is how far an output is, and where its results are.
type OutputState struct {
	Key      string       `json:"key"`
	Type     string       `json:"type"` // "video" (also sound), "image" or "httpstream"
	Format   string       `json:"format"`
	URL      string       `json:"url,omitempty"`       // of a video
	URLs     []Address    `json:"urls,omitempty"`      // of images and streams
	EarlyURL string       `json:"early_url,omitempty"` // of a stream with early_playback: plays before it is made
	Error    string       `json:"error,omitempty"`     // of an output that failed
	Status   OutputStatus `json:"status"`
	Metadata *MediaInfo   `json:"metadata,omitempty"` // in notifications only
	// Quality is that of an output that was asked for quality_metrics.
	Quality []Quality `json:"quality_metrics,omitempty"`
}

// Files lists all results of the output: URL, or URLs.
func (o *OutputState) Files() []Address {
	if o.URL != "" {
		return []Address{{URL: o.URL}}
	}
	return o.URLs
}

// Address is where a result is. Images are strings in JSON, playlists and
// manifests of a stream are objects.
type Address struct {
	Format string // of a stream: "hls", "dash" or "hlsfmp4"; "" of an image
	URL    string
}

// UnmarshalJSON reads a string or an object.
func (a *Address) UnmarshalJSON(data []byte) error {
	if bytes.HasPrefix(data, []byte(`"`)) {
		a.Format = ""
		return json.Unmarshal(data, &a.URL)
	}
	var o struct{ Format, URL string }
	if err := json.Unmarshal(data, &o); err != nil {
		return err
	}
	a.Format, a.URL = o.Format, o.URL
	return nil
}

// MarshalJSON writes a string when there is no format.
func (a Address) MarshalJSON() ([]byte, error) {
	if a.Format == "" {
		return json.Marshal(a.URL)
	}
	return json.Marshal(struct {
		Format string `json:"format"`
		URL    string `json:"url"`
	}{a.Format, a.URL})
}

// JobStatus is the status of a job.
type JobStatus string

// The states of a job.
const (
	JobStarting   JobStatus = "job.starting"
	JobProcessing JobStatus = "job.processing"
	JobCompleted  JobStatus = "job.completed"
	JobFailed     JobStatus = "job.failed"
)

// Finished reports whether the job has ended.
func (s JobStatus) Finished() bool { return s == JobCompleted || s == JobFailed }

// InputStatus is the status of an input.
type InputStatus string

// The states of an input.
const (
	InputStarting     InputStatus = "input.starting"
	InputTransferring InputStatus = "input.transferring"
	InputTransferred  InputStatus = "input.transferred"
	InputFailed       InputStatus = "input.failed"
)

// OutputStatus is the status of an output: its type and its stage, such as
// "video.encoding".
type OutputStatus string

// Stage is what follows the type: "waiting", "encoding", "variants.encoding",
// "packaged", "failed" ...
func (s OutputStatus) Stage() string {
	_, stage, _ := strings.Cut(string(s), ".")
	return stage
}

// Done reports whether the output is there.
func (s OutputStatus) Done() bool {
	switch s.Stage() {
	case "encoded", "created", "packaged":
		return true
	}
	return false
}

// Final reports whether the output has ended, in whatever way.
func (s OutputStatus) Final() bool {
	switch s.Stage() {
	case "failed", "skipped", "aborted":
		return true
	}
	return s.Done()
}

// Percent is a share of 100. In JSON it is a string: "60%".
type Percent int

// String is the percentage with its sign.
func (p Percent) String() string { return strconv.Itoa(int(p)) + "%" }

// MarshalText writes "60%".
func (p Percent) MarshalText() ([]byte, error) { return []byte(p.String()), nil }

// UnmarshalText reads "60%".
func (p *Percent) UnmarshalText(text []byte) error {
	n, err := strconv.Atoi(strings.TrimSuffix(string(text), "%"))
	if err != nil {
		return fmt.Errorf("read percentage %q: %w", text, err)
	}
	*p = Percent(n)
	return nil
}

// Time is a moment in the form that Coconut gives those of jobs,
// "2021-09-25 17:45:59 +0000". The zero time is null in JSON.
type Time struct{ time.Time }

const timeLayout = "2006-01-02 15:04:05 -0700"

// UnmarshalJSON reads Coconut's form, RFC 3339 or null.
func (t *Time) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*t = Time{}
		return nil
	}
	var text string
	if err := json.Unmarshal(data, &text); err != nil {
		return err
	}
	at, err := time.Parse(timeLayout, text)
	if err != nil {
		if at, err = time.Parse(time.RFC3339, text); err != nil {
			return fmt.Errorf("read time: %w", err)
		}
	}
	t.Time = at.UTC()
	return nil
}

// MarshalJSON writes Coconut's form, or null.
func (t Time) MarshalJSON() ([]byte, error) {
	if t.IsZero() {
		return []byte("null"), nil
	}
	return json.Marshal(t.UTC().Format(timeLayout))
}
