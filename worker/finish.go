package worker

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
	"github.com/copra-video/copra/transcode/stream"
)

// publication is one object to store.
type publication struct {
	key         string
	source      string // of a segment: its name in the work directory
	file        string // path
	contentType string
	last        bool // only after all that are not: playlists and manifests
}

// finish verifies what the steps of an output made and publishes it. stored are
// the segments that have been published early.
func (r *run) finish(ctx context.Context, dir string, o *job.Output, res transcode.Result, keys stream.Keys, stored map[string]int64) (job.Result, error) {
	bucket, err := r.bucket(ctx, o)
	if err != nil {
		return job.Result{}, fmt.Errorf("open storage: %w", err)
	}
	if o.Type == job.TypeStream {
		r.stands(ctx, bucket, o, res.Packages)
	}
	bucket = r.patiently(bucket, o)
	defer r.close(bucket)
	if o.Type == job.TypeStream {
		return r.finishStream(ctx, dir, o, res.Packages, keys, bucket, stored)
	}
	return r.finishFiles(ctx, dir, o, res, bucket)
}

// bucket opens the place for the results of o.
func (r *run) bucket(ctx context.Context, o *job.Output) (storage.Bucket, error) {
	if !o.URL.IsZero() {
		return r.w.Opener.Upload(ctx, o.URL)
	}
	kind := "files" // one folder of shared storage for files, another for streams
	if o.Type == job.TypeStream {
		kind = "streams"
	}
	return r.w.Opener.Bucket(ctx, r.spec.Storage, storage.Namespace{JobID: r.id, Kind: kind, Created: r.rec.AcceptedAt})
}

func (r *run) close(bucket storage.Bucket) {
	if err := storage.Close(bucket); err != nil {
		r.w.Log.Debug("close storage", "job", r.id, "error", err)
	}
}

// checkTime bounds the look at the storage before the work.
const checkTime = 10 * time.Second

// checkStorage finds out before any work is done whether the job's storage
// takes results at all. Where it does not, the outputs that need it fail at
// once; trouble that may pass is left for the upload to meet.
func (r *run) checkStorage(ctx context.Context, outputs []*job.Output) error {
	var events []job.Event
	var refusal error
	checked := false
	for i, o := range outputs {
		if o == nil || !o.URL.IsZero() {
			continue
		}
		if !checked {
			checked = true
			bucket, err := r.bucket(ctx, o)
			if err == nil {
				cctx, cancel := context.WithTimeout(ctx, checkTime)
				err = bucket.Check(cctx)
				cancel()
				r.close(bucket)
			}
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if _, told := errors.AsType[*job.Error](err); told {
				refusal = err
			} else if err != nil {
				r.w.Log.Warn("checking the storage", "job", r.id, "error", err)
			}
		}
		if refusal == nil {
			return nil
		}
		outputs[i] = nil
		events = append(events, job.Event{Kind: job.OutputFailedEvent, Output: o.Key, Error: job.Message(refusal, "")})
	}
	if len(events) == 0 {
		return nil
	}
	r.w.Log.Warn("storage refused", "job", r.id, "error", refusal)
	return r.record(ctx, events...)
}

// finishFiles publishes the files of a video or image output, and the track of
// its pictures after them.
func (r *run) finishFiles(ctx context.Context, dir string, o *job.Output, res transcode.Result, bucket storage.Bucket) (job.Result, error) {
	var result job.Result
	var pubs []publication
	var media job.Media
	for _, f := range res.Files {
		found, err := expand(dir, f)
		if err != nil {
			return result, err
		}
		for i, p := range found {
			m, err := r.verify(ctx, p.file, f, i == 0)
			if err != nil {
				return result, err
			}
			if !o.URL.IsZero() {
				p.key = string(o.Type) + "." + o.Format.Extension() // the name where the URL has none
			}
			pubs, media = append(pubs, p), m
		}
	}
	if res.Track != nil {
		p, err := writeTrack(dir, res.Track)
		if err != nil {
			return result, err
		}
		pubs = append(pubs, p)
	}
	if !o.URL.IsZero() && len(pubs) > 1 {
		return result, job.Errorf("output_path_not_valid", "The output is made of %d files, which cannot go to one 'url': it needs a 'path'.", len(pubs))
	}
	if err := r.publish(ctx, bucket, o, pubs); err != nil {
		return result, err
	}
	for _, p := range pubs {
		if o.Type == job.TypeImage {
			result.URLs = append(result.URLs, bucket.URL(p.key))
			continue
		}
		result.URL = bucket.URL(p.key)
		media.SetFilename(result.URL)
		result.Metadata = media.Raw
	}
	return result, nil
}

// verify holds a finished file against what was planned. Of a row of pictures
// the first is probed; that the others hold anything is enough.
func (r *run) verify(ctx context.Context, file string, want transcode.File, probe bool) (job.Media, error) {
	if want.Animated {
		return job.Media{}, verifyAnimation(file)
	}
	if probe {
		return r.w.Media.Verify(ctx, file, ffmpeg.Expect(want.Expect))
	}
	st, err := os.Stat(file)
	if err != nil {
		return job.Media{}, fmt.Errorf("look at result: %w", err)
	}
	if st.Size() == 0 {
		return job.Media{}, job.Errorf("output_not_valid", "A picture could not be written.")
	}
	return job.Media{}, nil
}

// expand lists the files that f stands for: itself, or the pictures of its
// number pattern that were made.
func expand(dir string, f transcode.File) ([]publication, error) {
	if f.Count == 0 {
		return []publication{{key: f.Path, file: filepath.Join(dir, f.Name), contentType: f.ContentType}}, nil
	}
	var pubs []publication
	for n := 1; n <= f.Count; n++ {
		name := filepath.Join(dir, fmt.Sprintf(f.Name, n))
		if _, err := os.Stat(name); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				break // the source had fewer frames than was thought
			}
			return nil, fmt.Errorf("look for picture %d: %w", n, err)
		}
		pubs = append(pubs, publication{key: fmt.Sprintf(f.Path, n), file: name, contentType: f.ContentType})
	}
	if len(pubs) == 0 {
		return nil, job.Errorf("", "No picture could be taken from the input.")
	}
	return pubs, nil
}

// finishStream measures the segments of each package, writes the playlists and
// publishes all of it that is not stored.
func (r *run) finishStream(ctx context.Context, dir string, o *job.Output, packages []stream.Package, keys stream.Keys, bucket storage.Bucket, stored map[string]int64) (job.Result, error) {
	var result job.Result
	if err := r.record(ctx, job.Event{Kind: job.OutputStageEvent, Output: o.Key, Stage: job.Packaging}); err != nil {
		return result, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return result, fmt.Errorf("open work directory: %w", err)
	}
	defer root.Close()
	type told struct {
		format, key string
		media       job.Media
	}
	var list []told
	var pubs []publication
	for _, p := range packages {
		files, _, err := stream.Build(root.FS(), p, keys)
		if err != nil {
			return result, fmt.Errorf("package %s: %w", p.Path, err)
		}
		// The published tree is laid out beside the work files, by links, so
		// that it can be probed as players will find it.
		tree := p.Dir + ".published"
		for _, f := range files {
			name := filepath.Join(tree, filepath.FromSlash(f.Path))
			if err := lay(root, name, f); err != nil {
				return result, fmt.Errorf("lay out stream: %w", err)
			}
			pubs = append(pubs, publication{key: p.Path + "/" + f.Path, source: f.Source, file: filepath.Join(dir, name),
				contentType: f.ContentType, last: f.Playlist()})
		}
		if tree, err = opened(root, tree, p, keys, files); err != nil {
			return result, fmt.Errorf("lay out stream: %w", err)
		}
		for _, e := range entries(p) {
			media, err := r.w.Media.ProbePlaylist(ctx, filepath.Join(dir, tree, e.file))
			if err != nil {
				return result, fmt.Errorf("verify %s: %w", e.format, err)
			}
			list = append(list, told{e.format, p.Path + "/" + e.file, media})
		}
	}
	if err := r.publish(ctx, bucket, o, remaining(pubs, stored)); err != nil {
		return result, err
	}
	metadata := map[string]json.RawMessage{}
	for _, e := range list {
		u := bucket.URL(e.key)
		result.Streams = append(result.Streams, job.StreamURL{Format: e.format, URL: u})
		e.media.SetFilename(u)
		metadata[e.format] = e.media.Raw
	}
	if result.Metadata, err = json.Marshal(metadata); err != nil {
		return result, fmt.Errorf("encode metadata: %w", err)
	}
	return result, nil
}

// lay puts one file of a stream at its published place below root.
func lay(root *os.Root, name string, f stream.File) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	if f.Source == "" {
		return root.WriteFile(name, f.Data, 0o600)
	}
	return root.Link(filepath.FromSlash(f.Source), name)
}

// opened is the tree to probe: that of an encrypted package is laid out once
// more, with the key itself in the place of its address, which is not to be
// asked for it.
func opened(root *os.Root, tree string, p stream.Package, keys stream.Keys, files []stream.File) (string, error) {
	i := slices.IndexFunc(p.Tracks, func(t stream.Track) bool { return t.Encryption != nil })
	if i < 0 {
		return tree, nil
	}
	key := p.Tracks[i].Encryption
	tree = p.Dir + ".opened"
	address := []byte(`URI="` + key.KeyURI + `"`)
	inline := []byte(`URI="data:application/octet-stream;base64,` + base64.StdEncoding.EncodeToString(keys(key.KeyName)) + `"`)
	for _, f := range files {
		f.Data = bytes.Replace(f.Data, address, inline, 1)
		if err := lay(root, filepath.Join(tree, filepath.FromSlash(f.Path)), f); err != nil {
			return "", err
		}
	}
	return tree, nil
}

type entry struct{ format, file string }

// entries are the addresses of a package that clients are told.
func entries(p stream.Package) []entry {
	var e []entry
	if p.HLS && p.Layout == stream.TS {
		e = append(e, entry{"hls", p.Name + ".m3u8"})
	}
	if p.DASH {
		e = append(e, entry{"dash", p.Name + ".mpd"})
	}
	if p.HLS && p.Layout == stream.CMAF {
		e = append(e, entry{"hlsfmp4", p.Name + ".m3u8"})
	}
	return e
}
