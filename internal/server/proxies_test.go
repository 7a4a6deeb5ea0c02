package server

import (
	"bytes"
	"context"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/internal/testmedia"
)

// proxies are the configurations that docs/deploy shows, with what differs in a test.
var proxies = []struct {
	program, file, listen, before string
	test                          func(dir string) map[string]string // lines, and those in their place
	args                          func(file, dir string) []string
}{
	{
		program: "nginx", file: "nginx.conf", listen: "        listen 80;", before: "        listen ",
		test: func(dir string) map[string]string {
			own := "http {\n    access_log off;\n"
			for _, p := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
				own += "    " + p + "_temp_path " + dir + "/" + p + ";\n"
			}
			return map[string]string{"http {": own}
		},
		args: func(file, dir string) []string {
			return []string{"-c", file, "-e", "stderr", "-g", "daemon off; master_process off; pid " + dir + "/pid;"}
		},
	},
	{
		program: "haproxy", file: "haproxy.cfg", listen: "    bind :80", before: "    bind ",
		args: func(file, _ string) []string { return []string{"-db", "-f", file} },
	},
	{
		program: "caddy", file: "caddy.Caddyfile", listen: "transcode.example.com {", before: "http://",
		args: func(file, _ string) []string { return []string{"run", "--adapter", "caddyfile", "--config", file} },
	},
}

// TestProxies: uploads, events, names and credentials pass the proxies as
// docs/deploy has them configured.
func TestProxies(t *testing.T) {
	s := startServer(t)
	upstream := newPasser(t, s.srv.URL())
	for _, p := range proxies {
		t.Run(p.program, func(t *testing.T) {
			base := startProxy(t, p.program, p.file, upstream.Listener.Addr().String(), func(config, address, dir string) string {
				lines := map[string]string{}
				if p.test != nil {
					lines = p.test(dir)
				}
				end := map[string]string{"nginx": ";", "caddy": " {"}[p.program]
				lines[p.listen] = p.before + address + end
				for line, other := range lines {
					if !strings.Contains("\n"+config, "\n"+line+"\n") {
						t.Fatalf("no line %q", line)
					}
					config = strings.Replace("\n"+config, "\n"+line+"\n", "\n"+other+"\n", 1)[1:]
				}
				if p.program == "caddy" {
					config = "{\n\tadmin off\n}\n" + config
				}
				return config
			}, p.args)
			through := *s
			through.t, through.base = t, base+"/v2"

			c, err := client.New(client.Options{BaseURL: base, APIKey: s.token.Reveal()})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := c.Upload(t.Context(), "a b.mp4", bytes.NewReader(make([]byte, 3<<20)), 3<<20); err != nil {
				t.Error(err)
			}
			const path = "/v2/metadata/jobs/x/mp4%3Aa%20b%2F%2Fc%252F?x=%2F"
			if status, _ := through.do("GET", strings.TrimPrefix(path, "/v2"), ""); status != 404 || !upstream.saw(path) {
				t.Errorf("%d for %s, and it arrived changed", status, path)
			}
			through.followThrough()
		})
	}
}

// followThrough reads an event before the job's end, and one after another request.
func (s *server) followThrough() {
	s.t.Helper()
	id := s.create(jobFor(unanswered(s.t), "http://127.0.0.1:1/"))
	ctx, leave := context.WithCancel(s.t.Context())
	defer leave()
	stream := s.stream(ctx, id, "")
	if m := stream.next(); m.event == "" {
		s.t.Error("no event arrived while the job runs")
	}
	if status, answer := s.do("DELETE", "/jobs/"+id, ""); status != 200 {
		s.t.Errorf("cancel: %d %s", status, answer)
	}
	last := ""
	for m := stream.next(); m.event != ""; m = stream.next() {
		last = m.event
	}
	if last != "job.failed" {
		s.t.Errorf("the stream ended with %q", last)
	}
}

// TestProxyLimit: with nginx's own limits an upload fails, and the error says where.
func TestProxyLimit(t *testing.T) {
	base := startProxy(t, "nginx", "nginx.conf", "127.0.0.1:1", func(config, address, dir string) string {
		config = strings.Replace(config, "client_max_body_size 0;", "", 1)
		config = strings.Replace(config, "http {", proxies[0].test(dir)["http {"], 1)
		return strings.Replace(config, "listen 80", "listen "+address, 1)
	}, proxies[0].args)
	// nginx closes the connection while the body is on its way. Now and then a client gets that
	// in place of the answer, and tries again, as it does by default.
	for _, c := range []struct {
		size, attempts int
		want           string
	}{{2 << 20, 5, "a proxy before the server refuses bodies of this size"}, {10, 1, "a proxy before the server cannot reach it"}} {
		sender, err := client.New(client.Options{BaseURL: base, APIKey: "k-1", Attempts: c.attempts})
		if err != nil {
			t.Fatal(err)
		}
		_, err = sender.Upload(t.Context(), "a.mp4", bytes.NewReader(make([]byte, c.size)), int64(c.size))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%d bytes: %v, want %q", c.size, err, c.want)
		}
	}
}

// passer passes requests on and remembers their addresses as they came.
type passer struct {
	*httptest.Server
	mu   sync.Mutex
	seen []string
}

func newPasser(t *testing.T, target string) *passer {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	r := &passer{}
	proxy := httputil.NewSingleHostReverseProxy(to)
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		r.mu.Lock()
		r.seen = append(r.seen, req.RequestURI)
		r.mu.Unlock()
		proxy.ServeHTTP(w, req)
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *passer) saw(address string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for i, a := range r.seen {
		if a == address {
			r.seen = append(r.seen[:i], r.seen[i+1:]...)
			return true
		}
	}
	return false
}

// startProxy runs a proxy before the address to, and returns its base URL. adapt
// changes the configuration to one that listens on an address and writes into dir.
func startProxy(t *testing.T, program, file, to string, adapt func(config, address, dir string) string, args func(file, dir string) []string) string {
	t.Helper()
	path := testmedia.Tool(t, program)
	text, err := os.ReadFile("../../deploy/proxies/" + file)
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := l.Addr().String()
	l.Close()
	dir := t.TempDir()
	config := strings.ReplaceAll(adapt(string(text), address, dir), "127.0.0.1:8080", to)
	name := filepath.Join(dir, file)
	if err := os.WriteFile(name, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(path, args(name, dir)...) //nolint:noctx // it outlives the context of the test, which ends before its cleanups
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		if t.Failed() {
			t.Log(said.String())
		}
	})
	eventually(t, program+" to listen", func() bool {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
		}
		return err == nil
	})
	return "http://" + address
}
