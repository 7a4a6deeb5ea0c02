package admin

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/internal/buildinfo"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/pgserver"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/sandbox"
	"github.com/copra-video/copra/internal/server"
	"github.com/copra-video/copra/internal/settings"
	"github.com/copra-video/copra/storage/artifacts"
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

// Doctor is the subcommand: what works here, what does not, and why. The exit
// code is 1 when the server cannot work.
func Doctor(ctx context.Context, e command.Stdio, args []string) error {
	var s settings.Settings
	var server string
	f := settings.NewFlagSet("doctor", "[flags]", "check ffmpeg, database, storage and work directory", e.Stderr)
	s.Data = settings.DefaultData()
	f.Text(&s.Data, "data", "COPRA_DATA_DIR", "data folder of copra standalone. Defaults to "+s.Data+".")
	f.Setting("server", "", "ask only whether the server at this address is ready, http://host:port. Defaults to looking at this machine.", settings.URLInto(&server))
	s.DatabaseFlags(f)
	s.NetworkFlags(f)
	s.MediaFlags(f)
	if err := f.ParseAlone(e, args); err != nil {
		return err
	}
	s.FromEnv(e)
	out := &findings{w: e.Stdout}
	if server != "" {
		checkServer(ctx, out, server)
	} else {
		out.ok("copra", "%s", buildinfo.Version())
		checkFFmpeg(ctx, out, &s)
		checkSandbox(ctx, out, &s)
		checkDatabase(ctx, out, &s)
		checkFolder(out, "work directory", cmp.Or(given(s.WorkDirGiven, s.WorkDir), filepath.Join(s.Data, "work")))
		checkArtifactStore(ctx, out, &s.ArtifactStore)
		checkFolder(out, "built-in storage", cmp.Or(s.StorageDir, filepath.Join(s.Data, "storage")))
		checkNetworks(out, &s)
	}
	if out.failed {
		return command.ExitError{Code: 1}
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

func checkFFmpeg(ctx context.Context, out *findings, s *settings.Settings) {
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

func checkDatabase(ctx context.Context, out *findings, s *settings.Settings) {
	if s.DatabaseURL == "" {
		version, err := pgserver.Find(ctx, filepath.Join(s.Data, "postgres"))
		if err != nil {
			out.bad("PostgreSQL", "%v", err)
			return
		}
		out.ok("PostgreSQL", "programs of version %s, for copra standalone; COPRA_DATABASE_URL is not set", version)
		return
	}
	dsn, err := s.DatabaseAddress()
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
	if _, err := s.Sealer(); err != nil {
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

func checkNetworks(out *findings, s *settings.Settings) {
	if len(s.AllowNetworks) == 0 {
		out.ok("private networks", "refused as inputs, webhooks and storage; --allow-network opens them")
		return
	}
	out.ok("private networks", "open: %v", s.AllowNetworks)
}

func checkSandbox(ctx context.Context, out *findings, s *settings.Settings) {
	const what = "sandbox"
	if s.Sandbox == settings.SandboxOff {
		out.lacks(what, "off (--sandbox)")
		return
	}
	report, err := sandbox.Check(ctx)
	switch {
	case err != nil:
		out.lacks(what, "%v", err)
		return
	case report.Full():
		out.ok(what, "%s", report)
	case s.Sandbox == settings.SandboxRequired:
		out.bad(what, "%s", report)
	default:
		out.lacks(what, "%s", report)
	}
	checkSandboxUser(ctx, out, s, report)
}

// checkSandboxUser reports as which user ffmpeg runs, where the server is root.
func checkSandboxUser(ctx context.Context, out *findings, s *settings.Settings, report sandbox.Report) {
	const what = "ffmpeg's user"
	tools, err := ffmpeg.Find(ctx, s.FFmpeg, s.FFprobe)
	if os.Geteuid() != 0 || err != nil {
		return
	}
	if s.FFmpegUser == 0 {
		out.lacks(what, "root, as the server (--ffmpeg-user)")
		return
	}
	err = tools.Sandboxed(ffmpeg.Sandbox{Landlock: report.Files, Memory: s.FFmpegMemory, User: s.FFmpegUser}).CheckUser(ctx, os.TempDir())
	switch {
	case err == nil:
		out.ok(what, "%d, with the rights of nobody, while the server is root", s.FFmpegUser)
	case s.Sandbox == settings.SandboxRequired:
		out.bad(what, "it cannot run as user %d: %v", s.FFmpegUser, err)
	default:
		out.lacks(what, "root, as the server: it cannot run as user %d: %v", s.FFmpegUser, err)
	}
}

// checkArtifactStore is the doctor's look at it.
func checkArtifactStore(ctx context.Context, out *findings, s *settings.ArtifactStore) {
	const what = "artifact store"
	store, err := server.OpenArtifactStore(ctx, s)
	switch {
	case err != nil:
		out.bad(what, "%v", err)
		return
	case store == nil:
		out.ok(what, "none: what a worker that dies has done of a job is done again; --artifact-store keeps it")
		return
	}
	begin := time.Now()
	switch err := store.Check(ctx); {
	case err == nil:
		out.ok(what, "%s, written to, read and emptied in %d ms", store, time.Since(begin).Milliseconds())
	case artifacts.IsTransient(err):
		out.lacks(what, "%s: %v", store, err)
	default:
		out.bad(what, "%s: %v", store, err)
	}
}
