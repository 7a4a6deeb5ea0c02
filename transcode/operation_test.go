package transcode

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/job"
)

// checkJSON checks that a plan survives JSON, except for its secrets, and that
// each step has exactly one operation.
func checkJSON(t testing.TB, p Plan) {
	t.Helper()
	data, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	var back Plan
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if back.Secrets != nil {
		t.Error("the secrets are in the JSON of the plan")
	}
	back.Secrets = p.Secrets
	if d := cmp.Diff(p, back, cmp.Comparer(func(a, b job.Secret) bool { return a == b })); d != "" {
		t.Errorf("the plan changed on the way through JSON:\n%s", d)
	}
	if strings.Contains(string(data), "[redacted]") {
		t.Error("a secret is outside of Plan.Secrets, and would be lost on the way")
	}
	for _, s := range p.Steps {
		set := 0
		for _, field := range reflect.ValueOf(s.Op).Fields() {
			if !field.IsNil() {
				set++
			}
		}
		if set != 1 {
			t.Errorf("step %s has %d operations", s.ID, set)
		}
	}
}

// TestPlanSecrets: secrets are in one place, under names that the plan uses.
func TestPlanSecrets(t *testing.T) {
	const url, key = "https://user:password@example.com/logo.png", "00112233445566778899aabbccddeeff"
	stream := output(t, "httpstream hls=/hls variants=mp4:360p")
	stream.Stream.HLS.EncryptionKey, stream.Stream.HLS.EncryptionKeyURI = job.NewSecret(key), "https://keys.example.com/1"
	marked := output(t, "mp4:360p path=/a.mp4")
	marked.Video.Watermark = &job.Watermark{URL: job.NewSecret(url), Position: "topleft"}
	for _, isolate := range []bool{false, true} {
		p := Build([]*job.Output{stream, marked}, film(640, 360), Options{Isolate: isolate})
		checkJSON(t, p)
		if len(p.Secrets) != 2 {
			t.Errorf("%d secrets: %v", len(p.Secrets), p.Secrets)
		}
		if got := p.Secrets[p.Fetches[0].URL].Reveal(); got != url {
			t.Errorf("the address of the watermark is %q", got)
		}
		files := 0
		for _, s := range p.Steps {
			for _, f := range s.Op.FFmpeg.Inputs {
				if f.Secret != "" && len(f.Content(p.Secrets)) == 16 && string(f.Content(p.Secrets)) == string(p.Secrets.Key(string(f.Secret))) {
					files++
				}
			}
		}
		track := p.Results[0].Packages[0].Tracks[0]
		if files != 1 || track.Encryption == nil || len(p.Secrets.Key(track.Encryption.KeyName)) != 16 || p.Secrets.Key("other") != nil {
			t.Errorf("%d key files; the track's key: %+v", files, track.Encryption)
		}
	}
}
