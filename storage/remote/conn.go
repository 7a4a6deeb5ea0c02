package remote

import (
	"context"
	"net"
	"sync/atomic"
	"time"
)

// Dial opens a connection. It is a netguard.Guard's, or a test's.
type Dial func(ctx context.Context, network, addr string) (net.Conn, error)

// DefaultIdle is how long a peer may be silent while it is expected to answer.
const DefaultIdle = 30 * time.Second

// IdleConn sets a deadline for each read and each write of a connection, so that
// a silent peer is noticed.
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

// Watch calls stop once if Touch is not called for the idle time. It is for
// protocols in which several transfers share a connection, so that none of them
// may set deadlines.
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

// Touch reports progress of the transfer.
func (w *Watch) Touch() {
	if !w.fired.Load() {
		w.timer.Reset(w.idle)
	}
}

// Stop ends the Watch. It reports whether the Watch has called stop.
func (w *Watch) Stop() bool {
	w.timer.Stop()
	return w.fired.Load()
}
