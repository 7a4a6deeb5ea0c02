// Package settings has every setting of the program as a row of one table
// (rows.go): its flag, its environment variable, its default, how it is read
// and what the help says about it. The help of a subcommand, the tables of
// docs/configuration.md and the values of Settings all come from the rows.
package settings

import (
	"io"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/job"
)

// Settings are the values of all rows. Parse fills in those of the groups that
// a subcommand takes.
type Settings struct {
	LogLevel  slog.Level
	LogFormat string // "text" or "json"

	Data  string // the folder of a standalone server
	PGBin string // the folder of PostgreSQL's programs; "": search

	DatabaseURL          string
	DatabasePasswordFile string
	DatabaseConns        int
	SecretKeyFile        string
	SecretKeys           job.Secret // before SecretKeyFile
	APIKey               job.Secret // the first API key; none: generate one

	Listen        string
	MetricsListen string // "": none
	PublicURL     string // "": made from the listen address
	Region        string
	RateLimit     int // requests a second of one key; 0: no limit

	Console         string     // ConsoleOn or ConsoleOff
	OperatorKeyFile string     // "": none
	OperatorKey     job.Secret // before OperatorKeyFile

	StorageDir    string // "": no built-in storage
	S3Endpoint    string // "": AWS
	S3PublicURL   string
	AllowNetworks []netip.Prefix

	FFmpeg, FFprobe string
	Sandbox         string // SandboxOn, SandboxOff, SandboxRequired
	FFmpegMemory    int64  // bytes
	FFmpegUser      int    // user id; 0: the server's own
	WorkDir         string // "": DefaultWorkDir
	ArtifactStore   ArtifactStore
	OIDC            OIDC
	Speech          Speech
	Fonts           string // folder; "": those of the system alone

	Slots         int
	Uploads       int
	MaxInputBytes int64
	MinFreeDisk   int64 // bytes
	Presets       map[string]string
	Chunks        string // "auto", "off"
	// Encoder is one of format.Encoders, Prefer "quality" or "speed".
	Encoder, Prefer    string
	Devices            string // folder of the device files; "none": no card is used
	DeviceSessions     int
	ShutdownGrace      time.Duration
	StallTimeout       time.Duration
	LogRetention       time.Duration // of the runs of ffmpeg in the database; 0: for ever
	JobRetention       time.Duration // of jobs that have ended; 0: for ever
	UploadRetryTimeout time.Duration

	Queues          []string // that the worker serves; none: all
	PodDeletionCost bool
	PodName         string // "": the host's name

	Traces tracing // see Tracing

	given map[string]bool // flags that were set, by a flag or its variable
}

// ArtifactStore are the settings of the place where artifacts of jobs are
// kept.
type ArtifactStore struct {
	Address                     string // a folder, or s3://bucket/prefix; "": none
	Retention                   time.Duration
	Endpoint, Region, AccessKey string
	SecretKey                   job.Secret
}

// Speech are the settings of the service that transcribes speech.
type Speech struct {
	URL      string // "": none
	Model    string
	KeyFile  string     // "": none
	Key      job.Secret // before KeyFile
	Timeout  time.Duration
	Requests int // at once
}

// Values of Settings.Sandbox.
const (
	SandboxOn       = "on"
	SandboxOff      = "off"
	SandboxRequired = "required"
)

// Values of Settings.Console.
const (
	ConsoleOn  = "on"
	ConsoleOff = "off"
)

// Given reports whether the flag, or its variable, was set.
func (s *Settings) Given(flag string) bool { return s.given[flag] }

// Logger is the log that the settings ask for.
func (s *Settings) Logger(w io.Writer) *slog.Logger {
	opts := &slog.HandlerOptions{Level: s.LogLevel}
	if s.LogFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// DefaultWorkDir is the work directory of a worker that was given none.
func DefaultWorkDir() string {
	return filepath.Join(os.TempDir(), "copra-work-"+strconv.Itoa(os.Getuid()))
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

// defaultSlots leaves an encoder four cores.
func defaultSlots() int { return max(1, runtime.NumCPU()/4) }

// minMemoryLimit is enough on a small machine too: the stacks of a hundred threads
// count against the limit, although they are hardly used.
const minMemoryLimit = 4 << 30

// machineMemory is the memory of the machine, or of the container when that has
// less, in bytes; at least minMemoryLimit.
func machineMemory() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return minMemoryLimit
	}
	total := int64(info.Totalram) * int64(info.Unit)
	if b, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil { // or "max"
			total = min(total, n)
		}
	}
	return max(total, minMemoryLimit)
}

// unprivilegedUID is a user that systems give nothing to. The user "nobody"
// would not do: other services run as it and own files.
const unprivilegedUID = 65533
