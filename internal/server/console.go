package server

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"time"

	"github.com/copra-video/copra/api"
	"github.com/copra-video/copra/console"
	"github.com/copra-video/copra/console/signon"
	"github.com/copra-video/copra/internal/buildinfo"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/internal/secretfile"
	"github.com/copra-video/copra/internal/settings"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/worker"
)

// newConsole makes the console from the settings.
func (s *Server) newConsole(operator job.Secret, storages *storageChecker) (http.Handler, error) {
	signOn, err := s.newSignOn()
	if err != nil {
		return nil, err
	}
	pages, err := queue.Pages(s.store.Queue(), "/console/queue", s.log)
	if err != nil {
		return nil, err
	}
	return console.New(console.Config{
		Store: s.store, Queue: pages, SignOn: signOn, Operator: operator, PublicURL: s.settings.PublicURL, StaleAfter: worker.StaleAfter,
		Check: s.newStreamChecker().check, CheckStorage: storages.check,
		Version: buildinfo.Version(), Region: s.settings.Region, System: s.findings, Stopping: api.Stopping, Log: s.log,
	}), nil
}

// newSignOn makes what signs operators in with the OpenID provider of the settings, nil
// when there is none.
func (s *Server) newSignOn() (console.SignOn, error) {
	p := &s.settings.OIDC
	if p.Issuer == "" {
		return nil, nil
	}
	secret, err := s.settings.OIDCSecret()
	if err != nil {
		return nil, err
	}
	return signon.New(signon.Config{
		Issuer: p.Issuer, ClientID: p.ClientID, ClientSecret: secret, Scopes: p.Scopes, Operators: p.Operators,
		ReturnURL: s.settings.PublicURL + "/console/sign-on/return",
	}), nil
}

// makeOperatorKey makes the operator's key of a standalone server, unless the
// settings have one or the console is off.
func (s *Server) makeOperatorKey(dir string) error {
	st := &s.settings
	if st.Console == settings.ConsoleOff || st.OperatorKeyFile != "" || !st.OperatorKey.IsZero() {
		return nil
	}
	file := filepath.Join(dir, operatorFile)
	if _, _, err := secretfile.ReadOrCreate(file, func() (string, error) { return settings.NewOperatorKey(), nil }); err != nil {
		return fmt.Errorf("make the operator's key: %w", err)
	}
	st.OperatorKeyFile = file
	return nil
}

// operatorKeyFile says where the operator's key is.
func (s *Server) operatorKeyFile() string {
	if !s.settings.OperatorKey.IsZero() {
		return "COPRA_OPERATOR_KEY"
	}
	return s.settings.OperatorKeyFile
}

// findingsTime bounds how long the system page waits.
const findingsTime = 5 * time.Second

// findings is what the system page says of this process. copra doctor looks at more.
func (s *Server) findings(ctx context.Context) []console.Finding {
	ctx, cancel := context.WithTimeout(ctx, findingsTime)
	defer cancel()
	st := &s.settings
	list := []console.Finding{{OK: true, What: "copra", Note: buildinfo.Version()}, s.databaseFinding(ctx)}
	if s.local != nil {
		list = append(list, console.Finding{OK: true, What: "built-in storage", Note: st.StorageDir})
	} else {
		list = append(list, console.Finding{OK: true, What: "built-in storage", Note: "none, and no uploads; --storage-dir gives it a folder"})
	}
	note := "refused as inputs, webhooks and storage; --allow-network opens them"
	if len(st.AllowNetworks) > 0 {
		note = fmt.Sprintf("open: %v", st.AllowNetworks)
	}
	list = append(list, console.Finding{OK: true, What: "private networks", Note: note})
	if s.media != nil {
		list = append(list, s.mediaFindings()...)
	}
	return list
}

func (s *Server) databaseFinding(ctx context.Context) console.Finding {
	f := console.Finding{What: "database"}
	dsn, err := s.settings.DatabaseAddress()
	if err != nil {
		f.Note = err.Error()
		return f
	}
	info, err := postgres.Inspect(ctx, dsn)
	switch {
	case err != nil:
		s.log.WarnContext(ctx, "console: inspect the database", "error", err)
		f.Note = "it does not answer; the log says more"
	case info.Pending > 0:
		f.Note = fmt.Sprintf("PostgreSQL %s; %d migrations are missing: run copra migrate", info.Version, info.Pending)
	default:
		f.OK, f.Note = true, "PostgreSQL "+info.Version+", schema up to date"
	}
	return f
}

// mediaFindings are what the ffmpeg of this process can do.
func (s *Server) mediaFindings() []console.Finding {
	tools, err := s.media.wait()
	if err != nil {
		return []console.Finding{{What: "ffmpeg", Note: "it was not found, or does not work; copra doctor says more"}}
	}
	var list []console.Finding
	for _, l := range tools.Report() {
		list = append(list, console.Finding{OK: l.OK, What: l.Name, Note: l.Note})
	}
	return list
}
