package server

import (
	"context"
	"time"

	"github.com/copra-video/copra/internal/buildinfo"
	"github.com/copra-video/copra/internal/telemetry/otlp"
)

// lastTraces is how long a process that stops may take to send its last spans.
const lastTraces = 2 * time.Second

// startTracing begins to send traces, if the settings ask for them. It is the first
// part, so that the others have ended when the last spans are sent.
func (s *Server) startTracing(ctx, _ context.Context) error {
	o, on := s.settings.Tracing(s.service)
	if !on {
		return nil
	}
	o.Version, o.Node, o.Log = buildinfo.Version(), s.node, s.log
	tracer, stop, err := otlp.Start(ctx, o)
	if err != nil {
		return err
	}
	s.tracer = tracer
	s.onStop(func() error {
		ctx, cancel := context.WithTimeout(context.Background(), lastTraces)
		defer cancel()
		stop(ctx)
		return nil
	})
	s.log.InfoContext(ctx, "traces are sent", "to", o.URL)
	return nil
}
