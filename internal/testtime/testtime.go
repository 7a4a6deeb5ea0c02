// Package testtime holds tests to bounds on time that are promises, on machines
// that have other things to do as well.
package testtime

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Within fails a test when what it names took longer since begin than the bound
// allows. The bound is that of a machine of which the test has a core to itself;
// where more wants to run than there are cores, it grows by as much.
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

// Allow is a bound, or the longer one that a busy machine gets.
func Allow(bound time.Duration) time.Duration {
	return time.Duration(float64(bound) * (1 + waiting()))
}

// waiting is how many processes want a core for each that there is, as the mean
// of a minute.
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
