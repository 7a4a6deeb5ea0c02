package main

import (
	"errors"
	"flag"
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

	"github.com/copra-video/copra/job"
)

// settings are all settings of the program. A subcommand registers the groups
// that it uses. Each is a flag, and an environment variable where the flag is
// not given.
type settings struct {
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
	Sandbox            string // sandboxOn, sandboxOff, sandboxRequired
	FFmpegMemory       int64  // bytes
	FFmpegUser         int    // 0: the server's own
	WorkDir            string
	ArtifactStore      artifactStore
	Slots              int
	Uploads            int
	MaxInputBytes      int64
	MinFreeDisk        int64 // bytes
	Presets            map[string]string
	ShutdownGrace      time.Duration
	StallTimeout       time.Duration // 0: the default
	UploadRetryTimeout time.Duration

	// secretKeys and apiKey come from the environment alone: an argument list
	// is for everyone on the machine to read.
	secretKeys, apiKey string

	listenGiven, workDirGiven bool
}

// flagSet registers flags that fall back to environment variables.
type flagSet struct {
	*flag.FlagSet
	env  map[string]string // by flag name
	args string
}

func newFlagSet(name, args, about string, stderr io.Writer) *flagSet {
	f := &flagSet{FlagSet: flag.NewFlagSet(name, flag.ContinueOnError), env: map[string]string{}, args: args}
	f.SetOutput(stderr)
	f.Usage = func() {
		fmt.Fprintf(f.Output(), "copra %s: %s\n\nUsage: copra %s %s\n\n", name, about, name, args)
		f.VisitAll(func(fl *flag.Flag) {
			env := ""
			if e := f.env[fl.Name]; e != "" {
				env = " [" + e + "]"
			}
			fmt.Fprintf(f.Output(), "  --%s%s\n        %s\n", fl.Name, env, fl.Usage)
		})
	}
	return f
}

// setting adds a flag whose text set reads; usage should end "Defaults to ...".
func (f *flagSet) setting(name, env, usage string, set func(string) error) {
	f.env[name] = env
	f.Func(name, usage, set)
}

func (f *flagSet) text(p *string, name, env, usage string) {
	f.setting(name, env, usage, func(s string) error { *p = s; return nil })
}

// textGiven is text that tells whether it was set at all.
func (f *flagSet) textGiven(p *string, given *bool, name, env, usage string) {
	f.setting(name, env, usage, func(s string) error { *p, *given = s, true; return nil })
}

func (f *flagSet) number(p *int, name, env string, least, most int, usage string) {
	f.setting(name, env, usage, func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < least || n > most {
			return fmt.Errorf("%q is not a whole number from %d to %d", s, least, most)
		}
		*p = n
		return nil
	})
}

// number64 is number for what is counted in units of so many bytes.
func (f *flagSet) number64(p *int64, unit int64, name, env string, least, most int, usage string) {
	f.setting(name, env, usage, func(s string) error {
		n, err := strconv.Atoi(s)
		if err != nil || n < least || n > most {
			return fmt.Errorf("%q is not a whole number from %d to %d", s, least, most)
		}
		*p = int64(n) * unit
		return nil
	})
}

// parseAlone is parse for a subcommand that takes flags and nothing else.
func (f *flagSet) parseAlone(e env, args []string) error {
	words, err := f.parse(e, args)
	if err != nil {
		return err
	}
	if len(words) > 0 {
		return usagef("%s: %q is not expected; copra %s -h shows the flags", f.Name(), words[0], f.Name())
	}
	return nil
}

// parse reads args, in which flags and words may stand in any order, and then
// the environment for what they did not say. It returns the words.
func (f *flagSet) parse(e env, args []string) (words []string, err error) {
	// The flag package prints the whole usage on a mistake; one line that names
	// the flag is what helps.
	usage := f.Usage
	out := f.Output()
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	for left := args; err == nil; {
		if err = f.Parse(left); err != nil || f.NArg() == 0 {
			break
		}
		words = append(words, f.Arg(0))
		left = f.Args()[1:]
	}
	f.Usage = usage
	f.SetOutput(out)
	if errors.Is(err, flag.ErrHelp) {
		f.SetOutput(e.stdout)
		f.Usage()
		return nil, err
	}
	if err != nil {
		return nil, usagef("%s: %w; copra %s -h shows the flags", f.Name(), err, f.Name())
	}
	return words, f.fromEnv(e)
}

// fromEnv sets the flags that were not given from their variables.
func (f *flagSet) fromEnv(e env) error {
	given := map[string]bool{}
	f.Visit(func(fl *flag.Flag) { given[fl.Name] = true })
	var bad error
	f.VisitAll(func(fl *flag.Flag) {
		name := f.env[fl.Name]
		if bad != nil || name == "" || given[fl.Name] {
			return
		}
		if v := e.getenv(name); v != "" {
			if err := fl.Value.Set(v); err != nil {
				bad = usagef("%s: %w", name, err)
			}
		}
	})
	return bad
}

func (s *settings) logFlags(f *flagSet) {
	s.LogFormat = "text"
	f.setting("log-level", "COPRA_LOG_LEVEL", "debug, info, warn or error. Defaults to info.", func(v string) error {
		if err := s.LogLevel.UnmarshalText([]byte(v)); err != nil {
			return fmt.Errorf("%q is not debug, info, warn or error", v)
		}
		return nil
	})
	f.setting("log-format", "COPRA_LOG_FORMAT", "text or json. Defaults to text.", func(v string) error {
		if v != "text" && v != "json" {
			return fmt.Errorf("%q is not text or json", v)
		}
		s.LogFormat = v
		return nil
	})
}

func (s *settings) databaseFlags(f *flagSet) {
	s.DatabaseConns = 20
	f.text(&s.DatabaseURL, "database-url", "COPRA_DATABASE_URL", "PostgreSQL 14 or newer, postgres://user@host/name. Put a password into the environment variable, not the flag.")
	f.text(&s.DatabasePasswordFile, "database-password-file", "COPRA_DATABASE_PASSWORD_FILE", "file with the password for the database URL. Defaults to none.")
	f.number(&s.DatabaseConns, "database-conns", "COPRA_DATABASE_CONNS", 4, 1000, "the most connections at once. Defaults to 20.")
	f.text(&s.SecretFile, "secret-key-file", "COPRA_SECRET_KEY_FILE", "file with the keys that seal stored requests, one a line, newest first; the same for all processes. The variable COPRA_SECRET_KEYS may hold the keys themselves.")
}

func (s *settings) networkFlags(f *flagSet) {
	f.setting("allow-network", "COPRA_ALLOW_NETWORKS", "private network that inputs, webhooks and storage may be in, 10.0.0.0/8; repeatable, or separated by commas. Defaults to none.", func(v string) error {
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
	f.text(&s.StorageDir, "storage-dir", "COPRA_STORAGE_DIR", "folder of the built-in storage (service \"coconut\") and of uploads; the same volume for api and workers.")
	f.setting("s3-endpoint", "COPRA_S3_ENDPOINT", "S3 server that stands in for the service \"s3\", http://s3:7070. Defaults to AWS.", urlInto(&s.S3Endpoint))
	f.setting("s3-public-url", "COPRA_S3_PUBLIC_URL", "how clients reach that server, where it differs. Defaults to the endpoint.", urlInto(&s.S3PublicURL))
	f.setting("public-url", "COPRA_PUBLIC_URL", "address by which clients reach the API, http://host:port. Defaults to the listen address.", urlInto(&s.PublicURL))
}

func (s *settings) apiFlags(f *flagSet) {
	s.Listen = "127.0.0.1:8080"
	f.textGiven(&s.Listen, &s.listenGiven, "listen", "COPRA_LISTEN", "address to serve on; port 0 picks a free one. Defaults to 127.0.0.1:8080.")
	f.number(&s.RateLimit, "rate-limit", "COPRA_RATE_LIMIT", 0, 1<<20, "most requests a second of one API key to one process; more are answered 429. 0 is no limit. Defaults to 0.")
	f.text(&s.Region, "region", "COPRA_REGION", "name of this deployment, shown by /healthz and in metrics. Defaults to none.")
}

// standaloneFlags are those of a process that is everything at once.
func (s *settings) standaloneFlags(f *flagSet) {
	s.Data = defaultData()
	f.text(&s.Data, "data", "COPRA_DATA_DIR", "folder that everything is kept in. Defaults to "+s.Data+".")
	s.apiFlags(f)
	s.networkFlags(f)
	s.mediaFlags(f)
	s.workerFlags(f)
	s.logFlags(f)
}

// defaultData is where a standalone server keeps its data: the system's place
// for root, the user's own else.
func defaultData() string {
	if os.Getuid() == 0 {
		return "/var/lib/copra"
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "copra-data"
	}
	return filepath.Join(home, ".local", "share", "copra")
}

func (s *settings) mediaFlags(f *flagSet) {
	f.text(&s.FFmpeg, "ffmpeg", "COPRA_FFMPEG", "the ffmpeg program, 5.1 or newer. Defaults to the one in PATH.")
	f.text(&s.FFprobe, "ffprobe", "COPRA_FFPROBE", "the ffprobe program. Defaults to the one beside ffmpeg.")
	s.sandboxFlags(f)
	f.textGiven(&s.WorkDir, &s.workDirGiven, "work-dir", "COPRA_WORK_DIR", "folder for work files; needs room for the input and all outputs of the jobs that run. Defaults to a folder below the system's temporary one.")
	s.ArtifactStore.flags(f)
}

func (s *settings) workerFlags(f *flagSet) {
	s.Slots = max(1, runtime.NumCPU()/4)
	s.Uploads, s.MaxInputBytes, s.ShutdownGrace = 8, 100<<30, 0
	s.Presets = map[string]string{}
	f.number(&s.Slots, "slots", "COPRA_SLOTS", 1, 1000, "jobs that are transcoded at once; a large one takes several of these slots. Defaults to a quarter of the cores, at least 1.")
	f.number(&s.Uploads, "uploads", "COPRA_UPLOADS", 1, 256, "files of an output that are uploaded at once. Defaults to 8.")
	f.setting("max-input", "COPRA_MAX_INPUT", "largest input in GiB. Defaults to 100.", func(v string) error {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > 1<<20 {
			return fmt.Errorf("%q is not a whole number of GiB from 1", v)
		}
		s.MaxInputBytes = int64(n) << 30
		return nil
	})
	s.MinFreeDisk = 1 << 30
	f.number64(&s.MinFreeDisk, 1<<20, "min-free-disk", "COPRA_MIN_FREE_DISK", 0, 1<<30, "MiB that must be free in the work directory, besides what the job takes of it, before a job is transcoded; until then it waits. 0 is no check. Defaults to 1024.")
	f.setting("preset", "COPRA_PRESETS", "encoder preset, libx264=medium; repeatable, or separated by commas. Defaults to libx264=fast, libx265=fast, libvpx=2, libvpx-vp9=2.", func(v string) error {
		for p := range strings.SplitSeq(v, ",") {
			name, preset, ok := strings.Cut(strings.TrimSpace(p), "=")
			if !ok || name == "" || preset == "" {
				return fmt.Errorf("%q is not encoder=preset, such as libx264=medium", p)
			}
			s.Presets[name] = preset
		}
		return nil
	})
	f.setting("shutdown-grace", "COPRA_SHUTDOWN_GRACE", "how long running work may go on after SIGTERM before it is handed back, 10m. Defaults to 0s.", func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 {
			return fmt.Errorf("%q is not a duration such as 10m", v)
		}
		s.ShutdownGrace = d
		return nil
	})
	s.UploadRetryTimeout = 30 * time.Minute
	f.setting("upload-retry-timeout", "COPRA_UPLOAD_RETRY_TIMEOUT", "how long finished results wait in the work directory for a storage that is away, 2h; 0s: they do not. Defaults to 30m.", func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d < 0 {
			return fmt.Errorf("%q is not a duration such as 30m", v)
		}
		s.UploadRetryTimeout = d
		return nil
	})
	f.setting("ffmpeg-stall-timeout", "COPRA_FFMPEG_STALL_TIMEOUT", "how long ffmpeg may run without any progress before it is ended, 30s. Defaults to 1m.", func(v string) error {
		d, err := time.ParseDuration(v)
		if err != nil || d < time.Second {
			return fmt.Errorf("%q is not a duration of at least 1s, such as 30s", v)
		}
		s.StallTimeout = d
		return nil
	})
}

// fromEnv takes what only the environment may say.
func (s *settings) fromEnv(e env) {
	s.secretKeys, s.apiKey = e.getenv("COPRA_SECRET_KEYS"), e.getenv("COPRA_API_KEY")
	s.ArtifactStore.SecretKey = job.NewSecret(e.getenv("COPRA_ARTIFACT_S3_SECRET_KEY"))
	if s.WorkDir == "" {
		s.WorkDir = filepath.Join(os.TempDir(), "copra-work-"+strconv.Itoa(os.Getuid()))
	}
}

func (s *settings) logger(w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: s.LogLevel}
	if s.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

func urlInto(p *string) func(string) error {
	return func(v string) error {
		u, err := url.Parse(v)
		if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" || u.RawQuery != "" {
			return fmt.Errorf("%q is not an address such as http://host:port", v)
		}
		*p = strings.TrimRight(v, "/")
		return nil
	}
}
