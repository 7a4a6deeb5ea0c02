package pgserver

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
)

// programs are the two that are needed, of one installation.
type programs struct {
	postgres, initdb string
	version          string // "15.18"
	major            int
}

// Find returns the version of the PostgreSQL that Start would run with these
// Options.Bin and Options.Dir, without starting it.
func Find(ctx context.Context, bin, dir string) (version string, err error) {
	p, err := findPrograms(ctx, bin, filepath.Join(dir, "data"))
	if err != nil {
		return "", err
	}
	return p.version, nil
}

// findPrograms returns the programs in bin, or else the first that a search
// finds. When data holds a database they must be of its major version, since
// PostgreSQL does not read the files of another.
func findPrograms(ctx context.Context, bin, data string) (programs, error) {
	made, err := clusterMajor(data)
	if err != nil {
		return programs{}, err
	}
	dirs := []string{bin}
	if bin == "" {
		dirs = candidates(ctx)
	}
	var found []programs
	for _, dir := range dirs {
		p, err := inspectPrograms(ctx, dir)
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

// clusterMajor returns the major version that made the database in data; 0: none.
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

// candidates are the folders to look into, best first.
func candidates(ctx context.Context) []string {
	dirs, _ := filepath.Glob("/usr/lib/postgresql/*/bin") // of Debian
	slices.SortFunc(dirs, func(a, b string) int { return cmp.Compare(debianMajor(b), debianMajor(a)) })
	if out, err := runOutput(ctx, "pg_config", "--bindir"); err == nil {
		dirs = append(dirs, out)
	}
	if p, err := exec.LookPath("postgres"); err == nil {
		// initdb lies beside the real file, not beside a link in /usr/local/bin.
		if real, err := filepath.EvalSymlinks(p); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	if self, err := os.Executable(); err == nil {
		dirs = append(dirs, filepath.Join(filepath.Dir(self), "postgres", "bin"))
	}
	return dirs
}

func debianMajor(dir string) int {
	n, _ := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
	return n
}

func inspectPrograms(ctx context.Context, dir string) (programs, error) {
	p := programs{postgres: filepath.Join(dir, "postgres"), initdb: filepath.Join(dir, "initdb")}
	for _, f := range []string{p.postgres, p.initdb} {
		if _, err := exec.LookPath(f); err != nil {
			return p, fmt.Errorf("find the program: %w", err)
		}
	}
	out, err := runOutput(ctx, p.postgres, "--version")
	if err != nil {
		return p, err
	}
	p.version, p.major = parseVersion(out)
	if p.major < 13 {
		return p, fmt.Errorf("%s says %q, and version 13 or newer is needed", p.postgres, out)
	}
	return p, nil
}

// parseVersion reads 15.18 and 15 from "postgres (PostgreSQL) 15.18
// (Debian 15.18-0)", and 18 from "postgres (PostgreSQL) 18beta1"; "" and 0 when
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
