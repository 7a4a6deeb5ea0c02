package client

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// Metadata is what ffprobe found in the input and the outputs of a job.
type Metadata struct {
	JobID   string
	Input   *Probe // nil until the input was probed
	Outputs []OutputMetadata
}

// Output returns the metadata of the output with this key, nil when there is
// none.
func (m *Metadata) Output(key string) *MediaInfo {
	for i := range m.Outputs {
		if m.Outputs[i].Key == key {
			return &m.Outputs[i].MediaInfo
		}
	}
	return nil
}

// OutputMetadata is the metadata of one output. Images have none.
type OutputMetadata struct {
	Key string
	MediaInfo
}

// MediaInfo is one probe of a file, or those of a stream by packaging: "hls",
// "dash", "hlsfmp4".
type MediaInfo struct {
	Probe      *Probe
	Packagings map[string]*Probe
	// Loudness has one entry for each measured track of the input, when the
	// output was asked for a loudness.
	Loudness []Loudness
	// Copied says what is copied from the input, when that was left to the server by
	// copy "auto"; else nil.
	Copied *Copied
	// Quality has an entry for each encode, when the output was asked for
	// quality_metrics.
	Quality []Quality
}

// Quality is how near an encode comes to the pictures that went into its encoder.
type Quality struct {
	Variant string         `json:"variant"` // of a stream: the folder of the variant; "" for a file
	Width   int            `json:"width"`
	Height  int            `json:"height"`
	Frames  int            `json:"frames"` // that were compared
	SSIM    *QualityMetric `json:"ssim"`   // at most 1
	PSNR    *QualityMetric `json:"psnr"`   // dB, over all planes; 100 where nothing differs
	XPSNR   *QualityMetric `json:"xpsnr"`  // dB, of the luma; nil where the server's ffmpeg does not have it
}

// QualityMetric is a figure over the whole and over the second where it is worst.
type QualityMetric struct {
	Mean        float64 `json:"mean"`
	WorstSecond float64 `json:"worst_second"`
	WorstAt     int     `json:"worst_at"` // when that second begins, in seconds
}

// Copied says what of a file or a stream is copied from the input, and why.
type Copied struct {
	Video    bool     `json:"video"`
	Audio    bool     `json:"audio"`
	Variants []string `json:"variants"` // of a stream: those whose video is
	Reason   string   `json:"reason"`
}

// Loudness is what was measured of a track by EBU R 128, and the gain that was
// applied. Loudness is in LUFS, the peak in dBTP, the gain in dB.
type Loudness struct {
	Stream    int      `json:"stream"` // index in the input
	Target    float64  `json:"target"`
	Input     *float64 `json:"input"`     // nil for silence and less than 400 ms
	TruePeak  *float64 `json:"true_peak"` // nil for digital silence
	Range     float64  `json:"range"`     // LU
	Gain      float64  `json:"gain"`
	Output    *float64 `json:"output"`               // nil with Input
	LimitedBy string   `json:"limited_by,omitempty"` // why Output is not Target: "true_peak", "gain", "silence"
}

// UnmarshalJSON tells the two forms apart: a probe has streams.
func (m *MediaInfo) UnmarshalJSON(data []byte) error {
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	*m = MediaInfo{}
	if list, ok := members["loudness"]; ok {
		if err := json.Unmarshal(list, &m.Loudness); err != nil {
			return err
		}
		delete(members, "loudness")
	}
	if copied, ok := members["copied"]; ok {
		if err := json.Unmarshal(copied, &m.Copied); err != nil {
			return err
		}
		delete(members, "copied")
	}
	if quality, ok := members["quality_metrics"]; ok {
		if err := json.Unmarshal(quality, &m.Quality); err != nil {
			return err
		}
		delete(members, "quality_metrics")
	}
	if _, file := members["streams"]; file {
		return json.Unmarshal(data, &m.Probe)
	}
	m.Packagings = map[string]*Probe{}
	for name, probe := range members {
		var p *Probe
		if err := json.Unmarshal(probe, &p); err != nil {
			return err
		}
		m.Packagings[name] = p
	}
	return nil
}

// MarshalJSON writes the form that is there.
func (m MediaInfo) MarshalJSON() ([]byte, error) {
	if m.Probe != nil {
		return json.Marshal(m.Probe) // what it was read from, with the loudness
	}
	all := map[string]any{}
	for name, p := range m.Packagings {
		all[name] = p
	}
	if m.Loudness != nil {
		all["loudness"] = m.Loudness
	}
	if m.Quality != nil {
		all["quality_metrics"] = m.Quality
	}
	return json.Marshal(all)
}

// Probe is what `ffprobe -show_streams -show_format` found. The fields are the
// usual ones; Raw has everything.
type Probe struct {
	Streams []Stream
	Format  Format
	Raw     json.RawMessage
}

// Format is the container of a file.
type Format struct {
	Name     string        // of ffprobe: "mov,mp4,m4a,3gp,3g2,mj2"
	Duration time.Duration // 0: unknown
	Size     int64         // bytes
	BitRate  int64         // bits a second
	Tags     map[string]string
}

// Stream is one stream of a file. What ffprobe does not say is zero.
type Stream struct {
	Index         int
	Type          string // "video", "audio", "subtitle", "data"
	Codec         string // "h264"
	Profile       string
	Width, Height int
	PixelFormat   string
	FrameRate     string // average, as a fraction: "30000/1001"
	SampleRate    int
	Channels      int
	ChannelLayout string
	Duration      time.Duration
	BitRate       int64
	Tags          map[string]string
}

// UnmarshalJSON reads the document of ffprobe, which writes many numbers as
// strings.
func (p *Probe) UnmarshalJSON(data []byte) error {
	var doc struct {
		Streams []struct {
			Index         int               `json:"index"`
			Type          string            `json:"codec_type"`
			Codec         string            `json:"codec_name"`
			Profile       string            `json:"profile"`
			Width         int               `json:"width"`
			Height        int               `json:"height"`
			PixelFormat   string            `json:"pix_fmt"`
			FrameRate     string            `json:"avg_frame_rate"`
			SampleRate    number            `json:"sample_rate"`
			Channels      int               `json:"channels"`
			ChannelLayout string            `json:"channel_layout"`
			Duration      number            `json:"duration"`
			BitRate       number            `json:"bit_rate"`
			Tags          map[string]string `json:"tags"`
		} `json:"streams"`
		Format struct {
			Name     string            `json:"format_name"`
			Duration number            `json:"duration"`
			Size     number            `json:"size"`
			BitRate  number            `json:"bit_rate"`
			Tags     map[string]string `json:"tags"`
		} `json:"format"`
	}
	if err := json.Unmarshal(data, &doc); err != nil {
		return err
	}
	f := doc.Format
	*p = Probe{Raw: bytes.Clone(data), Format: Format{f.Name, f.Duration.seconds(), int64(f.Size), int64(f.BitRate), f.Tags}}
	for _, s := range doc.Streams {
		p.Streams = append(p.Streams, Stream{
			Index: s.Index, Type: s.Type, Codec: s.Codec, Profile: s.Profile, Width: s.Width, Height: s.Height,
			PixelFormat: s.PixelFormat, FrameRate: s.FrameRate, SampleRate: int(s.SampleRate), Channels: s.Channels,
			ChannelLayout: s.ChannelLayout, Duration: s.Duration.seconds(), BitRate: int64(s.BitRate), Tags: s.Tags,
		})
	}
	return nil
}

// MarshalJSON writes Raw.
func (p Probe) MarshalJSON() ([]byte, error) {
	if len(p.Raw) == 0 {
		return []byte("{}"), nil
	}
	return p.Raw, nil
}

// number is a number that may be written as a string. Any other text, such as
// ffprobe's "N/A", is 0.
type number float64

func (n *number) UnmarshalJSON(data []byte) error {
	v, err := strconv.ParseFloat(string(bytes.Trim(data, `"`)), 64)
	if err != nil || v != v || v > 1<<62 || v < -1<<62 {
		v = 0
	}
	*n = number(v)
	return nil
}

func (n number) seconds() time.Duration {
	if n > 1e9 || n < -1e9 { // more than thirty years is no duration, and would overflow
		return 0
	}
	return time.Duration(float64(n) * float64(time.Second))
}

// Metadata returns what is known of the input and the outputs by now.
func (c *Client) Metadata(ctx context.Context, id string) (*Metadata, error) {
	answer, err := metadata[struct {
		Input   *Probe
		Outputs []map[string]MediaInfo
	}](ctx, c, id, "")
	if err != nil {
		return nil, err
	}
	m := &Metadata{JobID: id, Input: answer.Input}
	for _, o := range answer.Outputs {
		for key, info := range o {
			m.Outputs = append(m.Outputs, OutputMetadata{key, info})
		}
	}
	return m, nil
}

// MetadataOf returns what is known of one output, or with the key "input" of
// the input. It is nil while nothing is known, and always for images. A key that
// the job does not have is ErrNotFound.
func (c *Client) MetadataOf(ctx context.Context, id, key string) (*MediaInfo, error) {
	switch key {
	case "":
		return nil, errors.New("show metadata: the key is empty")
	case ".", "..":
		return nil, fmt.Errorf("show metadata: %q is not the key of an output", key)
	}
	answer, err := metadata[map[string]MediaInfo](ctx, c, id, "/"+url.PathEscape(key))
	if err != nil {
		return nil, err
	}
	if info, ok := (*answer)[key]; ok {
		return &info, nil
	}
	return nil, nil
}

type metadataAnswer[T any] struct {
	JobID    string `json:"job_id"`
	Metadata T
}

func (a *metadataAnswer[T]) check() error {
	if a.JobID == "" {
		return errors.New("it is not the metadata of a job")
	}
	return nil
}

func metadata[T any](ctx context.Context, c *Client, id, below string) (*T, error) {
	const do = "show metadata"
	segment, err := jobSegment(id)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", do, err)
	}
	answer, err := decode[metadataAnswer[T]](ctx, c, call{
		do: do, method: http.MethodGet, path: "/v2/metadata/jobs/" + segment + below, want: http.StatusOK, repeat: true,
	})
	if err != nil {
		return nil, err
	}
	return &answer.Metadata, nil
}
