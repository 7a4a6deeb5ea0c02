package server

import (
	"testing"
	"time"
)

// TestUploadRetry: a request to a storage is not repeated for longer than results may wait.
func TestUploadRetry(t *testing.T) {
	for timeout, want := range map[time.Duration]int{0: 3, time.Second: 3, 5 * time.Second: 4, 8 * time.Second: 5, 30 * time.Minute: 10} {
		if got := uploadRetry(timeout).Tries; got != want {
			t.Errorf("%v: %d tries, want %d", timeout, got, want)
		}
	}
}
