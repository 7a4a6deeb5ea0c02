package publish

import (
	"context"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/copra-video/copra/storage"
)

// uploadIdleTimeout is how long an upload that is not read counts as working. The
// storage may be assembling a large file.
const uploadIdleTimeout = 45 * time.Second

// lastRead is when an upload was last read.
type lastRead struct{ atomic.Int64 } // Unix time in nanoseconds

func newLastRead() *lastRead {
	r := &lastRead{}
	r.now()
	return r
}

func (r *lastRead) now()               { r.Store(time.Now().UnixNano()) }
func (r *lastRead) ago() time.Duration { return time.Since(time.Unix(0, r.Load())) }

// observedBody notes when it is read.
type observedBody struct {
	storage.Body
	read *lastRead
}

// ReadAt implements io.ReaderAt.
func (b observedBody) ReadAt(p []byte, off int64) (int, error) {
	b.read.now()
	return b.Body.ReadAt(p, off)
}

// Move implements storage.Movable.
func (b observedBody) Move(take func(*os.File) (bool, error)) (bool, error) {
	b.read.now()
	if m, ok := b.Body.(storage.Movable); ok {
		return m.Move(take)
	}
	return false, nil
}

// watchIdle counts an upload as one that waits for its storage once it was not read
// for uploadIdleTimeout, until end is called.
func (p *Output) watchIdle(ctx context.Context, read *lastRead) (end func()) {
	var mu sync.Mutex
	var timer *time.Timer
	var done func()
	ended := false
	mu.Lock()
	defer mu.Unlock()
	timer = time.AfterFunc(uploadIdleTimeout, func() {
		mu.Lock()
		defer mu.Unlock()
		switch idle := read.ago(); {
		case ended:
		case idle < uploadIdleTimeout:
			timer.Reset(uploadIdleTimeout - idle)
		default:
			p.log.WarnContext(ctx, "upload idle", "for", uploadIdleTimeout)
			done = p.waitForStorage()
		}
	})
	return func() {
		mu.Lock()
		defer mu.Unlock()
		ended = true
		timer.Stop()
		if done != nil {
			done()
		}
	}
}
