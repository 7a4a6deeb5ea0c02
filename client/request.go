package client

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
)

// JobRequest is what CreateJob sends. The server's documentation says what each
// member means: docs/api.md, docs/formats.md and docs/storage.md.
type JobRequest struct {
	// IdempotencyKey makes it safe to send the request more than once: the
	// server answers a repeat with the job that it created the first time, and
	// the same key with another request with CodeIdempotencyKeyReused. It is up
	// to 255 printable ASCII characters, such as the id of what is transcoded.
	// Without it CreateJob sends the request once.
	IdempotencyKey string

	Settings     *Settings
	Input        Input
	Inputs       []InputPart // instead of Input, parts that are joined to one
	Storage      *Storage    // may be nil when every output has a URL
	Outputs      Outputs
	Notification *NotificationRequest
	// Metadata are names and values of your own, at most 20, which the job shows.
	Metadata map[string]string
	Extra    map[string]any // further members of the request
}

// MarshalJSON encodes the body of the request.
func (r JobRequest) MarshalJSON() ([]byte, error) {
	input := &r.Input
	if len(r.Inputs) > 0 {
		input = nil
	}
	return withExtra(struct {
		Settings     *Settings            `json:"settings,omitempty"`
		Input        *Input               `json:"input,omitempty"`
		Inputs       []InputPart          `json:"inputs,omitempty"`
		Storage      *Storage             `json:"storage,omitempty"`
		Outputs      Outputs              `json:"outputs"`
		Notification *NotificationRequest `json:"notification,omitempty"`
		Metadata     map[string]string    `json:"metadata,omitempty"`
	}{r.Settings, input, r.Inputs, r.Storage, r.Outputs, r.Notification, r.Metadata}, r.Extra)
}

// Settings are those of the job as a whole.
type Settings struct {
	Ultrafast   bool   `json:"ultrafast,omitempty"`
	Priority    int    `json:"priority,omitempty"`     // -50 to 50; higher is first
	MaxDuration int    `json:"max_duration,omitempty"` // seconds that the job may take; 0: no bound
	Copy        string `json:"copy,omitempty"`         // auto: video that fits is copied and not encoded; off
	// EarlyPlayback has a playable stream published before the httpstream is made.
	EarlyPlayback bool           `json:"early_playback,omitempty"`
	Encoder       string         `json:"encoder,omitempty"` // auto, software, hardware, nvenc, qsv or vaapi
	Extra         map[string]any `json:"-"`
}

// MarshalJSON merges Extra into the fields.
func (s Settings) MarshalJSON() ([]byte, error) {
	type plain Settings
	return withExtra(plain(s), s.Extra)
}

// Input is a URL (http, https, ftp, ftps or sftp), or an object of a storage
// service.
type Input struct {
	URL            string         `json:"url,omitempty"`
	Service        string         `json:"service,omitempty"` // "s3", "gcs", ...
	Bucket         string         `json:"bucket,omitempty"`
	BucketID       string         `json:"bucket_id,omitempty"` // backblaze
	Container      string         `json:"container,omitempty"` // azure, rackspace, swift
	Key            string         `json:"key,omitempty"`       // of the object
	Region         string         `json:"region,omitempty"`
	Endpoint       string         `json:"endpoint,omitempty"`
	ForcePathStyle *bool          `json:"force_path_style,omitempty"`
	Credentials    Credentials    `json:"credentials,omitempty"`
	Extra          map[string]any `json:"-"`
}

// MarshalJSON merges Extra into the fields.
func (i Input) MarshalJSON() ([]byte, error) {
	type plain Input
	return withExtra(plain(i), i.Extra)
}

// InputPart is a range of an input that is joined with others, or black and silence.
// Times are in seconds.
type InputPart struct {
	Input            Input
	Offset, Duration float64 // Duration 0: to the end
	FadeIn, FadeOut  float64
	Black            float64 // how long it is black and silent; above 0 nothing else counts
}

// MarshalJSON writes the members of the input beside those of the part.
func (p InputPart) MarshalJSON() ([]byte, error) {
	if p.Black > 0 {
		return json.Marshal(map[string]float64{"black": p.Black})
	}
	type plain Input
	more := map[string]any{}
	for name, v := range p.Input.Extra {
		more[name] = v
	}
	for name, v := range map[string]float64{"offset": p.Offset, "duration": p.Duration, "fade_in": p.FadeIn, "fade_out": p.FadeOut} {
		if v > 0 {
			more[name] = v
		}
	}
	return withExtra(plain(p.Input), more)
}

// Storage is where the results go: a service with its bucket, or a URL.
type Storage struct {
	Service        string         `json:"service,omitempty"` // "coconut": built in; "s3", "gcs", ...
	Bucket         string         `json:"bucket,omitempty"`
	BucketID       string         `json:"bucket_id,omitempty"` // backblaze
	Container      string         `json:"container,omitempty"` // azure, rackspace, swift
	Region         string         `json:"region,omitempty"`
	Endpoint       string         `json:"endpoint,omitempty"`
	ForcePathStyle *bool          `json:"force_path_style,omitempty"`
	Path           string         `json:"path,omitempty"`   // goes before the path of every output
	Secure         *bool          `json:"secure,omitempty"` // report https URLs; nil: yes
	ACL            string         `json:"acl,omitempty"`
	StorageClass   string         `json:"storage_class,omitempty"`
	Expires        string         `json:"expires,omitempty"`       // header of the objects
	CacheControl   string         `json:"cache_control,omitempty"` // header of the objects
	URL            string         `json:"url,omitempty"`           // instead of a service: ftp, ftps, sftp, http or https
	PublicHost     string         `json:"public_host,omitempty"`   // base of the URLs that are reported
	Credentials    Credentials    `json:"credentials,omitempty"`
	Extra          map[string]any `json:"-"` // options of one service, such as account_id of r2
}

// MarshalJSON merges Extra into the fields.
func (s Storage) MarshalJSON() ([]byte, error) {
	type plain Storage
	return withExtra(plain(s), s.Extra)
}

// NotificationRequest says who is told of the job: a URL, or a topic of Amazon
// SNS.
type NotificationRequest struct {
	Type        string         `json:"type,omitempty"` // "http" by default, or "sns"
	URL         string         `json:"url,omitempty"`
	Params      map[string]any `json:"params,omitempty"`   // added to the query of the URL
	Events      bool           `json:"events,omitempty"`   // tell of the input and of each output too
	Metadata    bool           `json:"metadata,omitempty"` // include what ffprobe found
	Region      string         `json:"region,omitempty"`   // sns
	TopicARN    string         `json:"topic_arn,omitempty"`
	Credentials Credentials    `json:"credentials,omitempty"`
	Extra       map[string]any `json:"-"`
}

// MarshalJSON merges Extra into the fields.
func (n NotificationRequest) MarshalJSON() ([]byte, error) {
	type plain NotificationRequest
	return withExtra(plain(n), n.Extra)
}

// Credentials are those of a storage service, by the names that the service
// gives them, such as access_key_id. They print and log as [redacted].
type Credentials map[string]string

// Format prints [redacted], whatever the verb.
func (Credentials) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, redacted) // as fmt itself does
}

// LogValue logs [redacted].
func (Credentials) LogValue() slog.Value { return slog.StringValue(redacted) }

// withExtra encodes a struct and adds members, which win over those of the
// struct. The members are in a fixed order, so that equal requests are equal
// bytes, as an idempotency key wants it.
func withExtra(v any, extra map[string]any) ([]byte, error) {
	data, err := json.Marshal(v)
	if err != nil || len(extra) == 0 {
		return data, err
	}
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(data, &fields); err != nil {
		return nil, err
	}
	all := map[string]any{}
	for name, value := range fields {
		all[name] = value
	}
	maps.Copy(all, extra)
	return json.Marshal(all)
}
