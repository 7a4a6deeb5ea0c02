package backends

import (
	"testing"
	"time"

	"github.com/copra-video/copra/internal/netguard"
)

// A storage that is away for half a minute costs no output, and one that is
// gone is given up within a minute.
func TestPatient(t *testing.T) {
	o := New(Options{Guard: netguard.New(nil)})
	defer o.Close()
	retry, all := o.retry(), time.Duration(0)
	for i := range retry.Tries - 1 {
		all += retry.Backoff(i + 1)
	}
	if all < 35*time.Second || all > time.Minute {
		t.Errorf("%d tries over %s", retry.Tries, all)
	}
}
