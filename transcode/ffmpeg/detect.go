package ffmpeg

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/copra-video/copra/internal/sandbox"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/encoder"
)

// The oldest FFmpeg that is known to do what the planner asks for.
const oldestMajor, oldestMinor = 5, 1

// queryTimeout bounds one question. An answer takes a tenth of a second, most
// of it for the dynamic linker, and far longer on a machine that is overloaded.
const queryTimeout = 30 * time.Second

// query is one of ffmpeg's lists and where its names go. Each start of ffmpeg
// costs some 60 ms of processor time, so the fewer the better.
type query struct {
	arg   string
	into  func(c *transcode.Capabilities) *transcode.Set
	parse func(answer string) []string
	// planned is whether plans depend on the list. The others are for Report and
	// stay unknown where a server starts.
	planned bool
}

var queries = []query{
	{"-encoders", func(c *transcode.Capabilities) *transcode.Set { return &c.Encoders }, parseCodecs, true},
	{"-filters", func(c *transcode.Capabilities) *transcode.Set { return &c.Filters }, parseFilters, true},
	{"-decoders", func(c *transcode.Capabilities) *transcode.Set { return &c.Decoders }, parseCodecs, false},
	{"-muxers", func(c *transcode.Capabilities) *transcode.Set { return &c.Muxers }, parseMuxers, false},
	{"-demuxers", func(c *transcode.Capabilities) *transcode.Set { return &c.Demuxers }, parseDemuxers, false},
}

// detect asks the programs what they can do, several questions at once. complete
// includes what no plan depends on.
func (t *Toolchain) detect(ctx context.Context, complete bool) error {
	var c transcode.Capabilities
	var banner string
	g, gctx := errgroup.WithContext(ctx)
	// One core is left to the database that may be starting beside this.
	g.SetLimit(max(2, runtime.GOMAXPROCS(0)-1))
	for i, q := range queries {
		if !q.planned && !complete {
			continue
		}
		g.Go(func() error {
			// One run of each program shows that it works in the sandbox. That
			// way costs 10 ms, which the others save.
			rules := t.rules(sandbox.Rules{})
			if i > 0 {
				rules = nil
			}
			answer, messages, err := t.query(gctx, rules, t.ffmpeg, q.arg)
			*q.into(&c) = transcode.NewSet(q.parse(answer)...)
			if i == 0 {
				banner = messages + answer
			}
			return err
		})
	}
	g.Go(func() error {
		answer, messages, err := t.query(gctx, t.rules(sandbox.Rules{}), t.ffprobe, "-version")
		t.probeVersion, _, _ = parseVersion(answer + messages)
		return err
	})
	asked := encoder.VideoNames(func(e *encoder.Video) bool { return complete || e.BuildDependent })
	answers := t.queryPixFmts(gctx, g, asked)
	if err := g.Wait(); err != nil {
		return contextCause(ctx, err)
	}
	var err error
	if c.PixFmts, err = answers.of(c.Encoders); err != nil {
		return err
	}
	c.Version, c.Major, c.Minor = parseVersion(banner)
	if c.Major < oldestMajor || c.Major == oldestMajor && c.Minor < oldestMinor {
		return fmt.Errorf("%s is version %s: FFmpeg %d.%d or newer is needed", t.ffmpeg, c.Version, oldestMajor, oldestMinor)
	}
	t.capabilities = c
	return nil
}

// query runs a program with a question that it answers at once, in a sandbox
// unless rules is nil. It returns what the program prints, and its messages,
// which begin with its version.
func (t *Toolchain) query(ctx context.Context, rules *sandbox.Rules, path string, question ...string) (answer, messages string, err error) {
	ctx, cancel := context.WithTimeout(ctx, queryTimeout)
	defer cancel()
	var out bytes.Buffer
	var tail stderrTail
	err = child{path: path, args: question, stdout: &out, stderr: &tail, killDelay: t.killDelay, rules: rules}.run(ctx)
	if err != nil {
		err = fmt.Errorf("run %s %s: %w: %s", path, strings.Join(question, " "), err, lastError(tail.String()))
	}
	return out.String(), tail.String(), err
}

var (
	release    = regexp.MustCompile(`version n?(\d+)\.(\d+)`)
	anyVersion = regexp.MustCompile(`version (\S+)`)
	avutil     = regexp.MustCompile(`libavutil\s+(\d+)\.\s*(\d+)`)
)

// parseVersion reads the banner of ffmpeg and ffprobe. Builds from git have no
// release number; the number of libavutil tells between which releases they are.
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
		major = n - 52 // libavutil 57 belongs to FFmpeg 5, 59 to FFmpeg 7
		if major == 5 && sub >= 28 {
			minor = 1
		}
	}
	return version, max(major, 0), minor
}

// parseCodecs reads -encoders and -decoders: " V....D libx264   libx264 H.264".
func parseCodecs(s string) (names []string) {
	_, list, _ := strings.Cut(s, "------")
	for line := range strings.Lines(list) {
		if f := strings.Fields(line); len(f) >= 2 {
			names = append(names, f[1])
		}
	}
	return names
}

// parseFilters reads -filters: " TSC scale   V->V   Scale the input video".
func parseFilters(s string) (names []string) {
	for line := range strings.Lines(s) {
		if f := strings.Fields(line); len(f) >= 3 && strings.Contains(f[2], "->") {
			names = append(names, f[1])
		}
	}
	return names
}

func parseMuxers(s string) []string   { return parseFormats(s, 'E') }
func parseDemuxers(s string) []string { return parseFormats(s, 'D') }

// parseFormats reads -muxers and -demuxers: "  E mp4   MP4", " D  mov,mp4,m4a",
// and devices, which FFmpeg 7 marks: " D d lavfi".
func parseFormats(s string, flag rune) (names []string) {
	for line := range strings.Lines(s) {
		flags, f := "", strings.Fields(line)
		for len(f) > 0 && strings.Trim(f[0], "DEd.") == "" {
			flags, f = flags+f[0], f[1:]
		}
		if len(f) == 0 || f[0] == "=" || !strings.ContainsRune(flags, flag) {
			continue
		}
		names = slices.AppendSeq(names, strings.SplitSeq(f[0], ","))
	}
	return names
}
