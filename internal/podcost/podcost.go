// Package podcost tells Kubernetes how much would be lost with this pod: the
// annotation controller.kubernetes.io/pod-deletion-cost of a pod that works is
// higher than that of an idle one, so that a scale-in takes idle pods first, and
// then those that began last.
//
// It is one PATCH over net/http with the token of the pod's service account. A
// client library of Kubernetes would be larger than the rest of the program.
package podcost

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// Annotation is read by the controller of ReplicaSets when it chooses which pods
// to delete: the lowest first, a pod without one counts as 0.
// https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/#pod-deletion-cost
const Annotation = "controller.kubernetes.io/pod-deletion-cost"

// Server and Mount are where every pod finds the API of its cluster, and the
// token, the CA and the namespace for it.
const (
	Server = "https://kubernetes.default.svc"
	Mount  = "/var/run/secrets/kubernetes.io/serviceaccount"
)

const (
	// every is how often the cost may change. Kubernetes asks not to write it often.
	every = 10 * time.Second
	// timeout bounds one request.
	timeout = 5 * time.Second
)

// Options of a Reporter.
type Options struct {
	Server string // of the API; "": Server
	Mount  string // folder with token, ca.crt and namespace; "": Mount
	Pod    string // name of this pod
	Log    *slog.Logger
}

// Reporter keeps the annotation of this pod up to date. It is safe for concurrent
// use.
type Reporter struct {
	client *http.Client
	target string
	token  string // file; Kubernetes writes a new one from time to time
	log    *slog.Logger
	now    func() time.Time

	mu      sync.Mutex
	running map[int]time.Time // by number: since when
	next    int
	changed chan struct{} // a job has begun or ended
}

// New returns a reporter for the pod of this process. The error says what the pod
// lacks.
func New(o Options) (*Reporter, error) {
	if o.Server == "" {
		o.Server = Server
	}
	if o.Mount == "" {
		o.Mount = Mount
	}
	namespace, err := os.ReadFile(filepath.Join(o.Mount, "namespace"))
	if err != nil {
		return nil, fmt.Errorf("read the namespace of the pod: %w", err)
	}
	pem, err := os.ReadFile(filepath.Join(o.Mount, "ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("read the certificates of the cluster: %w", err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, errors.New("read the certificates of the cluster: ca.crt has none")
	}
	return &Reporter{
		client: &http.Client{
			Timeout:   timeout,
			Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12}, IdleConnTimeout: 2 * every},
		},
		target: fmt.Sprintf("%s/api/v1/namespaces/%s/pods/%s", o.Server, url.PathEscape(strings.TrimSpace(string(namespace))), url.PathEscape(o.Pod)),
		token:  filepath.Join(o.Mount, "token"),
		log:    o.Log, now: time.Now,
		running: map[int]time.Time{}, changed: make(chan struct{}, 1),
	}, nil
}

// Begin says that a job has begun in this process, until end is called.
func (r *Reporter) Begin() (end func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := r.next
	r.next++
	r.running[n] = r.now()
	r.signal()
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		delete(r.running, n)
		r.signal()
	}
}

func (r *Reporter) signal() {
	select {
	case r.changed <- struct{}{}:
	default:
	}
}

// Cost is 0 for an idle pod. Else it is for how many seconds the oldest job runs,
// rounded down to a power of two: so it changes a dozen times in an hour.
func (r *Reporter) Cost() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	longest := time.Duration(-1)
	for _, since := range r.running {
		longest = max(longest, r.now().Sub(since))
	}
	if longest < 0 {
		return 0
	}
	cost := 1
	for 2*cost <= int(longest/time.Second) {
		cost *= 2
	}
	return cost
}

// Run writes the cost whenever it has changed, at most every ten seconds, until
// ctx ends. What cannot be written is tried again. It costs nothing but a scale-in
// that may take a busy pod.
func (r *Reporter) Run(ctx context.Context) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	written, failed := 0, false // a new pod has no annotation, which is 0
	for {
		if cost := r.Cost(); cost != written {
			err := r.write(ctx, cost)
			switch {
			case err == nil:
				written, failed = cost, false
			case ctx.Err() == nil && !failed:
				r.log.WarnContext(ctx, "the deletion cost of this pod was not written; a scale-in may take it while it works", "error", err)
				failed = true
			}
		}
		// The first job of an idle pod is told at once, all else with the tick.
		changed := r.changed
		if written != 0 || failed {
			changed = nil
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		case <-changed:
		}
	}
}

// write sets the annotation.
func (r *Reporter) write(ctx context.Context, cost int) error {
	token, err := os.ReadFile(r.token)
	if err != nil {
		return fmt.Errorf("read the token of the pod: %w", err)
	}
	body := fmt.Sprintf(`{"metadata":{"annotations":{%q:"%d"}}}`, Annotation, cost)
	req, err := http.NewRequestWithContext(ctx, http.MethodPatch, r.target, bytes.NewReader([]byte(body)))
	if err != nil {
		return fmt.Errorf("make the request: %w", err)
	}
	req.Header.Set("Authorization", "Bearer "+strings.TrimSpace(string(token)))
	req.Header.Set("Content-Type", "application/merge-patch+json")
	res, err := r.client.Do(req)
	if err != nil {
		return fmt.Errorf("ask Kubernetes: %w", err)
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, io.LimitReader(res.Body, 1<<20)); err != nil {
		return fmt.Errorf("read the answer of Kubernetes: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("Kubernetes answered %s; the pod's service account needs the verb patch on pods", res.Status) //nolint:staticcheck // a name
	}
	return nil
}
