// Package server wires the parts of the program: the API, a worker, or both
// with a PostgreSQL of their own.
package server

import (
	"context"
	"fmt"
	"log/slog"
	"net"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/settings"
	"github.com/copra-video/copra/storage/local"
)

// System is what api and worker share in a process.
type System struct {
	settings *settings.Settings
	log      *slog.Logger
	store    *postgres.Store
	guard    *netguard.Guard
	local    *local.Store // nil without a storage folder
	metrics  *prometheus.Registry
}

// Open connects to what the settings name.
func Open(ctx context.Context, s *settings.Settings, log *slog.Logger) (*System, error) {
	sealer, err := s.Sealer()
	if err != nil {
		return nil, err
	}
	dsn, err := s.DatabaseAddress()
	if err != nil {
		return nil, err
	}
	sys := &System{settings: s, log: log, guard: netguard.New(s.AllowNetworks), metrics: prometheus.NewRegistry()}
	sys.metrics.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	sys.store, err = postgres.Open(ctx, dsn, postgres.Options{MaxConns: int32(s.DatabaseConns), Sealer: sealer, Log: log})
	if err != nil {
		return nil, err
	}
	sys.metrics.MustRegister(newQueueCollector(sys.store))
	if s.StorageDir != "" {
		if sys.local, err = local.Open(local.Options{Dir: s.StorageDir, PublicURL: s.PublicURL}); err != nil {
			sys.store.Close()
			return nil, fmt.Errorf("open the built-in storage: %w", err)
		}
	}
	return sys, nil
}

func (sys *System) Close() {
	if sys.local != nil {
		_ = sys.local.Close()
	}
	sys.store.Close()
}

// listen opens the address to serve on, and fills in the public URL when none
// was given.
func listen(ctx context.Context, s *settings.Settings) (net.Listener, error) {
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", s.Listen)
	if err != nil {
		return nil, fmt.Errorf("listen on %s (--listen, COPRA_LISTEN): %w", s.Listen, err)
	}
	if s.PublicURL == "" {
		s.PublicURL = "http://" + reachable(l.Addr().(*net.TCPAddr))
	}
	return l, nil
}

// reachable is how a client on this machine addresses a: an unspecified
// address is served on all interfaces, of which the loopback one is sure.
func reachable(a *net.TCPAddr) string {
	if a.IP.IsUnspecified() {
		return fmt.Sprintf("localhost:%d", a.Port)
	}
	return a.String()
}
