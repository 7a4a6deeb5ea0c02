package transcode

import (
	"strconv"
	"strings"

	"github.com/copra-video/copra/job"
)

// SourceUse is how much of the source is read.
type SourceUse struct {
	// Whole: all of it, or so much that the rest does not matter.
	Whole bool
	// Bytes is an estimate of what is read, at most the size of the source.
	Bytes int64
}

// What an entry into the source may read besides the part that is wanted: the pictures
// from the keyframe before on, for which entrySeconds is assumed, and an index.
const (
	entrySeconds = 12
	indexBytes   = 32 << 20
	// wholeShare is from which share of the source on all of it is fetched.
	wholeShare = 0.6
)

// SourceUse returns how much of the source m the steps read.
func (p Plan) SourceUse(m job.Media) SourceUse { return sourceUse(p.Steps, m) }

// SourceUse returns how much of the source m the step reads.
func (s Step) SourceUse(m job.Media) SourceUse { return sourceUse([]Step{s}, m) }

// ReadsSource reports whether the step reads the source.
func (s Step) ReadsSource() bool { return len(s.entries()) > 0 }

func sourceUse(steps []Step, m job.Media) SourceUse {
	if m.Duration <= 0 || m.Size <= 0 {
		return SourceUse{Whole: true, Bytes: max(0, m.Size)}
	}
	read := 0.0 // seconds
	for _, s := range steps {
		for _, e := range s.entries() {
			length := e.length
			if length == 0 {
				length = max(0, m.Duration-e.offset)
			}
			if e.offset > 0 || e.picture {
				length += entrySeconds
			}
			read += length
		}
	}
	share := read / m.Duration
	bytes := int64(1.5*share*float64(m.Size)) + indexBytes
	if share > wholeShare || bytes >= m.Size {
		return SourceUse{Whole: true, Bytes: m.Size}
	}
	return SourceUse{Bytes: bytes}
}

// entry is one opening of the source: where it is entered, and for how many seconds it is
// read; 0: to its end.
type entry struct {
	offset, length float64
	picture        bool // only one picture is read
}

// entries returns how the step opens the source to read streams, by the arguments of its
// run of ffmpeg. Who opens it for its tags alone reads no more than its header.
func (s Step) entries() (list []entry) {
	args := s.FFmpegArgs()
	var e entry
	pictures, inputs := 0, 0
	for i := 0; i+1 < len(args); i++ {
		value, _ := strconv.ParseFloat(args[i+1], 64)
		switch args[i] {
		case "-ss":
			e.offset = value
		case "-t":
			e.length = value
		case "-frames:v":
			pictures++
		case "-i":
			if args[i+1] == SourceName && readsInput(args, inputs) {
				list = append(list, e)
			}
			e = entry{}
			inputs++
		}
	}
	for i := range list {
		switch {
		case s.Range != nil:
			list[i].offset, list[i].length = s.Range.From, max(0, s.Range.To-s.Range.From)
		case list[i].length == 0 && pictures >= len(list):
			list[i].length, list[i].picture = 1, true
		}
	}
	return list
}

// readsInput reports whether streams of input n are read: named by -map or in a graph of
// filters, or none is named.
func readsInput(args []string, n int) bool {
	name, maps := strconv.Itoa(n)+":", false
	for i := 1; i < len(args); i++ {
		switch args[i-1] {
		case "-map":
			maps = true
			if strings.HasPrefix(args[i], name) {
				return true
			}
		case "-filter_complex":
			maps = true
			if strings.Contains(args[i], "["+name) {
				return true
			}
		}
	}
	return !maps
}
