package input

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode/recording"
)

// probeRecording describes a recording by its playlists and the beginning of each track.
func (r Reader) probeRecording(ctx context.Context, in job.Input, dir string) (job.Media, error) {
	w := newWalker(r, in, dir)
	rec, err := w.load(ctx)
	if err != nil {
		return job.Media{}, err
	}
	type object = map[string]any
	var streams []any
	size, formatName := int64(0), ""
	for i, t := range rec.Tracks {
		m, err := w.beginning(ctx, t, i)
		if err != nil {
			return job.Media{}, err
		}
		if formatName == "" {
			formatName = m.FormatName
		}
		if size += t.Bytes; t.Bytes == 0 {
			size += m.Size * int64(t.Segments)
		}
		for _, s := range streamsOf(m.Raw, t.Kind) {
			s["index"] = len(streams)
			s["duration"] = strconv.FormatFloat(t.Duration(), 'f', 6, 64)
			for _, part := range []string{"duration_ts", "nb_frames", "start_pts"} {
				delete(s, part) // of the beginning alone
			}
			streams = append(streams, s)
		}
	}
	if len(rec.Tracks) > 1 || len(rec.Tracks[0].Runs) > 1 {
		size *= 2 // the tracks lie beside the file that they become
	}
	raw, err := json.Marshal(object{
		"streams": streams,
		"format": object{
			"filename": publicName(in), "nb_streams": len(streams), "format_name": formatName, "start_time": "0.000000",
			"duration": strconv.FormatFloat(rec.Tracks[0].Duration(), 'f', 6, 64), "size": strconv.FormatInt(size, 10),
		},
	})
	if err != nil {
		return job.Media{}, fmt.Errorf("encode what the recording is: %w", err)
	}
	if raw, err = marked(raw, rec); err != nil {
		return job.Media{}, err
	}
	m, err := job.ParseMedia(raw)
	if err == nil && len(m.Video)+len(m.Audio) == 0 {
		err = job.InputErrorf(job.InputNotValid, "holds no audio and no video that can be decoded")
	}
	return m, err
}

// streamsOf are ffprobe's streams of a kind, "video" or "audio", or all.
func streamsOf(raw json.RawMessage, kind string) []map[string]any {
	var doc struct {
		Streams []map[string]any `json:"streams"`
	}
	if json.Unmarshal(raw, &doc) != nil {
		return nil
	}
	return slices.DeleteFunc(doc.Streams, func(s map[string]any) bool { return kind != "" && s["codec_type"] != kind })
}

// beginning describes the beginning of a track: its initialization and first segment. Of a
// track that is one file, only what ffprobe reads is fetched.
func (w *walker) beginning(ctx context.Context, t recording.Track, number int) (job.Media, error) {
	run := t.Runs[0]
	if p := run.Pieces[0]; len(run.Pieces) == 1 && p.Length == 0 && p.Key == nil {
		in, err := w.address(p.URL)
		if err != nil {
			return job.Media{}, err
		}
		src, err := w.reader.Opener.Source(ctx, in)
		if err != nil {
			return job.Media{}, of(w.piece(p, t), err)
		}
		dir := filepath.Join(w.dir, fmt.Sprintf("probe-%d", number+1))
		if err := os.Mkdir(dir, 0o700); err != nil {
			return job.Media{}, fmt.Errorf("make work folder: %w", err)
		}
		c, err := w.reader.open(ctx, "", src, dir)
		if err != nil {
			return job.Media{}, of(w.piece(p, t), err)
		}
		defer c.Close()
		m, err := w.reader.probe(ctx, c)
		return m, of(w.piece(p, t), err)
	}
	last := slices.IndexFunc(run.Pieces, func(p recording.Piece) bool { return p.Number > 0 })
	t.Runs = []recording.Run{{Pieces: run.Pieces[:last+1]}}
	name := fmt.Sprintf("probe-%d", number+1)
	if err := w.track(ctx, t, 0, name); err != nil {
		return job.Media{}, err
	}
	m, err := w.reader.Media.Probe(ctx, filepath.Join(w.dir, name))
	return m, of("track "+strconv.Itoa(number+1), err)
}
