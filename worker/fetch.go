package worker

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"path/filepath"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode"
)

// fetch brings the whole input into a work directory of this run and returns
// its path and the function that removes the folder.
func (r *run) fetch(ctx context.Context, src storage.Source, progress func(done, total int64)) (path string, remove func(), err error) {
	dir, remove, err := r.w.scratch(r.id, r.run)
	if err != nil {
		return "", nil, err
	}
	path = filepath.Join(dir, transcode.SourceName)
	if err := r.w.fetchFile(ctx, src, path, r.w.MaxInputBytes, progress); err != nil {
		remove()
		return "", nil, err
	}
	return path, remove, nil
}

func (w *Worker) fetchFile(ctx context.Context, src storage.Source, path string, limit int64, progress func(done, total int64)) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_TRUNC, 0o600)
	if err != nil {
		return fmt.Errorf("make scratch file: %w", err)
	}
	err = storage.Fetch(ctx, src, f, limit, progress)
	if cerr := f.Close(); err == nil && cerr != nil {
		err = fmt.Errorf("write scratch file: %w", cerr)
	}
	return err
}

// inputName is how an input is called before clients: its URL without
// credentials and query.
func inputName(in job.Input) string {
	if in.URL.IsZero() {
		return in.Storage.Service + "://" + in.Storage.Bucket + "/" + in.Key
	}
	u, err := url.Parse(in.URL.Reveal())
	if err != nil {
		return ""
	}
	return (&url.URL{Scheme: u.Scheme, Host: u.Host, Path: u.Path}).String()
}
