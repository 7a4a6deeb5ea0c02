package api_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/job"
)

// Nodes is api.Fleet.
func (s *store) Nodes(context.Context, time.Duration) ([]job.Node, error) {
	return []job.Node{{ID: "node-1", Slots: 2, Alive: true, Running: 1}, {ID: "node-2"}}, s.trouble()
}

// probed is what ffprobe says of a short video without sound.
const probed = `{"streams":[{"index":0,"codec_name":"h264","codec_type":"video","width":320,"height":240,"pix_fmt":"yuv420p","r_frame_rate":"30000/1001","avg_frame_rate":"30000/1001","duration":"7.5"}],"format":{"format_name":"mov,mp4","duration":"7.5"}}`

// TestValidate: a request that would be refused and one that would not are both
// answered with 200.
func TestValidate(t *testing.T) {
	w := start(t)
	for id, metadata := range map[string]string{"Known1": probed, "Unread1": ""} {
		w.store.jobs[id], w.store.owner[id] = job.State{ID: id, Input: job.InputState{Metadata: json.RawMessage(metadata)}}, "key-1"
	}
	w.store.jobs["Foreign1"], w.store.owner["Foreign1"] = job.State{ID: "Foreign1"}, "another"
	for _, c := range []struct {
		query, body string
		status      int
		want        string
	}{
		{"", minimal, 200, `"result":"made"`},
		{"?width=640&height=360&fps=30&duration=5", minimal, 200, `"input":{"width":640,"height":360,"fps":30,"duration":5}`},
		{"", `{"input":1}`, 200, `"valid":false,"message":"The job 'input'`},
		{"", `[]`, 200, `"error_code":"config_not_valid"`},
		{"?job=Known1", minimal, 200, `"input":{"width":320,"height":240,"fps":30,"duration":7.5}`},
		{"?job=Unread1", minimal, 400, "has not been read"},
		{"?job=Foreign1", minimal, 400, "has no job"},
		{"?job=a%00b", minimal, 400, "no id of a job"},
		{"?job=", minimal, 400, "no id of a job"},
		{"?job=Known1&width=5", minimal, 400, "leave out those"},
		{"?width=0", minimal, 400, "from 1 to 8192"},
		{"?fps=1000", minimal, 400, "from 1 to 240"},
		{"?size=1", minimal, 400, "not known here"},
	} {
		if got := w.do(t, "POST", "/v2/validate"+c.query, token, c.body); got.status != c.status || !strings.Contains(got.body, c.want) {
			t.Errorf("%s %s: %d %s, want %s", c.query, c.body, got.status, got.body, c.want)
		}
	}
	if len(w.store.created) != 0 {
		t.Error("a job was created")
	}
}

// TestNodes: the workers are shown to the operator alone.
func TestNodes(t *testing.T) {
	w := start(t)
	for key, want := range map[string]int{operatorToken: 200, token: 404, "k-unknown": 401, "": 401} {
		if got := w.do(t, "GET", "/v2/nodes", key, ""); got.status != want {
			t.Errorf("with the key %q: %d %s, want %d", key, got.status, got.body, want)
		}
	}
	if got := w.do(t, "GET", "/v2/nodes", operatorToken, ""); !strings.Contains(got.body, `{"id":"node-1","alive":true,"running":1,"slots":2,"encoders":[],`) || !strings.Contains(got.body, `"slots":null`) {
		t.Errorf("the workers are %s", got.body)
	}
}
