package console

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// fragment is the content of the element with this id. A page gets it when its Key has
// changed; "": when its HTML has.
type fragment struct{ ID, HTML, Key string }

func (f fragment) key() string {
	if f.Key != "" {
		return f.Key
	}
	return f.HTML
}

// snapshot is all fragments of a topic at one moment.
type snapshot struct{ fragments []fragment }

// source says how the snapshots of a topic are made, and what wakes it.
type source struct {
	make  func(ctx context.Context) (snapshot, error)
	watch func() (changed <-chan struct{}, stop func())
}

// topics has the topics of open pages. All pages that show the same share one topic. So the
// database is read once for all of them, and not more often than once in refresh.
type topics struct {
	refresh time.Duration
	log     *slog.Logger

	mu   sync.Mutex
	open map[string]*topic
}

func newTopics(refresh time.Duration, log *slog.Logger) *topics {
	return &topics{refresh: refresh, log: log, open: map[string]*topic{}}
}

// idleRefresh is after how long a topic is renewed without a notification: pages show how
// much time has passed, and notifications may be lost.
const idleRefresh = 10 * time.Second

// topic is what some open pages show. It ends with the last of its followers.
type topic struct {
	cancel context.CancelFunc

	mu        sync.Mutex
	latest    *snapshot // nil: none was made yet
	followers map[chan struct{}]struct{}
}

// follow joins the topic with this name, and starts it if there is none. changed receives a
// value whenever there is a new snapshot. The caller must call leave.
func (t *topics) follow(name string, s source) (tp *topic, changed <-chan struct{}, leave func()) {
	t.mu.Lock()
	defer t.mu.Unlock()
	tp = t.open[name]
	if tp == nil {
		ctx, cancel := context.WithCancel(context.Background()) // the last follower ends it
		tp = &topic{cancel: cancel, followers: map[chan struct{}]struct{}{}}
		t.open[name] = tp
		go t.run(ctx, tp, s)
	}
	c := make(chan struct{}, 1)
	tp.mu.Lock()
	tp.followers[c] = struct{}{}
	if tp.latest != nil {
		c <- struct{}{}
	}
	tp.mu.Unlock()
	return tp, c, func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		tp.mu.Lock()
		defer tp.mu.Unlock()
		delete(tp.followers, c)
		if len(tp.followers) == 0 {
			tp.cancel()
			if t.open[name] == tp {
				delete(t.open, name)
			}
		}
	}
}

// run makes snapshots until ctx ends.
func (t *topics) run(ctx context.Context, tp *topic, s source) {
	changed, stop := s.watch() // before the first read, so that no change is missed
	defer stop()
	idle := time.NewTicker(max(idleRefresh, t.refresh))
	defer idle.Stop()
	for {
		made, err := s.make(ctx)
		switch {
		case ctx.Err() != nil:
			return
		case err != nil:
			t.log.WarnContext(ctx, "console: renew a page", "error", err)
		default:
			tp.publish(&made)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(t.refresh):
		}
		select {
		case <-ctx.Done():
			return
		case <-changed:
		case <-idle.C:
		}
	}
}

func (tp *topic) publish(s *snapshot) {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	tp.latest = s
	for c := range tp.followers {
		select {
		case c <- struct{}{}:
		default: // a signal is pending already
		}
	}
}

func (tp *topic) snapshot() *snapshot {
	tp.mu.Lock()
	defer tp.mu.Unlock()
	return tp.latest
}
