package console

import (
	"time"

	"github.com/copra-video/copra/job"
)

// estimate says how fast a job is encoded, and how much longer it will take.
type estimate struct {
	Speed float64       // seconds of media a second; 0: not known
	Left  time.Duration // 0: not known
}

// encodeShare is the part of an output's progress that is its encoding, 0 to 1. The rest is
// verifying and uploading. It must be EncodeShare of worker/execute, which the console may
// not import.
const encodeShare = 0.95

// estimateOf computes an estimate from the mean progress of the outputs that are encoded or
// packaged now, and the time since the first of them began. seconds is the duration of the
// input.
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

// encodingSince returns when the encoding of an output last began.
func encodingSince(events []job.RecordedEvent, key string) (at time.Time, ok bool) {
	for _, e := range events {
		if e.Kind == job.OutputStageEvent && e.Output == key && e.Stage == job.Encoding {
			at, ok = e.At, true
		}
	}
	return at, ok
}
