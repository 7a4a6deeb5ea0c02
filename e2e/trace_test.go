package e2e

import (
	"bytes"
	"compress/gzip"
	"encoding/hex"
	"encoding/json"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	tracepb "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"

	"github.com/copra-video/copra/internal/pgtest"
	"github.com/copra-video/copra/internal/testmedia"
)

// traces receives spans by OTLP over HTTP.
type traces struct {
	srv *httptest.Server

	mu    sync.Mutex
	spans []span
	bytes bytes.Buffer // all messages, decompressed
	auth  map[string]bool
}

// span is a span with the process that made it.
type span struct {
	*tracepb.Span
	service, instance string
}

func newTraces(t *testing.T) *traces {
	c := &traces{auth: map[string]bool{}}
	c.srv = httptest.NewServer(c)
	t.Cleanup(c.srv.Close)
	return c
}

func (c *traces) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body := io.Reader(r.Body)
	if r.Header.Get("Content-Encoding") == "gzip" {
		var err error
		if body, err = gzip.NewReader(body); err != nil {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
	}
	var m collector.ExportTraceServiceRequest
	raw, err := io.ReadAll(body)
	if err != nil || r.Method != http.MethodPost || r.URL.Path != "/v1/traces" || proto.Unmarshal(raw, &m) != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.bytes.Write(raw)
	c.auth[r.Header.Get("Authorization")] = true
	for _, rs := range m.ResourceSpans {
		s := span{}
		for _, a := range rs.Resource.Attributes {
			switch a.Key {
			case "service.name":
				s.service = a.Value.GetStringValue()
			case "service.instance.id":
				s.instance = a.Value.GetStringValue()
			}
		}
		for _, scope := range rs.ScopeSpans {
			for _, s.Span = range scope.Spans {
				c.spans = append(c.spans, s)
			}
		}
	}
}

// byID are the spans that have arrived.
func (c *traces) byID() map[string]span {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := map[string]span{}
	for _, s := range c.spans {
		all[hex.EncodeToString(s.SpanId)] = s
	}
	return all
}

// attribute is an attribute as text.
func (s span) attribute(key string) string {
	for _, a := range s.Attributes {
		if a.Key == key {
			return strings.Trim(a.Value.String(), " ")
		}
	}
	return ""
}

// lineage names the spans from the root to the one with an id, and the processes that made
// them.
func lineage(all map[string]span, id string) (names, services []string) {
	for s, ok := all[id]; ok; s, ok = all[hex.EncodeToString(s.ParentSpanId)] {
		names, services = append(names, s.Name), append(services, s.service)
	}
	slices.Reverse(names)
	slices.Reverse(services)
	return names, slices.Compact(services)
}

// TestTrace: the trace of a client goes on in the POST, in both workers that make the
// job, in each run of ffmpeg and each upload, and in the webhooks. Every line of the
// logs about the job says whose it is.
func TestTrace(t *testing.T) {
	t.Parallel()
	const client, parent = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
	c := newTraces(t)
	d := newDeployment(t, pgtest.New(t).URL)
	d.env = append(d.env, "COPRA_SLOTS=1", "COPRA_ARTIFACT_STORE="+filepath.Join(d.dir, "artifacts"),
		"OTEL_EXPORTER_OTLP_ENDPOINT="+c.srv.URL, "OTEL_EXPORTER_OTLP_HEADERS=authorization=Basic%20dXNlcg==", "OTEL_BSP_SCHEDULE_DELAY=100")
	d.start(t, 2)
	key := d.client(t, "the key")
	clip := testmedia.Clip(t, testmedia.Recipe{Name: "traced.mp4", Args: []string{
		"-f", "lavfi", "-i", "testsrc2=size=160x90:rate=5:duration=70", "-c:v", "libx264", "-preset", "ultrafast", "-g", "20", "-pix_fmt", "yuv420p"}})
	in := strings.Replace(inputs(t).add(clip), "http://", "http://canary-user:canary-password@", 1) + "?X-Signature=canary-query"
	spec := jobOf(in, object{"mp4:160x": object{"path": "/a.mp4"}, "httpstream": object{"hls": object{"path": "/hls"}, "variants": []string{"mp4:160x"}}})
	spec["settings"] = object{"ultrafast": true}
	spec["notification"] = object{"type": "http", "url": hooks(t).url("trace-canary") + "?t=canary-hook", "events": true}
	steer(t, d.dir, "hold", "libx264")
	id := d.post(t, key, spec, "00-"+client+"-"+parent+"-01")
	rig := &rig{deployment: d, t: t}
	eventually(t, 60*time.Second, "another worker has a task", func() bool { return rig.queryOne(taskNode, id) != "" })
	unsteer(t, d.dir, "hold")
	if j := key.wait(t, id, 90*time.Second); j.Status != "job.completed" {
		t.Fatalf("%s", j.raw)
	}
	sent := hooks(t).await(t, "trace-canary", "job.completed", 20*time.Second)

	// The spans of the attempts come last.
	eventually(t, 60*time.Second, "the spans have arrived", func() bool {
		all := c.byID()
		ended := 0
		for _, s := range all {
			if s.Name == "transcode" || s.Name == "task" {
				ended++
			}
		}
		for _, h := range sent {
			if _, ok := all[spanOf(h)]; !ok {
				return false
			}
		}
		return ended >= 2
	})
	all := c.byID()
	found, instances := map[string]bool{}, map[string]bool{}
	for spanID, s := range all {
		if got := hex.EncodeToString(s.TraceId); got != client {
			t.Errorf("%s is of the trace %s", s.Name, got)
		}
		names, services := lineage(all, spanID)
		found[strings.Join(names, " > ")] = true
		if names[0] != "POST /v2/jobs" || !slices.Equal(services[:1], []string{"copra-api"}) {
			t.Errorf("%v begins elsewhere: %v", names, services)
		}
		if s.service == "copra-worker" {
			instances[s.instance] = true
			if s.attribute("copra.job") == "" || s.attribute("copra.key") != `string_value:"the key"` {
				t.Errorf("%s does not say whose it is: %v", s.Name, s.Attributes)
			}
		}
		if s.Name == "POST /v2/jobs" && (hex.EncodeToString(s.ParentSpanId) != parent || s.attribute("copra.job") != `string_value:"`+id+`"`) {
			t.Errorf("the POST: parent %x, %v", s.ParentSpanId, s.Attributes)
		}
	}
	for _, want := range []string{
		"POST /v2/jobs > probe", "POST /v2/jobs > transcode",
		"POST /v2/jobs > transcode > encode > ffmpeg",
		"POST /v2/jobs > transcode > task > encode > ffmpeg",
		"POST /v2/jobs > transcode > output > publish > upload",
		"POST /v2/jobs > transcode > output > upload segments",
		"POST /v2/jobs > webhook",
	} {
		if !found[want] {
			t.Errorf("no span %s", want)
		}
	}
	if t.Failed() {
		t.Logf("spans:\n%s", strings.Join(slices.Sorted(maps.Keys(found)), "\n"))
	}
	if len(instances) != 2 {
		t.Errorf("%d workers have sent spans", len(instances))
	}
	for _, h := range sent {
		if all[spanOf(h)].Name != "webhook" || !strings.HasPrefix(h.header.Get("Traceparent"), "00-"+client+"-") {
			t.Errorf("%s was sent with the traceparent %q", h.Event, h.header.Get("Traceparent"))
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, secret := range []string{"canary", key.key} {
		if bytes.Contains(c.bytes.Bytes(), []byte(secret)) {
			t.Errorf("the spans hold %s", secret)
		}
	}
	if len(c.auth) != 1 || !c.auth["Basic dXNlcg=="] {
		t.Errorf("the credentials of the spans: %v", c.auth)
	}
	linesSayWhose(t, d, id)
}

// spanOf is the id of the span in the traceparent of a webhook.
func spanOf(h webhook) string {
	if f := strings.Split(h.header.Get("Traceparent"), "-"); len(f) == 4 {
		return f[2]
	}
	return ""
}

// post makes a job with a traceparent and returns its id.
func (d *deployment) post(t testing.TB, c client, spec object, traceparent string) string {
	t.Helper()
	body, err := json.Marshal(spec)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.base+"/jobs", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(c.key, "")
	req.Header.Set("Traceparent", traceparent)
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusCreated {
		t.Fatalf("%d %s, %v", resp.StatusCode, answer, err)
	}
	return parseJob(t, answer).ID
}

// linesSayWhose checks the lines of the logs that are about a job.
func linesSayWhose(t *testing.T, d *deployment, id string) {
	t.Helper()
	lines, tasks := 0, 0
	for _, p := range append([]*process{d.api}, d.workers...) {
		for line := range strings.Lines(p.stderr.String()) {
			if !strings.Contains(line, id) {
				continue
			}
			wanted := []string{` job=` + id, ` key="the key"`, ` node=\S+`}
			if p != d.api {
				wanted = append(wanted, ` attempt=1`)
				lines++
			}
			if strings.Contains(line, `msg="task`) {
				wanted = append(wanted, ` task=\d+`, ` step=\S+`)
				tasks++
			}
			for _, want := range wanted {
				if n := len(regexp.MustCompile(want+`(\s|$)`).FindAllString(line, -1)); n != 1 {
					t.Errorf("%d times%s in %s", n, want, line)
				}
			}
		}
	}
	if lines < 5 || tasks < 2 {
		t.Errorf("%d lines of workers and %d of tasks are about the job", lines, tasks)
	}
}
