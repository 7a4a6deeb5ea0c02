package input

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"reflect"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
	"github.com/copra-video/copra/worker/workdir"
)

// An input of several parts is fetched whole, and joined to one file before anything else
// reads it. That costs an encode and the space for it, and everything that comes after
// knows one input only.

// joined is what becomes of the parts of an input.
type joined struct {
	assembled
	reader Reader
	in     job.Input
}

// maker makes the one file of an input that consists of others. It is called again after
// an error, and does nothing once the file is there.
type maker interface {
	make(ctx context.Context) error
	state() *assembled
}

// assembled is what is known of a file that was made of others.
type assembled struct {
	dir      string
	received int64
	identity string
	media    job.Media // of the file; zero: it is not made yet
	made     bool
}

func (a *assembled) state() *assembled { return a }

// distinct are the inputs of the parts, each once, and which of them a part is of; -1:
// of none.
func distinct(parts []job.InputPart) (inputs []job.Input, of []int) {
	for _, p := range parts {
		if p.Black > 0 {
			of = append(of, -1)
			continue
		}
		at := -1
		for i, have := range inputs {
			if reflect.DeepEqual(have, p.Input) {
				at = i
			}
		}
		if at < 0 {
			at = len(inputs)
			inputs = append(inputs, p.Input)
		}
		of = append(of, at)
	}
	return inputs, of
}

// partsOf are the parts as the planner takes them.
func partsOf(in job.Input, of []int, media []job.Media) []transcode.Part {
	var parts []transcode.Part
	for i, p := range in.Parts {
		part := transcode.Part{Offset: p.Offset, Length: p.Duration, FadeIn: p.FadeIn, FadeOut: p.FadeOut, Black: p.Black}
		if of[i] >= 0 {
			part.Media, part.Name = media[of[i]], partName(of[i])
		}
		parts = append(parts, part)
	}
	return parts
}

func partName(i int) string { return fmt.Sprintf("part-%d", i+1) }

// ofPart says of which part an error is.
func ofPart(of []int, file int, err error) error {
	if err == nil {
		return nil
	}
	number := 0
	for i, f := range of {
		if f == file {
			number = i + 1
			break
		}
	}
	e, ok := errors.AsType[*job.Error](err)
	if !ok || e.About == "" {
		return fmt.Errorf("input %d: %w", number, err)
	}
	named := *e
	named.Message = fmt.Sprintf("The input %d %s.", number, e.About)
	named.Cause = err
	return &named
}

// probeParts describes what the parts of an input will be joined to.
func (r Reader) probeParts(ctx context.Context, in job.Input, folder func(context.Context) (dir string, remove func(), err error)) (job.Media, error) {
	inputs, of := distinct(in.Parts)
	var media []job.Media
	var size int64
	for i, one := range inputs {
		m, err := r.Probe(ctx, one, folder)
		if err != nil {
			return job.Media{}, ofPart(of, i, err)
		}
		media, size = append(media, m), size+m.Size
	}
	j, failed := transcode.JoinSource(partsOf(in, of, media), r.Capabilities)
	if failed != nil && !unmeasured(media) {
		return job.Media{}, failed
	}
	if failed != nil {
		j.Media = media[0] // a length is not known yet, so the parts are joined to see
	}
	raw, err := describe(in, of, j.Media, size+j.Bytes, media)
	if err != nil {
		return job.Media{}, err
	}
	return job.ParseMedia(raw)
}

// unmeasured reports whether the length of a file is only an estimate.
func unmeasured(media []job.Media) bool {
	for _, m := range media {
		if m.Estimated() {
			return true
		}
	}
	return false
}

// describe writes what is known of a joined input before it is made, in ffprobe's words,
// with what ffprobe says of the parts.
func describe(in job.Input, of []int, m job.Media, size int64, parts []job.Media) (json.RawMessage, error) {
	type object = map[string]any
	streams := []object{}
	for _, v := range m.Video {
		streams = append(streams, object{
			"index": v.Index, "codec_type": "video", "codec_name": v.Codec, "width": v.Width, "height": v.Height, "pix_fmt": v.PixFmt,
			"sample_aspect_ratio": "1:1", "r_frame_rate": fmt.Sprintf("%d/%d", v.BaseFPS.Num, v.BaseFPS.Den), "avg_frame_rate": fmt.Sprintf("%d/%d", v.FPS.Num, v.FPS.Den),
			"duration": fmt.Sprintf("%.6f", v.Duration), "start_time": "0.000000", "field_order": "progressive",
			"color_space": v.ColorSpace, "color_transfer": v.ColorTransfer, "color_primaries": v.ColorPrimaries, "color_range": v.ColorRange,
		})
	}
	for _, a := range m.Audio {
		streams = append(streams, object{
			"index": a.Index, "codec_type": "audio", "codec_name": a.Codec, "sample_rate": fmt.Sprint(a.SampleRate), "channels": a.Channels,
			"channel_layout": a.ChannelLayout, "duration": fmt.Sprintf("%.6f", a.Duration), "start_time": "0.000000",
		})
	}
	return json.Marshal(object{
		"streams": streams,
		"format": object{
			"filename": publicName(in), "format_name": m.FormatName, "duration": fmt.Sprintf("%.6f", m.Duration), "start_time": "0.000000", "size": fmt.Sprint(size),
			"nb_streams": len(streams),
		},
		"inputs": rawParts(of, parts),
	})
}

// rawParts is what ffprobe says of each part; null for black.
func rawParts(of []int, parts []job.Media) []json.RawMessage {
	list := []json.RawMessage{}
	for _, file := range of {
		if file < 0 {
			list = append(list, json.RawMessage("null"))
			continue
		}
		list = append(list, parts[file].Raw)
	}
	return list
}

// make fetches the parts, joins them and probes the file.
func (j *joined) make(ctx context.Context) error {
	if j.made {
		return nil
	}
	inputs, of := distinct(j.in.Parts)
	var media []job.Media
	sums := sha256.New()
	for i, one := range inputs {
		m, err := j.fetchPart(ctx, one, partName(i), sums)
		if err != nil {
			return ofPart(of, i, err)
		}
		media = append(media, m)
	}
	plan, failed := transcode.JoinSource(partsOf(j.in, of, media), j.reader.Capabilities)
	if failed != nil {
		return failed
	}
	if err := j.reader.Run(ctx, j.dir, plan.Step); err != nil {
		return joinFailure(err)
	}
	for i := range inputs {
		_ = os.Remove(filepath.Join(j.dir, partName(i))) // the folder goes with the run
	}
	m, err := j.reader.Media.Probe(ctx, filepath.Join(j.dir, transcode.SourceName))
	if err != nil {
		return fmt.Errorf("probe joined input: %w", err)
	}
	if short := plan.Duration - m.Duration; short > max(0.5, plan.Duration*0.02) {
		return job.Errorf(job.InputDamaged, "The inputs could be joined up to %.1f s of %.1f s only; one of them is damaged or shorter than it says.", m.Duration, plan.Duration)
	}
	keepLight(&m, media)
	m.SetFilename(publicName(j.in))
	if m.Raw, err = withMember(m.Raw, "inputs", rawParts(of, media)); err != nil {
		return err
	}
	args, err := json.Marshal(plan.Step.Op)
	if err != nil {
		return fmt.Errorf("encode join: %w", err)
	}
	sums.Write(args)
	j.media, j.identity, j.made = m, "joined-"+hex.EncodeToString(sums.Sum(nil)), true
	return nil
}

// keepLight gives the joined picture, where it is HDR, what the first part says of the
// display that it was graded on, which x264 does not write.
func keepLight(m *job.Media, parts []job.Media) {
	if len(m.Video) == 0 || !m.Video[0].IsHDR() {
		return
	}
	for _, p := range parts {
		if len(p.Video) > 0 && p.Video[0].IsHDR() {
			m.Video[0].HDR = p.Video[0].HDR
			return
		}
	}
}

// joinFailure is what a customer may see of a run of ffmpeg that joins; an error of this
// server stays as it is.
func joinFailure(err error) error {
	if ffmpeg.Reason(err).Requeue() {
		return fmt.Errorf("join inputs: %w", err)
	}
	if _, ok := errors.AsType[*ffmpeg.RunError](err); !ok {
		return fmt.Errorf("join inputs: %w", err)
	}
	return job.Errorf(job.InputDamaged, "The inputs could not be joined: %s", ffmpeg.Failure(err).Message).WithCause(err)
}

// fetchPart fetches a part and describes it; its bytes go into sums.
func (j *joined) fetchPart(ctx context.Context, in job.Input, name string, sums io.Writer) (job.Media, error) {
	src, err := j.reader.Opener.Source(ctx, in)
	if err != nil {
		return job.Media{}, fmt.Errorf("open input: %w", err)
	}
	path := filepath.Join(j.dir, name)
	limit := j.reader.MaxBytes
	if limit > 0 {
		limit = max(1, limit-j.received) // the bound is for all parts
	}
	size, err := j.reader.fetchTo(ctx, src, path, limit)
	j.received += size
	if err != nil {
		return job.Media{}, fmt.Errorf("fetch input: %w", err)
	}
	if isRecording(j.dir, name) {
		return j.fetchRecording(ctx, in, name, sums)
	}
	m, err := j.reader.Media.Probe(ctx, path)
	if err != nil {
		return job.Media{}, err
	}
	m.SetFilename(publicName(in))
	if m.NeedsTimeline() {
		t, err := j.reader.Media.Timeline(ctx, j.dir, name, m, j.reader.StallTimeout)
		if ctx.Err() != nil {
			return job.Media{}, context.Cause(ctx)
		}
		if err == nil { // else the estimates stay, as for an input alone
			m.Measure(t)
		}
	}
	if m.Cut > 0 {
		return job.Media{}, job.InputErrorf(job.InputDamaged, "is not complete: it ends after %.1f s where its header says %.1f s", m.Cut, m.Duration)
	}
	if m.Restart > 0 {
		return job.Media{}, job.InputErrorf(job.InputDamaged, "has a clock that begins anew after %.1f s, as where a recorder was started again; name its parts as files of their own", m.Restart)
	}
	f, err := workdir.OpenRegularIn(j.dir, name, os.O_RDONLY)
	if err != nil {
		return job.Media{}, fmt.Errorf("read input: %w", err)
	}
	defer f.Close()
	if _, err := io.Copy(sums, f); err != nil {
		return job.Media{}, fmt.Errorf("read input: %w", err)
	}
	return m, nil
}

// fetchRecording fetches a part that is a playlist or manifest; what identifies it goes
// into sums.
func (j *joined) fetchRecording(ctx context.Context, in job.Input, name string, sums io.Writer) (job.Media, error) {
	r := j.reader
	if r.MaxBytes > 0 {
		r.MaxBytes = max(1, r.MaxBytes-j.received) // the bound is for all parts
	}
	w := newWalker(r, in, j.dir)
	m, err := w.assemble(ctx, name)
	j.received += w.received.Load()
	if err != nil {
		return job.Media{}, err
	}
	m.SetFilename(publicName(in))
	_, err = sums.Write(w.sums.Sum(nil))
	return m, err
}

// withMember adds a member to what ffprobe says of a file.
func withMember(raw json.RawMessage, name string, value any) (json.RawMessage, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("encode %s: %w", name, err)
	}
	whole := strings.TrimSuffix(strings.TrimSpace(string(raw)), "}")
	return json.RawMessage(whole + `,"` + name + `":` + string(text) + "}"), nil
}

// index brings where the joined video can be entered into m.
func (a *assembled) index(m *job.Media) error {
	f, err := workdir.OpenRegularIn(a.dir, transcode.SourceName, os.O_RDONLY)
	if err != nil {
		return err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return err
	}
	return addIndex(f, st.Size(), m)
}
