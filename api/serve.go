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
	headerTimeout   = 10 * time.Second  // for the header of a request
	idleTimeout     = 120 * time.Second // between two requests on a connection
	maxHeaderBytes  = 64 << 10          // bytes
	shutdownTimeout = 2500 * time.Millisecond
)

// Serve answers requests on l until ctx ends, and returns within 3 seconds of that.
// Requests in flight may finish in this time; longer ones, such as large downloads,
// are aborted, and streams of events end at once. There is no timeout for whole
// requests, because files are served and uploaded here too; readBody bounds the
// others.
func Serve(ctx context.Context, l net.Listener, h http.Handler, log *slog.Logger) error {
	srv := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: headerTimeout,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
		// Requests may continue after the end of ctx, for shutdownTimeout.
		BaseContext: func(net.Listener) context.Context {
			return context.WithValue(context.WithoutCancel(ctx), shutdownKey{}, ctx.Done())
		},
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(l) }()
	select {
	case err := <-failed:
		return fmt.Errorf("serve http: %w", err)
	case <-ctx.Done():
	}

	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	err := srv.Shutdown(grace)
	if errors.Is(err, context.DeadlineExceeded) {
		log.WarnContext(ctx, "requests in flight were aborted by the shutdown")
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

type shutdownKey struct{}

// Stopping returns a channel that is closed when the server of a request begins to
// stop. It is nil outside of Serve.
func Stopping(ctx context.Context) <-chan struct{} {
	c, _ := ctx.Value(shutdownKey{}).(<-chan struct{})
	return c
}
