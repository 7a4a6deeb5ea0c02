package publish

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/copra-video/copra/internal/telemetry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/worker/workdir"
)

// upload stores objects: first all that are no playlists, several at once, and then
// the playlists one by one in their order, in which the outermost is the last. So a
// player never finds a playlist that names a missing object.
func (p *Output) upload(ctx context.Context, bucket storage.Bucket, objects []object) (err error) {
	ctx, span := telemetry.Start(ctx, "upload", slog.String("service", p.service()), slog.Int("files", len(objects)))
	before := p.uploaded.Load()
	defer func() {
		span.Set(slog.Int64("bytes", p.uploaded.Load()-before))
		span.End(err)
	}()
	if b, ok := bucket.(storage.BatchPutter); ok {
		return p.putAll(ctx, b, objects)
	}
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(p.c.Uploads)
	for _, o := range objects {
		if !o.isPlaylist {
			g.Go(func() error { return p.put(gctx, bucket, o) })
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for _, o := range objects {
		if o.isPlaylist {
			if err := p.put(ctx, bucket, o); err != nil {
				return err
			}
		}
	}
	return nil
}

// put stores one object.
func (p *Output) put(ctx context.Context, bucket storage.Bucket, o object) error {
	body, err := p.open(ctx, o.name)
	if err != nil {
		return err
	}
	defer body.Close()
	p.c.Metrics.uploading(body.size)
	p.uploaded.Add(body.size)
	p.streams.add(p.o, o) // before it is stored: after an error the storage may have it
	begin := time.Now()
	err = bucket.Put(ctx, o.key, body, p.putOptions(o))
	p.c.Metrics.put(p.service(), time.Since(begin), err)
	return err
}

// service is the storage service of the output; url: it has an address of its own.
func (p *Output) service() string {
	if p.target.Storage == nil || !p.o.URL.IsZero() {
		return "url"
	}
	return p.target.Storage.Service
}

// putAll stores all objects in one call.
func (p *Output) putAll(ctx context.Context, bucket storage.BatchPutter, objects []object) error {
	items := make([]storage.Item, len(objects))
	for i, o := range objects {
		body, err := p.open(ctx, o.name)
		if err != nil {
			return err
		}
		defer body.Close()
		p.c.Metrics.uploading(body.size)
		p.uploaded.Add(body.size)
		items[i] = storage.Item{Key: o.key, Body: body, Options: p.putOptions(o)}
	}
	begin := time.Now()
	err := bucket.PutBatch(ctx, items)
	p.c.Metrics.put(p.service(), time.Since(begin), err)
	return err
}

func (p *Output) putOptions(o object) storage.PutOptions {
	form := map[string]string{"job_id": p.lease.JobID(), "encoded_video_id": p.o.Key}
	if p.o.Type == job.TypeVideo {
		form["video_id"] = p.o.Key // servers that receive results take its presence for a video
	}
	return storage.PutOptions{ContentType: o.contentType, Form: form}
}

// open opens a file of the work directory for uploading. Reading it ends with ctx.
func (p *Output) open(ctx context.Context, name string) (fileBody, error) {
	// A hijacked ffmpeg may have left a link to a file that only this process can
	// read.
	f, err := workdir.OpenRegularIn(p.dir, name, os.O_RDONLY)
	if err != nil {
		return fileBody{}, fmt.Errorf("open result: %w", err)
	}
	st, err := f.Stat()
	if err != nil {
		f.Close()
		return fileBody{}, fmt.Errorf("measure result: %w", err)
	}
	return fileBody{
		file: f, size: st.Size(), check: func() error { return p.lease.Check(ctx) },
		dir: p.dir, name: name, movable: p.movable != nil && p.movable(name),
	}, nil
}

// fileBody is a file to be stored. It can be read only while the run holds the
// job's lease. A storage repeats requests that failed, and may do so just after
// this process was suspended and another run has taken the job: what it stored then
// would replace the other run's results.
//
// So ReadAt MAY BLOCK. When the last answer of the database is older than two
// seconds it asks the database, and waits for the answer as lease.Check does: up to
// half an hour while the database is away. It ends with the context that the body
// was opened with. Time limits of a storage must count only the time that its own
// requests take.
type fileBody struct {
	file  *os.File
	size  int64
	check func() error

	dir, name string // of the file
	movable   bool   // see Output.MayMove
}

// ReadAt implements io.ReaderAt. It may block, and fails with job.ErrLeaseLost when
// another run has the job.
func (b fileBody) ReadAt(p []byte, off int64) (int, error) {
	if err := b.check(); err != nil {
		return 0, err
	}
	return b.file.ReadAt(p, off)
}

// Move implements storage.Movable. Under its name the file could still be changed: by a
// run of ffmpeg that gets the whole folder, or by a step that makes a file of this name.
// So the name goes.
func (b fileBody) Move(take func(*os.File) (bool, error)) (bool, error) {
	if !b.movable {
		return false, nil
	}
	if err := b.check(); err != nil {
		return false, err
	}
	taken, err := take(b.file)
	if err != nil || !taken {
		return false, err
	}
	root, err := os.OpenRoot(b.dir)
	if err != nil {
		return false, fmt.Errorf("move result: %w", err)
	}
	defer root.Close()
	if err := root.Remove(b.name); err != nil {
		return false, fmt.Errorf("move result: %w", err)
	}
	return true, nil
}

// Size implements storage.Body.
func (b fileBody) Size() int64 { return b.size }

// Close closes the file.
func (b fileBody) Close() error { return b.file.Close() }
