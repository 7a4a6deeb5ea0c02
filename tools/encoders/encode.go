package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/copra-video/copra/tools/measure"
	"github.com/copra-video/copra/transcode/encoder"
)

// fps is the frame rate of all clips.
const fps = 25

// candidate is a way to encode.
type candidate struct {
	encoder *encoder.Video
	preset  string
	large   bool     // encodes large clips too
	tune    string   // word of the option tune
	extra   []string // arguments of FFmpeg after those of the row
}

// label names the candidate among those of its encoder.
func (c candidate) label() string {
	words := []string{c.preset}
	if c.tune != "" {
		words = append(words, "tune="+c.tune)
	}
	return strings.Join(append(words, c.extra...), " ")
}

// sweep is what is measured of a codec.
type sweep struct {
	codec   string
	title   string
	presets []string
	large   bool // encodes large clips too
}

// sweeps leave out presets that nobody would take for a default: those that are slower
// than twice the default for some percent, and those that give up the codec's gain.
var sweeps = []sweep{
	{"h264", "H.264 by x264", strings.Fields("superfast veryfast faster fast medium slow"), true},
	{"hevc", "HEVC by x265", strings.Fields("ultrafast superfast veryfast faster fast medium"), false},
	{"av1", "AV1 by SVT-AV1", strings.Fields("7 8 9 10 11 12"), true},
	{"vp9", "VP9 by libvpx", strings.Fields("1 2 3 4 5"), false},
	{"vp8", "VP8 by libvpx", strings.Fields("1 2 3 4 5"), false},
}

// columns of the table of qualities that are encoded: the worst, the middle and the best.
var columns = []int{0, 2, 4}

// candidates are the presets of a sweep, and what was asked for besides.
func (l *lab) candidates(s sweep) ([]candidate, error) {
	e := encoder.ForVideo(s.codec, "mkv")[0]
	out, err := exec.Command("ffmpeg", "-hide_banner", "-h", "encoder="+e.Name).CombinedOutput()
	if err != nil || !strings.Contains(string(out), "Encoder "+e.Name) {
		return nil, fmt.Errorf("this ffmpeg has no %s", e.Name)
	}
	var list []candidate
	for _, p := range s.presets {
		list = append(list, candidate{encoder: e, preset: p, large: s.large})
	}
	for _, t := range e.Codec().Tunes {
		list = append(list, candidate{encoder: e, preset: e.Preset, tune: t})
	}
	for _, text := range l.try {
		words := strings.Fields(text)
		if len(words) > 1 && words[0] == e.Name {
			list = append(list, candidate{encoder: e, preset: words[1], large: s.large, extra: words[2:]})
		}
	}
	return list, nil
}

// results are the encodes of all clips: by clip, encoder and label, one for each column.
type results struct {
	mu     sync.Mutex
	Points map[string]point `json:"points"`
}

func key(c clip, way candidate, column int) string {
	return strings.Join([]string{c.name, way.encoder.Name, way.label(), strconv.Itoa(way.encoder.Quality[column])}, "|")
}

// of are the encodes of a clip in one way; nil unless all columns are there.
func (r *results) of(c clip, way candidate) []point {
	r.mu.Lock()
	defer r.mu.Unlock()
	var list []point
	for _, column := range columns {
		p, ok := r.Points[key(c, way, column)]
		if !ok {
			return nil
		}
		list = append(list, p)
	}
	return list
}

func (r *results) add(k string, p point) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Points[k] = p
}

func (r *results) has(k string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	_, ok := r.Points[k]
	return ok
}

// load reads what an earlier run has written; a file that is not there holds nothing.
func (r *results) load(file string) error {
	r.Points = map[string]point{}
	if file == "" {
		return nil
	}
	data, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err == nil {
		err = json.Unmarshal(data, r)
	}
	return err
}

func (r *results) save(file string) error {
	if file == "" {
		return nil
	}
	data, err := json.MarshalIndent(r, "", " ")
	if err == nil {
		err = os.WriteFile(file, append(data, '\n'), 0o644)
	}
	return err
}

// encodeClip encodes a clip in all ways. The qualities of one way are not next to one
// another, so that what slows the machine for a while slows all ways alike.
func (l *lab) encodeClip(ctx context.Context, c clip, ways []candidate) error {
	idle, err := measure.FFmpeg(ctx, l.dir, "-i", c.file, "-f", "null", "-")
	if err != nil {
		return err
	}
	work := make(chan func() error)
	failed := make(chan error, l.parallel)
	for range l.parallel {
		go func() {
			var errs []error
			for do := range work {
				errs = append(errs, do())
			}
			failed <- errors.Join(errs...)
		}()
	}
	for _, column := range columns {
		for _, way := range ways {
			if ctx.Err() == nil && (way.large || !c.large) && !l.results.has(key(c, way, column)) {
				work <- func() error { return l.encode(ctx, c, way, column, idle) }
			}
		}
	}
	close(work)
	var errs []error
	for range l.parallel {
		errs = append(errs, <-failed)
	}
	return errors.Join(errs...)
}

// encode makes one encode and measures it. idle is what the run costs without encoding.
func (l *lab) encode(ctx context.Context, c clip, way candidate, column int, idle measure.Cost) error {
	profile, refused := way.encoder.Profile("yuv420p", "")
	if refused != nil {
		return refused
	}
	s := encoder.Settings{CRF: way.encoder.Quality[column], PixFmt: "yuv420p", Profile: profile, Preset: way.preset, Tune: way.tune}
	k := key(c, way, column)
	file := filepath.Join(l.dir, fmt.Sprintf("encode%d.mkv", l.encodes.Add(1)))
	defer os.Remove(file)
	args := []string{"-i", c.file, "-c:v", way.encoder.Name}
	args = append(args, way.encoder.Args(s, encoder.Run{GOP: encoder.KeyframeSeconds * fps})...)
	cost, err := measure.FFmpeg(ctx, l.dir, append(slices.Concat(args, way.extra), file)...)
	if err != nil {
		return err
	}
	bytes, err := packetBytes(ctx, file)
	if err != nil {
		return err
	}
	p := point{Kbit: float64(bytes) * 8 / 1000 / l.seconds, CPU: (cost.CPU - idle.CPU).Seconds() / l.seconds}
	if p.SSIM, err = measure.SSIM(ctx, file, c.file); err != nil {
		return err
	}
	l.results.add(k, p)
	fmt.Fprintf(os.Stderr, "%-60s %7.0f kbit/s  %6.2f CPU s/s  SSIM %.4f\n", k, p.Kbit, p.CPU, p.SSIM)
	return nil
}

// packetBytes is the size of the video in a file, without what the container adds.
func packetBytes(ctx context.Context, file string) (int, error) {
	out, err := exec.CommandContext(ctx, "ffprobe", "-v", "error", "-select_streams", "v", "-show_entries", "packet=size", "-of", "csv=p=0", file).Output()
	if err != nil {
		return 0, fmt.Errorf("ffprobe %s: %w", file, err)
	}
	sum := 0
	for _, w := range strings.Fields(string(out)) {
		n, err := strconv.Atoi(strings.Trim(w, ","))
		if err != nil {
			return 0, fmt.Errorf("ffprobe %s: size %q", file, w)
		}
		sum += n
	}
	return sum, nil
}
