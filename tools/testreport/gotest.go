package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sync/errgroup"
)

// set is the packages of one go test.
type set struct {
	flags    []string
	packages []string
}

// parallel runs one package more than there are cores: many wait most of the time.
var parallel = []string{"-p=" + strconv.Itoa(runtime.NumCPU()+1)}

// newPlan resolves the patterns and divides the packages: those of race, and the rest.
// dirs are the folders of all packages.
func newPlan(ctx context.Context, patterns, race []string) (plan []set, dirs map[string]string, err error) {
	all, dirs, err := list(ctx, patterns)
	if err != nil {
		return nil, nil, err
	}
	if len(race) == 0 {
		return []set{{flags: parallel, packages: all}}, dirs, nil
	}
	raced, _, err := list(ctx, race)
	if err != nil {
		return nil, nil, err
	}
	withRace, rest := set{}, set{flags: parallel}
	for _, p := range all {
		if slices.Contains(raced, p) {
			withRace.packages = append(withRace.packages, p)
		} else {
			rest.packages = append(rest.packages, p)
		}
	}
	switch can, why := canRace(ctx); {
	case can:
		// One package at a time, because the other set runs beside it.
		withRace.flags = []string{"-race", "-p=1"}
	case os.Getenv("CI") == "true":
		return nil, nil, errors.New(why)
	default:
		fmt.Printf("without the race detector: %s\n", why)
	}
	return []set{rest, withRace}, dirs, nil
}

// list returns the packages in the order of the patterns, and their folders.
func list(ctx context.Context, patterns []string) (packages []string, dirs map[string]string, err error) {
	out, err := exec.CommandContext(ctx, "go", append([]string{"list", "-f", "{{.ImportPath}}\t{{.Dir}}"}, patterns...)...).Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			err = errors.New(strings.TrimSpace(string(exit.Stderr)))
		}
		return nil, nil, fmt.Errorf("list packages: %w", err)
	}
	dirs = map[string]string{}
	for line := range strings.Lines(string(out)) {
		pkg, dir, _ := strings.Cut(strings.TrimSpace(line), "\t")
		packages, dirs[pkg] = append(packages, pkg), dir
	}
	return packages, dirs, nil
}

// canRace reports whether the race detector can be built, which needs cgo, and why not.
func canRace(ctx context.Context) (can bool, why string) {
	out, err := exec.CommandContext(ctx, "go", "env", "CGO_ENABLED", "CC").Output()
	words := strings.Fields(string(out))
	if err != nil || len(words) < 2 || words[0] != "1" {
		return false, "cgo is off"
	}
	if _, err := exec.LookPath(words[1]); err != nil {
		return false, "there is no C compiler " + words[1]
	}
	return true, ""
}

// goTests runs the sets at the same time, since tests of both often wait.
func goTests(ctx context.Context, r *report, plan []set, flags []string) error {
	g, ctx := errgroup.WithContext(ctx)
	for _, s := range plan {
		if len(s.packages) > 0 {
			g.Go(func() error { return goTest(ctx, r, append(s.flags, flags...), s.packages) })
		}
	}
	return g.Wait()
}

// goTest runs go test and passes its events to the report. It leaves go vet out, which
// make lint runs on everything.
func goTest(ctx context.Context, r *report, flags, packages []string) error {
	args := append(append([]string{"test", "-json", "-vet=off"}, flags...), packages...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	var messages bytes.Buffer
	cmd.Stderr = &messages
	out, err := cmd.StdoutPipe()
	if err != nil {
		return fmt.Errorf("start go test: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start go test: %w", err)
	}
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 64<<20) // a test may print a lot at once
	for lines.Scan() {
		r.line(lines.Bytes())
	}
	err = errors.Join(lines.Err(), cmd.Wait())
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	// Tests that fail make go test fail too.
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && (!exited || r.ok()) {
		return fmt.Errorf("run go test: %w\n%s", err, messages.Bytes())
	}
	return nil
}
