package coconut

import (
	"encoding/json"
	"strings"
	"testing"
)

func TestRedactRequest(t *testing.T) {
	shown, err := RedactRequest([]byte(`{
		"input": {"url": "https://user:canary@media.example.com/canary/in.mp4?token=canary"},
		"storage": {"service": "s3", "bucket": "films", "region": "us-east-1", "path": "/below", "credentials": {"access_key_id": "canary", "pin": 1234321}},
		"outputs": {"mp4:720p": [{"path": "/a.mp4", "key": "small", "watermark": {"url": "http://10.0.0.1/canary.png"}}, "/b.mp4"], "jpg:300x": {"path": "/p.jpg", "number": 5, "url": "ftp://canary:canary@host/x"},
			"httpstream": {"hls": {"path": "/hls", "encryption_key": "canary", "encryption_key_uri": "https://keys.example.com/canary"}, "protection": {"keys": [{"key": "canary"}, {"key": 1234321}], "pssh": ["canary"]}, "variants": ["mp4:240p"]}},
		"notification": {"type": "http", "url": "https://hook.example.com/canary", "params": {"token": "canary", "n": 1234321}, "events": true},
		"metadata": {"order": "4711"}, "unknown": {"deep": ["canary"]}, "odd": null}`))
	if err != nil {
		t.Fatal(err)
	}
	if !json.Valid(shown) {
		t.Errorf("it is no JSON: %s", shown)
	}
	for _, secret := range []string{"canary", "1234321"} {
		if strings.Contains(string(shown), secret) {
			t.Errorf("%q is shown:\n%s", secret, shown)
		}
	}
	for _, wanted := range []string{"https://media.example.com/...", `"bucket": "films"`, `"/a.mp4"`, `"/b.mp4"`, `"small"`, `"number": 5`, `"mp4:240p"`, `"order": "4711"`, `"events": true`, `"odd": null`} {
		if !strings.Contains(string(shown), wanted) {
			t.Errorf("%s is not shown:\n%s", wanted, shown)
		}
	}
}

func TestOwnMetadata(t *testing.T) {
	const rest = `"input": {"url": "https://example.com/a.mp4"}, "storage": {"service": "coconut"}, "outputs": {"mp4:720p": {"path": "/a.mp4"}}}`
	for body, want := range map[string]string{
		`{"order": "4711", "n": 1.50, "yes": true, "none": null}`: `{"n":"1.50","order":"4711","yes":"true"}`,
		`{}`: `null`, `[]`: `null`, `null`: `null`,
		`{"a b": "x"}`: "name",
		`{"a:b": "x"}`: "name",
		`{"": "x"}`:    "name",
		`{"a": {}}`:    "a hash",
		`{"a": "` + strings.Repeat("x", 501) + `"}`:   "500 bytes",
		`{"a": "x\u0000"}`:                            "control",
		`"text"`:                                      "expected a hash",
		`{"` + strings.Repeat("a", 41) + `": "long"}`: "40",
	} {
		spec, err := DecodeJob([]byte(`{"metadata": ` + body + `, ` + rest))
		if err != nil {
			if !strings.Contains(err.Error(), want) || strings.HasPrefix(want, "{") {
				t.Errorf("%s: %v", body, err)
			}
			continue
		}
		if got, _ := json.Marshal(spec.Metadata); string(got) != want {
			t.Errorf("%s is %s, want %s", body, got, want)
		}
	}
}
