package docs

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/copra-video/copra/internal/testmedia"
)

var (
	metricName = regexp.MustCompile(`\bcopra_[a-z_]+\b`)
	selector   = regexp.MustCompile(`\b(copra_[a-z_]+)\{([^}]*)\}`)
	grouping   = regexp.MustCompile(`by \(([a-z, ]+)\) \(rate\((copra_[a-z_]+)`)
	labelName  = regexp.MustCompile(`([a-z]+) *=`)
	labelled   = regexp.MustCompile("(?m)^\\| `(copra_[a-z_]+)` \\|([^|]*)\\|")
)

// TestPromtool: Prometheus's own tool takes the alerts, the scrape configuration and
// every query of the dashboard.
func TestPromtool(t *testing.T) {
	promtool := testmedia.Tool(t, "promtool")
	var dashboard struct {
		Panels []struct {
			Title   string
			Targets []struct{ Expr string }
		}
	}
	if err := json.Unmarshal([]byte(read(t, "../deploy/grafana/copra.json")), &dashboard); err != nil {
		t.Fatal(err)
	}
	rules := "groups:\n- name: dashboard\n  rules:\n"
	queries := 0
	for _, p := range dashboard.Panels {
		for _, target := range p.Targets {
			expr, err := json.Marshal(strings.ReplaceAll(target.Expr, "$__rate_interval", "5m"))
			if err != nil {
				t.Fatal(err)
			}
			queries++
			rules += fmt.Sprintf("  - record: q:%d\n    expr: %s\n", queries, expr)
		}
	}
	if queries < 25 {
		t.Errorf("the dashboard has %d queries", queries)
	}
	file := filepath.Join(t.TempDir(), "dashboard.yml")
	if err := os.WriteFile(file, []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"rules", "../deploy/prometheus/alerts.yml", file}, {"config", "../deploy/prometheus/scrape.yml"}, {"config", "../deploy/prometheus/compose.yml"}} {
		if out, err := exec.CommandContext(t.Context(), promtool, append([]string{"check"}, args...)...).CombinedOutput(); err != nil {
			t.Errorf("promtool check %v: %v\n%s", args, err, out)
		}
	}
}

// TestMonitoring: the alerts and the dashboard ask for metrics that there are,
// by labels that they have.
func TestMonitoring(t *testing.T) {
	labels := map[string][]string{}
	for _, m := range labelled.FindAllStringSubmatch(read(t, "metrics.md"), -1) {
		labels[m[1]] = strings.Split(strings.TrimSpace(m[2]), ", ")
	}
	known := func(file, name string, used ...string) {
		base, isBucket := strings.CutSuffix(name, "_bucket")
		if _, ok := labels[name]; !ok && !isBucket {
			base = strings.TrimSuffix(name, "_count")
		}
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

// TestObservability: the profile of docker-compose.yml names a version of each image and
// files that are there, is reached from its machine alone, and starts by that profile only.
func TestObservability(t *testing.T) {
	type service struct {
		Profiles, Ports, Volumes, Command []string
		Image                             string
		Environment                       map[string]string
	}
	// The other services are of other forms, and are looked at by deploy/verify-compose.sh.
	var compose struct {
		Services struct{ Prometheus, Grafana, Jaeger service }
	}
	if err := yaml.Unmarshal([]byte(read(t, "../docker-compose.yml")), &compose); err != nil {
		t.Fatal(err)
	}
	mounted := map[string]string{} // by the path in a container
	for name, s := range map[string]service{"prometheus": compose.Services.Prometheus, "grafana": compose.Services.Grafana, "jaeger": compose.Services.Jaeger} {
		if !slices.Equal(s.Profiles, []string{"observability"}) || !regexp.MustCompile(`:v?\d+\.\d+\.\d+$`).MatchString(s.Image) {
			t.Errorf("%s: profiles %q, image %q", name, s.Profiles, s.Image)
		}
		for _, p := range s.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s: the port %s is open to others", name, p)
			}
		}
		for _, v := range s.Volumes {
			from, at, _ := strings.Cut(v, ":")
			if local, ok := strings.CutPrefix(from, "./"); ok {
				if err := filepath.WalkDir("../"+local, func(path string, e fs.DirEntry, err error) error {
					if err == nil && e.Type()&fs.ModeSymlink != 0 {
						t.Errorf("%s: %s is a link, which may lead nowhere in a container", name, path)
					}
					return err
				}); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				mounted[strings.TrimSuffix(at, ":ro")] = local
			}
		}
	}
	for at, want := range map[string]string{
		"/etc/copra/compose.yml": "deploy/prometheus/compose.yml", "/etc/copra/alerts.yml": "deploy/helm/copra/files/alerts.yml", "/etc/grafana/provisioning": "deploy/grafana/provisioning", "/etc/copra/copra.json": "deploy/grafana/copra.json",
	} {
		if mounted[at] != want {
			t.Errorf("at %s is %q", at, mounted[at])
		}
	}
	if !slices.Contains(compose.Services.Prometheus.Command, "--config.file=/etc/copra/compose.yml") {
		t.Errorf("%q", compose.Services.Prometheus.Command)
	}
	var sources struct {
		Datasources []struct{ Type, URL string }
	}
	if err := yaml.Unmarshal([]byte(read(t, "../deploy/grafana/provisioning/datasources/copra.yml")), &sources); err != nil || len(sources.Datasources) != 2 {
		t.Fatalf("%+v, %v", sources, err)
	}
	for _, s := range sources.Datasources {
		if !strings.HasPrefix(s.URL, "http://"+s.Type+":") { // services have the names of the types
			t.Errorf("%+v", s)
		}
	}
	var boards struct {
		Providers []struct{ Options struct{ Path string } }
	}
	if err := yaml.Unmarshal([]byte(read(t, "../deploy/grafana/provisioning/dashboards/copra.yml")), &boards); err != nil || len(boards.Providers) != 1 || boards.Providers[0].Options.Path != "/etc/copra" {
		t.Errorf("%+v, %v", boards, err)
	}
}
