package worker

import (
	"strings"
	"testing"
)

// TestRedact: no user name, password or query of an address stays in a log.
func TestRedact(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "",
		"scale=320:180, a?b@c":          "scale=320:180, a?b@c",
		"title=https://user:canary@h/p": "title=https://[redacted]@h/p",
		"https://h/p?X-Amz-Signature=canary&x=canary and 'ftp://canary@h?a=canary'": "https://h/p?[redacted] and 'ftp://[redacted]@h?[redacted]'",
		"s3+x://canary:canary@b/k https://h/p#f":                                    "s3+x://[redacted]@b/k https://h/p#f",
		"https://user:can%40ary@h:80/a@b":                                           "https://[redacted]@h:80/a@b",
	} {
		got := redact(text)
		if strings.Contains(got, "canary") || got != want {
			t.Errorf("%q becomes %q, want %q", text, got, want)
		}
	}
}

// TestEncoderOf: the label of a metric is one of our own encoders, or none.
func TestEncoderOf(t *testing.T) {
	for args, want := range map[string]string{
		"": "none", "-c": "none", "-i a -c copy b": "none", "-c:v copy -c:a aac": "aac",
		"-i a -c:a aac -c:v:0 libx264 x -c:v:1 libx265": "libx264",
	} {
		if got := encoderOf(strings.Fields(args)); got != want {
			t.Errorf("%s: %s, want %s", args, got, want)
		}
	}
}
