package input

import (
	"context"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/transcode/recording"
)

const (
	// maxPlaylist is how large a playlist or manifest is at most: 50,000 segments with long
	// signed addresses have half of it.
	maxPlaylist = 64 << 20
	// keyBytes is how long a key of AES-128 is.
	keyBytes = 16
	// smallTimeout bounds the fetch of one playlist or key, with all its tries.
	smallTimeout = 2 * time.Minute
)

// walker fetches the files of a recording into a folder.
type walker struct {
	reader Reader
	in     job.Input // the playlist or manifest
	root   *url.URL  // its address; a bucket's object has a path only
	dir    string

	received atomic.Int64
	sums     hash.Hash          // of what was written, in order
	stamps   map[string]float64 // by file: when its first packed audio is, in seconds
	keys     map[string][]byte  // by address
	ranged   map[string]storage.Source
	mu       sync.Mutex // of ranged
}

func newWalker(r Reader, in job.Input, dir string) *walker {
	w := &walker{reader: r, in: in, dir: dir, sums: newSums(), stamps: map[string]float64{}, keys: map[string][]byte{}, ranged: map[string]storage.Source{}}
	if in.Storage != nil {
		w.root = &url.URL{Path: "/" + strings.TrimLeft(in.Key, "/")}
	} else if u, err := url.Parse(strings.TrimSpace(in.URL.Reveal())); err == nil {
		w.root = u
	} else {
		w.root = &url.URL{}
	}
	return w
}

// of says of which file of the recording an error is. nil stays nil.
func of(what string, err error) error {
	e, ok := errors.AsType[*job.Error](err)
	switch {
	case err == nil:
		return nil
	case !ok || e.About == "":
		return fmt.Errorf("%s: %w", what, err)
	}
	return job.InputErrorf(e.Reason, "names %s, which %s", what, e.About).WithCause(err)
}

// address is where a file is fetched that the recording names: from a web server, or from
// the storage or server that the input itself is on. The error is a *job.Error.
func (w *walker) address(at *url.URL) (job.Input, error) {
	switch {
	case (at.Scheme == "http" || at.Scheme == "https") && at.Hostname() != "":
		return job.Input{URL: job.NewSecret(at.String())}, nil
	case w.in.Storage != nil && at.Scheme == "" && at.Host == "":
		return job.Input{Storage: w.in.Storage, Key: strings.TrimLeft(at.Path, "/")}, nil
	case w.in.Storage == nil && at.Scheme == w.root.Scheme && at.Host == w.root.Host && at.Host != "":
		same := *at
		if same.User == nil {
			same.User = w.root.User
		}
		return job.Input{URL: job.NewSecret(same.String())}, nil
	}
	return job.Input{}, job.InputErrorf(job.InputPlaylistNotValid,
		"has an address of the kind %q; only http and https addresses are fetched, and files of the server or storage that the input is on", kindOf(at))
}

// kindOf is the part of an address that a sentence may show.
func kindOf(at *url.URL) string {
	if at.Scheme == "" {
		return "//host"
	}
	return at.Scheme[:min(len(at.Scheme), 20)] + ":"
}

// located is a source that knows where it was after redirects.
type located interface{ Location() job.Secret }

// read fetches a small file of at most limit bytes. base is what references in it are
// relative to.
func (w *walker) read(ctx context.Context, at *url.URL, limit int64) (data []byte, base *url.URL, err error) {
	in, err := w.address(at)
	if err != nil {
		return nil, nil, err
	}
	limited, cancel := context.WithTimeout(ctx, smallTimeout)
	defer cancel()
	src, err := w.reader.Opener.Whole(limited, in)
	if err == nil {
		r := storage.NewReader(limited, src, 0, retry.Policy{})
		defer r.Close()
		data, err = io.ReadAll(io.LimitReader(r, limit+1))
		w.received.Add(int64(len(data)))
	}
	switch {
	case ctx.Err() != nil:
		return nil, nil, context.Cause(ctx)
	case limited.Err() != nil:
		return nil, nil, job.InputErrorf(job.InputNotReadable, "could not be downloaded within %d seconds", int(smallTimeout.Seconds())).WithCause(err)
	case err != nil:
		return nil, nil, fmt.Errorf("fetch file of recording: %w", err)
	}
	base = at
	if l, ok := src.(located); ok {
		if u, perr := url.Parse(l.Location().Reveal()); perr == nil {
			base = u
		}
	}
	return data, base, nil
}

// load reads the playlists or the manifest, and chooses the tracks.
func (w *walker) load(ctx context.Context) (recording.Recording, error) {
	data, base, err := w.read(ctx, w.root, maxPlaylist)
	if err != nil {
		return recording.Recording{}, err
	}
	if len(data) > maxPlaylist {
		return recording.Recording{}, tooLong("playlist or manifest")
	}
	var rec recording.Recording
	if recording.Sniff(data[:min(len(data), recording.SniffBytes)]) == recording.DASH {
		rec, err = recording.ReadDASH(data, base)
	} else {
		rec, err = w.loadHLS(ctx, data, base)
	}
	if err != nil {
		return recording.Recording{}, err
	}
	return rec, rec.Joinable()
}

func tooLong(what string) error {
	return job.InputErrorf(job.InputPlaylistNotValid, "has a %s of more than %d MiB, which is not accepted", what, maxPlaylist>>20)
}

func (w *walker) loadHLS(ctx context.Context, data []byte, base *url.URL) (recording.Recording, error) {
	rec := recording.Recording{Protocol: recording.HLS}
	p, err := recording.ReadHLS(data, base, nil)
	if err != nil {
		return rec, err
	}
	if !p.Multivariant() {
		rec.Tracks = []recording.Track{p.Media()}
		return rec, nil
	}
	v := p.Variants[0]
	t, err := w.playlist(ctx, v.URL, p, "the playlist of its best variant")
	if err != nil {
		return rec, err
	}
	if t.Bytes == 0 {
		t.Bytes = int64(float64(max(0, v.Bandwidth)) / 8 * t.Duration())
	}
	rec.Tracks = []recording.Track{t}
	for i, a := range p.Audio(v) {
		if a.URL == nil || *a.URL == *v.URL {
			continue // it is in the variant
		}
		t, err := w.playlist(ctx, a.URL, p, fmt.Sprintf("the playlist of its audio %d", i+1))
		if err != nil {
			return rec, err
		}
		t.Kind, t.Language, t.Name = "audio", a.Language, a.Name
		if i == 0 {
			rec.Tracks[0].Kind = "video"
		}
		rec.Tracks = append(rec.Tracks, t)
	}
	return rec, nil
}

// playlist reads a media playlist that a multivariant one names.
func (w *walker) playlist(ctx context.Context, at *url.URL, parent *recording.Playlist, what string) (recording.Track, error) {
	data, base, err := w.read(ctx, at, maxPlaylist)
	if err == nil && len(data) > maxPlaylist {
		err = tooLong("playlist")
	}
	if err != nil {
		return recording.Track{}, of(what, err)
	}
	p, err := recording.ReadHLS(data, base, parent)
	if err != nil {
		return recording.Track{}, err
	}
	return p.Media(), nil
}

// maxKeys bounds how many keys are kept: some recordings have one for each segment.
const maxKeys = 1000

// key returns the key at an address. It is for one goroutine.
func (w *walker) key(ctx context.Context, at *url.URL) ([]byte, error) {
	name := at.String()
	if k, ok := w.keys[name]; ok {
		return k, nil
	}
	k, _, err := w.read(ctx, at, keyBytes)
	if err != nil {
		return nil, of("the key of its segments", err)
	}
	if len(k) != keyBytes {
		size := fmt.Sprintf("%d bytes", len(k))
		if len(k) > keyBytes {
			size = "more"
		}
		return nil, job.InputErrorf(job.InputEncrypted, "is encrypted by AES-128, whose key has %d bytes, but at the address of its key are %s", keyBytes, size)
	}
	if len(w.keys) >= maxKeys {
		clear(w.keys)
	}
	w.keys[name] = k
	return k, nil
}
