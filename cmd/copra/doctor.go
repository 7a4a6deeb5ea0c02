package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/internal/pgserver"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// findings prints a line for each thing looked at and remembers the worst.
type findings struct {
	w      io.Writer
	failed bool
}

func (f *findings) ok(what, format string, args ...any) { f.line("ok", what, format, args...) }

// lacks tells of what will not work while the rest does.
func (f *findings) lacks(what, format string, args ...any) { f.line("--", what, format, args...) }

// bad tells of what keeps the server from working at all.
func (f *findings) bad(what, format string, args ...any) {
	f.failed = true
	f.line("BAD", what, format, args...)
}

func (f *findings) line(mark, what, format string, args ...any) {
	fmt.Fprintf(f.w, "%-4s%-22s%s\n", mark, what, fmt.Sprintf(format, args...))
}

// doctor is the subcommand: what works here, what does not, and why. The exit
// code is 1 when the server cannot work.
func doctor(ctx context.Context, e env, args []string) error {
	var s settings
	var server string
	f := newFlagSet("doctor", "[flags]", "check ffmpeg, database, storage and work directory", e.stderr)
	s.Data = defaultData()
	f.text(&s.Data, "data", "COPRA_DATA_DIR", "data folder of copra standalone. Defaults to "+s.Data+".")
	f.setting("server", "", "ask only whether the server at this address is ready, http://host:port. Defaults to looking at this machine.", urlInto(&server))
	s.databaseFlags(f)
	s.networkFlags(f)
	s.mediaFlags(f)
	if err := f.parseAlone(e, args); err != nil {
		return err
	}
	s.fromEnv(e)
	out := &findings{w: e.stdout}
	if server != "" {
		checkServer(ctx, out, server)
	} else {
		out.ok("copra", "%s", programVersion())
		checkFFmpeg(ctx, out, &s)
		checkConfinement(ctx, out, &s)
		checkDatabase(ctx, out, &s)
		checkFolder(out, "work directory", orElse(given(s.workDirGiven, s.WorkDir), filepath.Join(s.Data, "work")))
		checkArtifactStore(ctx, out, &s.ArtifactStore)
		checkFolder(out, "built-in storage", orElse(s.StorageDir, filepath.Join(s.Data, "storage")))
		checkNetworks(out, &s)
	}
	if out.failed {
		return exitError{1}
	}
	return nil
}

func given(is bool, s string) string {
	if is {
		return s
	}
	return ""
}

func checkServer(ctx context.Context, out *findings, server string) {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, server+"/readyz", nil)
	if err != nil {
		out.bad("server", "%v", err)
		return
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		out.bad("server", "%v", err)
		return
	}
	defer resp.Body.Close()
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4<<10))
	if resp.StatusCode != http.StatusOK {
		out.bad("server", "%s: %s", resp.Status, strings.TrimSpace(string(body)))
		return
	}
	out.ok("server", "%s is ready", server)
}

func checkFFmpeg(ctx context.Context, out *findings, s *settings) {
	tools, err := ffmpeg.Find(ctx, s.FFmpeg, s.FFprobe)
	if err != nil {
		out.bad("ffmpeg", "%v", err)
		return
	}
	out.ok("ffmpeg", "%s", tools.Version())
	for _, l := range tools.Report() {
		if l.OK {
			out.ok(l.Name, "%s", l.Note)
		} else {
			out.lacks(l.Name, "%s", l.Note)
		}
	}
}

func checkDatabase(ctx context.Context, out *findings, s *settings) {
	if s.DatabaseURL == "" {
		version, err := pgserver.Find(ctx, filepath.Join(s.Data, "postgres"))
		if err != nil {
			out.bad("PostgreSQL", "%v", err)
			return
		}
		out.ok("PostgreSQL", "programs of version %s, for copra standalone; COPRA_DATABASE_URL is not set", version)
		return
	}
	dsn, err := s.databaseAddress()
	if err != nil {
		out.bad("database", "%v", err)
		return
	}
	state, err := postgres.Inspect(ctx, dsn)
	if err != nil {
		out.bad("database", "%v", err)
		return
	}
	if state.Pending > 0 {
		out.bad("database", "PostgreSQL %s; %d migrations are missing: run copra migrate", state.Version, state.Pending)
	} else {
		out.ok("database", "PostgreSQL %s, schema up to date", state.Version)
	}
	if _, err := s.sealer(); err != nil {
		out.bad("secret keys", "%v", err)
	} else {
		out.ok("secret keys", "can be read")
	}
}

// checkFolder looks whether the folder, or the nearest one above it that is
// there, can be written to, and how much room it has.
func checkFolder(out *findings, what, dir string) {
	at := dir
	for {
		if st, err := os.Stat(at); err == nil {
			if !st.IsDir() {
				out.bad(what, "%s is no folder", at)
				return
			}
			break
		}
		up := filepath.Dir(at)
		if up == at {
			break
		}
		at = up
	}
	if err := unix.Access(at, unix.W_OK|unix.X_OK); err != nil {
		out.bad(what, "%s cannot be written to by this user: %v", at, err)
		return
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(at, &fs); err != nil {
		out.bad(what, "%s: %v", at, err)
		return
	}
	free := float64(fs.Bavail) * float64(fs.Bsize) / (1 << 30)
	if free < 1 {
		out.lacks(what, "%s has only %.1f GiB free", dir, free)
		return
	}
	out.ok(what, "%s, %.0f GiB free", dir, free)
}

func checkNetworks(out *findings, s *settings) {
	if len(s.AllowNetworks) == 0 {
		out.ok("private networks", "refused as inputs, webhooks and storage; --allow-network opens them")
		return
	}
	out.ok("private networks", "open: %v", s.AllowNetworks)
}
