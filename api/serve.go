package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

const (
	headerTime   = 10 * time.Second  // to send a request's header
	idleTime     = 120 * time.Second // between two requests on a connection
	maxHeader    = 64 << 10          // bytes
	shutdownTime = 2500 * time.Millisecond
)

// Serve answers requests on l until ctx ends, then lets those under way finish
// and returns within 3 seconds; what takes longer, such as a large download,
// is cut off, and streams of events end at once. There is no timeout on whole requests: files are served and
// uploaded here too, and readBody bounds the rest.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		// Requests outlive ctx by the time that shutting down gives them.
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.WithoutCancel(ctx), stoppingKey{}, ctx.Done())
		},
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve http: %w", err)
	case <-ctx.Done():
	}

	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTime)
	defer cancel()
	err := srv.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		log.Warn("stop http: requests under way were cut off")
		err = srv.Close()
	}
	if ended := <-failed; err == nil && !errors.Is(ended, http.ErrServerClosed) {
		err = ended
	}
	if err != nil {
		return fmt.Errorf("stop http: %w", err)
	}
	return nil
}

type stoppingKey struct{}

// stopping is closed when the server that got the request begins to stop. It
// is nil where there is no such server.
func stopping(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(stoppingKey{}).(<-chan struct{})
	return c
}
