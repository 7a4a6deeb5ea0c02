package client_test

import (
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/client"
)

// TestValidateJSON sends what is assumed of the input, and reads the whole answer.
func TestValidateJSON(t *testing.T) {
	var queries []string
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		queries = append(queries, r.URL.RawQuery)
		answer(200, `{"valid":true,"input":{"width":640,"height":360,"fps":30,"duration":5},"outputs":[{"key":"a","type":"video","format":"mp4","result":"refused","message":"no","error_code":"x"}],
			"steps":[{"id":"encode-1","kind":"encode","needs":["b"],"outputs":["a"],"video_encodes":1,"audio_encodes":2}],"work_bytes":7}`)(w, r)
	})
	p, err := c.ValidateJSON(t.Context(), []byte("{}"), client.PreviewInput{Width: 640, Height: 360, FPS: 30, Duration: 5.5})
	if err != nil {
		t.Fatal(err)
	}
	want := &client.Preview{
		Valid: true, Input: client.PreviewInput{Width: 640, Height: 360, FPS: 30, Duration: 5}, WorkBytes: 7,
		Outputs: []client.PreviewOutput{{Key: "a", Type: "video", Format: "mp4", Result: "refused", Message: "no", Code: "x"}},
		Steps:   []client.PreviewStep{{ID: "encode-1", Kind: "encode", Needs: []string{"b"}, Outputs: []string{"a"}, VideoEncodes: 1, AudioEncodes: 2}},
	}
	if diff := cmp.Diff(want, p); diff != "" {
		t.Error(diff)
	}
	if _, err := c.ValidateJSON(t.Context(), nil, client.PreviewInput{}); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{"duration=5&fps=30&height=360&width=640", ""}, queries); diff != "" {
		t.Error(diff)
	}
}
