package playback

import (
	"encoding/hex"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/seal"
	"github.com/copra-video/copra/job"
)

// Keys differ by job and class, are found by their ids, also after the operator has put a
// new sealing key first, and not when the old one is gone.
func TestKeys(t *testing.T) {
	old, recent := seal.Generate(), seal.Generate()
	open := func(keys ...string) *Keys {
		s, err := seal.ParseKeys(keys)
		if err != nil {
			t.Fatal(err)
		}
		return New(s, "https://copra.example.com/")
	}
	first, both, changed := open(old), open(recent, old), open(recent)
	seen := map[string]bool{}
	for _, jobID := range []string{"a", "b"} {
		for _, k := range first.ForJob(jobID) {
			if seen[k.KeyID] || seen[k.Key.Reveal()] || k.KeyID == k.Key.Reveal() {
				t.Errorf("%+v is there twice", k)
			}
			seen[k.KeyID], seen[k.Key.Reveal()] = true, true
			id, _ := hex.DecodeString(k.KeyID)
			for _, keys := range []*Keys{first, both} {
				if key, ok := keys.Find(jobID, id); !ok || hex.EncodeToString(key) != k.Key.Reveal() {
					t.Errorf("the key of %s for %s is not found", k.Track, jobID)
				}
			}
			if _, ok := changed.Find(jobID, id); ok {
				t.Error("a key is found without its sealing key")
			}
			if _, ok := first.Find("c", id); ok {
				t.Error("a key is found for another job")
			}
			if k.URI != "https://copra.example.com/v2/keys/"+jobID+"/"+k.KeyID {
				t.Errorf("its address is %s", k.URI)
			}
		}
	}
	if k := New(first.deriver, "").ForJob("a"); len(k) != 4 || k[0].Track != job.KeyAudio || k[0].URI != "" {
		t.Errorf("%+v", k)
	}

	now := time.Unix(1e9, 0)
	first.now = func() time.Time { return now }
	token, until := first.Token("a", time.Minute)
	if !until.Equal(now.Add(time.Minute)) {
		t.Errorf("it ends at %s", until)
	}
	for _, c := range []struct {
		keys       *Keys
		job, token string
		after      time.Duration
		want       bool
	}{
		{first, "a", token, 0, true}, {both, "a", token, 59 * time.Second, true},
		{first, "a", token, time.Minute, false}, {first, "b", token, 0, false}, {changed, "a", token, 0, false},
		{first, "a", "", 0, false}, {first, "a", "9999999999" + token[10:], 0, false}, {first, "a", token + "x", 0, false}, {first, "a", "x" + token, 0, false},
	} {
		c.keys.now = func() time.Time { return now.Add(c.after) }
		if got := c.keys.Allowed(c.job, c.token); got != c.want {
			t.Errorf("%q for %s after %s: %v", c.token, c.job, c.after, got)
		}
	}
}
