package settings

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/transcode/encoder"
	"github.com/copra-video/copra/transcode/ffmpeg"
	"github.com/copra-video/copra/transcode/format"
)

// Row is one setting.
type Row struct {
	Group Group
	// Flag is the name of the flag. A secret has none: every user of a machine
	// can read the arguments of its processes.
	Flag string
	// Env is the environment variable that counts where the flag is not given.
	// Defaults to none.
	Env string
	// Default is read by Set as any other value. Defaults to leaving the value
	// as it is.
	Default string
	// Shown is what the help says of the default, where Default depends on the
	// machine or another package has it. Defaults to Default.
	Shown string
	// Set reads a value. Its error says what is wrong with the value, without
	// the name of the setting.
	Set Parser
	// Switch is set by a flag without a value. A row has Set or Switch.
	Switch *bool
	// Help says what the setting is for, in sentences. The default is added.
	Help string
}

// Group is a set of rows that belong together; a subcommand takes some.
type Group uint

// The groups.
const (
	Log Group = 1 << iota
	Data
	Database
	Keys // the first API key
	API
	Network
	Media
	Work
	Metrics
	Pool   // a worker beside others
	Folder // where to find a standalone server that runs
	Traces // OpenTelemetry, under its own names

	// Standalone are those of a process that is everything at once.
	Standalone = Log | Data | API | Network | Media | Work | Traces
)

// rows are all settings that more than one subcommand takes.
func (s *Settings) rows() []Row {
	return slices.Concat(s.processRows(), s.databaseRows(), s.apiRows(), s.oidcRows(), s.networkRows(), s.mediaRows(), s.artifactRows(), s.speechRows(), s.workRows(), s.poolRows(), s.Traces.rows())
}

// processRows are for every process: its log and its data.
func (s *Settings) processRows() []Row {
	return []Row{
		{Group: Log, Flag: "log-level", Env: "COPRA_LOG_LEVEL", Default: "info", Set: level(&s.LogLevel),
			Help: "debug, info, warn or error."},
		{Group: Log, Flag: "log-format", Env: "COPRA_LOG_FORMAT", Default: "text", Set: oneOf(&s.LogFormat, "text", "json"),
			Help: "text or json."},

		{Group: Data | Folder, Flag: "data", Env: "COPRA_DATA_DIR", Default: defaultData(), Shown: "/var/lib/copra for root, ~/.local/share/copra for others", Set: Text(&s.Data),
			Help: "folder of a standalone server, with its database, results and work files."},
		{Group: Data, Env: "COPRA_PG_BIN", Shown: "a search in the usual places", Set: Text(&s.PGBin),
			Help: "folder of PostgreSQL's programs postgres and initdb, for a standalone server."},
	}
}

// databaseRows are the database, and the secrets of what it stores.
func (s *Settings) databaseRows() []Row {
	return []Row{
		{Group: Database, Flag: "database-url", Env: "COPRA_DATABASE_URL", Set: Text(&s.DatabaseURL),
			Help: "PostgreSQL 14 or newer, postgres://user@host/name. Put a password into the environment variable or a file, not into the flag."},
		{Group: Database, Flag: "database-password-file", Env: "COPRA_DATABASE_PASSWORD_FILE", Set: Text(&s.DatabasePasswordFile),
			Help: "file with the password for the database URL."},
		{Group: Database, Flag: "database-conns", Env: "COPRA_DATABASE_CONNS", Default: "20", Set: Number(&s.DatabaseConns, 4, 1000),
			Help: "the most connections at once."},
		{Group: Database, Flag: "secret-key-file", Env: "COPRA_SECRET_KEY_FILE", Set: Text(&s.SecretKeyFile),
			Help: "file with the keys that seal stored requests, one a line, newest first; the same for all processes. COPRA_SECRET_KEYS may hold the keys themselves."},
		{Group: Database | Data, Env: "COPRA_SECRET_KEYS", Shown: "the file of --secret-key-file, or of the data folder", Set: Secret(&s.SecretKeys),
			Help: "the keys that seal stored requests, separated by spaces, commas or new lines, newest first."},
		{Group: Keys, Env: "COPRA_API_KEY", Shown: "a generated key", Set: Secret(&s.APIKey),
			Help: "the API key to store: k- and 32 hexadecimal digits."},
	}
}

// apiRows are for a process that answers requests.
func (s *Settings) apiRows() []Row {
	return []Row{
		{Group: API, Flag: "listen", Env: "COPRA_LISTEN", Default: "127.0.0.1:8080", Set: Text(&s.Listen),
			Help: "address to serve on; port 0 picks a free one."},
		{Group: API, Flag: "rate-limit", Env: "COPRA_RATE_LIMIT", Default: "0", Set: Number(&s.RateLimit, 0, 1<<20),
			Help: "most requests a second of one API key to one process; more are answered 429. 0 is no limit."},
		{Group: API, Flag: "region", Env: "COPRA_REGION", Set: Text(&s.Region),
			Help: "name of this deployment, shown by /healthz and in metrics."},
		{Group: API, Flag: "console", Env: "COPRA_CONSOLE", Default: ConsoleOn, Set: oneOf(&s.Console, ConsoleOn, ConsoleOff),
			Help: "whether the console is served at /console: on or off."},
		{Group: API, Flag: "operator-key-file", Env: "COPRA_OPERATOR_KEY_FILE", Shown: "none; a standalone server makes one in the folder of --data", Set: Text(&s.OperatorKeyFile),
			Help: "file with the operator's key, at least 16 characters. Whoever signs in to the console with it sees the jobs of all API keys, makes keys and sees the workers."},
		{Group: API, Env: "COPRA_OPERATOR_KEY", Shown: "the file of --operator-key-file", Set: Secret(&s.OperatorKey),
			Help: "the operator's key itself."},
	}
}

// networkRows are what is outside: networks, storage, the address of the API.
func (s *Settings) networkRows() []Row {
	return []Row{
		{Group: Network, Flag: "allow-network", Env: "COPRA_ALLOW_NETWORKS", Set: networks(&s.AllowNetworks),
			Help: "private network that inputs, webhooks and storage may be in, 10.0.0.0/8; repeatable, or separated by commas."},
		{Group: Network, Flag: "storage-dir", Env: "COPRA_STORAGE_DIR", Shown: "none; a standalone server has one below --data", Set: Text(&s.StorageDir),
			Help: `folder of the built-in storage (service "coconut") and of uploads; the same volume for api and workers.`},
		{Group: Network, Flag: "s3-endpoint", Env: "COPRA_S3_ENDPOINT", Shown: "AWS", Set: URL(&s.S3Endpoint),
			Help: `S3 server that stands in for the service "s3", http://s3:7070.`},
		{Group: Network, Flag: "s3-public-url", Env: "COPRA_S3_PUBLIC_URL", Shown: "the endpoint", Set: URL(&s.S3PublicURL),
			Help: "how clients reach that server, where it differs."},
		{Group: Network, Flag: "public-url", Env: "COPRA_PUBLIC_URL", Shown: "the listen address", Set: URL(&s.PublicURL),
			Help: "address by which clients reach the API, http://host:port."},
	}
}

// mediaRows are ffmpeg and where it works.
func (s *Settings) mediaRows() []Row {
	return []Row{
		{Group: Media, Flag: "ffmpeg", Env: "COPRA_FFMPEG", Shown: "the one in PATH", Set: Text(&s.FFmpeg),
			Help: "the ffmpeg program, 5.1 or newer."},
		{Group: Media, Flag: "ffprobe", Env: "COPRA_FFPROBE", Shown: "the one beside ffmpeg", Set: Text(&s.FFprobe),
			Help: "the ffprobe program."},
		{Group: Media, Flag: "sandbox", Env: "COPRA_SANDBOX", Default: SandboxOn, Set: oneOf(&s.Sandbox, SandboxOn, SandboxOff, SandboxRequired),
			Help: "whether ffmpeg and ffprobe are confined to their own files and ports: on, as far as the kernel can; required, not to start where it cannot; or off."},
		{Group: Media, Flag: "ffmpeg-user", Env: "COPRA_FFMPEG_USER", Default: strconv.Itoa(unprivilegedUID), Set: uid(&s.FFmpegUser),
			Help: "user, by name or number, that ffmpeg and ffprobe run as when the server runs as root; it should own nothing. root leaves them as they are."},
		{Group: Media, Flag: "ffmpeg-memory", Env: "COPRA_FFMPEG_MEMORY", Default: mib(machineMemory()), Shown: "that of the machine or container, at least 4096", Set: size(&s.FFmpegMemory, 1<<20, 256, 1<<30),
			Help: "most memory of one ffmpeg in MiB, from 256."},
		{Group: Media, Flag: "encoder", Env: "COPRA_ENCODER", Default: "auto", Set: oneOf(&s.Encoder, format.Encoders...),
			Help: "what encodes video where a job does not say it: auto, which takes a card that has shown in a trial that it is good enough; software; hardware, which takes any card that works; or nvenc, qsv or vaapi."},
		{Group: Media, Flag: "prefer", Env: "COPRA_PREFER", Default: "quality", Set: oneOf(&s.Prefer, "quality", "speed"),
			Help: "what auto prefers: quality, with which a card whose picture is plainly worse than that of the software at the same bitrate is left alone, or speed."},
		{Group: Media, Flag: "devices", Env: "COPRA_DEVICES", Default: "/dev", Set: Text(&s.Devices),
			Help: "folder of the device files of the cards that may encode; none is to use no card."},
		{Group: Media, Flag: "device-sessions", Env: "COPRA_DEVICE_SESSIONS", Default: strconv.Itoa(ffmpeg.DefaultDeviceSessions), Set: Number(&s.DeviceSessions, 1, 1000),
			Help: "encoders that run on a card at once; a job waits for its turn."},
		{Group: Media, Flag: "fonts", Env: "COPRA_FONTS", Shown: "those of the system alone", Set: filterPath(&s.Fonts),
			Help: "folder of fonts for captions that are drawn into the picture, besides those of the system, /srv/fonts."},
		{Group: Media, Flag: "work-dir", Env: "COPRA_WORK_DIR", Shown: "a folder below the system's temporary one, or below --data", Set: Text(&s.WorkDir),
			Help: "folder for work files; needs room for the input and all outputs of the jobs that run."},
	}
}

// artifactRows are the artifact store.
func (s *Settings) artifactRows() []Row {
	a := &s.ArtifactStore
	return []Row{
		{Group: Media, Flag: "artifact-store", Env: "COPRA_ARTIFACT_STORE", Set: Text(&a.Address),
			Help: "where artifacts, what a job has encoded, are kept until the job ends, so that a worker that takes the job over does not encode it again: a folder on a volume that all workers share, or s3://bucket/prefix. Work files are in --work-dir."},
		{Group: Media, Flag: "artifact-retention", Env: "COPRA_ARTIFACT_RETENTION", Default: "24h", Set: Duration(&a.Retention, 0),
			Help: "how long the artifact store keeps the artifacts of a job that failed or was cancelled, for a retry, 1h."},
		{Group: Media, Flag: "artifact-s3-endpoint", Env: "COPRA_ARTIFACT_S3_ENDPOINT", Shown: "AWS", Set: URL(&a.Endpoint),
			Help: "S3 server of the artifact store, http://s3:7070."},
		{Group: Media, Flag: "artifact-s3-region", Env: "COPRA_ARTIFACT_S3_REGION", Shown: "AWS_REGION, or else us-east-1", Set: Text(&a.Region),
			Help: "region of the artifact store's bucket."},
		{Group: Media, Flag: "artifact-s3-access-key", Env: "COPRA_ARTIFACT_S3_ACCESS_KEY", Shown: "what the AWS SDK finds: its variables and files, the role of the machine or pod", Set: Text(&a.AccessKey),
			Help: "access key of the artifact store; its secret key is in COPRA_ARTIFACT_S3_SECRET_KEY."},
		{Group: Media, Env: "COPRA_ARTIFACT_S3_SECRET_KEY", Set: Secret(&a.SecretKey),
			Help: "the secret key to --artifact-s3-access-key."},
	}
}

// speechRows are the service that transcribes speech.
func (s *Settings) speechRows() []Row {
	p := &s.Speech
	return []Row{
		{Group: Media, Flag: "speech-url", Env: "COPRA_SPEECH_URL", Shown: "none, so that there are no captions of speech", Set: plainURL(&p.URL, "COPRA_SPEECH_KEY_FILE"),
			Help: "speech service that gets the sound of inputs of which a job wants captions, and answers with WebVTT, http://whisper:8000; /v1/audio/transcriptions is added."},
		{Group: Media, Flag: "speech-model", Env: "COPRA_SPEECH_MODEL", Default: "whisper-1", Set: Text(&p.Model),
			Help: "the speech service's model."},
		{Group: Media, Flag: "speech-key-file", Env: "COPRA_SPEECH_KEY_FILE", Set: Text(&p.KeyFile),
			Help: "file with the key of the speech service, sent as a bearer token."},
		{Group: Media, Env: "COPRA_SPEECH_KEY", Shown: "the file of --speech-key-file", Set: Secret(&p.Key),
			Help: "the key of the speech service itself."},
		{Group: Media, Flag: "speech-timeout", Env: "COPRA_SPEECH_TIMEOUT", Default: "10m", Set: Duration(&p.Timeout, time.Second),
			Help: "how long the speech service may take for ten minutes of sound, with all attempts, 5m. After that an output is made without its captions."},
		{Group: Media, Flag: "speech-requests", Env: "COPRA_SPEECH_REQUESTS", Default: "2", Set: Number(&p.Requests, 1, 1000),
			Help: "requests to the speech service that are under way at once."},
	}
}

// workRows are how much a worker does at once, and how long it waits.
func (s *Settings) workRows() []Row {
	return []Row{
		{Group: Work, Flag: "slots", Env: "COPRA_SLOTS", Default: strconv.Itoa(defaultSlots()), Shown: "a quarter of the cores, at least 1", Set: Number(&s.Slots, 1, 1000),
			Help: "jobs that are transcoded at once. A job has a weight: a large one takes several slots."},
		{Group: Work, Flag: "uploads", Env: "COPRA_UPLOADS", Default: "8", Set: Number(&s.Uploads, 1, 256),
			Help: "files of an output that are uploaded at once."},
		{Group: Work, Flag: "max-input", Env: "COPRA_MAX_INPUT", Default: "100", Set: size(&s.MaxInputBytes, 1<<30, 1, 1<<20),
			Help: "largest input in GiB."},
		{Group: Work, Flag: "min-free-disk", Env: "COPRA_MIN_FREE_DISK", Default: "1024", Set: size(&s.MinFreeDisk, 1<<20, 0, 1<<30),
			Help: "MiB that must be free in the work directory, besides what the job takes of it, before a job is transcoded; until then it waits. 0 is no check."},
		{Group: Work, Flag: "preset", Env: "COPRA_PRESETS", Shown: pairsText(encoder.DefaultPresets()) + " (libsvtav1=9 with FFmpeg 7)", Set: pairs(&s.Presets),
			Help: "encoder preset, libx264=medium; repeatable, or separated by commas."},
		{Group: Work, Flag: "chunks", Env: "COPRA_CHUNKS", Default: "auto", Set: oneOf(&s.Chunks, "auto", "off"),
			Help: "auto or off: whether inputs are encoded in chunks: of a minute or more where the job asks for it by settings.ultrafast, of ten minutes or more where other workers share the artifact store and have nothing else to do."},
		{Group: Work, Flag: "shutdown-grace", Env: "COPRA_SHUTDOWN_GRACE", Default: "0s", Set: Duration(&s.ShutdownGrace, 0),
			Help: "how long running work may go on after SIGTERM before it is handed back, 10m."},
		{Group: Work, Flag: "upload-retry-timeout", Env: "COPRA_UPLOAD_RETRY_TIMEOUT", Default: "30m", Set: Duration(&s.UploadRetryTimeout, 0),
			Help: "how long finished results wait in the work directory for a storage that does not answer, 2h. 0s is not at all."},
		{Group: Work, Flag: "ffmpeg-stall-timeout", Env: "COPRA_FFMPEG_STALL_TIMEOUT", Default: short(ffmpeg.DefaultStallTimeout), Set: Duration(&s.StallTimeout, time.Second),
			Help: "how long ffmpeg may run without any progress before it is ended, 30s."},
		{Group: Work, Flag: "job-retention", Env: "COPRA_JOB_RETENTION", Default: "0s", Set: Duration(&s.JobRetention, 0),
			Help: "how long jobs that have ended stay in the database, with their events and webhooks, 2160h. Their usage stays. 0s is for ever. copra keys limit --keep says so for the jobs of one key."},
		{Group: Work, Flag: "log-retention", Env: "COPRA_LOG_RETENTION", Default: "720h", Set: Duration(&s.LogRetention, 0),
			Help: "how long the logs of jobs stay in the database: what ffmpeg was told and what it said, 24h. 0s is for ever."},

		{Group: Metrics, Flag: "metrics-listen", Env: "COPRA_METRICS_LISTEN", Set: Text(&s.MetricsListen),
			Help: "address for /metrics, /healthz and /readyz."},
	}
}

// poolRows are what a worker has of its own beside others.
func (s *Settings) poolRows() []Row {
	return []Row{
		{Group: Pool, Flag: "queues", Env: "COPRA_QUEUES", Shown: "all", Set: oneOrMoreOf(&s.Queues, queue.All()...),
			Help: "queues that this worker serves, separated by commas: probe reads the headers of inputs, transcode encodes, task encodes steps of other workers' jobs, notify sends webhooks. transcode_nvenc, transcode_qsv and transcode_vaapi are the transcodes that ask for such a card; a worker that has one serves them with transcode. Each of the first four needs a worker somewhere."},
		{Group: Pool, Flag: "pod-deletion-cost", Env: "COPRA_POD_DELETION_COST", Default: "off", Set: onOff(&s.PodDeletionCost),
			Help: "on or off: in a pod of Kubernetes, keep the annotation controller.kubernetes.io/pod-deletion-cost, so that a scale-in takes idle workers first. The pod's service account needs the verb patch on pods."},
		{Group: Pool, Env: "COPRA_POD_NAME", Shown: "the host name", Set: Text(&s.PodName),
			Help: "the name of the pod, for --pod-deletion-cost."},
	}
}

// short is a duration without the zeros that String adds: 1m instead of 1m0s.
func short(d time.Duration) string { return strings.TrimSuffix(d.String(), "0s") }

// pairsText is what the parser pairs reads.
func pairsText(pairs map[string]string) string {
	var list []string
	for _, name := range slices.Sorted(maps.Keys(pairs)) {
		list = append(list, name+"="+pairs[name])
	}
	return strings.Join(list, ", ")
}

func mib(bytes int64) string { return strconv.FormatInt(bytes>>20, 10) }
