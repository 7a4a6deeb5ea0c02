package docs

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/internal/testtime"
)

// receivers run the snippets of webhooks.md: each reads {"secret", "cases": [{headers,
// body}]} from standard input and prints a line true or false for each case.
var receivers = []struct {
	language, file, before, after string
	command                       []string
}{
	{"php", "r.php", "<?php\n", `
$in = json_decode(stream_get_contents(STDIN), true);
foreach ($in['cases'] as $c) { echo is_from_copra($in['secret'], $c['headers'], $c['body']) ? "true\n" : "false\n"; }
`, []string{"php", "r.php"}},
	{"js", "r.cjs", "", `
const input = JSON.parse(require('fs').readFileSync(0, 'utf8'));
for (const c of input.cases) console.log(isFromCopra(input.secret, c.headers, c.body));
`, []string{"node", "r.cjs"}},
	{"python", "r.py", "", `
import json, sys
given = json.load(sys.stdin)
for c in given["cases"]:
    print(str(is_from_copra(given["secret"], c["headers"], c["body"].encode())).lower())
`, []string{"python3", "r.py"}},
	{"ruby", "r.rb", "", `
require "json"
given = JSON.parse(STDIN.read)
given["cases"].each { |c| puts from_copra?(given["secret"], c["headers"], c["body"]) }
`, []string{"ruby", "r.rb"}},
	{"go", "main.go", `package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

`, `
func main() {
	var in struct {
		Secret string
		Cases  []struct {
			Headers map[string]string
			Body    string
		}
	}
	if err := json.NewDecoder(os.Stdin).Decode(&in); err != nil {
		panic(err)
	}
	for _, c := range in.Cases {
		h := http.Header{}
		for name, value := range c.Headers {
			h.Set(name, value)
		}
		fmt.Println(isFromCopra(in.Secret, h, []byte(c.Body)))
	}
}
`, []string{"go", "run", "main.go"}},
}

// TestWebhookSnippets: the receivers of webhooks.md take what is signed, and nothing
// else, in all five languages.
func TestWebhookSnippets(t *testing.T) {
	testmedia.Long(t)
	page := read(t, "webhooks.md")
	const secret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
	const body = `{"event":"job.completed","job_id":"S9BkOufdntiPR9","data":{"note":"ü"}}`
	sign := func(secret, id string, at time.Time, body string) map[string]string {
		key, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil {
			t.Fatal(err)
		}
		unix := strconv.FormatInt(at.Unix(), 10)
		mac := hmac.New(sha256.New, key)
		fmt.Fprintf(mac, "%s.%s.%s", id, unix, body)
		return map[string]string{"webhook-id": id, "webhook-timestamp": unix, "webhook-signature": "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil))}
	}
	with := func(h map[string]string, name, value string) map[string]string {
		h[name] = value
		return h
	}
	now := time.Now()
	good := sign(secret, "msg_S9BkOufdntiPR9_1", now, body)
	type webhook struct {
		Headers map[string]string `json:"headers"`
		Body    string            `json:"body"`
	}
	cases := []webhook{
		{good, body},
		{with(sign(secret, "msg_1", now, body), "webhook-signature", "v1,x "+sign(secret, "msg_1", now, body)["webhook-signature"]), body},
		{good, body + " "},
		{sign("whsec_"+base64.StdEncoding.EncodeToString([]byte("another secret of 24 byt")), "msg_1", now, body), body},
		{sign(secret, "msg_1", now.Add(-6*time.Minute), body), body},
		{sign(secret, "msg_1", now.Add(6*time.Minute), body), body},
		{with(sign(secret, "msg_1", now, body), "webhook-id", "msg_2"), body},
		{with(sign(secret, "msg_1", now, body), "webhook-timestamp", "soon"), body},
		{map[string]string{}, body},
	}
	const want = "true\ntrue\nfalse\nfalse\nfalse\nfalse\nfalse\nfalse\nfalse\n"
	input, err := json.Marshal(map[string]any{"secret": secret, "cases": cases})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range receivers {
		t.Run(r.language, func(t *testing.T) {
			t.Parallel()
			m := regexp.MustCompile("(?ms)^```" + r.language + "\n(.*?)^```$").FindStringSubmatch(page)
			if m == nil {
				t.Fatalf("webhooks.md has no snippet for %s", r.language)
			}
			if _, err := exec.LookPath(r.command[0]); err != nil {
				testmedia.Missing(t, "no "+r.command[0]+"; scripts/setup.sh test installs it")
			}
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, r.file), []byte(r.before+m[1]+r.after), 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), testtime.Allow(60*time.Second))
			defer cancel()
			cmd := exec.CommandContext(ctx, r.command[0], r.command[1:]...)
			cmd.Dir, cmd.Stdin = dir, bytes.NewReader(input)
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != want {
				t.Errorf("%v\n%s\nwant\n%s", err, out, want)
			}
		})
	}
}
