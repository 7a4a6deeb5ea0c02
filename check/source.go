package check

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"time"
)

// maxFile is how many bytes of a file are read at most. The rest is ignored.
const maxFile = 1 << 30

// source reads files of the disk and of HTTP servers.
type source struct {
	client   *http.Client
	files    bool // the stream lies in files; one on a server must not name any
	limited  bool
	left     atomic.Int64 // bytes that may be read, if limited
	tooLarge atomic.Bool
}

func newSource(o Options) *source {
	s := &source{client: o.Client, limited: o.MaxBytes > 0}
	s.left.Store(o.MaxBytes)
	if s.client == nil {
		s.client = &http.Client{Timeout: 5 * time.Minute}
	}
	return s
}

// limitedReader takes what is read from what its source may read.
type limitedReader struct {
	r io.Reader
	s *source
}

func (l limitedReader) Read(p []byte) (int, error) {
	n, err := l.r.Read(p)
	if l.s.limited && l.s.left.Add(-int64(n)) < 0 {
		l.s.tooLarge.Store(true)
		return 0, ErrTooLarge
	}
	return n, err
}

// file is a file, or a range of it, that was read.
type file struct {
	at          *url.URL // after redirects
	data        []byte
	contentType string // "": not over HTTP
}

// entries returns the multivariant playlists and manifests at an address, which is a URL, a
// file or a folder.
func (s *source) entries(address string) ([]*url.URL, error) {
	if u, err := url.Parse(address); err == nil && (u.Scheme == "http" || u.Scheme == "https") {
		return []*url.URL{u}, nil
	}
	s.files = true
	abs, err := filepath.Abs(address)
	if err != nil {
		return nil, fmt.Errorf("look for %s: %w", address, err)
	}
	st, err := os.Stat(abs)
	if err != nil {
		return nil, fmt.Errorf("look for stream: %w", err)
	}
	if !st.IsDir() {
		return []*url.URL{fileURL(abs)}, nil
	}
	var found []*url.URL
	err = filepath.WalkDir(abs, func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		switch filepath.Ext(name) {
		case ".mpd":
			found = append(found, fileURL(name))
		case ".m3u8":
			data, err := os.ReadFile(name)
			if err != nil {
				return err
			}
			if strings.Contains(string(data), "#EXT-X-STREAM-INF") {
				found = append(found, fileURL(name))
			}
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("look through folder: %w", err)
	}
	if len(found) == 0 {
		return nil, fmt.Errorf("there is no multivariant playlist and no manifest in %s", address)
	}
	return found, nil
}

func fileURL(name string) *url.URL { return &url.URL{Scheme: "file", Path: filepath.ToSlash(name)} }

// read reads n bytes of a file from offset on, or all of it if n is 0. The error says if
// there are fewer.
func (s *source) read(ctx context.Context, u *url.URL, offset, n int64) (file, error) {
	f := file{at: u}
	var err error
	switch {
	case u.Scheme == "file" && s.files:
		f.data, err = s.readFile(filepath.FromSlash(u.Path), offset, n)
	case u.Scheme == "http" || u.Scheme == "https":
		f, err = s.get(ctx, u, offset, n)
	default:
		err = fmt.Errorf("addresses of the kind %q are not read", u.Scheme)
	}
	if err == nil && n > 0 && int64(len(f.data)) != n {
		err = fmt.Errorf("there are %d of the %d bytes from %d", len(f.data), n, offset)
	}
	return f, err
}

func (s *source) readFile(name string, offset, n int64) ([]byte, error) {
	if n == 0 {
		n = maxFile
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(limitedReader{io.NewSectionReader(f, offset, n), s})
}

func (s *source) get(ctx context.Context, u *url.URL, offset, n int64) (file, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return file{}, err
	}
	if n > 0 {
		req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", offset, offset+n-1))
	}
	resp, err := s.client.Do(req)
	if err != nil {
		return file{}, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusOK && n > 0: // a server without byte ranges
		if _, err := io.CopyN(io.Discard, limitedReader{resp.Body, s}, offset); err != nil {
			return file{}, fmt.Errorf("skip to the range: %w", err)
		}
	case resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusPartialContent:
		return file{}, errors.New("the server answers " + resp.Status)
	}
	if n == 0 {
		n = maxFile
	}
	data, err := io.ReadAll(limitedReader{io.LimitReader(resp.Body, n), s})
	if err != nil {
		return file{}, err
	}
	kind, _, _ := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	if kind == "" {
		kind = "none"
	}
	return file{at: resp.Request.URL, data: data, contentType: kind}, nil
}

// resolve returns the address that a reference in the file at base means.
func resolve(base *url.URL, ref string) (*url.URL, error) {
	u, err := url.Parse(ref)
	if err != nil {
		return nil, fmt.Errorf("the address %q is not valid", ref)
	}
	return base.ResolveReference(u), nil
}
