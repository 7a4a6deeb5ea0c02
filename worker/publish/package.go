package publish

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode/stream"
)

// finishStream measures the segments of each package, writes the playlists and
// publishes all of it that is not stored.
func (r *Output) finishStream(ctx context.Context, packages []stream.Package, keys stream.Keys, bucket storage.Bucket, stored map[string]int64) (job.Result, error) {
	var result job.Result
	if err := r.lease.Record(ctx, job.Event{Kind: job.OutputStageEvent, Output: r.o.Key, Stage: job.Packaging}); err != nil {
		return result, err
	}
	root, err := os.OpenRoot(r.dir)
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
			pubs = append(pubs, publication{key: p.Path + "/" + f.Path, source: f.Source, file: name,
				contentType: f.ContentType, last: f.Playlist()})
		}
		if tree, err = opened(root, tree, p, keys, files); err != nil {
			return result, fmt.Errorf("lay out stream: %w", err)
		}
		for _, e := range entries(p) {
			media, err := r.c.Media.ProbePlaylist(ctx, filepath.Join(r.dir, tree, e.file))
			if err != nil {
				return result, fmt.Errorf("verify %s: %w", e.format, err)
			}
			list = append(list, told{e.format, p.Path + "/" + e.file, media})
		}
	}
	if err := r.publish(ctx, bucket, remaining(r.dir, pubs, stored)); err != nil {
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
