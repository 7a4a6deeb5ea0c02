package job

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
)

func TestSecretShowsNowhere(t *testing.T) {
	const canary = "canary-4711"
	type holder struct {
		Name  string
		Token Secret
		Map   map[string]Secret
		Ptr   *Secret
	}
	s := NewSecret(canary)
	h := holder{"x", s, map[string]Secret{"a": s}, &s}
	var shown bytes.Buffer
	for _, v := range []any{s, &s, h, &h, []Secret{s}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
			fmt.Fprintf(&shown, verb+"\n", v)
		}
		text, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		shown.Write(text)
	}
	for _, log := range []*slog.Logger{slog.New(slog.NewTextHandler(&shown, nil)), slog.New(slog.NewJSONHandler(&shown, nil))} {
		log.Info("x", "secret", s, "holder", h, "pointer", &h)
	}
	shown.WriteString(errors.Join(fmt.Errorf("reach %v: %w", s, errors.New("refused"))).Error())
	for _, hidden := range []string{canary, fmt.Sprintf("%x", canary), fmt.Sprintf("%X", canary)} {
		if i := strings.Index(shown.String(), hidden); i >= 0 {
			t.Errorf("the secret shows: ...%s", shown.String()[max(0, i-60):i+len(hidden)])
		}
	}
	if !strings.Contains(shown.String(), redacted) {
		t.Error("nothing says that something was left out")
	}
	if s.Reveal() != canary || s.IsZero() || !NewSecret("").IsZero() {
		t.Error("the value is not kept")
	}
}
