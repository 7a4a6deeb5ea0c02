// Package server wires the parts of the program and runs them as one process:
// the API, a worker, or both with a PostgreSQL of their own. It has the
// subcommands api, worker and standalone, and no rules: what the parts do is in
// their packages.
package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"slices"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/settings"
	"github.com/copra-video/copra/internal/systemd"
	"github.com/copra-video/copra/internal/telemetry"
	"github.com/copra-video/copra/storage/local"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// Server is one process of a deployment. Start starts its parts one after the
// other, Stop ends them in the reverse order.
type Server struct {
	settings settings.Settings
	service  string // what it is: copra-api
	log      *slog.Logger
	parts    []part
	stops    []func() error     // of the parts that have started
	ended    <-chan struct{}    // closed when the server is to end, or has ended by itself
	end      func(reason error) // closes it

	// What the parts share. A part uses what those before it have made.
	listener net.Listener
	guard    *netguard.Guard
	store    *postgres.Store
	metrics  *prometheus.Registry
	local    *local.Store // nil: no built-in storage
	media    *background[*ffmpeg.Toolchain]
	tracer   *telemetry.Tracer // nil: nothing is traced
	cards    []string          // the queues of the cards that work here

	key      string // of a standalone server: the API key
	firstRun bool   // the key was made by this start
	node     string // the name of this process
}

// part starts something and registers how it is stopped with onStop. ctx
// bounds the start; what goes on afterwards takes life, which is done when the
// server is to end.
type part func(s *Server, ctx, life context.Context) error

// The parts of each kind of process, in the order of their start.
var (
	apiParts        = []part{(*Server).startTracing, (*Server).listen, (*Server).connect, (*Server).serveAPI}
	workerParts     = []part{(*Server).startTracing, (*Server).findMedia, (*Server).connect, (*Server).startWorker, (*Server).serveMetrics}
	standaloneParts = []part{
		(*Server).startTracing, (*Server).openDataFolder, (*Server).listen, (*Server).findMedia, (*Server).startPostgres, (*Server).connect, (*Server).makeKey, (*Server).reapAll,
		(*Server).startWorker, (*Server).writeBaseURL, (*Server).serveAPI,
	}
)

func newServer(service string, s settings.Settings, log *slog.Logger, parts []part) *Server {
	node := nodeName()
	log = slog.New(telemetry.Handler(log.Handler())).With("node", node)
	return &Server{settings: s, service: service, node: node, log: log, parts: parts}
}

// NewAPI returns a server of the HTTP API.
func NewAPI(s settings.Settings, log *slog.Logger) *Server {
	return newServer("copra-api", s, log, apiParts)
}

// NewWorker returns a server that works on jobs.
func NewWorker(s settings.Settings, log *slog.Logger) *Server {
	return newServer("copra-worker", s, log, workerParts)
}

// NewStandalone returns a server that is everything at once, with all its data
// in the folder Settings.Data.
func NewStandalone(s settings.Settings, log *slog.Logger) *Server {
	return newServer("copra", s, log, standaloneParts)
}

// errStopped is why a server ends that Stop ends.
var errStopped = errors.New("the server was stopped")

// Start returns when the server works. ctx bounds the start only: what has
// started goes on until Stop. When Start fails nothing is left running.
func (s *Server) Start(ctx context.Context) error {
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	s.ended, s.end = life.Done(), end
	s.onStop(func() error {
		if cause := context.Cause(life); !errors.Is(cause, errStopped) {
			return cause
		}
		return nil
	})
	for _, start := range s.parts {
		if err := start(s, ctx, life); err != nil {
			return errors.Join(err, s.Stop())
		}
	}
	return nil
}

// onStop adds what Stop does, before what was added earlier.
func (s *Server) onStop(f func() error) { s.stops = append(s.stops, f) }

// Done is closed when the server has ended by itself, or is stopped. Stop
// returns the reason.
func (s *Server) Done() <-chan struct{} { return s.ended }

// URL is where the server answers clients on this machine.
func (s *Server) URL() string { return localURL(s.listener) }

// Stop lets requests under way finish, hands running work back and ends every
// part. It returns what ended the server before, if anything did.
func (s *Server) Stop() error {
	s.end(errStopped)
	var errs []error
	for _, stop := range slices.Backward(s.stops) {
		errs = append(errs, stop())
	}
	s.stops = nil
	return errors.Join(errs...)
}

// run starts the server, calls ready, and stops it when ctx ends or the server
// does. A service manager that asked for it is told of both.
func (s *Server) run(ctx context.Context, c command.Call, ready func()) error {
	if err := s.Start(ctx); err != nil {
		return err
	}
	ready()
	s.notify(c, systemd.Ready)
	select {
	case <-ctx.Done():
	case <-s.Done():
	}
	s.notify(c, systemd.Stopping)
	return s.Stop()
}

func (s *Server) notify(c command.Call, state string) {
	if err := systemd.Notify(c.Getenv("NOTIFY_SOCKET"), state); err != nil {
		s.log.Warn("service manager", "error", err)
	}
}

// connect opens the database and the built-in storage.
func (s *Server) connect(ctx, _ context.Context) error {
	sealer, err := s.settings.Sealer()
	if err != nil {
		return err
	}
	dsn, err := s.settings.DatabaseAddress()
	if err != nil {
		return err
	}
	s.store, err = postgres.Open(ctx, dsn, postgres.Options{MaxConns: int32(s.settings.DatabaseConns), Sealer: sealer, Log: s.log})
	if err != nil {
		return err
	}
	s.onStop(func() error { s.store.Close(); return nil })
	s.guard = netguard.New(s.settings.AllowNetworks)
	s.metrics = prometheus.NewRegistry()
	s.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}), newQueueCollector(s.store))
	if s.settings.StorageDir == "" {
		return nil
	}
	if s.local, err = local.Open(local.Options{Dir: s.settings.StorageDir, PublicURL: s.settings.PublicURL, MaxUpload: s.settings.MaxInputBytes}); err != nil {
		return fmt.Errorf("open the built-in storage: %w", err)
	}
	s.onStop(s.local.Close)
	return nil
}
