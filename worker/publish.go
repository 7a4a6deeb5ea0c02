package worker

import (
	"context"
	"fmt"
	"os"

	"golang.org/x/sync/errgroup"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// publish stores files, several at once, and then playlists one by one with
// the outermost last, so that no player finds one that names what is not there.
func (r *run) publish(ctx context.Context, bucket storage.Bucket, o *job.Output, pubs []publication) error {
	if b, ok := bucket.(storage.Together); ok {
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
	if err := r.mine(ctx); err != nil {
		return err
	}
	body, err := open(p.file)
	if err != nil {
		return err
	}
	defer body.Close()
	r.w.Metrics.uploading(body.size)
	return bucket.Put(ctx, p.key, body, r.putOptions(o, p))
}

// putAll stores all files at once.
func (r *run) putAll(ctx context.Context, bucket storage.Together, o *job.Output, pubs []publication) error {
	if err := r.mine(ctx); err != nil {
		return err
	}
	items := make([]storage.Item, len(pubs))
	for i, p := range pubs {
		body, err := open(p.file)
		if err != nil {
			return err
		}
		defer body.Close()
		r.w.Metrics.uploading(body.size)
		items[i] = storage.Item{Key: p.key, Body: body, Options: r.putOptions(o, p)}
	}
	return bucket.PutAll(ctx, items)
}

func (r *run) putOptions(o *job.Output, p publication) storage.PutOptions {
	form := map[string]string{"job_id": r.id, "encoded_video_id": o.Key}
	if o.Type == job.TypeVideo {
		form["video_id"] = o.Key // its presence tells receivers a video from a picture
	}
	return storage.PutOptions{ContentType: p.contentType, Form: form}
}

func open(path string) (fileBody, error) {
	f, err := os.Open(path)
	if err != nil {
		return fileBody{}, fmt.Errorf("open result: %w", err)
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return fileBody{}, fmt.Errorf("measure result: %w", err)
	}
	return fileBody{f, st.Size()}, nil
}

// fileBody is a file to be stored.
type fileBody struct {
	*os.File
	size int64
}

// Size in bytes.
func (b fileBody) Size() int64 { return b.size }
