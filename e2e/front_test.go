package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/spec/observed"
)

// front is a TLS front for clients whose endpoint is built in. It has
// certificates for the hosts' names from a CA of the operator's, and passes
// everything on unchanged. See docs/regions.md.
type front struct {
	addr   string // host:port
	ca     []byte // PEM
	client *http.Client

	mu    sync.Mutex
	hosts map[string]int // requests by Host
}

func newFront(t *testing.T, target string, names ...string) *front {
	t.Helper()
	to, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{hosts: map[string]int{}}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(to)
		r.Out.Host = r.In.Host
		r.SetXForwarded()
	}}
	srv := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f.mu.Lock()
		f.hosts[r.Host]++
		f.mu.Unlock()
		proxy.ServeHTTP(w, r)
	}))
	ca, cert := authority(t, names)
	srv.TLS = &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	srv.StartTLS()
	t.Cleanup(srv.Close)
	f.addr, f.ca = srv.Listener.Addr().String(), ca

	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(ca)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		// Every name resolves to the front, as the operator's DNS would do.
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, f.addr)
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	f.client = &http.Client{Transport: transport, Timeout: 30 * time.Second}
	return f
}

// authority makes a CA, and a certificate of that CA for names.
func authority(t *testing.T, names []string) (ca []byte, cert tls.Certificate) {
	t.Helper()
	sign := func(c, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) []byte {
		der, err := x509.CreateCertificate(rand.Reader, c, parent, &key.PublicKey, parentKey)
		if err != nil {
			t.Fatal(err)
		}
		return der
	}
	var keys [2]*ecdsa.PrivateKey
	for i := range keys {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		keys[i] = key
	}
	from, to := time.Now().Add(-time.Hour), time.Now().Add(time.Hour)
	root := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "The operator's CA"}, NotBefore: from, NotAfter: to,
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	leaf := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]}, NotBefore: from, NotAfter: to,
		DNSNames: names, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	ca = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: sign(root, root, keys[0], keys[0])})
	return ca, tls.Certificate{Certificate: [][]byte{sign(leaf, root, keys[1], keys[0])}, PrivateKey: keys[1]}
}

// do makes a request as a client that knows only a built-in address.
func (f *front) do(t *testing.T, key, method, address, body string) (int, []byte) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, address, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(key, "")
	resp, err := f.client.Do(req)
	if err != nil {
		t.Fatalf("%s %s: %v", method, address, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, answer
}

// The endpoints that are built into clients work, by TLS and under their own
// names, with a deployment configured as a region.
func TestBuiltInEndpoints(t *testing.T) {
	t.Parallel()
	srv := startStandalone(t, launch{args: []string{allow}, env: []string{"COPRA_REGION=us-west-2", "COPRA_PUBLIC_URL=https://api-us-west-2.coconut.co"}}, openDir(t))
	names := []string{"api.coconut.co", "api-us-west-2.coconut.co", "transcode.internal.example"}
	f := newFront(t, strings.TrimSuffix(srv.base, "/v2"), names...)

	body := `{"input":{"url":"` + short(t) + `"},"storage":{"service":"coconut"},"outputs":{"mp3":{"path":"/a.mp3"}}}`
	for _, name := range names {
		t.Run(name, func(t *testing.T) {
			status, answer := f.do(t, srv.key, http.MethodPost, "https://"+name+"/v2/jobs", body)
			if status != http.StatusCreated {
				t.Fatalf("%d %s", status, answer)
			}
			id := parseJob(t, answer).ID
			var j jobDoc
			eventually(t, 60*time.Second, "the job has finished", func() bool {
				_, answer := f.do(t, srv.key, http.MethodGet, "https://"+name+"/v2/jobs/"+id, "")
				j = parseJob(t, answer)
				return j.finished()
			})
			if j.Status != "job.completed" {
				t.Fatalf("%s", j.raw)
			}
			// Results are at the public address that the operator has
			// configured.
			u := j.output(t, "mp3").URL
			if !strings.HasPrefix(u, "https://api-us-west-2.coconut.co/storage/") {
				t.Errorf("url %s", u)
			}
			if status, sound := f.do(t, "", http.MethodGet, u, ""); status != http.StatusOK || len(sound) == 0 {
				t.Errorf("%s: %d", u, status)
			}
			if status, answer := f.do(t, srv.key, http.MethodGet, "https://"+name+"/v2/jobs/undefined", ""); status != http.StatusNotFound || len(answer) != 0 {
				t.Errorf("no such job: %d %q", status, answer)
			}
		})
	}
	_, answer := f.do(t, "", http.MethodGet, "https://api.coconut.co/healthz", "")
	var health struct{ Region string }
	if err := json.Unmarshal(answer, &health); err != nil || health.Region != "us-west-2" {
		t.Errorf("%s %v", answer, err)
	}
	if n := srv.metric(t, "copra_jobs_created_total", `region="us-west-2"`); n != 3 {
		t.Errorf("%v jobs in the metrics of the region", n)
	}

	t.Run("coconutjs", func(t *testing.T) {
		modules, dir := nodeModules(t), t.TempDir()
		for name, content := range map[string]string{"ca.pem": string(f.ca), "hook.js": resolveHook, "client.js": regionScript} {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, port, _ := net.SplitHostPort(f.addr)
		run := func(env ...string) ([]byte, error) {
			return node(t, 60*time.Second, filepath.Dir(modules), append(env, "PORT="+port, "KEY="+srv.key, "INPUT="+short(t)),
				"--require", filepath.Join(dir, "hook.js"), filepath.Join(dir, "client.js"))
		}
		out, err := run("NODE_EXTRA_CA_CERTS=" + filepath.Join(dir, "ca.pem"))
		if err != nil || string(out) != "default job.starting\nus-west-2 job.starting\n" {
			t.Errorf("%v\n%s", err, out)
		}
		f.mu.Lock()
		n, m := f.hosts["api.coconut.co:"+port]+f.hosts["api.coconut.co"], f.hosts["api-us-west-2.coconut.co:"+port]+f.hosts["api-us-west-2.coconut.co"]
		f.mu.Unlock()
		if n < 2 || m < 2 {
			t.Errorf("requests by host: %v", f.hosts)
		}
		// It works because of the CA, not because a check is off.
		if out, err := run(); err == nil {
			t.Errorf("without the CA: %s", out)
		}
	})
	observed.Row(t, "12 regions")
}

// resolveHook stands for the operator's DNS, and maps port 443 to that of the
// test's front.
const resolveHook = `
const dns = require('dns'), https = require('https');
dns.lookup = (name, options, callback) => {
  if (typeof options === 'function') callback = options;
  if (!/^api(-us-west-2)?\.coconut\.co$/.test(name)) return callback(new Error('a lookup of ' + name));
  if (options.all) return callback(null, [{address: '127.0.0.1', family: 4}]);
  callback(null, '127.0.0.1', 4);
};
const connect = https.Agent.prototype.createConnection;
https.Agent.prototype.createConnection = function (options, ...rest) {
  return connect.call(this, Object.assign({}, options, {port: process.env.PORT}), ...rest);
};
`

// regionScript uses the client with its built-in endpoints.
const regionScript = `
const Coconut = require('coconutjs');
const run = async (name, options) => {
  const coconut = new Coconut.Client(process.env.KEY, options);
  coconut.storage = {service: 'coconut'};
  const job = await coconut.Job.create({input: {url: process.env.INPUT}, outputs: {mp3: {path: '/a.mp3'}}});
  console.log(name + ' ' + job.status);
  await new Promise((resolve, reject) => coconut.Job.retrieve(job.id, (j, err) => err || j.id !== job.id ? reject(err || j) : resolve()));
};
run('default').then(() => run('us-west-2', {region: 'us-west-2'})).catch(e => { console.error(e); process.exit(1); });
`
