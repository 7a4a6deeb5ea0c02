package job

import "time"

// Retry resets a finished job. Outputs that failed or were aborted become Waiting.
// Outputs that are done or skipped keep their state and result. If the input
// failed, its metadata is dropped, because it may be another file by now;
// otherwise the job does not need another probe. Retry returns false and changes
// nothing when the job has not finished, or has no output to run again. Apply
// calls it for JobRetriedEvent.
func (s *State) Retry() bool {
	if !s.Finished() || !s.hasRetryable() {
		return false
	}
	s.Status, s.Error = JobStarting, ""
	s.CompletedAt = time.Time{}
	if s.Input.Status == InputFailed {
		s.Input.Metadata = nil
	}
	s.Input.Status, s.Input.Error = InputStarting, ""
	for i := range s.Outputs {
		if o := &s.Outputs[i]; o.Stage.retryable() {
			o.Stage, o.Progress, o.Error, o.Result = Waiting, 0, "", Result{}
		}
	}
	return true
}

func (s *State) hasRetryable() bool {
	for _, o := range s.Outputs {
		if o.Stage.retryable() {
			return true
		}
	}
	return false
}

// retryable reports whether a retry runs an output in stage s again.
func (s Stage) retryable() bool { return s == Failed || s == Aborted }
