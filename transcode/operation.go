package transcode

import (
	"time"

	"github.com/copra-video/copra/job"
)

// Operation is what a step does. The set of operations is closed, and each is
// plain data: exactly one field is set, and an executor has one case for each.
// An operation refers to files by their names in the work directory and to
// secrets by their names in Plan.Secrets, so it can be sent to another machine
// as JSON.
type Operation struct {
	FFmpeg         *FFmpeg          `json:",omitempty"`
	ThumbnailTrack *ThumbnailTrack  `json:",omitempty"`
	Seams          *Seams           `json:",omitempty"`
	Join           *Join            `json:",omitempty"`
	NumberPictures *NumberPictures  `json:",omitempty"`
	Loudness       *MeasureLoudness `json:",omitempty"`
	Quality        *MeasureQuality  `json:",omitempty"`
	WriteDuration  *WriteDuration   `json:",omitempty"`
	Protect        *Protect         `json:",omitempty"`
	WriteCaptions  *WriteCaptions   `json:",omitempty"`
	Transcribe     *Transcribe      `json:",omitempty"`
}

// FFmpeg is one run of ffmpeg, or two in a row.
type FFmpeg struct {
	// First are the arguments of a run before, which writes the pass logs that Args
	// read; nil: there is none.
	First []string `json:",omitempty"`
	// Args follow the runner's own global options; the program's name is not
	// among them.
	Args []string
	// Inputs are small files to write before the run. They hold keys, so they
	// are for the eyes of their owner only (mode 0600) and are never kept.
	Inputs []InputFile `json:",omitempty"`
	// Without replaces Args where its file is not there; nil: nothing does.
	Without *Without `json:",omitempty"`
}

// Seams compares what the neighbours at each edge between chunks have decoded
// before it. If they differ, the source cannot be cut there.
type Seams struct {
	Pairs []Seam
}

// Seam is one edge. The files are lists of frames as FFmpeg's framecrc writes them.
type Seam struct {
	Before, After string // made by the chunk before the edge and by the one after it
	Seconds       int    // where the edge is
	Length        int    // how many seconds before it are compared
}

// Join is a run of ffmpeg that reads the chunks of a rendition as one file, from
// StdinInput. Package join makes that file.
type Join struct {
	Format string // FFmpeg's muxer that has written them
	Pieces []Piece
	Args   []string // as FFmpeg.Args
}

// Piece is one chunk of a rendition.
type Piece struct {
	Name string
	From float64 // seconds; what begins before is the warm-up of the encoder, and is left out
}

// NumberPictures gives the pictures of the chunks one row of numbers, from 1. All
// are patterns such as "out1/%05d.jpg".
type NumberPictures struct {
	From []string
	To   string
}

// WriteDuration writes the duration of a fragmented MP4 into its header, as package
// join does.
type WriteDuration struct {
	Name string
}

// Protect encrypts the segments of a track, which lie in From, into To. The clear
// ones stay, since ffprobe verifies the stream by them.
type Protect struct {
	From, To       string
	Init, Segments string // names in both; Segments is a pattern of numbers from 1
	Scheme         string
	KeyID          string // 32 hexadecimal digits
	Key            SecretName
	Track          string // its id
	PSSH           [][]byte
}

// InputFile is a small file that a run reads. Either Data or Secret is set.
type InputFile struct {
	Name   string // in the work directory
	Data   string
	Secret SecretName
}

// Content is what to write to the file.
func (f InputFile) Content(s Secrets) []byte {
	if f.Secret != "" {
		return []byte(s[f.Secret].Reveal())
	}
	return []byte(f.Data)
}

// SecretName names a value in Plan.Secrets.
type SecretName string

// Secrets are the values that must not be seen with a plan: encryption keys and
// addresses that may hold credentials. Everything else in a plan refers to them
// by name.
type Secrets map[SecretName]job.Secret

// Key returns an encryption key by its name, as stream.Build asks for it; nil
// when there is none.
func (s Secrets) Key(name string) []byte {
	secret, ok := s[SecretName(name)]
	if !ok {
		return nil
	}
	return []byte(secret.Reveal())
}

// OfChunks reports whether the step encodes, compares or joins chunks.
func (s Step) OfChunks() bool {
	return s.Range != nil || s.Op.Seams != nil || s.Op.Join != nil || s.Op.NumberPictures != nil
}

// Begins is the time at which the time stamps of what the step makes begin.
func (s Step) Begins() time.Duration {
	if s.Range == nil {
		return 0
	}
	return time.Duration(s.Range.From * float64(time.Second))
}

// FFmpegArgs returns the arguments of the step's run of ffmpeg; nil when the
// step does something else.
func (s Step) FFmpegArgs() []string {
	switch {
	case s.Op.Loudness != nil:
		return s.Op.Loudness.Args
	case s.Op.Quality != nil:
		return s.Op.Quality.Args
	}
	if s.Op.FFmpeg == nil {
		return nil
	}
	return s.Op.FFmpeg.Args
}

// addArgs appends to the arguments of the step's run of ffmpeg.
func (s *Step) addArgs(args ...string) {
	if s.Op.FFmpeg == nil {
		s.Op.FFmpeg = &FFmpeg{}
	}
	s.Op.FFmpeg.Args = append(s.Op.FFmpeg.Args, args...)
}
