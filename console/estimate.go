package console

import (
	"time"

	"github.com/copra-video/copra/job"
)

// estimate says how fast a job is encoded, and how long it will take yet.
type estimate struct {
	Speed float64       // seconds of media a second; 0: not known
	Left  time.Duration // 0: not known
}

// encodeShare is how much of an output's progress its encoding makes up; the rest is
// for verifying and uploading. It is that of worker/execute.
const encodeShare = 0.95

// estimateOf computes from the mean progress of the outputs that are encoded now,
// since they have begun. seconds is the length of the input.
func estimateOf(d job.Detail, seconds float64, now time.Time) estimate {
	var done float64
	var n int
	begun := now
	for _, o := range d.Outputs {
		if o.Stage != job.Encoding && o.Stage != job.Packaging || o.Progress <= 0 {
			continue
		}
		at, ok := encodingSince(d.Events, o.Key)
		if !ok {
			continue
		}
		done, n = done+min(o.Progress, 1), n+1
		if at.Before(begun) {
			begun = at
		}
	}
	took := now.Sub(begun).Seconds()
	if n == 0 || took <= 0 {
		return estimate{}
	}
	done /= float64(n)
	e := estimate{Left: time.Duration(took * (1 - done) / done * float64(time.Second)).Round(time.Second)}
	if done < encodeShare {
		e.Speed = seconds * done / encodeShare / took
	}
	return e
}

// encodingSince returns when an output was last begun to be encoded.
func encodingSince(events []job.RecordedEvent, key string) (at time.Time, ok bool) {
	for _, e := range events {
		if e.Kind == job.OutputStageEvent && e.Output == key && e.Stage == job.Encoding {
			at, ok = e.At, true
		}
	}
	return at, ok
}
