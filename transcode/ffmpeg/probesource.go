package ffmpeg

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"path"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// probeSource is a file or an address to probe.
type probeSource struct {
	address   string // as ffprobe gets it
	protocols string
	name      string // for format.filename
	file      string // path of a local file, in whose folder ffprobe starts; "": an address
	port      uint16 // of the address, on the loopback interface; 0: a file
	// read returns n bytes from offset off, fewer at the end.
	read func(ctx context.Context, off int64, n int) ([]byte, error)
}

func openProbeSource(source string) (probeSource, error) {
	if strings.HasPrefix(source, "http://") {
		return openLoopbackSource(source)
	}
	st, err := os.Stat(source)
	if err != nil {
		return probeSource{}, fmt.Errorf("probe: %w", err)
	}
	if !st.Mode().IsRegular() {
		return probeSource{}, fmt.Errorf("probe %s: not a regular file", source)
	}
	if st.Size() == 0 {
		return probeSource{}, errEmpty
	}
	// Without "file:" ffprobe takes a name with a colon for a protocol.
	in := probeSource{address: "file:" + filepath.Base(source), protocols: fileProtocols, name: filepath.Base(source), file: source}
	in.read = func(_ context.Context, off int64, n int) ([]byte, error) {
		f, err := os.Open(source)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		return io.ReadAll(io.NewSectionReader(f, off, int64(n)))
	}
	return in, nil
}

// dir is the folder of a file; "" for an address.
func (in probeSource) dir() string {
	if in.file == "" {
		return ""
	}
	return filepath.Dir(in.file)
}

func openLoopbackSource(source string) (probeSource, error) {
	u, err := url.Parse(source)
	if err != nil {
		return probeSource{}, fmt.Errorf("probe: %w", err)
	}
	if ip := net.ParseIP(u.Hostname()); ip == nil || !ip.IsLoopback() || u.Port() == "" || u.User != nil {
		return probeSource{}, fmt.Errorf("probe %s: only the loopback reader may be probed by address", u.Redacted())
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil {
		return probeSource{}, fmt.Errorf("probe: port: %w", err)
	}
	in := probeSource{address: u.String(), protocols: loopbackProtocols, name: path.Base(u.Path), port: uint16(port)}
	in.read = func(ctx context.Context, off int64, n int) ([]byte, error) {
		return readRange(ctx, u.String(), off, n)
	}
	return in, nil
}

var errNoRange = errors.New("the reader gives no ranges")

func readRange(ctx context.Context, address string, off int64, n int) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, err
	}
	req.Header.Set("Range", fmt.Sprintf("bytes=%d-%d", off, off+int64(n)-1))
	// A transport of its own, without a proxy and without idle connections.
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		return nil, nil
	case resp.StatusCode == http.StatusOK && off > 0:
		return nil, errNoRange
	case resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusPartialContent:
		return nil, fmt.Errorf("the reader answered %s", resp.Status)
	}
	return io.ReadAll(io.LimitReader(resp.Body, int64(n)))
}
