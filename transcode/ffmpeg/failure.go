package ffmpeg

import (
	"bytes"
	"errors"
	"regexp"
	"strings"
	"syscall"

	"github.com/copra-video/copra/job"
)

// ffmpeg and ffprobe say why they fail in their messages alone: the exit status
// is 1 or a truncated error number. The two tables below are the only place
// where a decision depends on the words of a message.

// runMessages are texts of a run's messages and the reason that they mean, the
// surest first.
var runMessages = []struct {
	text   *regexp.Regexp
	reason job.Reason
	ends   bool // ffmpeg only warns, so the run is ended here
}{
	// x264: no decoder of the requested level can hold the frames, so the file
	// would not play where the level promises that it does.
	{text: regexp.MustCompile(`DPB size .*> level limit`), reason: job.OutputLevelTooLow, ends: true},
	{text: regexp.MustCompile(`No space left on device`), reason: job.ServerDiskFull},
	{text: regexp.MustCompile(`Disk quota exceeded`), reason: job.ServerDiskFull},
	{text: regexp.MustCompile(`File too large`), reason: job.ServerDiskFull}, // the limit of a sandboxed run is the free space
	{text: regexp.MustCompile(`Cannot allocate memory`), reason: job.ServerOutOfMemory},
	{text: regexp.MustCompile(`malloc of size`), reason: job.ServerOutOfMemory}, // x264 and x265
	{text: regexp.MustCompile(`moov atom not found`), reason: job.InputDamaged},
	{text: regexp.MustCompile(`Unknown encoder`), reason: job.EncoderMissing},
	{text: regexp.MustCompile(`not on whitelist`), reason: job.InputNotSelfContained},
	{text: regexp.MustCompile(`matches no streams`), reason: job.InputStreamMissing},
	{text: regexp.MustCompile(`Invalid data found when processing input`), reason: job.InputDamaged},
	// A step before has read the input to its end, and found nothing in it.
	{text: regexp.MustCompile(`\[(?:error|fatal)\][^\n]*: No such file or directory`), reason: job.InputDamaged},
}

// decoding are messages that ffmpeg writes of input that it can read in part only.
// It goes on after them. Where a run ends for a reason that no row above knows, they
// tell that the input is at fault and not the server.
var decoding = regexp.MustCompile(`(?i)error while decoding|error submitting (?:a )?packet to decoder|decode_slice_header error|concealing \d+|header missing|corrupt(?:ed)? |invalid (?:nal|frame|data|packet|timestamps)|non-existing pps|no frame!|missing picture|error splitting|packet too small|truncat`)

// probeMessages are texts of ffprobe's messages, the reason that they mean, and
// what they say of the input. A group is the name of the demuxer.
var probeMessages = []struct {
	text   *regexp.Regexp
	reason job.Reason
	input  string // "The input is " + input + "."
	sure   bool   // true of a text too
}{
	{regexp.MustCompile(`moov atom not found()`), job.InputDamaged, "damaged or not complete: its index (the moov atom) is missing", true},
	{regexp.MustCompile(`(?m)(?:^\[([^ \]]+) @.*)?Format not on whitelist`), job.InputNotValid, "of a kind that is not accepted as media", true},
	{regexp.MustCompile(`End of file()|EBML header parsing failed|error reading header|Truncat`), job.InputDamaged, "damaged or not complete", false},
}

// signals are the reasons of runs that a signal ended.
var signals = map[syscall.Signal]job.Reason{
	syscall.SIGKILL: job.ServerOutOfMemory, // nobody else sends it: Run returns the context's cause
	syscall.SIGSEGV: job.EncodingCrashed,
	syscall.SIGABRT: job.EncodingCrashed,
	syscall.SIGILL:  job.EncodingCrashed,
	syscall.SIGFPE:  job.EncodingCrashed,
	syscall.SIGBUS:  job.EncodingCrashed,
}

// Reason says why a run failed, or what belongs to it: err may be of the files
// and folders around it.
func Reason(err error) job.Reason {
	if known, ok := errors.AsType[*job.Error](err); ok {
		return known.Reason
	}
	e, ok := errors.AsType[*RunError](err)
	switch {
	case !ok && (errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)):
		return job.ServerDiskFull
	case !ok:
		return job.EncodingFailed
	case errors.Is(e.Cause, ErrStalled):
		return job.EncodingStalled
	}
	for _, m := range runMessages {
		if m.text.MatchString(e.Tail) && (!m.ends || errors.Is(e.Cause, errEnded)) {
			return m.reason
		}
	}
	if reason, ok := signals[e.Signal]; ok {
		return reason
	}
	if e.Cause != nil {
		return job.InternalError // ffmpeg did not start, or did not get its input
	}
	if decoding.MatchString(e.Tail) {
		return job.InputDamaged
	}
	return job.EncodingFailed
}

// Failure is what a customer is told about a run that failed.
func Failure(err error) *job.Error {
	if known, ok := errors.AsType[*job.Error](err); ok {
		return known
	}
	reason := Reason(err)
	e := job.NewError(reason)
	if reason == job.InternalError {
		e.Message = job.EncodingFailed.Message()
	}
	return e.WithCause(err)
}

// errEnded ends a run because of a message that ffmpeg takes for a warning.
var errEnded = errors.New("a warning of ffmpeg is an error here")

// mustEnd reports whether a line of a run's messages ends the run.
func mustEnd(line string) bool {
	for _, m := range runMessages {
		if m.ends && m.text.MatchString(line) {
			return true
		}
	}
	return false
}

// probeFailure says what an input is that ffprobe did not take, by its first
// bytes and by ffprobe's messages.
func probeFailure(head []byte, messages string) *job.Error {
	start := lowerASCII(bytes.TrimLeft(bytes.TrimPrefix(head, []byte("\xef\xbb\xbf")), " \t\r\n"))
	for _, k := range notMedia {
		if bytes.HasPrefix(start, []byte(k.prefix)) {
			return job.InputErrorf(job.InputNotValid, "is %s, not a media file", k.what)
		}
	}
	if isPhoto(head) && strings.Contains(messages, "moov atom not found") {
		return job.NewError(job.InputPhotoNotReadable)
	}
	text := isText(head)
	for _, k := range probeMessages {
		m := k.text.FindStringSubmatch(messages)
		if m == nil || text && !k.sure {
			continue
		}
		if m[1] != "" {
			return job.InputErrorf(k.reason, "is %s (%s)", k.input, m[1])
		}
		return job.InputErrorf(k.reason, "is %s", k.input)
	}
	if text {
		return job.InputErrorf(job.InputNotValid, "is a text, not a media file")
	}
	return job.InputErrorf(job.InputNotValid, "is not a media file, or it is damaged")
}

// isAnimatedWebP reports whether the first bytes are of a WebP with several pictures
// (RFC 9649 section 2.7: flag A of the chunk VP8X).
func isAnimatedWebP(head []byte) bool {
	const animation = 1 << 1
	return len(head) > 20 && string(head[:4]) == "RIFF" && string(head[8:16]) == "WEBPVP8X" && head[20]&animation != 0
}

// isPhoto reports whether the first bytes are of a HEIF file that holds pictures:
// its major brand is one of ISO/IEC 23008-12 annex B, or AVIF's. Such a file has
// no moov atom, which FFmpeg 5.1 asks for.
func isPhoto(head []byte) bool {
	if len(head) < 12 || string(head[4:8]) != "ftyp" {
		return false
	}
	switch string(head[8:12]) {
	case "heic", "heix", "heim", "heis", "mif1", "avif":
		return true
	}
	return false
}

// notMedia are beginnings, in lower case, of what people send by mistake and
// of what would make ffmpeg open other addresses.
var notMedia = []struct{ prefix, what string }{
	{"<!doctype html", "a web page (HTML)"},
	{"<html", "a web page (HTML)"},
	{"<head", "a web page (HTML)"},
	{"<body", "a web page (HTML)"},
	{"<mpd", "a DASH manifest"},
	{"<svg", "an SVG drawing"},
	{"<?xml", "an XML document"},
	{"<error", "an XML document"},
	{"#extm3u", "an HLS playlist"},
	{"ffconcat version", "a list of files for FFmpeg"},
	{";ffmetadata", "a text"},
	{"v=0", "a session description (SDP)"},
	{"webvtt", "a subtitle file"},
	{"[script info]", "a subtitle file"},
	{"{", "a JSON document"},
	{"%pdf-", "a PDF document"},
	{"pk\x03\x04", "a ZIP archive"},
	{"\x1f\x8b", "a gzip archive"},
	{"rar!\x1a", "a RAR archive"},
	{"7z\xbc\xaf", "a 7z archive"},
	{"\x7felf", "a program"},
}

// lowerASCII is bytes.ToLower for ASCII alone, which leaves binary data as it is.
func lowerASCII(b []byte) []byte {
	out := bytes.Clone(b)
	for i, c := range out {
		if 'A' <= c && c <= 'Z' {
			out[i] = c + 'a' - 'A'
		}
	}
	return out
}

// isText reports whether bytes hold nothing that a text would not.
func isText(head []byte) bool {
	for _, c := range head {
		if c < ' ' && c != '\n' && c != '\r' && c != '\t' && c != '\f' && c != 0x1b {
			return false
		}
	}
	return true
}
