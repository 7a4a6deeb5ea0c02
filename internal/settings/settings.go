// Package settings is every setting of the program: a flag, and an environment
// variable where the flag is not given.
package settings

import (
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"github.com/copra-video/copra/internal/command"
	"github.com/copra-video/copra/job"
)

// Settings are all settings of the program. A subcommand registers the groups
// that it uses. Each is a flag, and an environment variable where the flag is
// not given.
type Settings struct {
	LogLevel  slog.Level
	LogFormat string

	Data                 string // standalone
	DatabaseURL          string
	DatabaseConns        int
	SecretFile           string
	DatabasePasswordFile string

	Listen        string
	MetricsListen string // worker
	PublicURL     string
	Region        string
	RateLimit     int // requests a second of one key; 0: no limit
	StorageDir    string
	S3Endpoint    string
	S3PublicURL   string
	AllowNetworks []netip.Prefix

	FFmpeg, FFprobe    string
	Sandbox            string // SandboxOn, SandboxOff, SandboxRequired
	FFmpegMemory       int64  // bytes
	FFmpegUser         int    // 0: the server's own
	WorkDir            string
	ArtifactStore      ArtifactStore
	Slots              int
	Uploads            int
	MaxInputBytes      int64
	MinFreeDisk        int64 // bytes
	Presets            map[string]string
	ShutdownGrace      time.Duration
	StallTimeout       time.Duration // 0: the default
	UploadRetryTimeout time.Duration

	// SecretKeys and APIKey come from the environment alone: an argument list
	// is for everyone on the machine to read.
	SecretKeys, APIKey string

	ListenGiven, WorkDirGiven bool
}

func (s *Settings) LogFlags(f *FlagSet) {
	s.LogFormat = "text"
	f.Setting("log-level", "COPRA_LOG_LEVEL", "debug, info, warn or error. Defaults to info.", func(v string) error {
		if err := s.LogLevel.UnmarshalText([]byte(v)); err != nil {
			return fmt.Errorf("%q is not debug, info, warn or error", v)
		}
		return nil
	})
	f.Setting("log-format", "COPRA_LOG_FORMAT", "text or json. Defaults to text.", func(v string) error {
		if v != "text" && v != "json" {
			return fmt.Errorf("%q is not text or json", v)
		}
		s.LogFormat = v
		return nil
	})
}

func (s *Settings) DatabaseFlags(f *FlagSet) {
	s.DatabaseConns = 20
	f.Text(&s.DatabaseURL, "database-url", "COPRA_DATABASE_URL", "PostgreSQL 14 or newer, postgres://user@host/name. Put a password into the environment variable, not the flag.")
	f.Text(&s.DatabasePasswordFile, "database-password-file", "COPRA_DATABASE_PASSWORD_FILE", "file with the password for the database URL. Defaults to none.")
	f.Number(&s.DatabaseConns, "database-conns", "COPRA_DATABASE_CONNS", 4, 1000, "the most connections at once. Defaults to 20.")
	f.Text(&s.SecretFile, "secret-key-file", "COPRA_SECRET_KEY_FILE", "file with the keys that seal stored requests, one a line, newest first; the same for all processes. The variable COPRA_SECRET_KEYS may hold the keys themselves.")
}

func (s *Settings) NetworkFlags(f *FlagSet) {
	f.Setting("allow-network", "COPRA_ALLOW_NETWORKS", "private network that inputs, webhooks and storage may be in, 10.0.0.0/8; repeatable, or separated by commas. Defaults to none.", func(v string) error {
		for p := range strings.SplitSeq(v, ",") {
			p = strings.TrimSpace(p)
			if addr, err := netip.ParseAddr(p); err == nil {
				s.AllowNetworks = append(s.AllowNetworks, netip.PrefixFrom(addr, addr.BitLen()))
				continue
			}
			prefix, err := netip.ParsePrefix(p)
			if err != nil {
				return fmt.Errorf("%q is not a network such as 10.0.0.0/8", p)
			}
			s.AllowNetworks = append(s.AllowNetworks, prefix.Masked())
		}
		return nil
	})
	f.Text(&s.StorageDir, "storage-dir", "COPRA_STORAGE_DIR", "folder of the built-in storage (service \"coconut\") and of uploads; the same volume for api and workers.")
	f.Setting("s3-endpoint", "COPRA_S3_ENDPOINT", "S3 server that stands in for the service \"s3\", http://s3:7070. Defaults to AWS.", URLInto(&s.S3Endpoint))
	f.Setting("s3-public-url", "COPRA_S3_PUBLIC_URL", "how clients reach that server, where it differs. Defaults to the endpoint.", URLInto(&s.S3PublicURL))
	f.Setting("public-url", "COPRA_PUBLIC_URL", "address by which clients reach the API, http://host:port. Defaults to the listen address.", URLInto(&s.PublicURL))
}

func (s *Settings) APIFlags(f *FlagSet) {
	s.Listen = "127.0.0.1:8080"
	f.TextGiven(&s.Listen, &s.ListenGiven, "listen", "COPRA_LISTEN", "address to serve on; port 0 picks a free one. Defaults to 127.0.0.1:8080.")
	f.Number(&s.RateLimit, "rate-limit", "COPRA_RATE_LIMIT", 0, 1<<20, "most requests a second of one API key to one process; more are answered 429. 0 is no limit. Defaults to 0.")
	f.Text(&s.Region, "region", "COPRA_REGION", "name of this deployment, shown by /healthz and in metrics. Defaults to none.")
}

// StandaloneFlags are those of a process that is everything at once.
func (s *Settings) StandaloneFlags(f *FlagSet) {
	s.Data = DefaultData()
	f.Text(&s.Data, "data", "COPRA_DATA_DIR", "folder that everything is kept in. Defaults to "+s.Data+".")
	s.APIFlags(f)
	s.NetworkFlags(f)
	s.MediaFlags(f)
	s.WorkerFlags(f)
	s.LogFlags(f)
}

// DefaultData is where a standalone server keeps its data: the system's place
// for root, the user's own else.
func DefaultData() string {
	if os.Getuid() == 0 {
		return "/var/lib/copra"
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "copra-data"
	}
	return filepath.Join(home, ".local", "share", "copra")
}

func (s *Settings) MediaFlags(f *FlagSet) {
	f.Text(&s.FFmpeg, "ffmpeg", "COPRA_FFMPEG", "the ffmpeg program, 5.1 or newer. Defaults to the one in PATH.")
	f.Text(&s.FFprobe, "ffprobe", "COPRA_FFPROBE", "the ffprobe program. Defaults to the one beside ffmpeg.")
	s.sandboxFlags(f)
	f.TextGiven(&s.WorkDir, &s.WorkDirGiven, "work-dir", "COPRA_WORK_DIR", "folder for work files; needs room for the input and all outputs of the jobs that run. Defaults to a folder below the system's temporary one.")
	s.ArtifactStore.flags(f)
}

func (s *Settings) WorkerFlags(f *FlagSet) {
	s.Slots = max(1, runtime.NumCPU()/4)
	s.Uploads, s.MaxInputBytes, s.ShutdownGrace = 8, 100<<30, 0
	s.Presets = map[string]string{}
	f.Number(&s.Slots, "slots", "COPRA_SLOTS", 1, 1000, "jobs that are transcoded at once; a large one takes several of these slots. Defaults to a quarter of the cores, at least 1.")
	f.Number(&s.Uploads, "uploads", "COPRA_UPLOADS", 1, 256, "files of an output that are uploaded at once. Defaults to 8.")
	f.Setting("max-input", "COPRA_MAX_INPUT", "largest input in GiB. Defaults to 100.", func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 1<<20 {
			return fmt.Errorf("%q is not a whole number of GiB from 1", v)
		}
		s.MaxInputBytes = int64(n) << 30
		return nil
	})
	s.MinFreeDisk = 1 << 30
	f.Number64(&s.MinFreeDisk, 1<<20, "min-free-disk", "COPRA_MIN_FREE_DISK", 0, 1<<30, "MiB that must be free in the work directory, besides what the job takes of it, before a job is transcoded; until then it waits. 0 is no check. Defaults to 1024.")
	f.Setting("preset", "COPRA_PRESETS", "encoder preset, libx264=medium; repeatable, or separated by commas. Defaults to libx264=fast, libx265=fast, libvpx=2, libvpx-vp9=2.", func(v string) error {
		for p := range strings.SplitSeq(v, ",") {
			name, preset, ok := strings.Cut(strings.TrimSpace(p), "=")
			if !ok || name == "" || preset == "" {
				return fmt.Errorf("%q is not encoder=preset, such as libx264=medium", p)
			}
			s.Presets[name] = preset
		}
		return nil
	})
	f.Setting("shutdown-grace", "COPRA_SHUTDOWN_GRACE", "how long running work may go on after SIGTERM before it is handed back, 10m. Defaults to 0s.", func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 {
			return fmt.Errorf("%q is not a duration such as 10m", v)
		}
		s.ShutdownGrace = d
		return nil
	})
	s.UploadRetryTimeout = 30 * time.Minute
	f.Setting("upload-retry-timeout", "COPRA_UPLOAD_RETRY_TIMEOUT", "how long finished results wait in the work directory for a storage that is away, 2h; 0s: they do not. Defaults to 30m.", func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 {
			return fmt.Errorf("%q is not a duration such as 30m", v)
		}
		s.UploadRetryTimeout = d
		return nil
	})
	f.Setting("ffmpeg-stall-timeout", "COPRA_FFMPEG_STALL_TIMEOUT", "how long ffmpeg may run without any progress before it is ended, 30s. Defaults to 1m.", func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d < time.Second {
			return fmt.Errorf("%q is not a duration of at least 1s, such as 30s", v)
		}
		s.StallTimeout = d
		return nil
	})
}

// fromEnv takes what only the environment may say.
func (s *Settings) FromEnv(e command.Stdio) {
	s.SecretKeys, s.APIKey = e.Getenv("COPRA_SECRET_KEYS"), e.Getenv("COPRA_API_KEY")
	s.ArtifactStore.SecretKey = job.NewSecret(e.Getenv("COPRA_ARTIFACT_S3_SECRET_KEY"))
	if s.WorkDir == "" {
		s.WorkDir = filepath.Join(os.TempDir(), "copra-work-"+strconv.Itoa(os.Getuid()))
	}
}

func (s *Settings) Logger(w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: s.LogLevel}
	if s.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

func URLInto(p *string) func(string) error {
	return func(v string) error {
		u, err := url.Parse(v)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" {
			return fmt.Errorf("%q is not an address such as http://host:port", v)
		}
		*p = strings.TrimRight(v, "/")
		return nil
	}
}
