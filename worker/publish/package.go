package publish

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
	"regexp"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode"
	"github.com/copra-video/copra/transcode/stream"
)

// verifiedEntry is an entry point that ffprobe could play.
type verifiedEntry struct {
	format, key string
	media       job.Media
}

// publishStream measures the segments of each package, writes the playlists,
// verifies them, and uploads what is not in the storage already.
func (p *Output) publishStream(ctx context.Context, packages []stream.Package, keys stream.Keys, bucket storage.Bucket, uploaded map[string]int64) (job.Result, error) {
	if err := p.lease.Record(ctx, job.Event{Kind: job.OutputStageEvent, Output: p.o.Key, Stage: job.Packaging}); err != nil {
		return job.Result{}, err
	}
	root, err := os.OpenRoot(p.dir)
	if err != nil {
		return job.Result{}, fmt.Errorf("open work directory: %w", err)
	}
	defer root.Close()
	var entries []verifiedEntry
	var objects []object
	for _, pkg := range packages {
		o, e, err := p.packageStream(ctx, root, pkg, keys)
		if err != nil {
			return job.Result{}, err
		}
		objects, entries = append(objects, o...), append(entries, e...)
	}
	if err := p.upload(ctx, bucket, remaining(p.dir, objects, uploaded)); err != nil {
		return job.Result{}, err
	}
	return streamResult(bucket, entries)
}

// publishedSuffix names the tree of a package as it is published, after its folder.
const publishedSuffix = ".published"

// packageStream builds one package. It lays the published tree out beside the work
// files, by hard links, so that ffprobe finds it as players will.
func (p *Output) packageStream(ctx context.Context, root *os.Root, pkg stream.Package, keys stream.Keys) ([]object, []verifiedEntry, error) {
	files, _, err := stream.Build(root.FS(), pkg, keys)
	if err != nil {
		return nil, nil, brokenStream(fmt.Errorf("package %s: %w", pkg.Path, err))
	}
	var objects []object
	tree := pkg.Dir + publishedSuffix
	for _, f := range files {
		name := filepath.Join(tree, filepath.FromSlash(f.Path))
		if err := linkInto(root, name, f); err != nil {
			return nil, nil, fmt.Errorf("lay out stream: %w", err)
		}
		objects = append(objects, object{key: pkg.Path + "/" + f.Path, name: name, source: f.Source, contentType: f.ContentType, isPlaylist: f.Playlist()})
	}
	if tree, err = decryptedTree(root, tree, pkg, keys, files); err != nil {
		return nil, nil, fmt.Errorf("lay out stream: %w", err)
	}
	var entries []verifiedEntry
	for _, e := range entryPoints(pkg) {
		media, err := p.c.Media.ProbePlaylist(ctx, filepath.Join(p.dir, tree, e.file))
		if err != nil {
			return nil, nil, fmt.Errorf("verify %s: %w", e.format, err)
		}
		entries = append(entries, verifiedEntry{e.format, pkg.Path + "/" + e.file, media})
	}
	return objects, entries, nil
}

// brokenStream is what a customer is told of segments that cannot be described: some
// are missing or broken, or end too soon. ffmpeg has reported no error, so that the
// input is the cause. A segment that cannot be read is the server's fault.
func brokenStream(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok && !errors.Is(e, fs.ErrNotExist) {
		return err
	}
	return job.Errorf(job.OutputNotValid, "The media file couldn't be encoded: the stream that was made of it is not complete. The input may be damaged.").WithCause(err)
}

// streamResult describes a stream that was uploaded: the address of each entry
// point, and what ffprobe says of it.
func streamResult(bucket storage.Bucket, entries []verifiedEntry) (job.Result, error) {
	var result job.Result
	metadata := map[string]json.RawMessage{}
	for _, e := range entries {
		u := bucket.URL(e.key)
		result.Streams = append(result.Streams, job.StreamURL{Format: e.format, URL: u})
		e.media.SetFilename(u)
		metadata[e.format] = e.media.Raw
	}
	var err error
	if result.Metadata, err = json.Marshal(metadata); err != nil {
		return job.Result{}, fmt.Errorf("encode metadata: %w", err)
	}
	return result, nil
}

// linkInto puts one file of a stream under name below root.
func linkInto(root *os.Root, name string, f stream.File) error {
	if err := root.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	if f.Source == "" {
		return root.WriteFile(name, f.Data, 0o600)
	}
	return root.Link(filepath.FromSlash(f.Source), name)
}

// decryptedTree returns the tree for ffprobe. For an encrypted package it is a
// second one. With AES-128, playlists hold the key itself in place of the key's
// address, since ffprobe must not ask that address. With Common Encryption, the
// segments are those from before, since ffprobe would have to be told the key in its
// arguments.
func decryptedTree(root *os.Root, tree string, p stream.Package, keys stream.Keys, files []stream.File) (string, error) {
	var clear func(f stream.File) stream.File
	for _, t := range p.Tracks {
		switch {
		case t.Encryption != nil:
			clear = withKey(t.Encryption, keys)
		case t.Protection != nil:
			clear = beforeProtection(p)
		}
	}
	if clear == nil {
		return tree, nil
	}
	tree = p.Dir + ".decrypted"
	for _, f := range files {
		f = clear(f)
		if err := linkInto(root, filepath.Join(tree, filepath.FromSlash(f.Path)), f); err != nil {
			return "", err
		}
	}
	return tree, nil
}

// withKey returns a function that puts the key into playlists.
func withKey(key *stream.Encryption, keys stream.Keys) func(f stream.File) stream.File {
	address := []byte(`URI="` + key.KeyURI + `"`)
	inline := []byte(`URI="data:application/octet-stream;base64,` + base64.StdEncoding.EncodeToString(keys(key.KeyName)) + `"`)
	return func(f stream.File) stream.File {
		f.Data = bytes.Replace(f.Data, address, inline, 1)
		return f
	}
}

// beforeProtection returns a function that gives clear segments, and playlists
// without key lines.
func beforeProtection(p stream.Package) func(f stream.File) stream.File {
	keyLine := regexp.MustCompile(`(?m)^#EXT-X-(SESSION-)?KEY:.*\n`)
	return func(f stream.File) stream.File {
		if below, ok := strings.CutPrefix(f.Source, p.Dir+"/"); ok {
			f.Source = transcode.ClearDir(p.Dir) + "/" + below
		}
		f.Data = keyLine.ReplaceAll(f.Data, nil)
		return f
	}
}
