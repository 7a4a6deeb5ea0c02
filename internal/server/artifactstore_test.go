package server

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/settings"
)

// artifactSettings reads the settings of media from these variables.
func artifactSettings(t *testing.T, vars map[string]string) (*settings.Settings, error) {
	t.Helper()
	var s settings.Settings
	e := command.Stdio{Getenv: func(n string) string { return vars[n] }, Stdout: io.Discard, Stderr: io.Discard}
	err := s.ParseFlags(command.Call{Stdio: e, Name: "worker"}, settings.Media)
	return &s, err
}

// TestArtifactStoreSettings: a store that can never work is a usage error. One
// that does not answer is used, since it may answer later.
func TestArtifactStoreSettings(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		vars    map[string]string
		want    string // in the usage error; "": none
		started bool   // the store is used
	}{
		{vars: map[string]string{}},
		{vars: map[string]string{"COPRA_ARTIFACT_STORE": filepath.Join(dir, "new")}, started: true},
		{vars: map[string]string{"COPRA_ARTIFACT_STORE": filepath.Join(dir, "a", "b")}, want: "is not there"},
		{vars: map[string]string{"COPRA_ARTIFACT_STORE": "ftp://x/y"}, want: "neither a folder nor of the form s3://bucket/prefix"},
		{vars: map[string]string{"COPRA_ARTIFACT_STORE": "s3://x", "COPRA_ARTIFACT_S3_SECRET_KEY": "canary"}, want: "only one is given"},
		{vars: map[string]string{"COPRA_ARTIFACT_RETENTION": "-1h"}, want: "COPRA_ARTIFACT_RETENTION"},
		{vars: map[string]string{"COPRA_ARTIFACT_S3_ENDPOINT": "s3:7070"}, want: "COPRA_ARTIFACT_S3_ENDPOINT"},
		{started: true, vars: map[string]string{
			"COPRA_ARTIFACT_STORE": "s3://x", "COPRA_ARTIFACT_S3_ENDPOINT": "http://127.0.0.1:1", "COPRA_ARTIFACT_S3_ACCESS_KEY": "a", "COPRA_ARTIFACT_S3_SECRET_KEY": "canary",
		}},
	} {
		s, err := artifactSettings(t, c.vars)
		var log strings.Builder
		if err == nil {
			store, oerr := openCheckedArtifactStore(t.Context(), &s.ArtifactStore, slog.New(slog.NewTextHandler(&log, nil)))
			if err = oerr; (store != nil) != c.started {
				t.Errorf("%v: the store is used: %t", c.vars, !c.started)
			}
		}
		_, usage := errors.AsType[command.UsageError](err)
		switch {
		case c.want == "" && err != nil, c.want != "" && (!usage || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%v: error %v, want a usage error with %q", c.vars, err, c.want)
		}
		if told := fmt.Sprintf("%v %+v %s", err, s, log.String()); strings.Contains(told, "canary") {
			t.Errorf("the secret key is printed: %s", told)
		}
	}
	if s, err := artifactSettings(t, nil); err != nil || s.ArtifactStore.Retention != 24*time.Hour {
		t.Errorf("parts are kept for %s, %v", s.ArtifactStore.Retention, err)
	}
}
