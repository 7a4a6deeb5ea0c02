package storagetest

import (
	"io"
	"os"
	"runtime"
	"testing"

	"github.com/copra-video/copra/storage"
)

// Sparse returns a Body of size zero bytes that takes no memory.
func Sparse(size int64) storage.Body { return sparse(size) }

type sparse int64

func (s sparse) Size() int64 { return int64(s) }

func (s sparse) ReadAt(p []byte, offset int64) (int, error) {
	n := int(min(int64(len(p)), max(int64(s)-offset, 0)))
	clear(p[:n])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Huge calls put with a huge body, and fails the test if put allocates more than 128 MiB. It
// returns the size in bytes: 300 MiB and one, or with COPRA_TEST_HUGE 5 GiB and one. The
// larger size shows faults above 32 bits, but takes long.
func Huge(t *testing.T, put func(storage.Body) error) int64 {
	t.Helper()
	size := int64(300<<20 + 1)
	if os.Getenv("COPRA_TEST_HUGE") != "" {
		size = 5<<30 + 1
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	if err := put(Sparse(size)); err != nil {
		t.Fatalf("Put of %d bytes: %v", size, err)
	}
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 128<<20 {
		t.Errorf("Put of %d bytes allocated %d", size, used)
	}
	return size
}
