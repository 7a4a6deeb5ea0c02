package pgserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// programs are the two needed programs of one installation.
type programs struct {
	postgres, initdb string
	version          string // "15.18"; "": not asked
	major            int
}

// Find returns the version of the PostgreSQL that Start would run with these
// Options.Bin and Options.Dir, without starting it.
func Find(ctx context.Context, bin, dir string) (version string, err error) {
	p, err := findPrograms(ctx, bin, filepath.Join(dir, "data"))
	if err == nil && p.version == "" {
		err = p.askVersion(ctx)
	}
	return p.version, err
}

// findPrograms returns the programs in bin, or else the first that a search
// finds. When data holds a database they must be of its major version, since
// PostgreSQL does not read the files of another.
func findPrograms(ctx context.Context, bin, data string) (programs, error) {
	made, err := clusterMajor(data)
	if err != nil {
		return programs{}, err
	}
	dirs := slices.Values([]string{bin})
	if bin == "" {
		dirs = candidates(ctx, made)
	}
	var found []programs
	for dir := range dirs {
		p, err := inspectPrograms(ctx, dir, made)
		if err != nil {
			if bin != "" {
				return programs{}, fmt.Errorf("use PostgreSQL in %s: %w", dir, err)
			}
			continue
		}
		if made == 0 || made == p.major {
			return p, nil
		}
		found = append(found, p)
	}
	if len(found) > 0 {
		return programs{}, fmt.Errorf("open the database in %s: it was made by PostgreSQL %d, but %s is version %d. "+
			"Nothing was changed. Install the Debian package postgresql-%d (or set COPRA_PG_BIN to the folder of its programs); "+
			"or move the data to the newer version with pg_upgrade or pg_dumpall; or set COPRA_DATABASE_URL to use another server",
			data, made, found[0].postgres, found[0].major, made)
	}
	return programs{}, errors.New("find PostgreSQL: no folder with the programs postgres and initdb was found. " +
		"Install the Debian package postgresql (apt-get install postgresql), or set COPRA_PG_BIN to the folder of its programs, " +
		"or set COPRA_DATABASE_URL to use a server that already runs")
}

// clusterMajor returns the major version that created the database in data; 0: there
// is none.
func clusterMajor(data string) (int, error) {
	b, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("read the version of the database: %w", err)
	}
	major, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return 0, fmt.Errorf("read the version of the database in %s: PG_VERSION says %q, which is no version since 10", data, b)
	}
	return major, nil
}

// debianDirs are the folders of Debian's packages, of which the path names the
// major version.
const debianDirs = "/usr/lib/postgresql/*/bin"

// candidates are the folders to look into, best first. That of the version made
// comes before newer ones. pg_config is a script that starts three programs, so
// it is asked only when Debian's folders were of no use.
func candidates(ctx context.Context, made int) iter.Seq[string] {
	return func(yield func(string) bool) {
		debian, _ := filepath.Glob(debianDirs)
		slices.SortFunc(debian, func(a, b string) int { return cmp.Compare(rank(b, made), rank(a, made)) })
		for _, dir := range debian {
			if !yield(dir) {
				return
			}
		}
		if out, err := runOutput(ctx, "pg_config", "--bindir"); err == nil && !yield(out) {
			return
		}
		if p, err := exec.LookPath("postgres"); err == nil {
			// initdb lies beside the real file, not beside a link in /usr/local/bin.
			if real, err := filepath.EvalSymlinks(p); err == nil && !yield(filepath.Dir(real)) {
				return
			}
		}
		if self, err := os.Executable(); err == nil {
			yield(filepath.Join(filepath.Dir(self), "postgres", "bin"))
		}
	}
}

// rank orders Debian's folders: made first, then the newest.
func rank(dir string, made int) int {
	if m := debianMajor(dir); m != made {
		return m
	}
	return math.MaxInt
}

// debianMajor is the major version in one of debianDirs; 0 for other folders.
func debianMajor(dir string) int {
	if ok, err := filepath.Match(debianDirs, dir); err != nil || !ok {
		return 0
	}
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	return n
}

// inspectPrograms returns the programs in dir. It does not ask for their version
// when the folder's name says that they have made the database, since the server
// itself refuses the files of another.
func inspectPrograms(ctx context.Context, dir string, made int) (programs, error) {
	p := programs{postgres: filepath.Join(dir, "postgres"), initdb: filepath.Join(dir, "initdb")}
	for _, f := range []string{p.postgres, p.initdb} {
		if _, err := exec.LookPath(f); err != nil {
			return p, fmt.Errorf("find the program: %w", err)
		}
	}
	if made != 0 && debianMajor(dir) == made {
		p.major = made
		return p, nil
	}
	return p, p.askVersion(ctx)
}

func (p *programs) askVersion(ctx context.Context) error {
	out, err := runOutput(ctx, p.postgres, "--version")
	if err != nil {
		return err
	}
	p.version, p.major = parseVersion(out)
	if p.major < 13 {
		return fmt.Errorf("%s says %q, and version 13 or newer is needed", p.postgres, out)
	}
	return nil
}

// parseVersion returns "15.18" and 15 for "postgres (PostgreSQL) 15.18 (Debian
// 15.18-0)", and "18beta1" and 18 for "postgres (PostgreSQL) 18beta1"; "" and 0 when
// there is no version.
func parseVersion(s string) (version string, major int) {
	_, rest, _ := strings.Cut(s, "(PostgreSQL) ")
	version, _, _ = strings.Cut(rest, " ")
	digits := 0
	for digits < len(version) && version[digits] >= '0' && version[digits] <= '9' {
		digits++
	}
	major, _ = strconv.Atoi(version[:digits])
	return version, major
}

func runOutput(ctx context.Context, name string, args ...string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	out, err := exec.CommandContext(ctx, name, args...).Output()
	if err != nil {
		return "", fmt.Errorf("run %s: %w", name, err)
	}
	return strings.TrimSpace(string(out)), nil
}
