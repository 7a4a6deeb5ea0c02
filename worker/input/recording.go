package input

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/recording"
	"github.com/copra-video/copra/worker/workdir"
)

// An input that is an HLS playlist or a DASH manifest is a recording in many files. They
// are fetched, decrypted and put together to one file before anything else reads it, so
// ffmpeg never sees a playlist. What is chosen and in which order is package recording's;
// whether an address may be fetched is the Opener's, for each of them.

// recorded is what becomes of an input that is a playlist or manifest.
type recorded struct {
	assembled
	reader Reader
	in     job.Input
}

// recording tells whether the input is a playlist or manifest, by its first bytes.
func (c *Copy) recording(ctx context.Context) recording.Protocol {
	if c.made != nil || c.file.Err() != nil {
		return ""
	}
	head := make([]byte, recording.SniffBytes)
	if size := c.file.Size(); size >= 0 {
		head = head[:min(int64(len(head)), size)]
	}
	n, err := c.file.ReaderAt(ctx).ReadAt(head, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	return recording.Sniff(head[:n])
}

// isRecording tells the same of the file name in dir.
func isRecording(dir, name string) bool {
	f, err := workdir.OpenRegularIn(dir, name, os.O_RDONLY)
	if err != nil {
		return false
	}
	defer f.Close()
	head, err := io.ReadAll(io.LimitReader(f, recording.SniffBytes))
	return err == nil && recording.Sniff(head) != ""
}

// make fetches the recording and puts it together.
func (r *recorded) make(ctx context.Context) error {
	if r.made {
		return nil
	}
	w := newWalker(r.reader, r.in, r.dir)
	m, err := w.assemble(ctx, transcode.SourceName)
	r.received = w.received.Load()
	if err != nil {
		return err
	}
	m.SetFilename(publicName(r.in))
	r.media, r.identity, r.made = m, "recording-"+hex.EncodeToString(w.sums.Sum(nil)), true
	return nil
}

// assemble makes the file name in the walker's folder of the whole recording, and
// describes it.
func (w *walker) assemble(ctx context.Context, name string) (job.Media, error) {
	rec, err := w.load(ctx)
	if err != nil {
		return job.Media{}, err
	}
	parts, err := w.runs(ctx, rec)
	if err != nil {
		return job.Media{}, err
	}
	if err := w.joinRuns(ctx, parts, name); err != nil {
		return job.Media{}, err
	}
	m, err := w.reader.describeFile(ctx, w.dir, name)
	if err != nil {
		return job.Media{}, err
	}
	want := rec.Tracks[0].Duration()
	// Old packagers round the durations of segments to seconds.
	if short := want - m.Duration; want > 0 && short > max(2, want/2) {
		return job.Media{}, job.InputErrorf(job.InputDamaged, "lasts %.1f s of the %.1f s of its playlist or manifest; segments of it are damaged", m.Duration, want)
	}
	m.Raw, err = marked(m.Raw, rec)
	m.Recording = string(rec.Protocol)
	return m, err
}

// marked adds what the file was made of.
func marked(raw json.RawMessage, rec recording.Recording) (json.RawMessage, error) {
	segments := 0
	for _, t := range rec.Tracks {
		segments += t.Segments
	}
	return withMember(raw, "recording", map[string]any{"protocol": rec.Protocol, "tracks": len(rec.Tracks), "segments": segments})
}

// runs fetches all runs, each of which becomes one file.
func (w *walker) runs(ctx context.Context, rec recording.Recording) (parts []string, err error) {
	for k := range rec.Tracks[0].Runs {
		var files []string
		for t := range rec.Tracks {
			name := fmt.Sprintf("track-%d-%d", t+1, k+1)
			if err := w.track(ctx, rec.Tracks[t], k, name); err != nil {
				return nil, err
			}
			files = append(files, name)
		}
		name := files[0]
		if len(files) > 1 {
			name = fmt.Sprintf("run-%d", k+1)
			if err := w.remux(ctx, rec, k, files, name); err != nil {
				return nil, err
			}
		}
		parts = append(parts, name)
	}
	return parts, nil
}

// packedFormats are ffprobe's names of sound without a container, and so without a clock.
var packedFormats = []string{"aac", "ac3", "eac3", "mp3"}

// remux makes one file of the tracks of a run.
func (w *walker) remux(ctx context.Context, rec recording.Recording, run int, files []string, name string) error {
	var tracks []transcode.RemuxTrack
	for i, file := range files {
		t := rec.Tracks[i]
		m, err := w.reader.Media.Probe(ctx, filepath.Join(w.dir, file))
		if err != nil {
			return of(fmt.Sprintf("track %d", i+1), err)
		}
		at, stamped := w.stamps[file]
		if stamped {
			m.StartTime = at
		}
		packed := slices.Contains(packedFormats, m.FormatName)
		tracks = append(tracks, transcode.RemuxTrack{Media: m, Name: file, NoClock: packed && !stamped, Origin: t.Runs[run].Origin, Kind: t.Kind, Language: t.Language, Title: t.Name})
	}
	step, failed := transcode.RemuxSource(tracks, name)
	if failed != nil {
		return failed
	}
	if err := w.reader.Run(ctx, w.dir, step); err != nil {
		return joinFailure(err)
	}
	return w.used(step, files)
}

// used notes a step in the identity of the result, and removes its inputs.
func (w *walker) used(step transcode.Step, files []string) error {
	args, err := json.Marshal(step.Op)
	if err != nil {
		return fmt.Errorf("encode step: %w", err)
	}
	w.sums.Write(args)
	for _, file := range files {
		_ = os.Remove(filepath.Join(w.dir, file)) // the folder goes with the run
	}
	return nil
}

// maxProbedRuns is how many runs are compared, and encoded where they differ.
const maxProbedRuns = 64

// joinRuns makes the file name of the files of runs. Transport streams with the same
// tracks are put one after the other, and their clock is mended later, as that of any
// recording that was joined so. All else is joined as a job's inputs are.
func (w *walker) joinRuns(ctx context.Context, files []string, name string) error {
	if len(files) == 1 {
		return w.rename(files[0], name)
	}
	ts, err := w.allTS(files)
	if err != nil {
		return err
	}
	if len(files) > maxProbedRuns {
		if !ts {
			return job.InputErrorf(job.InputPlaylistNotValid, "has %d discontinuities; at most %d are accepted where the segments are not MPEG-TS", len(files)-1, maxProbedRuns-1)
		}
		return w.concat(files, name)
	}
	var parts []transcode.Part
	same := ts
	first := ""
	for i, file := range files {
		m, err := w.reader.describeFile(ctx, w.dir, file)
		if err != nil {
			return of(fmt.Sprintf("part %d between discontinuities", i+1), err)
		}
		if layout := layoutOf(m.Raw); i == 0 {
			first = layout
		} else {
			same = same && layout == first
		}
		parts = append(parts, pictured(m, file))
	}
	if same {
		return w.concat(files, name)
	}
	plan, failed := transcode.JoinSource(parts, w.reader.Capabilities)
	if failed != nil {
		return failed
	}
	if err := w.reader.Run(ctx, w.dir, plan.Step); err != nil {
		return joinFailure(err)
	}
	if err := w.used(plan.Step, files); err != nil {
		return err
	}
	return w.rename(transcode.SourceName, name)
}

// pictured is a run as a part of a joined source: from its first picture to its last, since
// sound that begins before or ends after, by the frames of its codec, would make a gap.
func pictured(m job.Media, file string) transcode.Part {
	p := transcode.Part{Media: m, Name: file}
	if len(m.Video) > 0 && m.Video[0].Duration > 0 {
		const before = 0.001 // times are rounded
		p.Offset = max(0, m.Video[0].StartTime-m.StartTime-before)
		p.Length = m.Video[0].Duration
		if v := m.Video[0]; v.Frames > 0 && !v.Irregular && v.Rate.Num > 0 {
			p.Length = float64(v.Frames) * float64(v.Rate.Den) / float64(v.Rate.Num)
		}
	}
	return p
}

func (w *walker) rename(from, to string) error {
	if from == to {
		return nil
	}
	if err := os.Rename(filepath.Join(w.dir, from), filepath.Join(w.dir, to)); err != nil {
		return fmt.Errorf("rename work file: %w", err)
	}
	return nil
}

// layoutOf is what two runs of a transport stream have in common where they can stand in
// one file: the tracks, their numbers and sizes.
func layoutOf(raw json.RawMessage) string {
	var doc struct {
		Streams []struct {
			ID       string `json:"id"`
			Codec    string `json:"codec_name"`
			Width    int    `json:"width"`
			Height   int    `json:"height"`
			Hz       string `json:"sample_rate"`
			Channels int    `json:"channels"`
		} `json:"streams"`
	}
	if json.Unmarshal(raw, &doc) != nil {
		return ""
	}
	var list []string
	for _, s := range doc.Streams {
		list = append(list, fmt.Sprint(s))
	}
	slices.Sort(list)
	return fmt.Sprint(list)
}

// allTS reports whether all files are transport streams.
func (w *walker) allTS(files []string) (bool, error) {
	for _, file := range files {
		f, err := workdir.OpenRegularIn(w.dir, file, os.O_RDONLY)
		if err != nil {
			return false, fmt.Errorf("read work file: %w", err)
		}
		var head [1]byte
		_, err = f.ReadAt(head[:], 0)
		_ = f.Close()
		if err != nil {
			return false, fmt.Errorf("read work file: %w", err)
		}
		if head[0] != tsSync {
			return false, nil
		}
	}
	return true, nil
}

// concat appends all files to the first, which becomes name.
func (w *walker) concat(files []string, name string) error {
	out, err := workdir.OpenRegularIn(w.dir, files[0], os.O_WRONLY)
	if err != nil {
		return fmt.Errorf("write work file: %w", err)
	}
	defer out.Close()
	if _, err := out.Seek(0, io.SeekEnd); err != nil {
		return fmt.Errorf("write work file: %w", err)
	}
	for _, file := range files[1:] {
		if err := appendFile(out, w.dir, file); err != nil {
			return err
		}
	}
	if err := out.Close(); err != nil {
		return fmt.Errorf("write work file: %w", err)
	}
	return w.rename(files[0], name)
}

// appendFile appends a file of dir to out, and removes it.
func appendFile(out *os.File, dir, name string) error {
	f, err := workdir.OpenRegularIn(dir, name, os.O_RDONLY)
	if err != nil {
		return fmt.Errorf("read work file: %w", err)
	}
	defer f.Close()
	if _, err := io.Copy(out, f); err != nil {
		return diskError(err)
	}
	_ = os.Remove(filepath.Join(dir, name)) // the folder goes with the run
	return nil
}

// describeFile probes the file name in dir, and measures it where its length is a guess.
func (r Reader) describeFile(ctx context.Context, dir, name string) (job.Media, error) {
	m, err := r.Media.Probe(ctx, filepath.Join(dir, name))
	if err != nil {
		return job.Media{}, err
	}
	if m.NeedsTimeline() {
		t, err := r.Media.Timeline(ctx, dir, name, m, r.StallTimeout)
		if ctx.Err() != nil {
			return job.Media{}, context.Cause(ctx)
		}
		if err == nil { // else the estimates stay, as for an input of one file
			m.Measure(t)
		}
	}
	return m, nil
}

// newSums is the hash of what identifies a recording.
func newSums() hash.Hash { return sha256.New() }
