package server

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/copra-video/copra/internal/buildinfo"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/settings"
)

// API is the subcommand api.
func API(ctx context.Context, c command.Call) error {
	var st settings.Settings
	if err := st.ParseFlags(c, settings.API|settings.Database|settings.Network|settings.Log|settings.Traces); err != nil {
		return err
	}
	s := NewAPI(st, st.Logger(c.Stderr))
	return s.run(ctx, c, func() {
		s.log.InfoContext(ctx, "copra api", "version", buildinfo.Version(), "listen", s.listener.Addr().String(), "public_url", s.settings.PublicURL)
	})
}

// Worker is the subcommand worker.
func Worker(ctx context.Context, c command.Call) error {
	var st settings.Settings
	groups := settings.Database | settings.Network | settings.Media | settings.Work | settings.Log | settings.Metrics | settings.Pool | settings.Traces
	if err := st.ParseFlags(c, groups); err != nil {
		return err
	}
	if st.StorageDir != "" && st.PublicURL == "" {
		return command.Usagef("--storage-dir needs --public-url (COPRA_PUBLIC_URL), the address of the API that serves its files")
	}
	s := NewWorker(st, st.Logger(c.Stderr))
	return s.run(ctx, c, func() {
		s.log.InfoContext(ctx, "copra worker", "version", buildinfo.Version(), "slots", st.Slots)
	})
}

// Standalone is the subcommand standalone.
func Standalone(ctx context.Context, c command.Call) error {
	var st settings.Settings
	if err := st.ParseFlags(c, settings.Standalone|settings.Keys); err != nil {
		return err
	}
	s := NewStandalone(st, st.Logger(c.Stderr))
	return s.run(ctx, c, func() {
		s.log.InfoContext(ctx, "copra standalone", "version", buildinfo.Version(), "listen", s.listener.Addr().String(), "data", s.settings.Data)
		fmt.Fprintf(c.Stdout, "Copra %s is ready.\n\n  base URL   %s/v2\n", buildinfo.Version(), s.settings.PublicURL)
		if s.firstRun {
			fmt.Fprintf(c.Stdout, "  API key    %s\n", s.key)
		}
		if s.settings.Console != settings.ConsoleOff {
			fmt.Fprintf(c.Stdout, "  console    %s/console, with the API key, or with the operator's key in %s\n", s.settings.PublicURL, s.operatorKeyFile())
		}
		fmt.Fprintf(c.Stdout, "  key file   %s\n\n", filepath.Join(s.settings.Data, keyFile))
	})
}
