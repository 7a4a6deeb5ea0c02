package job

import "time"

// Retry puts a finished job back to its beginning: outputs that failed or were
// aborted wait again, those that are done or skipped stay, and so do their
// results. An input that failed is forgotten, whatever was found of it, since
// it may be another file by now; else the job goes on behind its probe. Retry
// reports false, and changes nothing, when the job has not finished or nothing
// of it is left to do. Apply calls it for JobRetriedEvent.
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
			o.Stage, o.Progress, o.Error = Waiting, 0, ""
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

// retryable reports whether a retry makes an output in stage s once more.
func (s Stage) retryable() bool { return s == Failed || s == Aborted }
