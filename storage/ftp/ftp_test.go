package ftp

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options() Options {
	return Options{
		Dial:  netguard.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}).DialContext,
		Retry: retry.Policy{Waits: []time.Duration{0}},
	}
}

// certificate is httptest's own, for example.com and 127.0.0.1.
func certificate(t *testing.T) (srv, cl *tls.Config) {
	t.Helper()
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return &tls.Config{Certificates: s.TLS.Certificates}, &tls.Config{RootCAs: pool}
}

func at(scheme, addr, path string) job.Secret {
	return job.NewSecret(scheme + "://us%40er:pa%3Ass@" + addr + path)
}

func open(t *testing.T, st *job.Storage, o Options) *Bucket {
	t.Helper()
	b, err := Open(st, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

func TestConformance(t *testing.T) {
	server, client := certificate(t)
	for name, tt := range map[string]struct {
		scheme string
		make   func() *ftpServer
	}{
		"ftp":           {"ftp", func() *ftpServer { return &ftpServer{} }},
		"ftp, old":      {"ftp", func() *ftpServer { return &ftpServer{noEPSV: true, noReplace: true, pasvIP: "10,0,0,1"} }},
		"ftps implicit": {"ftps", func() *ftpServer { return &ftpServer{tls: server, implicit: true} }},
		"ftps explicit": {"ftps", func() *ftpServer { return &ftpServer{tls: server} }},
	} {
		t.Run(name, func(t *testing.T) {
			storagetest.Run(t, func(t *testing.T) storagetest.Target {
				s := tt.make()
				var cut atomic.Bool
				s.onData = func(command string, c net.Conn) net.Conn {
					if command == "STOR" && cut.CompareAndSwap(true, false) {
						io.CopyN(io.Discard, c, 100_000)
						c.Close()
						return nil
					}
					return c
				}
				start(t, s)
				o := options()
				o.TLS = client
				b := open(t, &job.Storage{URL: at(tt.scheme, s.addr, "/in%20box/")}, o)
				t.Cleanup(func() {
					filepath.WalkDir(s.dir, func(path string, _ fs.DirEntry, _ error) error {
						if strings.HasSuffix(path, ".part") {
							t.Errorf("%s was left", path)
						}
						return nil
					})
				})
				return storagetest.Target{Bucket: b, Untyped: true, LargeSize: 5 << 20, Break: func() { cut.Store(true) },
					Read: func(key string) ([]byte, http.Header, error) {
						content, err := os.ReadFile(filepath.Join(s.dir, "in box", key))
						if errors.Is(err, os.ErrNotExist) {
							return nil, nil, nil
						}
						return content, nil, err
					}}
			})
		})
	}
}

// TestDataConnections checks that data connections go to the host of the control
// connection only.
func TestDataConnections(t *testing.T) {
	s := start(t, &ftpServer{noEPSV: true, pasvIP: "169,254,169,254"})
	o := options()
	var mu sync.Mutex
	var hosts []string
	inner := o.Dial
	o.Dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
		mu.Lock()
		hosts = append(hosts, addr)
		mu.Unlock()
		return inner(ctx, network, addr)
	}
	b := open(t, &job.Storage{URL: at("ftp", s.addr, "")}, o)
	if err := b.Put(t.Context(), "k", storagetest.Body([]byte("x")), storage.PutOptions{}); err != nil {
		t.Fatal(err)
	}
	for _, h := range hosts {
		if !strings.HasPrefix(h, "127.0.0.1:") {
			t.Errorf("dialled %s", h)
		}
	}
	if len(hosts) != 2 {
		t.Errorf("dialled %v", hosts)
	}
	// The guard sees data connections too.
	o = options()
	o.Dial = netguard.New(nil).DialContext
	b = open(t, &job.Storage{URL: at("ftp", s.addr, "")}, o)
	if err := b.Check(t.Context()); !strings.Contains(job.Message(err, ""), "loopback") {
		t.Errorf("Check = %v", err)
	}
}

func TestConnectionsAreUsedAgain(t *testing.T) {
	s := start(t, &ftpServer{})
	b := open(t, &job.Storage{URL: at("ftp", s.addr, "/x")}, options())
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := b.Put(t.Context(), string(rune('a'+i)), storagetest.Body([]byte("x")), storage.PutOptions{}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if s.logins > maxConns {
		t.Errorf("%d logins", s.logins)
	}
}

// TestFolderIsThere uploads two files while the server takes its time over the
// first MKD: until the other upload asks for something in that folder.
func TestFolderIsThere(t *testing.T) {
	var once sync.Once
	first, next := make(chan struct{}), make(chan struct{})
	var second sync.Once
	s := start(t, &ftpServer{onCommand: func(command string) {
		if command != "MKD" && command != "STOR" {
			return
		}
		waits := false
		once.Do(func() { waits = true })
		if !waits {
			second.Do(func() { close(next) })
			return
		}
		close(first)
		<-next
	}})
	b := open(t, &job.Storage{URL: at("ftp", s.addr, "/x")}, options())
	put := func(key string) error {
		return b.Put(t.Context(), key, storagetest.Body([]byte("x")), storage.PutOptions{})
	}
	var wg sync.WaitGroup
	var err error
	wg.Go(func() { err = put("a") })
	<-first
	if err := put("b"); err != nil {
		t.Errorf("upload beside the one that makes the folder: %v", err)
	}
	wg.Wait()
	if err != nil {
		t.Error(err)
	}
}

func TestPaths(t *testing.T) {
	for _, tt := range []struct {
		url   string
		exact bool
		path  string
		told  string
	}{
		{"ftp://u:p@h", false, "k/a b.mp4", "ftp://h/k/a%20b.mp4"},
		{"ftp://u:p@h:2121/dir/", false, "dir/k/a b.mp4", "ftp://h:2121/dir/k/a%20b.mp4"},
		{"ftps://u:p@h//var/dir", false, "/var/dir/k/a b.mp4", "ftps://h//var/dir/k/a%20b.mp4"},
		{"ftp://h/dir/x%2By.mp4", true, "dir/x+y.mp4", "ftp://h/dir/x%2By.mp4"},
	} {
		o := options()
		o.Exact = tt.exact
		b := open(t, &job.Storage{URL: job.NewSecret(tt.url)}, o)
		if got := b.path("k/a b.mp4"); got != tt.path {
			t.Errorf("%s: path %s", tt.url, got)
		}
		if got := b.URL("k/a b.mp4"); got != tt.told {
			t.Errorf("%s: URL %s", tt.url, got)
		}
	}
}

func TestRefusals(t *testing.T) {
	s := start(t, &ftpServer{})
	full := start(t, &ftpServer{deny: map[string]string{"STOR": "552 full"}})
	busy := start(t, &ftpServer{deny: map[string]string{"PASS": "421 too many users"}})
	locked := start(t, &ftpServer{deny: map[string]string{"STOR": "550 you may not"}})
	web := httptest.NewServer(nil)
	defer web.Close()
	for _, tt := range []struct{ name, url, want string }{
		{"password", "ftp://us%40er:hunter2@" + s.addr, "The server 127.0.0.1 does not accept the user name or the password (FTP 530)."},
		{"full", at("ftp", full.addr, "").Reveal(), "The server 127.0.0.1 has no more room for this user (FTP 552)."},
		{"busy", at("ftp", busy.addr, "").Reveal(), "The server 127.0.0.1 did not work (FTP 421)."},
		{"not allowed", at("ftp", locked.addr, "").Reveal(), "The file or folder does not exist on the server 127.0.0.1 or may not be used (FTP 550)."},
		{"no TLS", at("ftps", s.addr, "").Reveal(), "The server 127.0.0.1 refused the request (FTP 502)."},
		{"guard", "ftp://u:hunter2@10.0.0.1/", "The address 10.0.0.1 is refused because it is a private address"},
	} {
		b := open(t, &job.Storage{URL: job.NewSecret(tt.url)}, options())
		err := b.Put(t.Context(), "k", storagetest.Body([]byte("x")), storage.PutOptions{})
		got := job.Message(err, "")
		if u, ok := errors.AsType[*storage.Unavailable](err); ok {
			got = u.Message
		}
		if !strings.HasPrefix(got, tt.want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
	for _, address := range []string{"ftp://u:hunter2@", "ftp://u:hunter2@h/%0d%0aDELE x", "ftp://u:hunter2%0aQUIT@h/"} {
		_, err := Open(&job.Storage{URL: job.NewSecret(address)}, options())
		if job.Message(err, "") == "" || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Open(%s) = %v", address, err)
		}
	}
}

func TestSource(t *testing.T) {
	server, client := certificate(t)
	content := storagetest.Random(1 << 20)
	for name, s := range map[string]*ftpServer{
		"plain": {}, "no SIZE": {noSize: true}, "no REST": {noRest: true}, "ftps": {tls: server, implicit: true},
	} {
		t.Run(name, func(t *testing.T) {
			start(t, s)
			if err := os.WriteFile(filepath.Join(s.dir, "in put+1.mp4"), content, 0o600); err != nil {
				t.Fatal(err)
			}
			o := options()
			o.TLS = client
			scheme := map[bool]string{true: "ftps", false: "ftp"}[s.tls != nil]
			src, err := Source(t.Context(), at(scheme, s.addr, "/in%20put+1.mp4"), o)
			if err != nil {
				t.Fatal(err)
			}
			if size := src.Size(); size != 1<<20 && !(s.noSize && size == -1) {
				t.Errorf("size %d", size)
			}
			for _, offset := range []int64{0, 1, 1<<20 - 1} {
				r, err := src.Open(t.Context(), offset)
				if err != nil {
					t.Fatal(err)
				}
				got, err := io.ReadAll(r)
				r.Close()
				if err != nil || !bytes.Equal(got, content[offset:]) {
					t.Errorf("%d bytes from %d, %v", len(got), offset, err)
				}
			}
			if src.Ranges() == s.noRest {
				t.Errorf("ranges %v", src.Ranges())
			}
			// A reader that is closed in the middle leaves nothing open.
			r, err := src.Open(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			io.ReadFull(r, make([]byte, 100))
			r.Close()
			if _, err := Source(t.Context(), at(scheme, s.addr, "/gone"), o); !s.noSize && !strings.Contains(job.Message(err, ""), "does not exist on the server 127.0.0.1") {
				t.Errorf("missing file: %v", err)
			}
		})
	}
}

// TestSourceBreaks downloads over a connection that breaks, from servers with
// and without SIZE.
func TestSourceBreaks(t *testing.T) {
	content := storagetest.Random(1 << 20)
	for _, noSize := range []bool{false, true} {
		var n atomic.Int32
		s := &ftpServer{noSize: noSize}
		s.onData = func(_ string, c net.Conn) net.Conn {
			if n.Add(1) > 1 {
				return c
			}
			c.Write(content[:300_000])
			c.Close()
			return nil
		}
		start(t, s)
		if err := os.WriteFile(filepath.Join(s.dir, "f"), content, 0o600); err != nil {
			t.Fatal(err)
		}
		src, err := Source(t.Context(), at("ftp", s.addr, "/f"), options())
		if err != nil {
			t.Fatal(err)
		}
		dst, err := os.Create(filepath.Join(t.TempDir(), "copy"))
		if err != nil {
			t.Fatal(err)
		}
		if err := storage.FetchRetrying(t.Context(), options().Retry, src, dst, 0); err != nil {
			t.Fatal(err)
		}
		dst.Close()
		if got, _ := os.ReadFile(dst.Name()); !bytes.Equal(got, content) {
			t.Errorf("no size %v: %d bytes were fetched", noSize, len(got))
		}
	}
}

func TestCancelled(t *testing.T) {
	s := start(t, &ftpServer{discard: true})
	cancelled := errors.New("cancelled")
	ctx, cancel := context.WithCancelCause(t.Context())
	b := open(t, &job.Storage{URL: at("ftp", s.addr, "")}, options())
	body := &cancelling{Body: storagetest.Sparse(1 << 30), cancel: func() { cancel(cancelled) }}
	if err := b.Put(ctx, "k", body, storage.PutOptions{}); !errors.Is(err, cancelled) {
		t.Errorf("Put = %v", err)
	}
}

type cancelling struct {
	storage.Body
	n      atomic.Int32
	cancel func()
}

func (c *cancelling) ReadAt(p []byte, off int64) (int, error) {
	if c.n.Add(1) == 100 {
		c.cancel()
	}
	return c.Body.ReadAt(p, off)
}

// TestSilence uploads to a server that neither reads nor answers.
func TestSilence(t *testing.T) {
	quiet := make(chan struct{})
	s := start(t, &ftpServer{onData: func(_ string, c net.Conn) net.Conn { <-quiet; return c }})
	o := options()
	o.Idle, o.Retry.Tries = 200*time.Millisecond, 2
	b := open(t, &job.Storage{URL: at("ftp", s.addr, "")}, o)
	err := b.Put(t.Context(), "k", storagetest.Sparse(64<<20), storage.PutOptions{})
	if u, ok := errors.AsType[*storage.Unavailable](err); !ok || !strings.Contains(u.Message, "did not answer in time") {
		t.Errorf("Put = %v", err)
	}
	close(quiet)
}

func TestHuge(t *testing.T) {
	s := start(t, &ftpServer{discard: true, deny: map[string]string{"RNFR": "350 ok", "RNTO": "250 ok"}})
	b := open(t, &job.Storage{URL: at("ftp", s.addr, "")}, options())
	size := storagetest.Huge(t, func(body storage.Body) error { return b.Put(t.Context(), "huge", body, storage.PutOptions{}) })
	if s.total != size {
		t.Errorf("%d bytes arrived of %d", s.total, size)
	}
}
