// Package transcode is the planner. Plan turns decoded outputs and what is
// known of the source into steps, which are data: each is one run of ffmpeg
// with its arguments, what it needs and what it makes. It is pure; nothing
// here starts a process or touches a file.
//
// The source is decoded once for all video renditions with the same time
// window, scaled in a cascade, and each distinct rendition and each distinct
// audio setting is encoded once into an intermediate file, which is then muxed
// by stream copy into every output that shares it.
package transcode

import (
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/stream"
)

// SourceName is the name of the fetched input in the work directory, by which
// the arguments of steps refer to it. All file names in a plan are relative to
// that folder, and every step runs in it.
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
	// Isolate plans every output separately, so that outputs share no step. It
	// is used after a shared step failed, so that one bad output does not take
	// the others with it.
	Isolate bool
}

// Plan is what is to be done for a job.
type Plan struct {
	Fetches []Fetch  // small files to bring beside the source, such as watermarks
	Steps   []Step   // in an order that satisfies Needs
	Results []Result // one per output given to New, in that order
	Space   Space    // what its files take of the work directory
	// Secrets are no part of the plan's JSON. Whoever sends a plan to another
	// machine seals them and sends them beside it.
	Secrets Secrets `json:"-"`
}

// Fetch is a picture to bring into the work directory before the steps run.
// Its name says what it is, so another plan of the job finds it there.
type Fetch struct {
	Name    string
	URL     SecretName // its address
	Outputs []int      // those that cannot be made without it
}

// StepKind says what a step is for.
type StepKind string

// The kinds of step.
const (
	StepEncode       StepKind = "encode"     // decode a time window once, for all its video renditions and thumbnails
	StepPass1        StepKind = "pass1"      // first pass of the two-pass renditions of a window
	StepAudio        StepKind = "audio"      // encode or extract one audio rendition
	StepMux          StepKind = "mux"        // copy intermediates into a final file
	StepSegment      StepKind = "segment"    // copy intermediates into segments
	StepThumbnails   StepKind = "thumbnails" // take pictures or scenes without an encode over the same window
	StepSpriteSheets StepKind = "sprite"     // put thumbnails together on sprite sheets
	StepText         StepKind = "text"       // extract subtitles
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
	// Reads are intermediates that it reads by their names. One that no step
	// reads any more is of no use.
	Reads []string
	Dirs  []string // folders to make before it runs
	// Optional: when it fails, what needs it goes on without what it makes.
	Optional  bool
	Files     []string   // files it makes; for patterns and segments the pattern
	Artifacts []Artifact // of those, what is worth keeping for a later run
	// Outputs are the indices of the outputs that fail when this step fails.
	Outputs []int
	// Duration is the length of the time line it runs over, for progress; 0
	// when unknown.
	Duration time.Duration
	// Cost is its share of the work, in arbitrary units (pixels encoded), for
	// progress over the plan.
	Cost float64
	// Encodes counts the encoders it runs, for metrics and tests.
	VideoEncodes, AudioEncodes int
}

// Tail is an intermediate that can be read from the start on while it grows.
type TailInput struct {
	Name string // of the file
	Step string // that makes it: when it has ended, the file has
}

// StdinInput is the input by which the arguments of a step refer to the
// intermediate that it follows: standard input.
const StdinInput = "pipe:0"

// Result says what becomes of one output: either Err, or Files (video, image)
// or Packages (httpstream).
type Result struct {
	Err      *job.Error
	Files    []File
	Packages []stream.Package
	Track    *ThumbnailTrack // published after the pictures; nil: none
}

// File is a finished file to verify and publish.
type File struct {
	Name        string // in the work directory; may hold a printf number pattern with Count > 0
	Path        string // published path (joined with storage.path by the worker); same pattern
	Count       int    // pictures expected for a pattern, numbered from 1; 0: a single file. At least one must exist
	ContentType string
	Expect      Expect
	// Animated says that the file is an animated WebP, which FFmpeg writes but
	// cannot read: it is checked by ReadAnimation instead of a probe.
	Animated bool
}

// Expect is what a file must show when it is probed before it is published.
type Expect struct {
	Duration      float64 // seconds, within half a second or 2 %; 0: not checked
	Video, Audio  bool    // streams that must be there
	Width, Height int     // 0: not checked
}
