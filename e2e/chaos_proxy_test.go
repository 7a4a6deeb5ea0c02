package e2e

import (
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// The faults of a faultProxy.
const (
	works     = ""
	fails     = "503"
	errors500 = "500"
	hangs     = "hang"
	cuts      = "cut"
	refuses   = "403"
)

// faultProxy is a proxy before an HTTP server that can inject faults.
type faultProxy struct {
	t      testing.TB
	addr   string
	behind *httputil.ReverseProxy

	mu     sync.Mutex
	srv    *http.Server
	fault  string
	only   string        // the method of the requests with the fault; "": all
	ending string        // of the paths of these requests
	lifted chan struct{} // closed when the fault ends
	met    int           // requests that met a fault
	taken  []time.Time   // when PUTs and POSTs were passed on
	paths  []string      // of those
}

func newFaultProxy(t testing.TB, target string) *faultProxy {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	p := &faultProxy{t: t, addr: "127.0.0.1:0", lifted: make(chan struct{})}
	p.behind = &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(u)
			r.Out.Host = r.In.Host // the signature covers it
		},
		Transport:    &http.Transport{DisableCompression: true, MaxIdleConnsPerHost: 16},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, _ error) { panic(http.ErrAbortHandler) },
	}
	p.back()
	t.Cleanup(func() {
		p.set(works, "")
		p.away()
	})
	return p
}

func (p *faultProxy) url() string { return "http://" + p.addr }

// back listens again after away.
func (p *faultProxy) back() {
	p.t.Helper()
	l, err := net.Listen("tcp", p.addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.addr = l.Addr().String()
	p.srv = &http.Server{Handler: p}
	go p.srv.Serve(l) //nolint:errcheck // it ends by away
}

// away breaks all connections and refuses new ones.
func (p *faultProxy) away() {
	p.mu.Lock()
	srv := p.srv
	p.mu.Unlock()
	srv.Close()
}

// set injects a fault into the requests of a method, or into all for "", from now on.
// Requests that hang are cut off.
func (p *faultProxy) set(fault, method string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	close(p.lifted)
	p.lifted = make(chan struct{})
	p.fault, p.only, p.ending = fault, method, ""
}

// setFor is set for the paths with a given ending.
func (p *faultProxy) setFor(fault, method, ending string) {
	p.set(fault, method)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ending = ending
}

// hits returns how many requests have met a fault.
func (p *faultProxy) hits() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.met
}

// takenSince returns how many PUTs and POSTs went through after a time.
func (p *faultProxy) takenSince(at time.Time) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, when := range p.taken {
		if when.After(at) {
			n++
		}
	}
	return n
}

// stored returns the paths of the PUTs and POSTs that went through, in their order.
func (p *faultProxy) stored() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.paths)
}

func (p *faultProxy) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	p.mu.Lock()
	fault, lifted := p.fault, p.lifted
	if p.only != "" && r.Method != p.only || !strings.HasSuffix(r.URL.Path, p.ending) {
		fault = works
	}
	if fault != works {
		p.met++
	} else if r.Method == http.MethodPut || r.Method == http.MethodPost {
		p.taken, p.paths = append(p.taken, time.Now()), append(p.paths, r.URL.Path)
	}
	p.mu.Unlock()
	switch fault {
	case fails:
		http.Error(w, "<Error><Code>SlowDown</Code></Error>", http.StatusServiceUnavailable)
	case refuses:
		http.Error(w, "<Error><Code>AccessDenied</Code></Error>", http.StatusForbidden)
	case errors500:
		http.Error(w, "no", http.StatusInternalServerError)
	case cuts:
		_, _ = io.CopyN(io.Discard, r.Body, 1000)
		panic(http.ErrAbortHandler)
	case hangs:
		select {
		case <-lifted:
		case <-r.Context().Done():
		}
		panic(http.ErrAbortHandler)
	default:
		p.behind.ServeHTTP(w, r)
	}
}
