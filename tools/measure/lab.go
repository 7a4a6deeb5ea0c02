// Package measure is what `make bench`, `make encoders` and `make load` share. It starts the program
// as users do, limits it to some cores, receives its webhooks, sends requests at a
// fixed rate, and prints a table of results.
package measure

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"syscall"
)

// Lab has the program under test, and what all measurements of it share.
type Lab struct {
	Bin  string // the program under test
	Dir  string // for everything that is written; "": a temporary folder, removed at the end
	Sink *Sink
}

// Open makes the folder and starts the sink.
func (l *Lab) Open() (closeLab func(), err error) {
	if l.Bin, err = filepath.Abs(l.Bin); err != nil {
		return nil, err
	}
	if _, err := os.Stat(l.Bin); err != nil {
		return nil, fmt.Errorf("%w; make build makes it", err)
	}
	remove, err := l.makeDir()
	if err != nil {
		return nil, err
	}
	if l.Sink, err = NewSink(); err != nil {
		remove()
		return nil, err
	}
	return func() { l.Sink.Close(); remove() }, nil
}

// onFewCores is the variable by which a process knows that LimitCores has started it.
const onFewCores = "COPRA_MEASURE_CORES"

// makeDir makes the folder for everything that is written. PostgreSQL, which does not
// run as root, must be able to enter it.
func (l *Lab) makeDir() (remove func(), err error) {
	if l.Dir != "" {
		l.Dir, err = filepath.Abs(l.Dir)
		return func() {}, errors.Join(err, os.MkdirAll(l.Dir, 0o755))
	}
	if l.Dir, err = os.MkdirTemp("", "copra-measure-"); err != nil {
		return nil, err
	}
	return func() { os.RemoveAll(l.Dir) }, os.Chmod(l.Dir, 0o755)
}

// Sub makes a folder below Dir.
func (l *Lab) Sub(names ...string) (string, error) {
	dir := filepath.Join(append([]string{l.Dir}, names...)...)
	return dir, os.MkdirAll(dir, 0o755)
}

// LimitCores starts this program again on the first n cores, together with all
// that it starts, so that figures of different machines can be compared.
func LimitCores(n int) {
	if n <= 0 || runtime.NumCPU() <= n || os.Getenv(onFewCores) != "" {
		return
	}
	self, err := os.Executable()
	if err != nil {
		return
	}
	taskset, err := exec.LookPath("taskset")
	if err != nil {
		fmt.Fprintf(os.Stderr, "no taskset here, so all %d cores are used\n", runtime.NumCPU())
		return
	}
	argv := append([]string{"taskset", "-c", "0-" + strconv.Itoa(n-1), self}, os.Args[1:]...)
	err = syscall.Exec(taskset, argv, append(os.Environ(), onFewCores+"=1"))
	fmt.Fprintln(os.Stderr, "run on fewer cores:", err)
}
