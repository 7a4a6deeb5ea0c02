package backends

import (
	"testing"
	"time"

	"github.com/copra-video/copra/internal/netguard"
)

// An output survives a storage that is away for half a minute. The uploads to a
// storage that is gone end within a minute.
func TestUploadRetry(t *testing.T) {
	o := New(Options{Guard: netguard.New(nil)})
	defer o.Close()
	policy, all := o.o.UploadRetry, time.Duration(0)
	for i := range policy.Tries - 1 {
		all += policy.Delay(i + 1)
	}
	if all < 35*time.Second || all > time.Minute {
		t.Errorf("%d tries over %s", policy.Tries, all)
	}
}
