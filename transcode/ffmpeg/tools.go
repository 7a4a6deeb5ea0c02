package ffmpeg

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
)

// The oldest ffmpeg that is known to do what the planner asks for.
const oldestMajor, oldestMinor = 5, 1

// Toolchain are an ffmpeg, the ffprobe beside it, and what they can do. They do
// not change after Find and may be used by many goroutines.
type Toolchain struct {
	ffmpeg, ffprobe string // paths
	version         string
	probeVersion    string
	major, minor    int
	features        map[string]map[string]bool // kind -> name
	pixFmts         map[string][]string        // of video encoders that were asked about
	killDelay       time.Duration
	sandbox         *Sandbox // nil: none
}

// The kinds of feature that Has knows.
const (
	Encoder = "encoder"
	Decoder = "decoder"
	Filter  = "filter"
	Muxer   = "muxer"
	Demuxer = "demuxer"
)

// Find looks for ffmpeg and ffprobe and asks them what they can do. An empty
// ffmpegPath means "ffmpeg" on the PATH; an empty ffprobePath the ffprobe in the
// same folder, else on the PATH. The error is a sentence for the operator.
func Find(ctx context.Context, ffmpegPath, ffprobePath string) (*Toolchain, error) {
	t := &Toolchain{killDelay: defaultKillDelay, features: map[string]map[string]bool{}}
	if err := t.locate(ffmpegPath, ffprobePath); err != nil {
		return nil, err
	}
	asks := []string{"-version", "-encoders", "-decoders", "-filters", "-muxers", "-demuxers"}
	answers := make([]string, len(asks)+1)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(4)
	for i, ask := range asks {
		g.Go(func() (err error) {
			answers[i], err = t.query(gctx, t.ffmpeg, ask)
			return err
		})
	}
	g.Go(func() (err error) {
		answers[len(asks)], err = t.query(gctx, t.ffprobe, "-version")
		return err
	})
	if err := g.Wait(); err != nil {
		return nil, contextCause(ctx, err)
	}
	t.version, t.major, t.minor = parseVersion(answers[0])
	t.probeVersion, _, _ = parseVersion(answers[len(asks)])
	if t.major < oldestMajor || t.major == oldestMajor && t.minor < oldestMinor {
		return nil, fmt.Errorf("%s is version %s: FFmpeg %d.%d or newer is needed", t.ffmpeg, t.version, oldestMajor, oldestMinor)
	}
	t.features[Encoder] = parseCodecs(answers[1])
	t.features[Decoder] = parseCodecs(answers[2])
	t.features[Filter] = parseFilters(answers[3])
	t.features[Muxer] = parseFormats(answers[4], 'E')
	t.features[Demuxer] = parseFormats(answers[5], 'D')
	if err := t.askPixFmts(ctx); err != nil {
		return nil, err
	}
	return t, nil
}

func (t *Toolchain) locate(ffmpegPath, ffprobePath string) error {
	if ffmpegPath == "" {
		ffmpegPath = "ffmpeg"
	}
	var err error
	if t.ffmpeg, err = lookPath(ffmpegPath); err != nil {
		return fmt.Errorf("find ffmpeg: %w; install FFmpeg %d.%d or newer, or say where it is", err, oldestMajor, oldestMinor)
	}
	if ffprobePath == "" {
		ffprobePath = filepath.Join(filepath.Dir(t.ffmpeg), "ffprobe")
		if _, err := exec.LookPath(ffprobePath); err != nil {
			ffprobePath = "ffprobe"
		}
	}
	if t.ffprobe, err = lookPath(ffprobePath); err != nil {
		return fmt.Errorf("find ffprobe: %w; it comes with FFmpeg, or say where it is", err)
	}
	return nil
}

// lookPath finds a program. The path must not depend on the folder of a run.
func lookPath(program string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return "", err
	}
	return filepath.Abs(path)
}

// query runs one of the questions that ffmpeg answers at once.
func (t *Toolchain) query(ctx context.Context, path string, question ...string) (string, error) {
	ctx, end := context.WithTimeout(ctx, 30*time.Second)
	defer end()
	var out bytes.Buffer
	var messages stderrTail
	err := child{path: path, args: append([]string{"-hide_banner"}, question...), stdout: &out, stderr: &messages, killDelay: t.killDelay}.run(ctx)
	if err != nil {
		return "", fmt.Errorf("run %s %s: %w: %s", path, strings.Join(question, " "), err, lastError(messages.String()))
	}
	return out.String(), nil
}

// Version is ffmpeg's own, "5.1.9-0+deb12u1".
func (t *Toolchain) Version() string { return t.version }

// Major is the first number of the version, by which flags differ.
func (t *Toolchain) Major() int { return t.major }

// Has reports whether ffmpeg has a feature: kind is encoder, decoder, filter,
// muxer or demuxer, name is ffmpeg's.
func (t *Toolchain) Has(kind, name string) bool { return t.features[kind][name] }

var (
	release    = regexp.MustCompile(`version n?(\d+)\.(\d+)`)
	anyVersion = regexp.MustCompile(`version (\S+)`)
	avutil     = regexp.MustCompile(`libavutil\s+(\d+)\.\s*(\d+)`)
)

// parseVersion reads the answer to -version. Builds from git carry no release
// number; the number of libavutil tells between which releases they are.
func parseVersion(s string) (version string, major, minor int) {
	version = "unknown"
	if m := anyVersion.FindStringSubmatch(s); m != nil {
		version = m[1]
	}
	if m := release.FindStringSubmatch(s); m != nil {
		major, _ = strconv.Atoi(m[1])
		minor, _ = strconv.Atoi(m[2])
		return version, major, minor
	}
	if m := avutil.FindStringSubmatch(s); m != nil {
		n, _ := strconv.Atoi(m[1])
		sub, _ := strconv.Atoi(m[2])
		major = n - 52 // libavutil 57 is of FFmpeg 5, 59 of 7
		if major == 5 && sub >= 28 {
			minor = 1
		}
	}
	return version, max(major, 0), minor
}

// parseCodecs reads -encoders and -decoders: " V....D libx264   libx264 H.264".
func parseCodecs(s string) map[string]bool {
	found := map[string]bool{}
	_, list, _ := strings.Cut(s, "------")
	for line := range strings.Lines(list) {
		if f := strings.Fields(line); len(f) >= 2 {
			found[f[1]] = true
		}
	}
	return found
}

// parseFilters reads -filters: " TSC scale   V->V   Scale the input video".
func parseFilters(s string) map[string]bool {
	found := map[string]bool{}
	for line := range strings.Lines(s) {
		if f := strings.Fields(line); len(f) >= 3 && strings.Contains(f[2], "->") {
			found[f[1]] = true
		}
	}
	return found
}

// parseFormats reads -muxers and -demuxers: "  E mp4   MP4", " D  mov,mp4,m4a",
// and devices, which ffmpeg 7 marks: " D d lavfi".
func parseFormats(s string, flag rune) map[string]bool {
	found := map[string]bool{}
	for line := range strings.Lines(s) {
		flags, f := "", strings.Fields(line)
		for len(f) > 0 && strings.Trim(f[0], "DEd.") == "" {
			flags, f = flags+f[0], f[1:]
		}
		if len(f) == 0 || f[0] == "=" || !strings.ContainsRune(flags, flag) {
			continue
		}
		for name := range strings.SplitSeq(f[0], ",") {
			found[name] = true
		}
	}
	return found
}

// Finding is one finding about the tools.
type Finding struct {
	Name string
	OK   bool
	Note string // what it is, or what will not work without it
}

// Report says what the tools are and which of the features that matter they
// lack, with what that costs.
func (t *Toolchain) Report() []Finding {
	lines := []Finding{
		{"ffmpeg", true, t.version + " at " + t.ffmpeg},
		{"ffprobe", t.probeVersion == t.version, t.probeVersion + " at " + t.ffprobe},
	}
	if t.probeVersion != t.version {
		lines[1].Note += "; its version is not that of ffmpeg"
	}
	for _, w := range reportedFeatures {
		l := Finding{Name: w.kind + " " + w.name, OK: t.Has(w.kind, w.name), Note: w.means}
		if !l.OK {
			l.Note = "missing: no " + w.means
		}
		lines = append(lines, l)
	}
	return lines
}

var reportedFeatures = []struct{ kind, name, means string }{
	{Encoder, "libx264", "H.264"},
	{Encoder, "libx265", "HEVC"},
	{Encoder, "libvpx", "VP8"},
	{Encoder, "libvpx-vp9", "VP9"},
	{Encoder, "libsvtav1", "AV1"},
	{Encoder, "aac", "AAC"},
	{Encoder, "libmp3lame", "MP3"},
	{Encoder, "libvorbis", "Vorbis"},
	{Encoder, "libopus", "Opus"},
	{Encoder, "libtheora", "Theora"},
	{Encoder, "libwebp", "WebP pictures"},
	{Encoder, "libwebp_anim", "animated WebP"},
	{Encoder, "mjpeg", "JPEG pictures"},
	{Encoder, "png", "PNG pictures"},
	{Encoder, "gif", "GIF"},
	{Filter, "zscale", "HDR to SDR conversion"},
	{Filter, "tonemap", "HDR to SDR conversion"},
	{Filter, "overlay", "watermarks"},
	{Filter, "drawtext", "burnt-in text"},
	{Filter, "bwdif", "deinterlacing"},
	{Muxer, "mp4", "MP4"},
	{Muxer, "mpegts", "MPEG-TS"},
	{Muxer, "hls", "HLS segments"},
	{Muxer, "webm", "WebM"},
	{Muxer, "webvtt", "WebVTT subtitles"},
}

var errTooLong = errors.New("it writes more than is accepted")
