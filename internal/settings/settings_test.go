package settings

import (
	"errors"
	"flag"
	"io"
	"net/netip"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/internal/command"
)

// call is a call of the subcommand worker.
func call(vars map[string]string, stdout io.Writer, args ...string) command.Call {
	e := command.Stdio{Getenv: func(k string) string { return vars[k] }, Stdout: stdout, Stderr: io.Discard}
	return command.Call{Stdio: e, Name: "worker", Usage: "[flags]", About: "a worker", Args: args}
}

func TestFlagsAndWordsInAnyOrder(t *testing.T) {
	var s Settings
	vars := map[string]string{"COPRA_ALLOW_NETWORKS": "10.0.0.0/8", "COPRA_LISTEN": "127.0.0.1:1", "COPRA_REGION": "here"}
	words, err := s.Parse(call(vars, io.Discard, "--listen", "127.0.0.1:2", "one", "--allow-network", "192.168.0.0/16, 172.16.0.1", "two"), Network|API)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one", "two"}, words); diff != "" {
		t.Error("words (-want +got):\n" + diff)
	}
	if s.Listen != "127.0.0.1:2" {
		t.Errorf("listen is %q: the flag must win over the variable", s.Listen)
	}
	want := []netip.Prefix{netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("172.16.0.1/32")}
	if len(s.AllowNetworks) != 2 || s.AllowNetworks[0] != want[0] || s.AllowNetworks[1] != want[1] {
		t.Errorf("networks are %v: a flag behind a word must replace the variable", s.AllowNetworks)
	}
	for name, want := range map[string]bool{"listen": true, "region": true, "rate-limit": false} {
		if s.Given(name) != want {
			t.Errorf("--%s was given: %t", name, !want)
		}
	}
}

func TestSettingsNameThemselves(t *testing.T) {
	for _, c := range []struct {
		args []string
		vars map[string]string
		want string
	}{
		{args: []string{"--slots", "many"}, want: "slots"},
		{args: []string{"--slots", "0"}, want: "1 to 1000"},
		{args: []string{"--ffmpeg-stall-timeout", "10ms"}, want: "from 1s"},
		{args: []string{"--allow-network", "fe80::1%eth0"}, want: "allow-network"},
		{vars: map[string]string{"COPRA_SLOTS": "-1"}, want: "COPRA_SLOTS"},
		{vars: map[string]string{"COPRA_PRESETS": "fast"}, want: "encoder=preset"},
		{vars: map[string]string{"COPRA_MAX_INPUT": "1.5"}, want: "COPRA_MAX_INPUT"},
		{vars: map[string]string{"COPRA_SANDBOX": "maybe"}, want: "on or off or required"},
		{args: []string{"--queues", "probe,encode"}, want: "\"encode\" is not probe or transcode or notify or task"},
		{vars: map[string]string{"COPRA_POD_DELETION_COST": "yes"}, want: "on or off"},
		{args: []string{"--nope"}, want: "nope"},
		{args: []string{"extra"}, want: "extra"},
	} {
		var s Settings
		err := s.ParseFlags(call(c.vars, io.Discard, c.args...), Work|Network|Media|Pool)
		if _, ok := errors.AsType[command.UsageError](err); !ok || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v %v: error %v, want a usage error that names %q", c.args, c.vars, err, c.want)
		}
	}
}

func TestHelpShowsVariables(t *testing.T) {
	var s Settings
	var out strings.Builder
	var yes bool
	own := Row{Flag: "yes", Switch: &yes, Help: "do it."}
	if err := s.ParseFlags(call(nil, &out, "-h"), Database|Work, own); !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("error %v, want flag.ErrHelp", err)
	}
	for _, want := range []string{
		"copra worker: a worker\n\nUsage: copra worker [flags]\n",
		"  --slots [COPRA_SLOTS]\n", "Defaults to a quarter of the cores", "Defaults to 8.\n", "Defaults to none.\n",
		"  --yes\n        do it.\n", "Variables without a flag:\n  [COPRA_SECRET_KEYS]\n",
	} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the help lacks %q:\n%s", want, out.String())
		}
	}
}

// TestDefaults: a value that nothing sets is the default of its row.
func TestDefaults(t *testing.T) {
	var s Settings
	if err := s.ParseFlags(call(nil, io.Discard), ^Group(0)); err != nil {
		t.Fatal(err)
	}
	got := []any{s.LogFormat, s.DatabaseConns, s.Uploads, s.MaxInputBytes, s.MinFreeDisk, s.UploadRetryTimeout, s.StallTimeout, s.ArtifactStore.Retention, s.Sandbox, s.FFmpegUser}
	want := []any{"text", 20, 8, int64(100 << 30), int64(1 << 30), 30 * time.Minute, time.Minute, 24 * time.Hour, "on", 65533}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error("defaults (-want +got):\n" + diff)
	}
}

// TestRows holds the form of the table.
func TestRows(t *testing.T) {
	var s Settings
	seen := map[string]bool{"": true}
	for _, r := range s.rows() {
		name := r.Flag + r.Env
		switch {
		case !regexp.MustCompile(`^(COPRA|OTEL)_[A-Z0-9_]+$`).MatchString(r.Env) || seen[r.Env]:
			t.Errorf("%s: the variable is missing, odd or used twice", name)
		case r.Flag != "" && seen[r.Flag]:
			t.Errorf("%s: the flag is used twice", name)
		case !strings.HasSuffix(r.Help, ".") || strings.Contains(r.Help, "Defaults"):
			t.Errorf("%s: the help is no sentence, or tells the default, which Default does", name)
		case r.Group == 0 || r.Set == nil:
			t.Errorf("%s: no subcommand can take it", name)
		}
		seen[r.Env], seen[r.Flag] = true, true
	}
}

// TestOIDC: a provider without what it needs is a wrong setting, and says which.
func TestOIDC(t *testing.T) {
	for _, c := range []struct {
		vars map[string]string
		want string // in the error; "": none
	}{
		{map[string]string{"COPRA_OIDC_OPERATORS": "a@example.com"}, "--oidc-client-id"},
		{map[string]string{"COPRA_OIDC_CLIENT_ID": "copra", "COPRA_OIDC_OPERATORS": " , "}, "--oidc-operators"},
		{map[string]string{"COPRA_OIDC_CLIENT_ID": "copra", "COPRA_OIDC_OPERATORS": "group:video", "COPRA_OIDC_CLIENT_SECRET_FILE": "/nowhere"}, "--oidc-client-secret-file"},
		{map[string]string{"COPRA_OIDC_CLIENT_ID": "copra", "COPRA_OIDC_OPERATORS": "a@example.com, group:video", "COPRA_OIDC_CLIENT_SECRET": "canary"}, ""},
	} {
		c.vars["COPRA_OIDC_ISSUER"] = "https://login.example.com/realms/video/"
		var s Settings
		if _, err := s.Parse(call(c.vars, io.Discard), API); err != nil {
			t.Fatal(err)
		}
		secret, err := s.OIDCSecret()
		switch {
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
			t.Errorf("%v: error %v, want one with %q", c.vars, err, c.want)
		case c.want == "" && (err != nil || secret.Reveal() != "canary" || len(s.OIDC.Operators) != 2 || s.OIDC.Operators[1] != "group:video" || s.OIDC.Issuer != c.vars["COPRA_OIDC_ISSUER"]):
			t.Errorf("%v: %v, %v", c.vars, s.OIDC, err)
		}
	}
}
