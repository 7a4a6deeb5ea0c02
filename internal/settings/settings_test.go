package settings

import (
	"errors"
	"flag"
	"io"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/internal/command"
)

func testEnv(vars map[string]string, stdout io.Writer) command.Stdio {
	return command.Stdio{Getenv: func(k string) string { return vars[k] }, Stdout: stdout, Stderr: io.Discard}
}

func TestFlagsAndWordsInAnyOrder(t *testing.T) {
	var s Settings
	f := NewFlagSet("submit", "", "", io.Discard)
	s.NetworkFlags(f)
	s.APIFlags(f)
	vars := map[string]string{"COPRA_ALLOW_NETWORKS": "10.0.0.0/8", "COPRA_LISTEN": "127.0.0.1:1"}
	words, err := f.Parse(testEnv(vars, io.Discard), []string{"--listen", "127.0.0.1:2", "one", "--allow-network", "192.168.0.0/16", "two"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"one", "two"}, words); diff != "" {
		t.Error("words (-want +got):\n" + diff)
	}
	if s.Listen != "127.0.0.1:2" {
		t.Errorf("listen is %q: the flag must win over the variable", s.Listen)
	}
	if len(s.AllowNetworks) != 1 || s.AllowNetworks[0] != netip.MustParsePrefix("192.168.0.0/16") {
		t.Errorf("networks are %v: a flag behind a word must replace the variable", s.AllowNetworks)
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
		{vars: map[string]string{"COPRA_SLOTS": "-1"}, want: "COPRA_SLOTS"},
		{vars: map[string]string{"COPRA_PRESETS": "fast"}, want: "encoder=preset"},
		{vars: map[string]string{"COPRA_MAX_INPUT": "1.5"}, want: "COPRA_MAX_INPUT"},
		{args: []string{"--nope"}, want: "nope"},
		{args: []string{"extra"}, want: "extra"},
	} {
		var s Settings
		f := NewFlagSet("worker", "", "", io.Discard)
		s.WorkerFlags(f)
		err := f.ParseAlone(testEnv(c.vars, io.Discard), c.args)
		if _, ok := errors.AsType[command.UsageError](err); !ok || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v %v: error %v, want a usage error that names %q", c.args, c.vars, err, c.want)
		}
	}
}

func TestHelpShowsVariables(t *testing.T) {
	var s Settings
	var out strings.Builder
	f := NewFlagSet("worker", "", "a worker", io.Discard)
	s.WorkerFlags(f)
	if err := f.ParseAlone(testEnv(nil, &out), []string{"-h"}); !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("error %v, want flag.ErrHelp", err)
	}
	for _, want := range []string{"--slots [COPRA_SLOTS]", "Defaults to"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the help lacks %q", want)
		}
	}
}
