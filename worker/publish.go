package worker

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"golang.org/x/sync/errgroup"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// publish stores files, several at once, and then playlists one by one with
// the outermost last, so that no player finds one that names what is not there.
func (r *run) publish(ctx context.Context, bucket storage.Bucket, o *job.Output, pubs []publication) error {
	if b, ok := bucket.(storage.BatchPutter); ok {
		return r.putAll(ctx, b, o, pubs)
	}
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
	body, err := r.open(ctx, p.file)
	if err != nil {
		return err
	}
	defer body.Close()
	r.w.Metrics.uploading(body.size)
	r.placed.note(o, p) // also if it fails: the storage may have it even so
	return bucket.Put(ctx, p.key, body, r.putOptions(o, p))
}

// putAll stores all files at once.
func (r *run) putAll(ctx context.Context, bucket storage.BatchPutter, o *job.Output, pubs []publication) error {
	items := make([]storage.Item, len(pubs))
	for i, p := range pubs {
		body, err := r.open(ctx, p.file)
		if err != nil {
			return err
		}
		defer body.Close()
		r.w.Metrics.uploading(body.size)
		items[i] = storage.Item{Key: p.key, Body: body, Options: r.putOptions(o, p)}
	}
	return bucket.PutBatch(ctx, items)
}

func (r *run) putOptions(o *job.Output, p publication) storage.PutOptions {
	form := map[string]string{"job_id": r.id, "encoded_video_id": o.Key}
	if o.Type == job.TypeVideo {
		form["video_id"] = o.Key // its presence tells receivers a video from a picture
	}
	return storage.PutOptions{ContentType: p.contentType, Form: form}
}

func (r *run) open(ctx context.Context, path string) (fileBody, error) {
	// What ffmpeg has left, or a folder above it, may be a link to what only we can
	// read, where no kernel kept it from that.
	dir := r.folder
	if dir == "" {
		dir = filepath.Dir(path)
	}
	name, err := filepath.Rel(dir, path)
	if err != nil {
		return fileBody{}, fmt.Errorf("open result: %w", err)
	}
	f, err := openBelow(dir, name, os.O_RDONLY)
	if err != nil {
		return fileBody{}, fmt.Errorf("open result: %w", err)
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return fileBody{}, fmt.Errorf("measure result: %w", err)
	}
	return fileBody{file: f, size: st.Size(), mine: func() error { return r.mine(ctx) }}, nil
}

// fileBody is a file to be stored. It can be read only as long as the run has
// its job: a storage repeats requests that broke, and may do so just after the
// process was stopped for a while and replaced.
type fileBody struct {
	file *os.File
	size int64
	mine func() error
}

// ReadAt implements io.ReaderAt.
func (b fileBody) ReadAt(p []byte, off int64) (int, error) {
	if err := b.mine(); err != nil {
		return 0, err
	}
	return b.file.ReadAt(p, off)
}

// Size in bytes.
func (b fileBody) Size() int64 { return b.size }

// Close closes the file.
func (b fileBody) Close() error { return b.file.Close() }
