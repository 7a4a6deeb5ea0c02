package remote

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

// Dial opens a connection; it is netguard's, or a test's.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// DefaultIdle is how long a peer may be silent while something is expected of
// it.
const DefaultIdle = 30 * time.Second

// IdleConn bounds each read and each write of a connection, so that a peer
// that says no more is noticed.
type IdleConn struct {
	net.Conn
	Idle time.Duration
}

func (c IdleConn) Read(p []byte) (int, error) {
	if err := c.SetReadDeadline(time.Now().Add(c.Idle)); err != nil {
		return 0, err
	}
	return c.Conn.Read(p)
}

func (c IdleConn) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(c.Idle)); err != nil {
		return 0, err
	}
	return c.Conn.Write(p)
}

// Watch calls stop, once, when Touch was not called for the idle time. It is
// for protocols in which many transfers share a connection, so that none of
// them may bound its reads.
type Watch struct {
	timer *time.Timer
	idle  time.Duration
	fired atomic.Bool
}

// NewWatch starts a Watch.
func NewWatch(idle time.Duration, stop func()) *Watch {
	w := &Watch{idle: idle}
	w.timer = time.AfterFunc(idle, func() { w.fired.Store(true); stop() })
	return w
}

// Touch says that the transfer advances.
func (w *Watch) Touch() {
	if !w.fired.Load() {
		w.timer.Reset(w.idle)
	}
}

// Stop ends the Watch and reports whether it has called stop.
func (w *Watch) Stop() bool {
	w.timer.Stop()
	return w.fired.Load()
}
