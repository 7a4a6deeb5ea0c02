package client_test

import (
	"encoding/json"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/client"
)

// TestRequestsAreAccepted: the server decodes what the structs encode to.
func TestRequestsAreAccepted(t *testing.T) {
	yes, turn := true, 1
	watermark := &client.Watermark{URL: "https://example.com/logo.png", Position: "topleft"}
	s3 := client.Credentials{"access_key_id": "a", "secret_access_key": "s"}
	for name, r := range map[string]client.JobRequest{
		"least": {Input: client.Input{URL: "https://example.com/in.mov"}, Storage: &client.Storage{Service: "coconut"}, Outputs: client.Outputs{"mp4:720p": "/a.mp4"}},
		"most": {
			Settings: &client.Settings{Ultrafast: true, Priority: -3, MaxDuration: 60, Extra: map[string]any{"later": 1}},
			Input:    client.Input{Service: "s3", Bucket: "b", Key: "/k", Region: "us-east-1", ForcePathStyle: &yes, Credentials: s3},
			Storage: &client.Storage{
				Service: "s3", Bucket: "b", Region: "us-east-1", Path: "/p", ACL: "private", StorageClass: "STANDARD",
				Secure: &yes, Expires: "never", CacheControl: "no-cache", Credentials: s3,
			},
			Outputs: client.Outputs{
				"mp4": []any{
					&client.Video{
						Path: "/a.mp4", Key: "a", If: "{{ input.width }} >= 1280", Format: map[string]any{"resolution": "1280x720"},
						Offset: 1.5, Duration: 3, Fit: "crop", Transpose: &turn, VFlip: true, HFlip: true, Deinterlace: true, Square: true,
						Crop: "640:360", Watermark: watermark,
					},
					client.Video{URL: "https://example.com/put", Key: "b", Extra: map[string]any{"duration": "{% input.duration / 2 %}"}},
				},
				"jpg:300x": client.Image{
					Path: "/a_%02d.jpg", Number: 5, Fit: "crop", Transpose: &turn, VFlip: true, HFlip: true, Square: true, Blur: 2, Watermark: watermark,
					Sprite: &client.Sprite{Columns: 2, Limit: 4}, VTT: &client.VTT{Filename: "a.vtt"},
				},
				"png:300x": []client.Image{{Path: "/b_%02d.png", Offsets: []float64{0, 2.5}}, {Path: "/c_%02d.png", Interval: 2}},
				"gif:300x": client.Image{Path: "/a.gif", Scene: &client.Scene{Number: 2, Duration: 1.5}},
				"httpstream": client.HTTPStream{
					Path: "/s", Key: "s", If: "1 == 1", Variants: []string{"mp4:720p::quality=4"}, PlaylistName: "main",
					HLS: &client.HLS{Path: "/hls", Version: 3, EncryptionKey: strings.Repeat("0", 32), EncryptionKeyURI: "https://example.com/key"}, DASH: &client.DASH{Path: "/dash", HLSFMP4: true},
				},
				"webm:720p": json.RawMessage(`{"path":"/a.webm"}`),
				"mp3":       map[string]any{"path": "/a.mp3"},
			},
			Notification: &client.NotificationRequest{Type: "http", URL: "https://example.com/hook", Params: map[string]any{"a": 1}, Events: true, Metadata: true},
			Extra:        map[string]any{"api_version": "2026-001"},
		},
		"joined": {
			Inputs: []client.InputPart{
				{Input: client.Input{URL: "https://example.com/in.mov", Extra: map[string]any{"note": "a"}}, Offset: 1.5, Duration: 3, FadeIn: 0.5, FadeOut: 1}, {Black: 2},
				{Input: client.Input{Service: "s3", Bucket: "b", Key: "/k", Region: "us-east-1", Credentials: s3}},
			},
			Storage: &client.Storage{Service: "coconut"},
			Outputs: client.Outputs{"httpstream": client.HTTPStream{HLS: &client.HLS{Path: "/hls"}, Thumbnails: &client.Thumbnails{Interval: 5, Width: 160, Columns: 4, Rows: 3}}},
		},
		"sns": {
			Input: client.Input{URL: "https://example.com/in.mov"}, Outputs: client.Outputs{"mp4:720p": client.Video{URL: "https://example.com/put"}},
			Notification: &client.NotificationRequest{Type: "sns", Region: "us-east-1", TopicARN: "arn:aws:sns:us-east-1:1:t", Credentials: s3},
		},
	} {
		first, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := coconut.DecodeJob(first); err != nil {
			t.Errorf("%s is refused: %v\n%s", name, err, first)
		}
		if again, _ := json.Marshal(r); string(again) != string(first) {
			t.Errorf("%s is not encoded the same again:\n%s\n%s", name, first, again)
		}
	}
}

func TestExtra(t *testing.T) {
	got, err := json.Marshal(client.JobRequest{
		Input:   client.Input{URL: "u", Extra: map[string]any{"url": "other", "x": nil}},
		Outputs: client.Outputs{"mp4": client.Video{Path: "/a", Offset: 1, Extra: map[string]any{"offset": "{% 1 + 1 %}"}}},
		Extra:   map[string]any{"storage": []int{}},
	})
	want := `{"input":{"url":"other","x":null},"outputs":{"mp4":{"offset":"{% 1 + 1 %}","path":"/a"}},"storage":[]}`
	if err != nil || string(got) != want {
		t.Errorf("got  %s\nwant %s, %v", got, want, err)
	}
	if _, err := json.Marshal(client.Video{Extra: map[string]any{"x": func() {}}}); err == nil {
		t.Error("a function was encoded")
	}
}

// TestRequestsAreComplete: each member of a request that openapi.yaml knows is a
// field.
func TestRequestsAreComplete(t *testing.T) {
	doc := description(t)
	for schema, structs := range map[string][]any{
		"Settings":            {client.Settings{}},
		"Input":               {client.Input{}},
		"Storage":             {client.Storage{}},
		"OutputRequest":       {client.Video{}, client.Image{}, client.HTTPStream{}},
		"NotificationRequest": {client.NotificationRequest{}},
	} {
		var have []string
		for _, s := range structs {
			have = append(have, fields(s)...)
		}
		want := properties(doc.Components.Schemas[schema].Value)
		if len(want) == 0 {
			t.Errorf("the schema %s has no members", schema)
		}
		for _, member := range want {
			if !slices.Contains(have, member) {
				t.Errorf("%T has no field for the member %s of the schema %s", structs[0], member, schema)
			}
		}
	}
}

// TestAnswersAreComplete: each member of an answer that openapi.yaml knows is a
// field, and no field is unknown to it.
func TestAnswersAreComplete(t *testing.T) {
	doc := description(t)
	for schema, s := range map[string]any{
		"Job": client.Job{}, "Jobs": client.Page{}, "InputState": client.InputState{}, "OutputState": client.OutputState{},
		"Event": client.Event{}, "JobProgress": client.JobProgress{}, "OutputProgress": client.OutputProgress{}, "History": client.History{},
		"Delivery": client.Delivery{}, "Health": client.Health{},
	} {
		have, want := fields(s), properties(doc.Components.Schemas[schema].Value)
		slices.Sort(have)
		slices.Sort(want)
		if diff := cmp.Diff(want, have); diff != "" {
			t.Errorf("%T and the schema %s:\n%s", s, schema, diff)
		}
	}
}

// description is the server's own of its API.
func description(t *testing.T) *openapi3.T {
	t.Helper()
	data, err := os.ReadFile("../api/openapi.yaml")
	if err != nil {
		t.Fatal(err)
	}
	doc, err := openapi3.NewLoader().LoadFromData(data)
	if err != nil {
		t.Fatal(err)
	}
	return doc
}

// properties are the members of a schema, or of those that it may be.
func properties(s *openapi3.Schema) []string {
	var names []string
	for name := range s.Properties {
		names = append(names, name)
	}
	for _, one := range s.OneOf {
		names = append(names, properties(one.Value)...)
	}
	return names
}

// fields are the members that a struct is encoded to.
func fields(s any) []string {
	var names []string
	for _, f := range reflect.VisibleFields(reflect.TypeOf(s)) {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		if name != "" && name != "-" && !f.Anonymous {
			names = append(names, name)
		}
	}
	return names
}
