package execute

import (
	"sync"
	"time"

	"github.com/copra-video/copra/transcode"
)

const (
	// progressEvery is the shortest interval between two reports of progress.
	progressEvery = time.Second
	// EncodeShare is how much of an output's progress its steps make up. The rest
	// is for verifying and uploading.
	EncodeShare = 0.95
)

// progress computes the progress of each output from that of its steps, each
// weighted by its cost, and reports it from time to time.
type progress struct {
	report func(map[string]float64)
	keys   []string // by output index

	mu    sync.Mutex
	total []float64            // by output index: the cost of its steps
	done  []map[string]float64 // by output index, by step: the cost that is done
	last  time.Time            // of the last report
}

func newProgress(plan transcode.Plan, keys []string, report func(map[string]float64)) *progress {
	p := &progress{report: report, keys: keys, total: make([]float64, len(keys)), done: make([]map[string]float64, len(keys)), last: time.Now()}
	for i := range keys {
		p.done[i] = map[string]float64{}
	}
	for _, st := range plan.Steps {
		for _, i := range st.Outputs {
			p.total[i] += st.Cost
		}
	}
	return p
}

// advance notes how far a run of ffmpeg has got on the time line of st. The run goes from
// one share of the step to another. The progress of a step of unknown length is not known
// before it is complete.
func (p *progress) advance(st transcode.Step, at time.Duration, from, to float64) {
	if st.Duration <= 0 {
		return
	}
	at -= st.Begins() // times of a chunk are those of the whole
	p.set(st, from+(to-from)*max(0, min(float64(at)/float64(st.Duration), 1)))
}

// complete notes that st is done.
func (p *progress) complete(st transcode.Step) { p.set(st, 1) }

func (p *progress) set(st transcode.Step, share float64) {
	p.mu.Lock()
	for _, i := range st.Outputs {
		p.done[i][st.ID] = share * st.Cost
	}
	if time.Since(p.last) < progressEvery {
		p.mu.Unlock()
		return
	}
	p.last = time.Now()
	snapshot := p.outputs()
	p.mu.Unlock()
	p.report(snapshot)
}

// outputs returns the progress of all outputs by their keys. The caller holds the
// lock.
func (p *progress) outputs() map[string]float64 {
	snapshot := map[string]float64{}
	for i, steps := range p.done {
		if p.total[i] == 0 {
			continue
		}
		sum := 0.0
		for _, d := range steps {
			sum += d
		}
		snapshot[p.keys[i]] = EncodeShare * sum / p.total[i]
	}
	return snapshot
}
