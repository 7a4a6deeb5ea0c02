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
// itself. On a machine with more runnable processes than cores it grows in
// proportion.
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

// Allow returns bound, or a longer one on a busy machine.
func Allow(bound time.Duration) time.Duration {
	return time.Duration(float64(bound) * (1 + waiting()))
}

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
