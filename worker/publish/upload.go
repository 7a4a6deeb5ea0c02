package publish

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/worker/workdir"
)

// publish stores files, several at once, and then playlists one by one with
// the outermost last, so that no player finds one that names what is not there.
func (r *Output) publish(ctx context.Context, bucket storage.Bucket, pubs []publication) error {
	if b, ok := bucket.(storage.BatchPutter); ok {
		return r.putAll(ctx, b, pubs)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(r.c.Uploads)
	for _, p := range pubs {
		if !p.last {
			g.Go(func() error { return r.put(gctx, bucket, p) })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, p := range pubs {
		if p.last {
			if err := r.put(ctx, bucket, p); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *Output) put(ctx context.Context, bucket storage.Bucket, p publication) error {
	body, err := r.open(ctx, p.file)
	if err != nil {
		return err
	}
	defer body.Close()
	r.c.Metrics.uploading(body.size)
	r.placed.note(r.o, p) // also if it fails: the storage may have it even so
	return bucket.Put(ctx, p.key, body, r.putOptions(p))
}

// putAll stores all files at once.
func (r *Output) putAll(ctx context.Context, bucket storage.BatchPutter, pubs []publication) error {
	items := make([]storage.Item, len(pubs))
	for i, p := range pubs {
		body, err := r.open(ctx, p.file)
		if err != nil {
			return err
		}
		defer body.Close()
		r.c.Metrics.uploading(body.size)
		items[i] = storage.Item{Key: p.key, Body: body, Options: r.putOptions(p)}
	}
	return bucket.PutBatch(ctx, items)
}

func (r *Output) putOptions(p publication) storage.PutOptions {
	form := map[string]string{"job_id": r.lease.JobID(), "encoded_video_id": r.o.Key}
	if r.o.Type == job.TypeVideo {
		form["video_id"] = r.o.Key // its presence tells receivers a video from a picture
	}
	return storage.PutOptions{ContentType: p.contentType, Form: form}
}

func (r *Output) open(ctx context.Context, name string) (fileBody, error) {
	// What ffmpeg has left, or a folder above it, may be a link to what only we can
	// read, where no kernel kept it from that.
	f, err := workdir.OpenRegularIn(r.dir, name, os.O_RDONLY)
	if err != nil {
		return fileBody{}, fmt.Errorf("open result: %w", err)
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return fileBody{}, fmt.Errorf("measure result: %w", err)
	}
	return fileBody{file: f, size: st.Size(), check: func() error { return r.lease.Check(ctx) }}, nil
}

// fileBody is a file to be stored. It can be read only as long as the run has
// its job: a storage repeats requests that broke, and may do so just after the
// process was stopped for a while and replaced.
//
// So ReadAt may block: when the last answer of the database is older than two
// seconds it asks, and it waits for the answer for as long as lease.Check does,
// up to half an hour while the database is away. It ends with the context that
// the body was opened with, whatever the storage's own time limits are.
type fileBody struct {
	file  *os.File
	size  int64
	check func() error
}

// ReadAt implements io.ReaderAt.
func (b fileBody) ReadAt(p []byte, off int64) (int, error) {
	if err := b.check(); err != nil {
		return 0, err
	}
	return b.file.ReadAt(p, off)
}

// Size in bytes.
func (b fileBody) Size() int64 { return b.size }

// Close closes the file.
func (b fileBody) Close() error { return b.file.Close() }
