package publish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode"
)

// finishFiles publishes the files of a video or image output.
func (r *Output) finishFiles(ctx context.Context, res transcode.Result, bucket storage.Bucket) (job.Result, error) {
	o := r.o
	var result job.Result
	var pubs []publication
	var media job.Media
	for _, f := range res.Files {
		found, err := expand(r.dir, f)
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
	if !o.URL.IsZero() && len(pubs) > 1 {
		return result, job.Errorf(job.OutputPathNotValid, "The output is made of %d files, which cannot go to one 'url': it needs a 'path'.", len(pubs))
	}
	if err := r.publish(ctx, bucket, pubs); err != nil {
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
func (r *Output) verify(ctx context.Context, file string, want transcode.File, probe bool) (job.Media, error) {
	switch {
	case want.Check == transcode.CheckNone:
		return job.Media{}, nil
	case want.Check == transcode.CheckAnimation:
		return job.Media{}, verifyAnimation(r.dir, file)
	case probe:
		return r.c.Media.Verify(ctx, filepath.Join(r.dir, file), want.Expect)
	}
	st, err := os.Stat(filepath.Join(r.dir, file))
	if err != nil {
		return job.Media{}, fmt.Errorf("look at result: %w", err)
	}
	if st.Size() == 0 {
		return job.Media{}, job.Errorf(job.OutputNotValid, "A picture could not be written.")
	}
	return job.Media{}, nil
}

// expand lists the files that f stands for: itself, or the pictures of its
// number pattern that were made.
func expand(dir string, f transcode.File) ([]publication, error) {
	if f.Count == 0 {
		return []publication{{key: f.Path, file: filepath.FromSlash(f.Name), contentType: f.ContentType, last: f.Index}}, nil
	}
	var pubs []publication
	for n := 1; n <= f.Count; n++ {
		name := filepath.FromSlash(fmt.Sprintf(f.Name, n))
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				break // the source had fewer frames than was thought
			}
			return nil, fmt.Errorf("look for picture %d: %w", n, err)
		}
		pubs = append(pubs, publication{key: fmt.Sprintf(f.Path, n), file: name, contentType: f.ContentType})
	}
	if len(pubs) == 0 {
		return nil, job.Errorf(job.OutputNotValid, "No picture could be taken from the input.")
	}
	return pubs, nil
}
