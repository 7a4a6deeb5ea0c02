// Package transcode is the planner. Build turns decoded outputs and what is known
// of the source into a plan: steps, which are plain data. Most steps are one run
// of ffmpeg; each says what it needs and what it makes. The package is pure: it
// starts no process and touches no file. DESIGN.md has the rules that it keeps.
//
// The source is decoded once for all video renditions with the same time window
// and scaled in a cascade. Each distinct rendition and each distinct audio
// rendition is encoded once into an intermediate file, which is then muxed by
// stream copy into every output that shares it.
package transcode

import (
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/captions"
	"github.com/copra-video/copra/transcode/stream"
)

// SourceName is the name of the fetched input in the work directory. All file
// names in a plan are relative to that folder, and every step runs in it.
const SourceName = "source"

// Options are what the planner needs to know of the server. They are plain
// data, so a plan can be made for another machine.
type Options struct {
	// Capabilities of the FFmpeg that will run the steps. The zero value
	// assumes that it has everything.
	Capabilities Capabilities
	// Presets are the default presets by encoder ("libx264": "fast"). An
	// encoder without one uses the default of the codec table.
	Presets map[string]string
	// SegmentSeconds is the length of httpstream segments to aim at. Defaults
	// to 6.
	SegmentSeconds float64
	// Copy is CopyAuto when video that fits is copied, where an output does not say.
	Copy string
	// Isolate plans every output separately, so that outputs share no step. It
	// is used after a shared step failed, so that one bad output does not take
	// the others with it.
	Isolate bool
	// NoSeek decodes the source from its start instead of seeking. It is used after
	// an output failed that seeks: of some files the index leads nowhere.
	NoSeek bool
	// Encoder says which backends may encode. The zero value: the software.
	Encoder EncoderChoice
	// NoDevices takes no device whatever an output asks for. It is used after a
	// device has failed.
	NoDevices bool
	// ChunkSeconds is about how long the chunks are into which the time line is
	// cut for encoding; 0: it is encoded in one piece.
	ChunkSeconds float64
	// Fonts is a folder of fonts for captions that are drawn, besides those of the system;
	// "": none. It may hold only letters, digits, and the characters /._-
	Fonts string
	// NoSpeech: there is no service that transcribes speech.
	NoSpeech bool
	// Weights say how the chunks share a bitrate; see Plan.Weighed.
	Weights Weights
}

// Plan is what is to be done for a job.
type Plan struct {
	Fetches []Fetch  // files to fetch besides the source: watermarks, captions, sound
	Steps   []Step   // in an order that satisfies Needs
	Results []Result // one for each output given to Build, in that order
	Space   Space    // what its files take of the work directory
	// OnePiece says what is encoded in one piece although Options.ChunkSeconds
	// asks for chunks.
	OnePiece []OnePiece `json:",omitempty"`
	// Notes say with what outputs are encoded where that is not the software, or
	// why it is the software although a device was asked for.
	Notes []Note `json:",omitempty"`
	// Weighed is the stream of the source whose packets Options.Weights are made of;
	// nil: no chunks share a bitrate, so weights change nothing.
	Weighed *int `json:",omitempty"`
	// Secrets are not part of the plan's JSON. Whoever sends a plan to another
	// machine seals them and sends them beside it.
	Secrets Secrets `json:"-"`
}

// Fetch is a file to fetch into the work directory before the steps run. Its
// name is made from its address, so another plan of the job finds it there.
type Fetch struct {
	Name    string
	URL     SecretName // its address
	Outputs []int      // those that cannot be made without it
	// Captions is what is known of a file of captions; nil: it is a watermark.
	Captions *captions.Hint `json:",omitempty"`
	LUT      bool           `json:",omitempty"` // it is a .cube, and no watermark
	Sound    bool           `json:",omitempty"` // it has sound, and is no watermark
	// Style: the captions are written as ASS, to be drawn; nil: they stay as they are.
	Style *captions.Style `json:",omitempty"`
}

// StepKind says what a step is for.
type StepKind string

// The kinds of step.
const (
	StepEncode       StepKind = "encode"     // decode a time window or a chunk of it once, for all its video renditions and thumbnails
	StepPass1        StepKind = "pass1"      // first pass of the two-pass renditions of a window
	StepLoudness     StepKind = "loudness"   // measure the loudness of an audio rendition
	StepCopy         StepKind = "copy"       // copy the source's video into an intermediate
	StepAudio        StepKind = "audio"      // encode or extract one audio rendition
	StepMux          StepKind = "mux"        // copy intermediates into a final file
	StepSegment      StepKind = "segment"    // copy intermediates into segments
	StepThumbnails   StepKind = "thumbnails" // take pictures or scenes without an encode over the same window
	StepSpriteSheets StepKind = "sprite"     // put thumbnails together on sprite sheets
	StepProtect      StepKind = "protect"    // encrypt segments
	StepText         StepKind = "text"       // extract subtitles, write captions
	StepSound        StepKind = "sound"      // make the sound of which the speech is transcribed
	StepSpeech       StepKind = "speech"     // have a service transcribe speech
	StepSeams        StepKind = "seams"      // compare the frames at the edges of chunks
	StepJoin         StepKind = "join"       // join the chunks of a rendition or a row of pictures
	StepDuration     StepKind = "duration"   // write the duration of a fragmented MP4 into its header
	StepQuality      StepKind = "quality"    // compare encodes with their source
	// StepThumbnailTrack writes a WebVTT track that names thumbnails.
	StepThumbnailTrack StepKind = "track"
)

// Step is one piece of work: an operation, with the files that it takes and
// makes.
type Step struct {
	ID    string // unique in the plan, stable for the same input: "encode-1"
	Kind  StepKind
	Op    Operation
	Needs []string // IDs of steps that must be done before
	// Tail is the intermediate that it reads as StdinInput while the step
	// that makes it still runs; zero: none.
	Tail TailInput
	// Reads are intermediates that it reads by their names. An intermediate can
	// be removed when no step that reads it is left.
	Reads []string
	Dirs  []string // folders to make before it runs
	// Optional: when it fails, its outputs are made without its files.
	Optional  bool
	Files     []string   // files it makes; for patterns and segments the pattern
	Artifacts []Artifact // of those, what is worth keeping for a later run
	// Outputs are the indices of the outputs that fail when this step fails.
	Outputs []int
	// Range is the part of the source that it reads when it needs no other step
	// and nothing besides the source and what is fetched, so that any process
	// that has these can run it; nil: it is not known, or it needs more.
	Range *TimeRange `json:",omitempty"`
	// Duration is the length of the time line it runs over, for progress; 0
	// when unknown.
	Duration time.Duration
	// Cost is its share of the work, in arbitrary units (pixels encoded), for
	// progress over the plan.
	Cost float64
	// Devices are what its run of ffmpeg encodes on besides the processor.
	Devices []DeviceUse `json:",omitempty"`
	// Encodes counts the encoders it runs, for metrics and tests.
	VideoEncodes, AudioEncodes int
}

// TimeRange is a part of the source's time line, in seconds from its start. The
// source has to be readable from the keyframe before From on. A To of 0 is the end.
type TimeRange struct{ From, To float64 }

// TailInput is an intermediate that is read from its start while it grows.
type TailInput struct {
	Name string // of the file
	Step string // that makes it: when the step has ended, the file is complete
}

// StdinInput is the input by which the arguments of a step refer to the
// intermediate that it tails: standard input.
const StdinInput = "pipe:0"

// Result says what becomes of one output: either Err, or Files (video, image)
// or Packages (httpstream).
type Result struct {
	Err      *job.Error
	Files    []File
	Packages []stream.Package
	// Copied is what is copied from the source; nil: that was not left to the planner.
	Copied *Copied `json:",omitempty"`
	// Loudness are files that the steps make: each is the JSON of a Loudness.
	Loudness []string `json:",omitempty"`
	// Quality are the figures that the steps make.
	Quality []QualityFigures `json:",omitempty"`
	// Seeks: its steps rely on the source's index, and enter it elsewhere than at its
	// start or copy from it. A plan with NoSeek makes it in another way.
	Seeks bool
}

// File is a finished file to verify and publish.
type File struct {
	Name        string // in the work directory; may hold a printf number pattern with Count > 0
	Path        string // published path (joined with storage.path by the worker); same pattern
	Count       int    // pictures expected for a pattern, numbered from 1; 0: a single file. At least one must exist
	ContentType string
	Check       Check
	Expect      Expect
	// Index: it names the other files, so it is published after them.
	Index bool
}

// Check says how a file is verified before it is published.
type Check string

// The checks.
const (
	CheckProbe     Check = ""          // by ffprobe, against Expect
	CheckAnimation Check = "animation" // by ReadAnimation: FFmpeg writes animated WebP but cannot read it
	CheckNone      Check = "none"      // the program has written it itself
)

// Expect is what a file must show when it is probed before it is published.
type Expect struct {
	Duration      float64 // seconds, within half a second or 2 %; 0: not checked
	Slack         float64 // seconds more by which Duration may be off
	Video, Audio  bool    // streams that must be there
	Width, Height int     // 0: not checked
}
