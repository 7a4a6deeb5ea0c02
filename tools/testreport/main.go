// Command testreport runs go test and reports the output of what failed, a line for each
// package as go test prints it, what was skipped and why, the slowest tests, once more each
// failed test with its own messages, without logs, and how many passed, failed and were
// skipped.
//
//	testreport [-program PACKAGE] [-race PACKAGES] [-slowest N] PACKAGES [FLAGS of go test]
//
// With -program it first builds that package and starts a PostgreSQL, once for all tests.
//
// The packages of -race run with the race detector, beside the others. It needs a C
// compiler; without one they run like the others, but not with CI=true, where
// everything has to be there. Packages start in the order of the arguments.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	ok, err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "testreport:", err)
	}
	if !ok || err != nil {
		os.Exit(1)
	}
}

// run reports whether all tests passed. The error says why they could not be run.
func run(ctx context.Context, args []string) (ok bool, err error) {
	f := flag.NewFlagSet("testreport", flag.ContinueOnError)
	race := f.String("race", "", "packages to run with the race detector, divided by spaces")
	program := f.String("program", "", "package of the program that tests run, to be built once for all")
	slowest := f.Int("slowest", 10, "how many of the slowest tests to print")
	if err := f.Parse(args); err != nil {
		return false, err
	}
	patterns, flags := divide(f.Args())
	plan, dirs, err := newPlan(ctx, patterns, strings.Fields(*race))
	if err != nil {
		return false, err
	}
	begin := time.Now()
	stop, err := share(ctx, *program)
	defer func() { err = errors.Join(err, stop()) }()
	if err != nil {
		return false, err
	}
	r := newReport(os.Stdout, dirs)
	if err := goTests(ctx, r, plan, flags); err != nil {
		return false, err
	}
	r.close(time.Since(begin), *slowest)
	return r.ok(), nil
}

// divide separates the patterns of packages from the flags after them.
func divide(args []string) (patterns, flags []string) {
	for i, a := range args {
		if strings.HasPrefix(a, "-") {
			return args[:i], args[i:]
		}
	}
	return args, nil
}
