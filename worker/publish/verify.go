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
	"github.com/copra-video/copra/worker/workdir"
)

// publishFiles verifies and uploads the files of a video or image output.
func (p *Output) publishFiles(ctx context.Context, res transcode.Result, bucket storage.Bucket) (job.Result, error) {
	var objects []object
	var media job.Media
	for _, f := range res.Files {
		found, err := expand(p.dir, f)
		if err != nil {
			return job.Result{}, err
		}
		for i, o := range found {
			m, err := p.verify(ctx, o.name, f, i == 0)
			if err != nil {
				return job.Result{}, err
			}
			if !p.o.URL.IsZero() {
				o.key = string(p.o.Type) + "." + p.o.Format.Extension() // the name where the URL has none
			}
			objects, media = append(objects, o), m
		}
	}
	if !p.o.URL.IsZero() && len(objects) > 1 {
		return job.Result{}, job.Errorf(job.OutputPathNotValid, "The output is made of %d files, which cannot go to one 'url': it needs a 'path'.", len(objects))
	}
	if err := p.upload(ctx, bucket, objects); err != nil {
		return job.Result{}, err
	}
	return p.filesResult(bucket, objects, media), nil
}

// filesResult describes what was uploaded: all addresses of an image output, or the
// one address of a video output with what ffprobe says of the file.
func (p *Output) filesResult(bucket storage.Bucket, objects []object, media job.Media) job.Result {
	var result job.Result
	for _, o := range objects {
		if p.o.Type == job.TypeImage {
			result.URLs = append(result.URLs, bucket.URL(o.key))
			continue
		}
		result.URL = bucket.URL(o.key)
		media.SetFilename(result.URL)
		result.Metadata = media.Raw
	}
	return result
}

// verify compares a finished file with what was planned. Of a numbered row of
// pictures only the first is probed. The others must not be empty.
func (p *Output) verify(ctx context.Context, name string, want transcode.File, probe bool) (job.Media, error) {
	switch {
	case want.Check == transcode.CheckNone:
		return job.Media{}, nil
	case want.Check == transcode.CheckAnimation:
		return job.Media{}, verifyAnimation(p.dir, name)
	case probe && p.o.Type == job.TypeImage && decodes(name):
		return job.Media{}, verifyPicture(p.dir, name, want.Expect)
	case probe:
		return p.c.Media.Verify(ctx, filepath.Join(p.dir, name), want.Expect)
	}
	return job.Media{}, verifyWritten(p.dir, name)
}

// verifyAnimation parses an animated WebP, which ffprobe cannot read.
func verifyAnimation(dir, name string) error {
	f, err := workdir.OpenRegularIn(dir, name, os.O_RDONLY)
	if err != nil {
		return fmt.Errorf("verify animation: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return fmt.Errorf("verify animation: %w", err)
	}
	if _, err := transcode.ReadAnimation(f, st.Size()); err != nil {
		return job.Errorf(job.OutputNotValid, "The animation could not be written.").WithCause(err)
	}
	return nil
}

// expand returns the objects of a planned file: itself, or the pictures of its
// number pattern that were made.
func expand(dir string, f transcode.File) ([]object, error) {
	if f.Count == 0 {
		return []object{{key: f.Path, name: filepath.FromSlash(f.Name), contentType: f.ContentType, isPlaylist: f.Index}}, nil
	}
	var objects []object
	for n := 1; n <= f.Count; n++ {
		name := filepath.FromSlash(fmt.Sprintf(f.Name, n))
		if _, err := os.Stat(filepath.Join(dir, name)); err != nil {
			if errors.Is(err, fs.ErrNotExist) {
				break // the source has fewer frames than its headers say
			}
			return nil, fmt.Errorf("look for picture %d: %w", n, err)
		}
		objects = append(objects, object{key: fmt.Sprintf(f.Path, n), name: name, contentType: f.ContentType})
	}
	if len(objects) == 0 {
		return nil, job.Errorf(job.OutputNotValid, "No picture could be taken from the input.")
	}
	return objects, nil
}
