package execute

import (
	"sync"
	"time"

	"github.com/copra-video/copra/transcode"
)

// progress adds up what is done of each output, as a share of the cost of the
// steps that it depends on, and hands it on at most once a second.
type progress struct {
	report func(map[string]float64)
	keys   []string // by output index
	every  time.Duration

	mu    sync.Mutex
	total []float64
	done  []map[string]float64 // by output index, by step
	last  time.Time
}

// encodeShare is the part of an output's progress that its steps make up; the
// rest is for verifying and uploading.
const encodeShare = 0.95

func newProgress(plan transcode.Plan, keys []string, report func(map[string]float64)) *progress {
	p := &progress{report: report, keys: keys, every: time.Second,
		total: make([]float64, len(keys)), done: make([]map[string]float64, len(keys)), last: time.Now()}
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

// step tells that st has got as far as at on its time line.
func (p *progress) step(st transcode.Step, at time.Duration) {
	share := 1.0
	if st.Duration > 0 {
		share = min(float64(at)/float64(st.Duration), 1)
	} else if at == 0 {
		return
	}
	p.mu.Lock()
	for _, i := range st.Outputs {
		p.done[i][st.ID] = share * st.Cost
	}
	if time.Since(p.last) < p.every {
		p.mu.Unlock()
		return
	}
	p.last = time.Now()
	snapshot := map[string]float64{}
	for i, steps := range p.done {
		if p.total[i] == 0 {
			continue
		}
		sum := 0.0
		for _, d := range steps {
			sum += d
		}
		snapshot[p.keys[i]] = encodeShare * sum / p.total[i]
	}
	p.mu.Unlock()
	p.report(snapshot)
}
