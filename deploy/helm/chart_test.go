// Package helm holds the tests of the chart copra and of the example for
// kustomize. The chart is rendered and linted by Helm's own packages
// (deploy/helm/tool) and held to the schemas of a real API server
// (testdata/schemas.json, made by deploy/kubernetes/mkschemas.py).
package helm

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v4"

	"github.com/copra-video/copra/internal/queue"
	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/transcode/format"
)

var update = flag.Bool("update", false, "rewrite the goldens")

// charttool returns the program that scripts/setup.sh builds.
func charttool(t *testing.T) string {
	t.Helper()
	testmedia.Long(t)
	candidates := []string{os.Getenv("COPRA_TEST_CHARTTOOL"), "../../.cache/tools/bin/charttool"}
	for _, c := range candidates {
		if _, err := os.Stat(c); err == nil {
			return c
		}
	}
	testmedia.Missing(t, "no charttool: scripts/setup.sh test builds it; COPRA_TEST_CHARTTOOL may name it")
	return ""
}

// seen reads the files of the chart, so that `go test` knows that its result depends
// on them: it does not see what the tool reads.
func seen(t *testing.T) {
	t.Helper()
	err := fs.WalkDir(os.DirFS("copra"), ".", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		_, err = os.Stat(filepath.Join("copra", path))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

// run returns what the tool printed, or what it complained about.
func run(t *testing.T, args ...string) (stdout string, err error) {
	t.Helper()
	seen(t)
	cmd := exec.CommandContext(t.Context(), charttool(t), args...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := cmd.Run(); err != nil {
		return "", errors.New(complaint.String())
	}
	if complaint.Len() > 0 {
		t.Errorf("%s: %s", args, complaint.String())
	}
	return out.String(), nil
}

func render(t *testing.T, values ...string) string {
	t.Helper()
	text, err := run(t, append([]string{"template", "copra", "copra", "video"}, values...)...)
	if err != nil {
		t.Fatal(err)
	}
	return generated.ReplaceAllString(text, "${1}R0VORVJBVEVE")
}

// generated is the operator's key, another one in each rendering.
var generated = regexp.MustCompile(`(?m)^(  operator-key: )[A-Za-z0-9+/]{43}=$`)

// valueFiles are the examples of values.
func valueFiles(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("testdata/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("%d files of values: %v", len(files), err)
	}
	return files
}

// TestChart: every example passes helm lint --strict and renders to its golden,
// whose objects an API server would take.
func TestChart(t *testing.T) {
	schemas := readSchemas(t)
	for _, file := range valueFiles(t) {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			t.Parallel()
			if _, err := run(t, "lint", "copra", file); err != nil {
				t.Error(err)
			}
			text := render(t, file)
			golden := strings.TrimSuffix(file, ".yaml") + ".golden"
			if *update {
				if err := os.WriteFile(golden, []byte(text), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), text); diff != "" {
				t.Errorf("the chart renders otherwise (-golden +now); go test ./deploy/helm -update, and read the difference:\n%s", diff)
			}
			objects, _, _ := strings.Cut(text, "# Source: copra/templates/NOTES.txt")
			if n := schemas.validate(t, objects); n < 5 {
				t.Errorf("only %d objects", n)
			}
		})
	}
}

// TestKustomize: the files of the plain example are objects that an API server
// would take.
func TestKustomize(t *testing.T) {
	schemas := readSchemas(t)
	var list struct{ Resources []string }
	text, err := os.ReadFile("../kustomize/kustomization.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &list); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../kustomize/*.yaml")
	if err != nil || len(files) != len(list.Resources)+1 {
		t.Errorf("kustomization.yaml lists %d of %d files: %v", len(list.Resources), len(files)-1, err)
	}
	for _, name := range list.Resources {
		text, err := os.ReadFile(filepath.Join("../kustomize", name))
		if err != nil {
			t.Fatal(err)
		}
		schemas.validate(t, string(text))
	}
}

// TestRefused: values that would do something else than they say are refused, with
// the name of what is wrong.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ name, values, says string }{
		{"no secret", `{}`, "secret.name is missing"},
		{"a name that is none", `{secret: {name: x}, worker: {slots: 2}}`, "worker"},
		{"a name in a pool", `{secret: {name: x}, workers: {pools: {default: {slot: 2}}}}`, "slot"},
		{"a secret in env", `{secret: {name: x}, env: {COPRA_DATABASE_URL: "postgres://u:p@h/d"}}`, "COPRA_DATABASE_URL"},
		{"a secret in the env of a pool", `{secret: {name: x}, workers: {defaults: {env: {COPRA_SECRET_KEYS: abc}}}}`, "COPRA_SECRET_KEYS"},
		{"a queue that is none", `{secret: {name: x}, workers: {pools: {default: {queues: [encode]}}}}`, "queues"},
		{"a controller that is none", `{secret: {name: x}, ingress: {enabled: true, controller: apache}}`, "controller"},
		{"no slots", `{secret: {name: x}, workers: {defaults: {slots: 0}}}`, "slots"},
		{"an ingress without a host", `{secret: {name: x}, ingress: {enabled: true}}`, "ingress.hosts is empty"},
		{"a route without a gateway", `{secret: {name: x}, httpRoute: {enabled: true}}`, "httpRoute.parentRefs is empty"},
		{"a claim without a name", `{secret: {name: x}, workers: {defaults: {work: {type: claim}}}}`, "work.existingClaim is missing"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "values.yaml")
			if err := os.WriteFile(file, []byte(c.values), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := run(t, "template", "copra", "copra", "video", file)
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("%v does not say %q", err, c.says)
			}
		})
	}
}

// TestIngress: each controller gets annotations for bodies of any size and answers
// that last; an annotation of the user's own wins.
func TestIngress(t *testing.T) {
	const own = "nginx.ingress.kubernetes.io/proxy-body-size: 4g"
	for controller, want := range map[string]string{
		"ingress-nginx": own, "nginx": `nginx.org/client-max-body-size: "0"`, "haproxy": "haproxy.org/timeout-server: 1h",
		"haproxy-ingress": "haproxy-ingress.github.io/proxy-body-size: unlimited", "traefik": "kind: Ingress", "none": "kind: Ingress",
	} {
		t.Run(controller, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "values.yaml")
			values := fmt.Sprintf("{secret: {name: x}, ingress: {enabled: true, controller: %s, hosts: [a.example.com], annotations: {%s}}}", controller, own)
			if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
				t.Fatal(err)
			}
			if text := render(t, file); !strings.Contains(text, want) || !strings.Contains(text, own) {
				t.Errorf("no %q or no %q in\n%s", want, own, text)
			}
		})
	}
}

// TestOperatorKey: the chart makes the key of the console, or takes that of a Secret
// that is there; without the console there is none.
func TestOperatorKey(t *testing.T) {
	for _, c := range []struct {
		name, values string
		wants        []string
		not          string
	}{
		{"made", `{secret: {name: x}}`, []string{"kind: Secret", "name: copra-operator, key: operator-key", "  operator-key: R0VORVJBVEVE"}, "COPRA_CONSOLE"},
		{"of a Secret that is there", `{secret: {name: x}, console: {operatorKey: {secretName: mine, key: k}}}`, []string{"name: mine, key: k"}, "kind: Secret"},
		{"no console", `{secret: {name: x}, console: {enabled: false}}`, []string{`- name: COPRA_CONSOLE`}, "COPRA_OPERATOR_KEY"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(t.TempDir(), "values.yaml")
			if err := os.WriteFile(file, []byte(c.values), 0o600); err != nil {
				t.Fatal(err)
			}
			text := render(t, file)
			for _, want := range c.wants {
				if !strings.Contains(text, want) {
					t.Errorf("no %q in\n%s", want, text)
				}
			}
			if strings.Contains(text, c.not) {
				t.Errorf("%q in\n%s", c.not, text)
			}
		})
	}
}

// TestHelmTest: what the job of `helm test` asks for is a format, and its command is
// one of the program.
func TestHelmTest(t *testing.T) {
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(`{secret: {name: x, apiKeyKey: k}, storage: {enabled: true}}`), 0o600); err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`copra submit \S+ -o (\S+)`).FindStringSubmatch(render(t, file))
	if found == nil {
		t.Fatal("helm test submits no job")
	}
	if f, err := format.Parse(found[1]); err != nil {
		t.Error(err)
	} else if err := format.Supported(f); err != nil {
		t.Error(err)
	}
}

// schemas are those of the kinds that the chart uses, by apiVersion and kind.
type schemas map[string]*jsonschema.Schema

func readSchemas(t *testing.T) schemas {
	t.Helper()
	f, err := os.Open("testdata/schemas.json")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	document, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("schemas.json", document); err != nil {
		t.Fatal(err)
	}
	all := schemas{}
	for kind := range document.(map[string]any)["kinds"].(map[string]any) {
		s, err := c.Compile("schemas.json#/kinds/" + strings.ReplaceAll(strings.ReplaceAll(kind, "/", "~1"), " ", "%20"))
		if err != nil {
			t.Fatal(err)
		}
		all[kind] = s
	}
	return all
}

// validate holds every object of a stream of YAML documents to its schema, and
// returns how many there are.
func (s schemas) validate(t *testing.T, text string) (n int) {
	t.Helper()
	decoder := yaml.NewDecoder(strings.NewReader(text))
	for {
		var object map[string]any
		err := decoder.Decode(&object)
		if errors.Is(err, io.EOF) {
			return n
		}
		if err != nil {
			t.Fatal(err)
		}
		if object == nil {
			continue
		}
		n++
		if err := s.check(object); err != nil {
			t.Error(err)
		}
	}
}

func (s schemas) check(object map[string]any) error {
	kind := fmt.Sprint(object["apiVersion"], " ", object["kind"])
	schema := s[kind]
	if schema == nil {
		return fmt.Errorf("no schema of %s in testdata/schemas.json; deploy/kubernetes/mkschemas.py writes it", kind)
	}
	data, err := json.Marshal(object)
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return fmt.Errorf("%s: %w", kind, err)
	}
	if err := schema.Validate(value); err != nil {
		return fmt.Errorf("%s %v: %w", kind, object["metadata"], err)
	}
	return nil
}

// TestSchemas: the schemas refuse what an API server refuses, so that the tests
// above can fail.
func TestSchemas(t *testing.T) {
	s := readSchemas(t)
	object := func(extra string) map[string]any {
		var o map[string]any
		text := `{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {ports: [{port: 80` + extra + `}]}}`
		if err := yaml.Unmarshal([]byte(text), &o); err != nil {
			t.Fatal(err)
		}
		return o
	}
	if err := s.check(object("")); err != nil {
		t.Error(err)
	}
	for _, wrong := range []string{", prot: TCP", ", protocol: 6"} {
		if s.check(object(wrong)) == nil {
			t.Errorf("a port with %q passes", wrong)
		}
	}
}

// TestSecrets: what is secret comes from a Secret into the environment of a
// container, and stands nowhere else.
func TestSecrets(t *testing.T) {
	secret := []string{"COPRA_DATABASE_URL", "COPRA_SECRET_KEYS", "COPRA_API_KEY", "COPRA_OPERATOR_KEY", "COPRA_ARTIFACT_S3_SECRET_KEY", "COPRA_ARTIFACT_S3_ACCESS_KEY"}
	found := 0
	for _, file := range valueFiles(t) {
		lines := strings.Split(render(t, file), "\n")
		for i, line := range lines {
			at := slices.IndexFunc(secret, func(s string) bool { return strings.Contains(line, s) })
			if at < 0 {
				continue
			}
			found++
			if !strings.Contains(line, "- name: "+secret[at]) || !strings.Contains(lines[i+1], "secretKeyRef") {
				t.Errorf("%s: %s does not come from a Secret:\n%s", file, secret[at], strings.Join(lines[i:i+2], "\n"))
			}
		}
	}
	if found < 10 {
		t.Errorf("only %d uses of secrets were found", found)
	}
}

// settable are the variables that the chart sets nowhere by itself: its values env, api.env and
// the env of a pool set them.
var settable = strings.Fields(`COPRA_CHUNKS COPRA_DEVICES COPRA_DEVICE_SESSIONS COPRA_ENCODER COPRA_PREFER COPRA_PRESETS COPRA_FFMPEG COPRA_FFPROBE
	COPRA_FFMPEG_MEMORY COPRA_FFMPEG_STALL_TIMEOUT COPRA_FFMPEG_USER COPRA_JOB_RETENTION COPRA_LOG_RETENTION COPRA_MAX_INPUT COPRA_MIN_FREE_DISK
	COPRA_UPLOADS COPRA_UPLOAD_RETRY_TIMEOUT`)

// unused are the variables that no pod of the chart needs: secrets come as variables and not as
// files, the pod has its addresses and folders, and the rest is of clients and standalone servers.
var unused = strings.Fields(`COPRA_API_KEY_FILE COPRA_DATABASE_PASSWORD_FILE COPRA_OIDC_CLIENT_SECRET_FILE COPRA_OPERATOR_KEY_FILE COPRA_SECRET_KEY_FILE
	COPRA_SPEECH_KEY_FILE COPRA_DATA_DIR COPRA_LISTEN COPRA_METRICS_LISTEN COPRA_PG_BIN COPRA_SERVER COPRA_WORK_DIR`)

// TestSettings: each setting of the program has a value of the chart, or it is known that it
// needs none.
func TestSettings(t *testing.T) {
	documented, err := os.ReadFile("../../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	templates, err := filepath.Glob("copra/templates/*")
	if err != nil || len(templates) < 8 {
		t.Fatalf("%d templates: %v", len(templates), err)
	}
	var chart []byte
	for _, name := range templates {
		if data, err := os.ReadFile(name); err == nil { // else a folder
			chart = append(chart, data...)
		}
	}
	variable := regexp.MustCompile(`COPRA_[A-Z0-9_]+`)
	set := map[string]bool{}
	for _, name := range variable.FindAllString(string(chart), -1) {
		set[name] = true
	}
	known := map[string]bool{}
	for _, name := range variable.FindAllString(string(documented), -1) {
		known[name] = true
		if !set[name] && !slices.Contains(settable, name) && !slices.Contains(unused, name) {
			t.Errorf("%s has no value in the chart: give it one, or say in this test why it needs none", name)
		}
	}
	schema, err := os.ReadFile("copra/values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range queue.All() {
		if !bytes.Contains(schema, fmt.Appendf(nil, "%q", name)) {
			t.Errorf("the chart knows no queue %s", name)
		}
	}
	for _, name := range append(slices.Clone(settable), unused...) {
		if set[name] || !known[name] {
			t.Errorf("%s is set by the chart, or no setting", name)
		}
	}
}
