package ftp

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/storagetest"
)

// The reply that a file is missing does not close the connection.
func TestDeleterConnections(t *testing.T) {
	s := start(t, &ftpServer{})
	b := open(t, &job.Storage{URL: at("ftp", s.addr, "/x")}, options())
	for range 3 {
		if found, err := b.Exists(t.Context(), "a/k"); found || err != nil {
			t.Errorf("Has = %t, %v", found, err)
		}
		if err := b.Delete(t.Context(), "a/k"); err != nil {
			t.Error(err)
		}
	}
	if s.logins != 1 {
		t.Errorf("%d logins", s.logins)
	}
}

func TestDeleterRefused(t *testing.T) {
	const locked = "The file or folder does not exist on the server 127.0.0.1 or may not be used (FTP 550)."
	for _, tt := range []struct {
		name        string
		server      *ftpServer
		has, remove string
	}{
		{"no SIZE", &ftpServer{noSize: true}, "The server 127.0.0.1 refused the request (FTP 502).", ""},
		{"may not be removed", &ftpServer{deny: map[string]string{"DELE": "550 you may not"}}, "", locked},
		{"may not be removed, and no SIZE", &ftpServer{noSize: true, deny: map[string]string{"DELE": "550 you may not"}},
			"The server 127.0.0.1 refused the request (FTP 502).", locked},
		{"nothing may", &ftpServer{deny: map[string]string{"DELE": "530 no", "SIZE": "530 no"}},
			"The server 127.0.0.1 does not accept the user name or the password (FTP 530).",
			"The server 127.0.0.1 does not accept the user name or the password (FTP 530)."},
	} {
		s := start(t, tt.server)
		b := open(t, &job.Storage{URL: at("ftp", s.addr, "")}, options())
		if err := b.Put(t.Context(), "k", storagetest.Body([]byte("x")), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
		found, err := b.Exists(t.Context(), "k")
		if found != (tt.has == "") {
			t.Errorf("%s: found %t", tt.name, found)
		}
		for what, err := range map[string]error{"Has " + tt.has: err, "Remove " + tt.remove: b.Delete(t.Context(), "k")} {
			what, want, _ := strings.Cut(what, " ")
			if job.Message(err, "") != want || (err == nil) != (want == "") {
				t.Errorf("%s: %s = %v, want %q", tt.name, what, err, want)
			}
		}
		if _, err := os.Stat(filepath.Join(s.dir, "k")); os.IsNotExist(err) != (tt.remove == "") {
			t.Errorf("%s: the file: %v", tt.name, err)
		}
	}
}
