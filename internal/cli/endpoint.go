package cli

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/server"
	"github.com/copra-video/copra/internal/settings"
)

// endpoint is the server that a subcommand speaks to.
type endpoint struct {
	url     string // "": none was named
	keyFile string
}

// rows are the settings of the endpoint. fallback says what is used when none is
// named.
func (p *endpoint) rows(s *settings.Settings, fallback string) []settings.Row {
	return []settings.Row{
		{Flag: "server", Env: "COPRA_SERVER", Shown: fallback, Set: settings.Text(&p.url),
			Help: "base URL of the server, http://host:8080/v2."},
		{Flag: "key-file", Env: "COPRA_API_KEY_FILE", Shown: "the standalone server's own", Set: settings.Text(&p.keyFile),
			Help: "file with the API key; the variable COPRA_API_KEY may hold the key itself."},
		{Env: "COPRA_API_KEY", Shown: "the key in --key-file", Set: settings.Secret(&s.APIKey),
			Help: "the API key of the requests."},
	}
}

// named returns a client of the server that was named, nil if none was.
func (p *endpoint) named(do string, s settings.Settings) (*client.Client, error) {
	key := s.APIKey.Reveal()
	if key == "" && p.keyFile != "" {
		data, err := os.ReadFile(p.keyFile)
		if err != nil {
			return nil, fmt.Errorf("read API key: %w", err)
		}
		key = strings.TrimSpace(string(data))
	}
	if p.url == "" {
		return nil, nil
	}
	if key == "" {
		return nil, command.Usagef("%s: --server needs an API key, in COPRA_API_KEY or --key-file", do)
	}
	c, err := client.New(client.Options{BaseURL: p.url, APIKey: key})
	if err != nil {
		return nil, command.Usagef("%s: --server: %w", do, err)
	}
	return c, nil
}

// running returns a client of the server that was named, else of the standalone
// server of the data folder, which must run.
func (p *endpoint) running(ctx context.Context, do string, s settings.Settings) (*client.Client, error) {
	c, err := p.named(do, s)
	if c != nil || err != nil {
		return c, err
	}
	local, ok := server.RunningStandalone(ctx, s.Data)
	if !ok {
		return nil, fmt.Errorf("no server runs in %s; name one with --server, or another folder with --data", s.Data)
	}
	return client.New(client.Options{BaseURL: local.URL, APIKey: local.Key})
}
