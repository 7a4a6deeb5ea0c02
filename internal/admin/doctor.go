package admin

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/buildinfo"
	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/internal/pgserver"
	"github.com/copra-video/copra/internal/postgres"
	"github.com/copra-video/copra/internal/server"
	"github.com/copra-video/copra/internal/settings"
	"github.com/copra-video/copra/internal/telemetry/otlp"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage/artifacts"
	"github.com/copra-video/copra/transcode/ffmpeg"
)

// findings prints a line for each thing looked at and remembers the worst.
type findings struct {
	w      io.Writer
	failed bool
}

func (f *findings) ok(what, format string, args ...any) { f.line("ok", what, format, args...) }

// warn reports what will not work while the rest does.
func (f *findings) warn(what, format string, args ...any) { f.line("--", what, format, args...) }

// fail reports what keeps the server from working at all.
func (f *findings) fail(what, format string, args ...any) {
	f.failed = true
	f.line("BAD", what, format, args...)
}

func (f *findings) line(mark, what, format string, args ...any) {
	fmt.Fprintf(f.w, "%-4s%-22s%s\n", mark, what, fmt.Sprintf(format, args...))
}

// Doctor is the subcommand doctor: what works here with these settings, what
// does not, and why. The exit code is 1 when the server cannot work. Without a
// database URL it looks at what a standalone server needs.
func Doctor(ctx context.Context, c command.Call) error {
	var s settings.Settings
	var server string
	var encoders, report bool
	err := s.ParseFlags(c, settings.Data|settings.Database|settings.Network|settings.Media|settings.Traces, settings.Row{
		Flag: "server", Shown: "looking at this machine", Set: settings.URL(&server),
		Help: "ask only whether the server at this address is ready, http://host:port.",
	}, settings.Row{
		Flag: "encoders", Switch: &encoders,
		Help: "try every encoder of video, of cards and in software, and print what came out.",
	}, settings.Row{
		Flag: "report", Switch: &report,
		Help: "with --encoders: print it as Markdown, with the machine, to be shown to others.",
	})
	if err != nil {
		return err
	}
	if encoders || report {
		return listEncoders(ctx, c, &s, report)
	}
	out := &findings{w: c.Stdout}
	if server != "" {
		checkServer(ctx, out, server)
	} else {
		checkMachine(ctx, out, &s)
	}
	if out.failed {
		return command.ExitError{Code: 1}
	}
	return nil
}

func checkMachine(ctx context.Context, out *findings, s *settings.Settings) {
	out.ok("copra", "%s", buildinfo.Version())
	workDir := cmp.Or(s.WorkDir, settings.DefaultWorkDir())
	if s.DatabaseURL == "" {
		workDir = cmp.Or(s.WorkDir, filepath.Join(s.Data, "work"))
	}
	checkFFmpeg(ctx, out, s, workDir)
	if s.DatabaseURL == "" {
		checkPostgres(ctx, out, s)
	} else {
		checkDatabase(ctx, out, s)
	}
	checkFolder(out, "work directory", workDir)
	checkArtifactStore(ctx, out, &s.ArtifactStore)
	switch {
	case s.StorageDir != "" || s.DatabaseURL == "":
		checkFolder(out, "built-in storage", cmp.Or(s.StorageDir, filepath.Join(s.Data, "storage")))
	default:
		out.ok("built-in storage", "none, and no uploads; --storage-dir gives it a folder")
	}
	checkNetworks(out, s)
	checkSpeech(ctx, out, s)
	checkTraces(ctx, out, s)
}

func checkServer(ctx context.Context, out *findings, server string) {
	ctx, cancel := context.WithTimeout(ctx, 4*time.Second)
	defer cancel()
	c, err := client.New(client.Options{BaseURL: server})
	if err != nil {
		out.fail("server", "%v", err)
		return
	}
	r, err := c.Ready(ctx)
	switch {
	case err != nil:
		out.fail("server", "%v", err)
	case !r.Ready:
		out.fail("server", "%s is not ready: %s", server, strings.Join(r.Reasons, "; "))
	default:
		out.ok("server", "%s is ready", server)
	}
}

// checkFFmpeg always asks ffmpeg itself. Of what a server has kept it reports
// whether the next start will use it.
func checkFFmpeg(ctx context.Context, out *findings, s *settings.Settings, workDir string) {
	media, err := server.OpenMedia(ctx, s, server.MediaOptions{TrialDir: os.TempDir(), Complete: true})
	if err != nil {
		out.fail("ffmpeg", "%v", err)
		return
	}
	for _, l := range media.Tools.Report() {
		if l.OK {
			out.ok(l.Name, "%s", l.Note)
		} else {
			out.warn(l.Name, "%s", l.Note)
		}
	}
	for _, d := range media.Tools.Capabilities().Devices {
		if what := "encoder " + d.Encoder; d.Works {
			out.ok(what, "%d bits on %s; --encoders tells more", d.Depth, d.Device)
		} else {
			out.warn(what, "%d bits on %s: %s", d.Depth, d.Device, d.Reason)
		}
	}
	checkCapabilityFile(ctx, out, server.CapabilityFile(workDir), media.Tools)
	checkSandbox(out, s, media)
	checkFonts(ctx, out, s, media.Tools.Capabilities().HasFilter("ass"))
}

// checkCapabilityFile compares what was just detected with what a server reads.
func checkCapabilityFile(ctx context.Context, out *findings, file string, tools *ffmpeg.Toolchain) {
	const what = "capabilities"
	switch err := tools.CompareCache(ctx, file); {
	case err == nil:
		out.ok(what, "detected now; the same as in %s, which the next start reads", file)
	case errors.Is(err, ffmpeg.ErrCacheWrong):
		out.warn(what, "detected now; %s holds something else, remove it", file)
	case errors.Is(err, fs.ErrNotExist):
		out.ok(what, "detected now; no server has kept them in %s", file)
	default:
		out.ok(what, "detected now, and again by the next start: %v", err)
	}
}

// checkPostgres looks for the programs that a standalone server runs.
func checkPostgres(ctx context.Context, out *findings, s *settings.Settings) {
	version, err := pgserver.Find(ctx, s.PGBin, filepath.Join(s.Data, "postgres"))
	if err != nil {
		out.fail("PostgreSQL", "%v", err)
		return
	}
	out.ok("PostgreSQL", "programs of version %s, for copra standalone; COPRA_DATABASE_URL is not set", version)
}

func checkDatabase(ctx context.Context, out *findings, s *settings.Settings) {
	dsn, err := s.DatabaseAddress()
	if err != nil {
		out.fail("database", "%v", err)
		return
	}
	state, err := postgres.Inspect(ctx, dsn)
	if err != nil {
		out.fail("database", "%v", err)
		return
	}
	if state.Pending > 0 {
		out.fail("database", "PostgreSQL %s; %d migrations are missing: run copra migrate", state.Version, state.Pending)
	} else {
		out.ok("database", "PostgreSQL %s, schema up to date", state.Version)
	}
	switch {
	case state.Pooler.Deaf:
		out.warn("notifications", "%s", state.Pooler)
	case state.Pooler.Found:
		out.ok("notifications", "arrive, %s", state.Pooler)
	default:
		out.ok("notifications", "arrive")
	}
	if _, err := s.Sealer(); err != nil {
		out.fail("secret keys", "%v", err)
	} else {
		out.ok("secret keys", "can be read")
	}
}

// checkFolder checks that the folder can be written to, or, if it does not exist
// yet, the nearest one above it, and how much room it has.
func checkFolder(out *findings, what, dir string) {
	at := dir
	for {
		if st, err := os.Stat(at); err == nil {
			if !st.IsDir() {
				out.fail(what, "%s is not a folder", at)
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
		out.fail(what, "%s cannot be written to by this user: %v", at, err)
		return
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(at, &fs); err != nil {
		out.fail(what, "%s: %v", at, err)
		return
	}
	free := float64(fs.Bavail) * float64(fs.Bsize) / (1 << 30)
	if free < 1 {
		out.warn(what, "%s has only %.1f GiB free", dir, free)
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

func checkSandbox(out *findings, s *settings.Settings, media server.Media) {
	const what, user = "sandbox", "ffmpeg's user"
	report := out.warn
	if s.Sandbox == settings.SandboxRequired {
		report = out.fail
	}
	switch {
	case s.Sandbox == settings.SandboxOff:
		out.warn(what, "off (--sandbox)")
		return
	case media.SandboxErr != nil:
		report(what, "%v", media.SandboxErr)
		return
	case media.Sandbox.Full():
		out.ok(what, "%s", media.Sandbox)
	default:
		report(what, "%s", media.Sandbox)
	}
	switch {
	case os.Geteuid() != 0: // ffmpeg runs as the server does
	case s.FFmpegUser == 0:
		out.warn(user, "root, as the server (--ffmpeg-user)")
	case media.UserErr != nil:
		report(user, "root, as the server: it cannot run as user %d: %v", s.FFmpegUser, media.UserErr)
	default:
		out.ok(user, "%d, which owns nothing, while the server is root", media.User)
	}
}

// checkTraces asks the collector, without which everything works.
func checkTraces(ctx context.Context, out *findings, s *settings.Settings) {
	const what = "traces"
	o, on := s.Tracing("copra")
	if !on {
		out.ok(what, "none; OTEL_EXPORTER_OTLP_ENDPOINT sends them to a collector of OpenTelemetry")
		return
	}
	if err := otlp.Check(ctx, o); err != nil {
		out.warn(what, "not taken by %s: %v", o.URL, err)
		return
	}
	out.ok(what, "taken by %s", o.URL)
}

// checkSpeech has the speech service transcribe a second of silence.
func checkSpeech(ctx context.Context, out *findings, s *settings.Settings) {
	const what = "speech service"
	service, err := server.OpenSpeech(s)
	switch {
	case err != nil:
		out.fail(what, "%v", err) // no worker starts
		return
	case service == nil:
		out.ok(what, "none, so there are no captions of speech; --speech-url names one")
		return
	}
	begin := time.Now()
	ctx, cancel := context.WithTimeout(ctx, min(s.Speech.Timeout, 30*time.Second))
	defer cancel()
	if err := service.Check(ctx); err != nil {
		e, _ := errors.AsType[*job.Error](err)
		out.warn(what, "%s: %s (%v)", service, strings.TrimPrefix(e.Message, "the speech service "), e.Cause)
		return
	}
	out.ok(what, "%s answered for the model %s in %d ms", service, s.Speech.Model, time.Since(begin).Milliseconds())
}

// checkArtifactStore writes to the store, reads it and deletes again.
func checkArtifactStore(ctx context.Context, out *findings, s *settings.ArtifactStore) {
	const what = "artifact store"
	store, err := server.OpenArtifactStore(ctx, s)
	switch {
	case err != nil:
		out.fail(what, "%v", err)
		return
	case store == nil:
		out.ok(what, "none: a job whose worker dies starts again from the beginning; --artifact-store keeps what was encoded")
		return
	}
	begin := time.Now()
	switch err := store.Check(ctx); {
	case err == nil:
		out.ok(what, "%s, written to, read and emptied in %d ms", store, time.Since(begin).Milliseconds())
	case artifacts.IsTransient(err):
		out.warn(what, "%s: %v", store, err)
	default:
		out.fail(what, "%s: %v", store, err)
	}
}
