package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"

	"github.com/copra-video/copra/api"
	"github.com/copra-video/copra/docs"
	"github.com/copra-video/copra/docsite"
	"github.com/copra-video/copra/internal/buildinfo"
	"github.com/copra-video/copra/internal/playback"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/settings"
	"github.com/copra-video/copra/worker"
)

// listen opens the address to serve on, and fills in the public URL when none
// was given.
func (s *Server) listen(ctx, _ context.Context) error {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.settings.Listen)
	if err != nil {
		return fmt.Errorf("listen on %s (--listen, COPRA_LISTEN): %w", s.settings.Listen, err)
	}
	s.listener = l
	s.onStop(func() error { l.Close(); return nil }) // closed already where it was served
	if s.settings.PublicURL == "" {
		s.settings.PublicURL = s.URL()
	}
	return nil
}

// localURL is how a client on this machine addresses l. An unspecified address
// is served on all interfaces; the loopback one is always there.
func localURL(l net.Listener) string {
	a := l.Addr().(*net.TCPAddr)
	if a.IP.IsUnspecified() {
		return fmt.Sprintf("http://localhost:%d", a.Port)
	}
	return "http://" + a.String()
}

// serveAPI answers requests on the listener.
func (s *Server) serveAPI(_, life context.Context) error {
	c := s.apiConfig()
	c.Jobs, c.Keys, c.RateLimit = s.store, s.store, float64(s.settings.RateLimit)
	if s.local != nil {
		c.Storage, c.Uploads, c.SignUploads = s.local, s.local.UploadHandler(), s.local.SignHandler()
		resumable, err := s.local.Resumable()
		if err != nil {
			return err
		}
		c.Resumable = resumable
	}
	operator, err := s.settings.Operator()
	if err != nil {
		return err
	}
	c.Docs = docsite.Lazy(docs.Files)
	sealer, err := s.settings.Sealer()
	if err != nil {
		return err
	}
	c.ContentKeys = playback.New(sealer, s.settings.PublicURL)
	c.Operator, c.Fleet, c.StaleAfter = operator, s.store, worker.StaleAfter
	storages := s.newStorageChecker()
	c.CheckStorage = storages.check
	if s.settings.Console != settings.ConsoleOff {
		if c.Console, err = s.newConsole(operator, storages); err != nil {
			return err
		}
	}
	s.serve(life, s.listener, api.New(c))
	return nil
}

// serveMetrics answers /metrics, /healthz and /readyz of a worker, if the
// settings give an address for them.
func (s *Server) serveMetrics(ctx, life context.Context) error {
	if s.settings.MetricsListen == "" {
		return nil
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.settings.MetricsListen)
	if err != nil {
		return fmt.Errorf("listen on %s (--metrics-listen): %w", s.settings.MetricsListen, err)
	}
	s.log.InfoContext(ctx, "copra worker metrics", "listen", l.Addr().String())
	s.serve(life, l, api.NewStatus(s.apiConfig()))
	return nil
}

// apiConfig is what the API of every process has.
func (s *Server) apiConfig() api.Config {
	return api.Config{
		Ready: []api.Check{{Name: "database", Run: s.store.Ready, Reason: func(err error) string {
			if e, ok := errors.AsType[postgres.NotReadyError](err); ok {
				return e.Error()
			}
			return ""
		}}},
		Unavailable: postgres.IsUnavailable,
		Metrics:     s.metrics, Region: s.settings.Region, Version: buildinfo.Version(), Log: s.log, Tracer: s.tracer,
	}
}

// serve answers on l until life ends. When that fails the server ends.
func (s *Server) serve(life context.Context, l net.Listener, h http.Handler) {
	served := make(chan error, 1)
	go func() {
		served <- api.Serve(life, l, h, s.log)
		s.end(errStopped) // a failure is returned by Stop, from served
	}()
	s.onStop(func() error { return <-served })
}
