// Package command is what all subcommands share: how they are called, and the
// errors that decide the exit code.
package command

import (
	"errors"
	"flag"
	"fmt"
	"io"
)

// Stdio is what a subcommand sees of its process.
type Stdio struct {
	Getenv         func(string) string
	Stdin          io.Reader // nil: there is none
	Stdout, Stderr io.Writer
}

// Call is one call of a subcommand.
type Call struct {
	Stdio
	Name, Usage, About string // the subcommand's row in the program's table
	Args               []string
	// Describe gets the flags of the subcommand in the place of a run; nil: it runs.
	Describe func([]Flag)
}

// Flag is a flag of a subcommand, for what is made from the program: the completion of
// shells and manual pages.
type Flag struct {
	Name   string // without hyphens; "": a variable alone
	Env    string // the variable that counts where the flag is not given; "": none
	Help   string // with the default
	Switch bool   // it takes no value
}

// UsageError is a mistake in the call; the program ends with exit code 2.
type UsageError struct{ Err error }

func (e UsageError) Error() string { return e.Err.Error() }
func (e UsageError) Unwrap() error { return e.Err }

// Usagef makes a UsageError.
func Usagef(format string, args ...any) error { return UsageError{fmt.Errorf(format, args...)} }

// ExitError ends the program with a code. The reason has been printed already.
type ExitError struct{ Code int }

func (e ExitError) Error() string { return fmt.Sprintf("exit code %d", e.Code) }

// ExitCode prints err to stderr, unless it is an ExitError, and returns the
// exit code: 0 done, 1 failed, 2 called wrongly.
func ExitCode(err error, stderr io.Writer) int {
	if err == nil || errors.Is(err, flag.ErrHelp) {
		return 0
	}
	if e, ok := errors.AsType[ExitError](err); ok {
		return e.Code
	}
	fmt.Fprintln(stderr, "copra:", err)
	if _, ok := errors.AsType[UsageError](err); ok {
		return 2
	}
	return 1
}
