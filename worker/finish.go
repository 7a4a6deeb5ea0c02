package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/ffmpeg"
	"github.com/copra-video/copra/transcode/stream"
)

// publication is one object to store.
type publication struct {
	key         string
	file        string // path
	contentType string
	last        bool // only after all that are not: playlists and manifests
}

// finish verifies what the steps of an output made and publishes it.
func (r *run) finish(ctx context.Context, dir string, o *job.Output, res transcode.Result) (job.Result, error) {
	bucket, err := r.bucket(ctx, o)
	if err != nil {
		return job.Result{}, fmt.Errorf("open storage: %w", err)
	}
	if o.Type == job.TypeStream {
		return r.finishStream(ctx, dir, o, res.Packages, bucket)
	}
	return r.finishFiles(ctx, dir, o, res.Files, bucket)
}

// bucket opens the place for the results of o.
func (r *run) bucket(ctx context.Context, o *job.Output) (storage.Bucket, error) {
	kind := "files" // one folder of shared storage for files, another for streams
	if o.Type == job.TypeStream {
		kind = "streams"
	}
	return r.w.Opener.Bucket(ctx, r.spec.Storage, storage.Owner{JobID: r.id, Kind: kind, Created: r.rec.Since})
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

// finishFiles publishes the files of a video or image output.
func (r *run) finishFiles(ctx context.Context, dir string, o *job.Output, files []transcode.File, bucket storage.Bucket) (job.Result, error) {
	var result job.Result
	var pubs []publication
	for _, f := range files {
		found, err := expand(dir, f)
		if err != nil {
			return result, err
		}
		for i, p := range found {
			media, err := r.verify(ctx, p.file, f.Expect, i == 0)
			if err != nil {
				return result, err
			}
			pubs = append(pubs, p)
			if o.Type == job.TypeImage {
				result.URLs = append(result.URLs, bucket.URL(p.key))
				continue
			}
			result.URL = bucket.URL(p.key)
			media.SetFilename(result.URL)
			result.Metadata = media.Raw
		}
	}
	return result, r.publish(ctx, bucket, o, pubs)
}

// verify holds a finished file against what was planned. Of a row of pictures
// the first is probed; that the others hold anything is enough.
func (r *run) verify(ctx context.Context, file string, want transcode.Expect, probe bool) (job.Media, error) {
	if probe {
		return r.w.Media.Verify(ctx, file, ffmpeg.Expect(want))
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
// publishes all of it.
func (r *run) finishStream(ctx context.Context, dir string, o *job.Output, packages []stream.Package, bucket storage.Bucket) (job.Result, error) {
	var result job.Result
	if err := r.record(ctx, job.Event{Kind: job.OutputStageEvent, Output: o.Key, Stage: job.Packaging}); err != nil {
		return result, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return result, fmt.Errorf("open scratch folder: %w", err)
	}
	defer root.Close()
	metadata := map[string]json.RawMessage{}
	var pubs []publication
	for _, p := range packages {
		files, _, err := stream.Build(root.FS(), p)
		if err != nil {
			return result, fmt.Errorf("package %s: %w", p.Path, err)
		}
		// The published tree is laid out beside the scratch files, by links, so
		// that it can be probed as players will find it.
		tree := p.Dir + ".published"
		for _, f := range files {
			name := filepath.Join(tree, filepath.FromSlash(f.Path))
			if err := lay(root, name, f); err != nil {
				return result, fmt.Errorf("lay out stream: %w", err)
			}
			pubs = append(pubs, publication{key: p.Path + "/" + f.Path, file: filepath.Join(dir, name),
				contentType: f.ContentType, last: f.Source == ""})
		}
		for _, e := range entries(p) {
			u := bucket.URL(p.Path + "/" + e.file)
			result.Streams = append(result.Streams, job.StreamURL{Format: e.format, URL: u})
			media, err := r.w.Media.ProbePlaylist(ctx, filepath.Join(dir, tree, e.file))
			if err != nil {
				return result, fmt.Errorf("verify %s: %w", e.format, err)
			}
			media.SetFilename(u)
			metadata[e.format] = media.Raw
		}
	}
	if result.Metadata, err = json.Marshal(metadata); err != nil {
		return result, fmt.Errorf("encode metadata: %w", err)
	}
	return result, r.publish(ctx, bucket, o, pubs)
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

// publish stores files, several at once, and then playlists one by one with
// the outermost last, so that no player finds one that names what is not there.
func (r *run) publish(ctx context.Context, bucket storage.Bucket, o *job.Output, pubs []publication) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(r.w.Uploads)
	for _, p := range pubs {
		if !p.last {
			g.Go(func() error { return r.put(gctx, bucket, o, p) })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, p := range pubs {
		if p.last {
			if err := r.put(ctx, bucket, o, p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *run) put(ctx context.Context, bucket storage.Bucket, o *job.Output, p publication) error {
	form := map[string]string{"job_id": r.id, "encoded_video_id": o.Key}
	if o.Type == job.TypeVideo {
		form["video_id"] = o.Key // its presence tells receivers a video from a picture
	}
	opts := storage.PutOptions{ContentType: p.contentType, Form: form}
	f, err := os.Open(p.file)
	if err != nil {
		return fmt.Errorf("open result: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("measure result: %w", err)
	}
	r.w.Metrics.uploading(st.Size())
	return bucket.Put(ctx, p.key, fileBody{f, st.Size()}, opts)
}

// fileBody is a file to be stored.
type fileBody struct {
	*os.File
	size int64
}

// Size in bytes.
func (b fileBody) Size() int64 { return b.size }
