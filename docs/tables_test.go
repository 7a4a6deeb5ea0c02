package docs

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/testcopra"
	"github.com/copra-video/copra/transcode/codec"
	"github.com/copra-video/copra/transcode/format"
)

// setting is a flag as `copra SUBCOMMAND -h` shows it.
type setting struct {
	flag, env, about string
	used             []string // subcommands
}

// settingLine is the first line of a setting: a flag, its variable, or both.
var settingLine = regexp.MustCompile(`^  (?:--([a-z0-9-]+))?(?: ?\[((?:COPRA|OTEL)_[A-Z0-9_]+)\])?$`)

// TestSettings: the tables of configuration.md are the program's own help.
func TestSettings(t *testing.T) {
	binary, err := testcopra.Build(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	help := func(args ...string) string {
		out, err := exec.Command(binary, args...).Output()
		if err != nil {
			t.Fatalf("copra %v: %v", args, err)
		}
		return string(out)
	}
	var names []string
	_, list, _ := strings.Cut(help("help"), "\n\n  ")
	list, _, _ = strings.Cut(list, "\n\n")
	commands := "| subcommand | does |\n|---|---|\n"
	for line := range strings.Lines(list) {
		name, about, _ := strings.Cut(strings.TrimSpace(line), " ")
		names = append(names, name)
		commands += fmt.Sprintf("| `copra %s` | %s |\n", name, strings.TrimSpace(about))
	}
	var settings []*setting
	for _, name := range names {
		collect(t, &settings, name, help(name, "-h"))
	}
	slices.SortStableFunc(settings, func(a, b *setting) int { return strings.Compare(a.flag, b.flag) })
	table(t, "configuration.md", "subcommands", commands)
	rows := "| flag | variable | of | meaning |\n|---|---|---|---|\n"
	variables := "| variable | of | meaning |\n|---|---|---|\n"
	for _, s := range settings {
		env := ""
		if s.env != "" {
			env = "`" + s.env + "`"
		}
		rest := fmt.Sprintf("%s | %s | %s |\n", env, strings.Join(s.used, ", "), strings.ReplaceAll(s.about, "|", "\\|"))
		if s.flag == "" {
			variables += "| " + rest
		} else {
			rows += fmt.Sprintf("| `--%s` | %s", s.flag, rest)
		}
	}
	table(t, "configuration.md", "settings", rows)
	table(t, "configuration.md", "variables", variables)
}

// collect adds the settings in the help of a subcommand. Some words have another
// meaning in another subcommand, and get a row of their own.
func collect(t *testing.T, settings *[]*setting, command, help string) {
	var now *setting
	for line := range strings.Lines(help) {
		line = strings.TrimRight(line, "\n")
		if m := settingLine.FindStringSubmatch(line); m != nil {
			now = &setting{flag: m[1], env: m[2], used: []string{command}}
			continue
		}
		about, ok := strings.CutPrefix(line, "        ")
		if now == nil || !ok {
			continue
		}
		now.about = about
		at := slices.IndexFunc(*settings, func(s *setting) bool { return s.flag == now.flag && s.env == now.env && s.about == now.about })
		if at < 0 {
			*settings = append(*settings, now)
		} else {
			(*settings)[at].used = append((*settings)[at].used, command)
		}
		now = nil
	}
	if now != nil {
		t.Errorf("the setting --%s [%s] of %s is not explained", now.flag, now.env, command)
	}
}

// TestFormats: the tables of formats.md are the program's own, and its
// examples are accepted or refused as the page says.
func TestFormats(t *testing.T) {
	containers := "| container | also called | file | video | audio | video codecs | audio codecs |\n|---|---|---|---|---|---|---|\n"
	for _, c := range codec.Containers() {
		if !c.Encodable || c.Kind != format.KindVideo && c.Kind != format.KindAudio {
			continue
		}
		containers += fmt.Sprintf("| `%s` | %s | .%s | %s | %s | %s | %s |\n", c.Name, strings.Join(c.Aliases, ", "), c.Extension,
			c.VideoCodec, c.AudioCodec, encodable(codec.Video, c.VideoCodecs), encodable(codec.Audio, c.AudioCodecs))
	}
	table(t, "formats.md", "containers", containers)

	page := read(t, "formats.md")
	for _, block := range []struct {
		name     string
		accepted bool
	}{{"accepted", true}, {"refused", false}} {
		_, rest, found := strings.Cut(page, "```"+block.name+"\n")
		text, _, _ := strings.Cut(rest, "```")
		if !found {
			t.Fatalf("formats.md has no examples that are %s", block.name)
		}
		for line := range strings.Lines(text) {
			name, _, _ := strings.Cut(line, " ")
			f, err := format.Parse(strings.TrimSpace(name))
			if err == nil {
				err = format.Supported(f)
			}
			if (err == nil) != block.accepted {
				t.Errorf("formats.md has %q among the %s: %v", name, block.name, err)
			}
		}
	}
	for _, s := range format.DefaultLadder {
		if !strings.Contains(page, s) {
			t.Errorf("formats.md does not show %s of the default ladder", s)
		}
	}
}

// encodable lists the codecs of a container that are encoded.
func encodable(track codec.Track, names []string) string {
	var list []string
	for _, n := range names {
		if c := codec.Lookup(track, n); c != nil && c.Encodable {
			list = append(list, n)
		}
	}
	return strings.Join(list, ", ")
}

var flagName = regexp.MustCompile("`(?:copra [a-z]+ )?(--[a-z][a-z0-9-]+)")

// TestFlags: every flag of the program that a page names is in the tables of
// configuration.md.
func TestFlags(t *testing.T) {
	page := read(t, "configuration.md")
	n := 0
	for _, p := range pages(t) {
		if filepath.Base(p) == "CHANGELOG.md" { // it names flags that have gone
			continue
		}
		for _, m := range flagName.FindAllStringSubmatch(fence.ReplaceAllString(read(t, p), ""), -1) {
			n++
			if !strings.Contains(page, "| `"+m[1]+"` |") {
				t.Errorf("%s names %s, which is in no table of configuration.md", p, m[1])
			}
		}
	}
	if n < 20 {
		t.Errorf("only %d flags were found", n)
	}
}
