package sparse

import (
	"sync"
	"time"
)

// crawlWatch calls crawls when fewer than progressBytes have come within a time. The
// package that dials watches for connections that give nothing at all.
type crawlWatch struct {
	every  time.Duration
	crawls func()

	mu     sync.Mutex
	timer  *time.Timer // nil: ended
	bytes  int
	paused bool
}

func newCrawlWatch(every time.Duration, crawls func()) *crawlWatch {
	w := &crawlWatch{every: every, crawls: crawls}
	w.mu.Lock() // the timer may fire before this returns
	defer w.mu.Unlock()
	w.timer = time.AfterFunc(every, w.fire)
	return w
}

func (w *crawlWatch) fire() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer == nil {
		return
	}
	if w.bytes < progressBytes && !w.paused {
		w.crawls()
		return
	}
	w.bytes = 0
	w.timer.Reset(w.every)
}

// add notes that n bytes have come.
func (w *crawlWatch) add(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bytes += n
}

// pause stops the clock, or lets it run again: nobody reads the connection.
func (w *crawlWatch) pause(paused bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.paused && !paused {
		w.bytes = progressBytes // the time of the pause does not count
	}
	w.paused = paused
}

func (w *crawlWatch) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.timer.Stop()
	w.timer = nil
}
