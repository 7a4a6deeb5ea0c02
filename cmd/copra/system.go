package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/seal"
	"github.com/copra-video/copra/storage/local"
)

// system is what api and worker share in a process.
type system struct {
	settings *settings
	log      *slog.Logger
	store    *postgres.Store
	guard    *netguard.Guard
	local    *local.Store // nil without a storage folder
	metrics  *prometheus.Registry
}

// openSystem connects to what the settings name.
func openSystem(ctx context.Context, s *settings, log *slog.Logger) (*system, error) {
	sealer, err := s.sealer()
	if err != nil {
		return nil, err
	}
	dsn, err := s.databaseAddress()
	if err != nil {
		return nil, err
	}
	sys := &system{settings: s, log: log, guard: netguard.New(s.AllowNetworks), metrics: prometheus.NewRegistry()}
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

func (sys *system) close() {
	if sys.local != nil {
		_ = sys.local.Close()
	}
	sys.store.Close()
}

// sealer reads the keys that seal stored requests.
func (s *settings) sealer() (*seal.Sealer, error) {
	text := s.secretKeys
	if text == "" {
		if s.SecretFile == "" {
			return nil, usagef("--secret-key-file (COPRA_SECRET_KEY_FILE) is missing; copra secrets DIR makes one")
		}
		data, err := os.ReadFile(s.SecretFile)
		if err != nil {
			return nil, fmt.Errorf("read the secret keys: %w", err)
		}
		text = string(data)
	}
	keys := strings.FieldsFunc(text, func(r rune) bool { return r == '\n' || r == '\r' || r == ',' || r == ' ' })
	sealer, err := seal.ParseKeys(keys)
	if err != nil {
		return nil, usagef("the secret keys (COPRA_SECRET_KEYS or COPRA_SECRET_KEY_FILE) are not valid: %w", err)
	}
	return sealer, nil
}

// databaseAddress is the database's address with the password from its file.
func (s *settings) databaseAddress() (string, error) {
	if s.DatabaseURL == "" {
		return "", usagef("--database-url (COPRA_DATABASE_URL) is missing; copra standalone brings a database of its own")
	}
	if s.DatabasePasswordFile == "" {
		return s.DatabaseURL, nil
	}
	password, err := os.ReadFile(s.DatabasePasswordFile)
	if err != nil {
		return "", fmt.Errorf("read the database password: %w", err)
	}
	u, err := url.Parse(s.DatabaseURL)
	if err != nil || u.Scheme == "" {
		return "", usagef("COPRA_DATABASE_URL must be of the form postgres://user@host/name for COPRA_DATABASE_PASSWORD_FILE to be put into it")
	}
	u.User = url.UserPassword(u.User.Username(), strings.TrimSpace(string(password)))
	return u.String(), nil
}

// listen opens the address to serve on, and fills in the public URL when none
// was given.
func (s *settings) listen(ctx context.Context) (net.Listener, error) {
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

// readOrMake returns what the file holds, or what invent returns, which it then
// holds with mode 0600. Of several processes that start together one makes it.
func readOrMake(path string, invent func() (string, error)) (text string, made bool, err error) {
	data, err := os.ReadFile(path)
	if err == nil && len(strings.TrimSpace(string(data))) > 0 {
		return strings.TrimSpace(string(data)), false, nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", false, err
	}
	if text, err = invent(); err != nil {
		return "", false, err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*") // mode 0600
	if err != nil {
		return "", false, err
	}
	defer os.Remove(tmp.Name())
	if _, err = tmp.WriteString(text + "\n"); err == nil {
		err = tmp.Sync()
	}
	if err = errors.Join(err, tmp.Close()); err != nil {
		return "", false, err
	}
	// A hard link fails when another process was first; a rename would not.
	if err = os.Link(tmp.Name(), path); errors.Is(err, fs.ErrExist) {
		if data, rerr := os.ReadFile(path); rerr == nil && len(data) == 0 {
			err = os.Rename(tmp.Name(), path) // an empty file stood there
		} else {
			return strings.TrimSpace(string(data)), false, rerr
		}
	}
	return text, true, err
}
