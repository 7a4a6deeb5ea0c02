// Package testtime checks bounds on time that are promises, also on machines
// that are busy with other work.
package testtime

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Within fails a test when the time since begin exceeds the bound. what names
// the operation. The bound is for a machine of which the test has a core to
// itself; Allow says how much more is let pass.
func Within(t testing.TB, what string, begin time.Time, bound time.Duration) {
	t.Helper()
	took := time.Since(begin)
	if took <= bound {
		return
	}
	if limit := Allow(bound); took > limit {
		t.Errorf("%s took %v, want at most %v (%v on this machine now)", what, took, bound, limit)
	}
}

// Allow returns a bound against hanging: several times the one given, and more on a
// busy machine. Promises of time are held by make load and make bench.
func Allow(bound time.Duration) time.Duration {
	return min(time.Duration(float64(bound)*(hanging+2*waiting())), max(bound, most))
}

// most is short enough that a test which hangs on a very busy machine is told from one
// package's limit of go test.
const most = 10 * time.Minute

// hanging is how many times a bound is allowed where nothing else seems to run: the
// load that Allow reads is the mean of a minute, and bursts are shorter.
const hanging = 4

// waiting is the number of runnable processes for each core, as the mean of a
// minute.
func waiting() float64 {
	text, err := os.ReadFile("/proc/loadavg") // proc(5): the first figure
	if err != nil {
		return 0
	}
	first, _, _ := strings.Cut(string(text), " ")
	load, err := strconv.ParseFloat(first, 64)
	if err != nil {
		return 0
	}
	return load / float64(runtime.NumCPU())
}
