package docs

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
	"testing"
)

var (
	metricName = regexp.MustCompile(`\bcopra_[a-z_]+\b`)
	selector   = regexp.MustCompile(`\b(copra_[a-z_]+)\{([^}]*)\}`)
	grouping   = regexp.MustCompile(`by \(([a-z, ]+)\) \(rate\((copra_[a-z_]+)`)
	labelName  = regexp.MustCompile(`([a-z]+) *=`)
	labelled   = regexp.MustCompile("(?m)^\\| `(copra_[a-z_]+)` \\|([^|]*)\\|")
)

// TestMonitoring: the alerts and the dashboard ask for metrics that there are,
// by labels that they have.
func TestMonitoring(t *testing.T) {
	labels := map[string][]string{}
	for _, m := range labelled.FindAllStringSubmatch(read(t, "operations.md"), -1) {
		labels[m[1]] = strings.Split(strings.TrimSpace(m[2]), ", ")
	}
	known := func(file, name string, used ...string) {
		base, isBucket := strings.CutSuffix(name, "_bucket")
		have, ok := labels[base]
		if !ok {
			t.Errorf("%s asks for %s, which there is not", file, name)
		}
		for _, l := range used {
			if l = strings.TrimSpace(l); !slices.Contains(have, l) && !(isBucket && l == "le") {
				t.Errorf("%s asks for the label %s of %s, which has %q", file, l, name, have)
			}
		}
	}
	for _, file := range []string{"../deploy/prometheus/alerts.yml", "../deploy/grafana/copra.json"} {
		text := read(t, file)
		if strings.HasSuffix(file, ".json") {
			if !json.Valid([]byte(text)) {
				t.Fatalf("%s is no JSON", file)
			}
			text = strings.ReplaceAll(text, `\"`, `"`)
		}
		names := metricName.FindAllString(text, -1)
		if len(names) < 10 {
			t.Errorf("%s asks for %d metrics", file, len(names))
		}
		for _, name := range names {
			known(file, name)
		}
		for _, m := range selector.FindAllStringSubmatch(text, -1) {
			for _, l := range labelName.FindAllStringSubmatch(m[2], -1) {
				known(file, m[1], l[1])
			}
		}
		for _, m := range grouping.FindAllStringSubmatch(text, -1) {
			known(file, m[2], strings.Split(m[1], ",")...)
		}
	}
}
