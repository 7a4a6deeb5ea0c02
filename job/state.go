package job

import (
	"encoding/json"
	"fmt"
	"math"
	"time"
)

// State is the state of a job: everything that GET, the metadata API and the
// webhooks show. It changes only by Apply.
type State struct {
	ID          string
	CreatedAt   time.Time
	CompletedAt time.Time // zero until the job has finished
	Status      Status
	Error       string // of the job as a whole: "cancelled"; "" otherwise
	Input       InputState
	Outputs     []OutputState // in the order of the request
	// Metadata is Spec.Metadata, which never changes.
	Metadata map[string]string
}

// InputState is the state of the input. Metadata is ffprobe's
// {"streams": [...], "format": {...}}; nil before the probe.
type InputState struct {
	Status   Status
	Error    string
	Metadata json.RawMessage
}

// OutputState is the state of one output.
type OutputState struct {
	Key      string
	Type     OutputType
	Format   string
	Stage    Stage
	Progress float64 // 0..1, while the output runs
	Result   Result  // when Stage is Done
	Error    string  // when Stage is Failed
}

// Result has the addresses of a finished output: URL for video, URLs for images,
// Streams for httpstream. Metadata is {"streams", "format"} for video, nil for
// images, and {"hls": {...}, "dash": {...}} for httpstream.
type Result struct {
	URL      string          `json:"url,omitempty"`
	URLs     []string        `json:"urls,omitempty"`
	Streams  []StreamURL     `json:"streams,omitempty"`
	Metadata json.RawMessage `json:"metadata,omitempty"`
	// Quality is the array of figures of an output that was asked for quality_metrics.
	// Metadata has it too.
	Quality json.RawMessage `json:"quality_metrics,omitempty"`
	// Early is the address of the stream that plays before the output is made; "": there
	// is none. It is known before the output is done.
	Early string `json:"early,omitempty"`
	// Bytes is how much was uploaded; 0 in what is read back from the database.
	Bytes int64 `json:"-"`
}

// StreamURL is the address of a master playlist or a manifest. Format is hls, dash
// or hlsfmp4.
type StreamURL struct {
	Format string `json:"format"`
	URL    string `json:"url"`
}

// NewState returns the state of a new job.
func NewState(id string, at time.Time, outputs []OutputRequest) State {
	s := State{ID: id, CreatedAt: at, Status: JobStarting, Input: InputState{Status: InputStarting}}
	for _, o := range outputs {
		s.Outputs = append(s.Outputs, OutputState{Key: o.Key, Type: o.Type, Format: o.Format, Stage: Waiting})
	}
	return s
}

// Finished reports whether the job has completed or failed.
func (s *State) Finished() bool { return s.Status == JobCompleted || s.Status == JobFailed }

// Output returns the output with this key, or nil.
func (s *State) Output(key string) *OutputState {
	for i := range s.Outputs {
		if s.Outputs[i].Key == key {
			return &s.Outputs[i]
		}
	}
	return nil
}

// EventProgress is the progress that the events of outputs carry, in percent:
// floor(100 x finished / (outputs + 1)), coconut-v2.md section 3.4. It stays below 100 for the
// last output too, whose event comes before that of the job.
func (s *State) EventProgress() int { return s.percentDone(func(OutputState) float64 { return 0 }) }

// LiveProgress is the progress of the job, in percent: 100 when it has finished,
// else as EventProgress, with what is done of running outputs added.
func (s *State) LiveProgress() int {
	if s.Finished() {
		return 100
	}
	return s.percentDone(func(o OutputState) float64 { return math.Min(math.Max(o.Progress, 0), 1) })
}

// percentDone counts a finished output as 1 and any other as running says. The
// end of the job itself counts as one more.
func (s *State) percentDone(running func(OutputState) float64) int {
	sum := 0.0
	for _, o := range s.Outputs {
		if o.Stage.Final() {
			sum++
		} else {
			sum += running(o)
		}
	}
	return int(100 * sum / float64(len(s.Outputs)+1))
}

// EventKind is the kind of an event. Those of coconut-v2.md section 3.4 are sent to
// webhooks.
// The others appear only in GET /v2/jobs/:id/events.
type EventKind string

// The kinds of event.
const (
	JobStartedEvent       EventKind = "job.started"       // a worker took the job
	InputProbedEvent      EventKind = "input.probed"      // Metadata is known
	InputTransferredEvent EventKind = "input.transferred" // sent
	InputFailedEvent      EventKind = "input.failed"      // ends the job
	OutputStageEvent      EventKind = "output.stage"      // Stage
	OutputCompletedEvent  EventKind = "output.completed"  // sent; Result
	OutputFailedEvent     EventKind = "output.failed"     // sent; Error
	OutputSkippedEvent    EventKind = "output.skipped"
	OutputNoteEvent       EventKind = "output.note"     // Note; changes no state
	StreamPlayableEvent   EventKind = "stream.playable" // sent; Result.Early
	JobCancelledEvent     EventKind = "job.cancelled"   // ends the job
	JobCompletedEvent     EventKind = "job.completed"   // sent; only derived by Apply
	JobFailedEvent        EventKind = "job.failed"      // sent; only derived by Apply
	JobRetriedEvent       EventKind = "job.retried"     // the customer retried a finished job
)

// Event is one fact about a job. Only the members that belong to its Kind are set.
type Event struct {
	Kind     EventKind
	At       time.Time
	Output   string          // key, for output events
	Stage    Stage           // output.stage
	Note     string          // output.note: a sentence on how the output is made
	Error    string          // *.failed: a sentence for the customer
	Reason   Reason          // input.failed, output.failed; zero in events of older versions
	Metadata json.RawMessage // input.probed; input.transferred when the input was measured, else nil
	Result   Result          // output.completed, stream.playable
	// Nodes are the workers besides the job's own that have run steps of the output,
	// for operators: output.completed.
	Nodes []string
}

// Apply changes s by e and returns the events to record: e, and job.completed or
// job.failed if e ends the job. An event that repeats an earlier one, or comes
// after the end of its output or job, changes nothing: Apply returns nil. So the
// repetition of a step never notifies twice. An event for an unknown output, or
// one that only Apply may derive, is an error.
func (s *State) Apply(e Event) ([]Event, error) {
	if e.Kind == JobRetriedEvent {
		if !s.Retry() {
			return nil, nil
		}
		return []Event{e}, nil
	}
	if s.Finished() {
		return nil, nil
	}
	changed, err := s.applyEvent(e)
	if err != nil || !changed {
		return nil, err
	}
	happened := []Event{e}
	if end, ok := s.outcome(e); ok {
		s.Status, s.CompletedAt = Status(end), e.At
		happened = append(happened, Event{Kind: end, At: e.At, Error: s.Error})
	}
	return happened, nil
}

func (s *State) applyEvent(e Event) (bool, error) {
	switch e.Kind {
	case JobStartedEvent:
		if s.Status != JobStarting {
			return false, nil
		}
		s.Status, s.Input.Status = JobProcessing, InputTransferring
		return true, nil
	case InputProbedEvent:
		if s.Input.Metadata != nil {
			return false, nil
		}
		s.Input.Metadata = e.Metadata
		return true, nil
	case InputTransferredEvent:
		if s.Input.Status == InputTransferred {
			return false, nil
		}
		s.Input.Status = InputTransferred
		if e.Metadata != nil {
			s.Input.Metadata = e.Metadata
		}
		return true, nil
	case InputFailedEvent:
		s.Input.Status, s.Input.Error = InputFailed, e.Error
		s.abortUnfinished()
		return true, nil
	case JobCancelledEvent:
		s.Error = "cancelled"
		s.abortUnfinished()
		return true, nil
	case OutputStageEvent, OutputCompletedEvent, OutputFailedEvent, OutputSkippedEvent, OutputNoteEvent, StreamPlayableEvent:
		return s.applyOutputEvent(e)
	default:
		return false, fmt.Errorf("apply event %q: not an event that is recorded directly", e.Kind)
	}
}

func (s *State) applyOutputEvent(e Event) (bool, error) {
	o := s.Output(e.Output)
	if o == nil {
		return false, fmt.Errorf("apply event %q: the job has no output %q", e.Kind, e.Output)
	}
	if o.Stage.Final() {
		return false, nil
	}
	switch e.Kind {
	case OutputStageEvent:
		if e.Stage.Final() {
			return false, fmt.Errorf("apply event %q: stage %q is final and has its own event", e.Kind, e.Stage)
		}
		if o.Stage == e.Stage {
			return false, nil
		}
		o.Stage = e.Stage
	case StreamPlayableEvent:
		if o.Result.Early != "" {
			return false, nil
		}
		o.Result.Early = e.Result.Early
	case OutputCompletedEvent:
		early := o.Result.Early
		o.Stage, o.Progress, o.Result = Done, 1, e.Result
		o.Result.Early = early
	case OutputFailedEvent:
		o.Stage, o.Error, o.Result.Early = Failed, e.Error, ""
	case OutputSkippedEvent:
		o.Stage = Skipped
	}
	return true, nil
}

// abortUnfinished aborts all outputs that have not ended.
func (s *State) abortUnfinished() {
	for i := range s.Outputs {
		if !s.Outputs[i].Stage.Final() {
			s.Outputs[i].Stage = Aborted
		}
	}
}

// outcome returns the event that ends the job after e; ok is false when the job
// goes on. A job fails when its input failed, when it was cancelled, or when any
// output failed or was aborted. A skipped output does not fail it.
func (s *State) outcome(e Event) (EventKind, bool) {
	if e.Kind == InputFailedEvent || e.Kind == JobCancelledEvent {
		return JobFailedEvent, true
	}
	kind := JobCompletedEvent
	for _, o := range s.Outputs {
		if !o.Stage.Final() {
			return "", false
		}
		if o.Stage == Failed || o.Stage == Aborted {
			kind = JobFailedEvent
		}
	}
	return kind, true
}
