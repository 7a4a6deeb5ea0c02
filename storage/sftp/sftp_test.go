package sftp

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pkg/sftp"
	"go.uber.org/goleak"
	"golang.org/x/crypto/ssh"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/storagetest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func options() Options {
	return Options{
		Dial:  netguard.New([]netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}).DialContext,
		Retry: retry.Policy{Waits: []time.Duration{0}},
	}
}

func at(addr, path string) job.Secret {
	return job.NewSecret("sftp://us%40er:pa%3Ass@" + addr + path)
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
	storagetest.Run(t, func(t *testing.T) storagetest.Target {
		s := startServer(t, nil)
		cutter := storagetest.NewCutter(t, s.addr)
		dir := t.TempDir()
		b := open(t, &job.Storage{URL: at(cutter.Addr, dir+"/in%20box/")}, options())
		t.Cleanup(func() {
			filepath.WalkDir(dir, func(path string, _ os.DirEntry, _ error) error {
				if strings.HasSuffix(path, ".part") {
					t.Errorf("%s was left", path)
				}
				return nil
			})
		})
		return storagetest.Target{Bucket: b, Untyped: true, Break: cutter.Arm, Read: func(key string) ([]byte, http.Header, error) {
			content, err := os.ReadFile(filepath.Join(dir, "in box", key))
			if errors.Is(err, os.ErrNotExist) {
				return nil, nil, nil
			}
			return content, nil, err
		}}
	})
}

func TestOneConnection(t *testing.T) {
	s := startServer(t, nil)
	b := open(t, &job.Storage{URL: at(s.addr, t.TempDir())}, options())
	for range 3 {
		if err := b.Put(t.Context(), "k", storagetest.Body([]byte("x")), storage.PutOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if s.total != 1 {
		t.Errorf("%d connections", s.total)
	}
	s.cutAll()
	if err := b.Put(t.Context(), "k", storagetest.Body([]byte("x")), storage.PutOptions{}); err != nil {
		t.Errorf("after a lost connection: %v", err)
	}
}

func TestPaths(t *testing.T) {
	for _, tt := range []struct {
		url   string
		exact bool
		path  string
		told  string
	}{
		{"sftp://u:p@h", false, "/k/a b.mp4", "sftp://h/k/a%20b.mp4"},
		{"sftp://u:p@h:2222/dir/?host_key=SHA256:x", false, "/dir/k/a b.mp4", "sftp://h:2222/dir/k/a%20b.mp4"},
		{"sftp://u:p@h/~/dir", false, "dir/k/a b.mp4", "sftp://h/~/dir/k/a%20b.mp4"},
		{"sftp://u:p@h/dir/x%2By.mp4", true, "/dir/x+y.mp4", "sftp://h/dir/x%2By.mp4"},
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

func TestHostKey(t *testing.T) {
	s := startServer(t, nil)
	fingerprint := ssh.FingerprintSHA256(s.hostKey)
	line := strings.TrimSpace(string(ssh.MarshalAuthorizedKey(s.hostKey)))
	other := "SHA256:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"
	dir := t.TempDir()
	for pin, ok := range map[string]bool{
		"": true, fingerprint: true, strings.TrimPrefix(fingerprint, "SHA256:"): true, fingerprint + "=": true,
		line: true, "host.example.com " + line + " comment": true, other: false, "nonsense": false,
	} {
		for how, st := range map[string]*job.Storage{
			"option": {URL: at(s.addr, dir), Options: map[string]string{HostKey: pin}},
			"query":  {URL: at(s.addr, dir+"?host_key="+strings.NewReplacer("+", "%20", "%2B", "+").Replace(url.QueryEscape(pin)))},
		} {
			var log bytes.Buffer
			o := options()
			o.Log = slog.New(slog.NewTextHandler(&log, nil))
			err := open(t, st, o).Check(t.Context())
			if (err == nil) != ok || err != nil && !strings.Contains(job.Message(err, ""), "another host key") {
				t.Errorf("%s %q: %v", how, pin, err)
			}
			if logged := strings.Contains(log.String(), fingerprint); logged != (pin == "") {
				t.Errorf("%s %q: log %q", how, pin, log.String())
			}
		}
	}
}

func TestPrivateKey(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	key, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	s := startServer(t, key)
	plain, err := ssh.MarshalPrivateKey(private, "")
	if err != nil {
		t.Fatal(err)
	}
	sealed, err := ssh.MarshalPrivateKeyWithPassphrase(private, "", []byte("phrase"))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []map[string]job.Secret{
		{"private_key": job.NewSecret(string(pem.EncodeToMemory(plain)))},
		{"private_key": job.NewSecret(string(pem.EncodeToMemory(sealed))), "passphrase": job.NewSecret("phrase")},
	} {
		b := open(t, &job.Storage{URL: job.NewSecret("sftp://somebody@" + s.addr + "/"), Credentials: c}, options())
		if err := b.Check(t.Context()); err != nil {
			t.Error(err)
		}
	}
	_, err = Open(&job.Storage{URL: at(s.addr, "/"), Credentials: map[string]job.Secret{"private_key": job.NewSecret(string(pem.EncodeToMemory(sealed)))}}, options())
	if !strings.Contains(job.Message(err, ""), "private_key") {
		t.Errorf("without its passphrase: %v", err)
	}
}

func TestRefusals(t *testing.T) {
	s := startServer(t, nil)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "file"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed.Close()
	for _, tt := range []struct {
		name, url string
		want      string
	}{
		{"password", "sftp://us%40er:hunter2@" + s.addr + dir, "The server 127.0.0.1 does not accept the user name, the password or the key."},
		{"a file as folder", at(s.addr, dir+"/file").Reveal(), "The server 127.0.0.1 refused the request"},
		{"nobody there", "sftp://us%40er:hunter2@" + closed.Addr().String(), "The server 127.0.0.1 could not be reached: the connection was refused."},
		{"guard", "sftp://us%40er:hunter2@10.0.0.1/", "The address 10.0.0.1 is refused because it is a private address"},
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
	for _, address := range []string{"sftp://h/x", "sftp://u:hunter2@", "sftp://u:hunter2@h/%0d%0a"} {
		_, err := Open(&job.Storage{URL: job.NewSecret(address)}, options())
		if job.Message(err, "") == "" || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("Open(%s) = %v", address, err)
		}
	}
}

func TestSource(t *testing.T) {
	s := startServer(t, nil)
	dir := t.TempDir()
	content := storagetest.Random(1 << 20)
	name := filepath.Join(dir, "in put+1.mp4")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	src, err := Source(t.Context(), at(s.addr, dir+"/in%20put+1.mp4"), options())
	if err != nil {
		t.Fatal(err)
	}
	if src.Size() != 1<<20 || !src.Ranges() {
		t.Errorf("size %d, ranges %v", src.Size(), src.Ranges())
	}
	for _, offset := range []int64{0, 1, 1<<20 - 1, 1 << 20} {
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
	// A reader that is closed in the middle leaves nothing open.
	r, err := src.Open(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(r, make([]byte, 100)); err != nil {
		t.Error(err)
	}
	r.Close()

	f := filepath.Join(t.TempDir(), "copy")
	dst, err := os.Create(f)
	if err != nil {
		t.Fatal(err)
	}
	defer dst.Close()
	if err := storage.FetchRetrying(t.Context(), options().Retry, &breaking{Source: src, s: s}, dst, 0); err != nil {
		t.Fatal(err)
	}
	if got, _ := os.ReadFile(f); !bytes.Equal(got, content) {
		t.Errorf("%d bytes were fetched", len(got))
	}

	if err := os.WriteFile(name, content[:10], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := src.Open(t.Context(), 5); !strings.Contains(job.Message(err, ""), "changed on the server 127.0.0.1 while it was being read") {
		t.Errorf("changed file: %v", err)
	}
	for path, want := range map[string]string{
		"/gone": "does not exist on the server 127.0.0.1", "": "is a folder on the server 127.0.0.1",
	} {
		if _, err := Source(t.Context(), at(s.addr, dir+path), options()); !strings.Contains(job.Message(err, ""), want) {
			t.Errorf("%s: %v", path, err)
		}
	}
}

// breaking loses its connection while the first read is under way.
type breaking struct {
	storage.Source
	s *sshServer
	n int
}

func (b *breaking) Open(ctx context.Context, offset int64) (io.ReadCloser, error) {
	r, err := b.Source.Open(ctx, offset)
	if b.n++; b.n == 1 && err == nil {
		io.ReadFull(r, make([]byte, 0))
		b.s.cutAll()
	}
	return r, err
}

func TestCancelled(t *testing.T) {
	s := startServer(t, nil)
	cancelled := errors.New("cancelled")
	ctx, cancel := context.WithCancelCause(t.Context())
	b := open(t, &job.Storage{URL: at(s.addr, t.TempDir())}, options())
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

// discarding is a server that discards data, and stops answering once mute is
// set.
type discarding struct {
	sftp.Handlers
	total atomic.Int64
	mute  chan struct{}
}

func newDiscarding() *discarding {
	d := &discarding{Handlers: sftp.InMemHandler()}
	d.FilePut = d
	return d
}

func (d *discarding) Filewrite(*sftp.Request) (io.WriterAt, error) { return d, nil }

func (d *discarding) WriteAt(p []byte, _ int64) (int, error) {
	if d.mute != nil {
		<-d.mute
	}
	d.total.Add(int64(len(p)))
	return len(p), nil
}

func TestHuge(t *testing.T) {
	s, d := startServer(t, nil), newDiscarding()
	s.handlers = &d.Handlers
	b := open(t, &job.Storage{URL: at(s.addr, "/")}, options())
	// The server runs in this process and allocates a buffer for each packet, so
	// that a measurement of memory would say nothing.
	err := b.Put(t.Context(), "huge", storagetest.Sparse(100<<20), storage.PutOptions{})
	if !strings.Contains(job.Message(err, "none"), "does not exist") && err != nil || d.total.Load() != 100<<20 {
		t.Errorf("Put: %v, %d bytes arrived", err, d.total.Load())
	}
}

// TestSilence uploads to a server that neither reads nor answers.
func TestSilence(t *testing.T) {
	s, d := startServer(t, nil), newDiscarding()
	d.mute = make(chan struct{})
	s.handlers = &d.Handlers
	o := options()
	o.Idle, o.Retry.Tries = 200*time.Millisecond, 2
	b := open(t, &job.Storage{URL: at(s.addr, "/")}, o)
	err := b.Put(t.Context(), "k", storagetest.Sparse(64<<20), storage.PutOptions{})
	if u, ok := errors.AsType[*storage.Unavailable](err); !ok || u.Message != "The server 127.0.0.1 could not be reached: the connection stalled." {
		t.Errorf("Put = %v", err)
	}
	close(d.mute)
}
