// Package scripts holds the test of scripts/release.sh.
package scripts

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/elf"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
)

const version = "0.0.1"

// release runs the script of a tree, and returns the folder with what it made.
func release(t *testing.T, tree, sbom string, env ...string) string {
	t.Helper()
	out := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "bash", "scripts/release.sh", "v"+version, out)
	cmd.Dir = tree
	cmd.Env = append(append(os.Environ(), "ARCHS=amd64", "SOURCE_DATE_EPOCH=1700000000", "CYCLONEDX="+sbom), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("release: %v\n%s", err, text)
	}
	return out
}

// another copies the files of the repository into a folder of another name.
func another(t *testing.T) string {
	t.Helper()
	list, err := exec.CommandContext(t.Context(), "git", "-C", "..", "ls-files", "-z", "--cached", "--others", "--exclude-standard").Output()
	if err != nil {
		t.Fatal(err)
	}
	tree := filepath.Join(t.TempDir(), "a tree of another name")
	for name := range strings.SplitSeq(strings.TrimSuffix(string(list), "\x00"), "\x00") {
		text, err := os.ReadFile(filepath.Join("..", name))
		if errors.Is(err, os.ErrNotExist) {
			continue // removed, and not committed yet
		}
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Join(tree, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(tree, name), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return tree
}

// TestRelease: two builds in other folders, with another umask, time zone and flags,
// are the same bytes; the program is static and knows its version; the SBOM names
// what is in it.
func TestRelease(t *testing.T) {
	testmedia.Long(t)
	sbom, err := filepath.Abs("../.cache/tools/bin/cyclonedx-gomod")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(sbom); err != nil {
		testmedia.Missing(t, "no cyclonedx-gomod: scripts/setup.sh test builds it")
	}
	first := release(t, "..", sbom)
	second := release(t, another(t), sbom, "TZ=Asia/Tokyo", "GOFLAGS=-tags=other", "CGO_ENABLED=1", "TMPDIR="+t.TempDir())
	names, err := os.ReadDir(first)
	if err != nil || len(names) != 5 {
		t.Fatalf("%d files: %v", len(names), err)
	}
	for _, entry := range names {
		a, err := os.ReadFile(filepath.Join(first, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(second, entry.Name()))
		if err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs between two builds: %v", entry.Name(), err)
		}
	}
	base := filepath.Join(first, "copra_"+version+"_linux_amd64")
	checkProgram(t, base+".tar.gz")
	checkSBOM(t, base+".cdx.json")
	checkPackage(t, filepath.Join(first, "copra_"+version+"-1_amd64.deb"))
}

// checkPackage has Debian's own program read the package.
func checkPackage(t *testing.T, file string) {
	t.Helper()
	dpkg := testmedia.Tool(t, "dpkg-deb")
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), dpkg, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("dpkg-deb %q: %v\n%s", args, err, out)
		}
		return string(out)
	}
	if got := run("--show", "--showformat=${Package} ${Version} ${Architecture}", file); got != "copra "+version+"-1 amd64" {
		t.Errorf("the package is %q", got)
	}
	dir := t.TempDir()
	run("--raw-extract", file, dir)
	for name, mode := range map[string]os.FileMode{
		"DEBIAN/postinst": 0o755, "DEBIAN/prerm": 0o755, "DEBIAN/postrm": 0o755, "usr/bin/copra": 0o755, "etc/copra/copra.env": 0o640,
		"usr/lib/systemd/system/copra.service": 0o644, "usr/share/man/man1/copra.1.gz": 0o644,
		"usr/share/bash-completion/completions/copra": 0o644, "usr/share/doc/copra/THIRD-PARTY-LICENSES.gz": 0o644,
	} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v; want %v", name, info, err, mode)
		}
	}
	sums := exec.CommandContext(t.Context(), "md5sum", "--check", "--quiet", "DEBIAN/md5sums")
	sums.Dir = dir
	if out, err := sums.CombinedOutput(); err != nil {
		t.Errorf("md5sums: %v\n%s", err, out)
	}
}

var (
	variable = regexp.MustCompile(`\bCOPRA_[A-Z0-9_]+`)
	start    = regexp.MustCompile(`(?m)^ExecStart(?:Pre)?=/usr/bin/copra (\S+)`)
)

// TestPackageFiles: the units start subcommands that there are, and they and the settings
// name variables that there are.
func TestPackageFiles(t *testing.T) {
	settings, err := os.ReadFile("../docs/configuration.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("../deploy/debian/copra*")
	if err != nil || len(files) != 4 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		names := variable.FindAllString(string(text), -1)
		if len(names) == 0 && !strings.HasSuffix(file, "api.service") {
			t.Errorf("%s names no variable", file)
		}
		for _, name := range names {
			if !strings.Contains(string(settings), "| `"+name+"` |") {
				t.Errorf("%s names %s, which there is not", file, name)
			}
		}
		if !strings.HasSuffix(file, ".service") {
			continue
		}
		starts := start.FindAllSubmatch(text, -1)
		if len(starts) == 0 {
			t.Errorf("%s starts nothing", file)
		}
		for _, m := range starts {
			if !strings.Contains(string(settings), "| `copra "+string(m[1])+"` |") {
				t.Errorf("%s starts copra %s, which there is not", file, m[1])
			}
		}
	}
}

// checkProgram looks at the program in an archive.
func checkProgram(t *testing.T, archive string) {
	t.Helper()
	f, err := os.Open(archive)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	unzipped, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	reader := tar.NewReader(unzipped)
	for {
		header, err := reader.Next()
		if err != nil {
			t.Fatalf("no program in the archive: %v", err)
		}
		if filepath.Base(header.Name) != "copra" || header.Typeflag != tar.TypeReg {
			continue
		}
		program := filepath.Join(t.TempDir(), "copra")
		text, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(program, text, 0o755); err != nil {
			t.Fatal(err)
		}
		file, err := elf.NewFile(bytes.NewReader(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range file.Progs {
			if p.Type == elf.PT_INTERP {
				t.Error("the program is not static")
			}
		}
		says, err := exec.CommandContext(t.Context(), program, "version").Output()
		if err != nil || !strings.HasPrefix(string(says), "copra "+version+" ") {
			t.Errorf("version: %q, %v", says, err)
		}
		return
	}
}

// checkSBOM looks for a module that is certainly in the program.
func checkSBOM(t *testing.T, file string) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var bom struct {
		BOMFormat  string `json:"bomFormat"`
		Components []struct {
			Name, PURL string
		} `json:"components"`
	}
	if err := json.Unmarshal(text, &bom); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, c := range bom.Components {
		found = found || c.Name == "github.com/riverqueue/river" && strings.HasPrefix(c.PURL, "pkg:golang/")
	}
	if bom.BOMFormat != "CycloneDX" || len(bom.Components) < 20 || !found {
		t.Errorf("%s: format %q, %d components, river %v", file, bom.BOMFormat, len(bom.Components), found)
	}
}
