package admission

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/transcode"
)

func diskOf(t *testing.T, dir string) (total, free int64) {
	t.Helper()
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		t.Fatal(err)
	}
	return int64(fs.Blocks) * fs.Bsize, int64(fs.Bavail) * fs.Bsize
}

func newTestDisk(t *testing.T, least int64) *Disk {
	return NewDisk(t.TempDir(), least, slog.New(slog.DiscardHandler))
}

// reserve reserves what a plan needs for a job without an input; nil: there is too
// little.
func (d *Disk) reserve(id string, plan transcode.Space) *Reservation {
	r, _ := d.Reserve(context.Background(), id, filepath.Join(d.dir, id), Need(0, plan, false))
	return r
}

func TestReserve(t *testing.T) {
	total, free := diskOf(t, t.TempDir())
	tooMuch := free + (total-free)/2
	for _, c := range []struct {
		name string
		min  int64
		size int64
		plan transcode.Space
		want bool
	}{
		{"not checked", 0, 1, transcode.Space{}, true},
		{"room", 1, 1, transcode.Space{Bytes: 1, CachedBytes: tooMuch}, true},
		{"none", tooMuch, 1, transcode.Space{}, false},
		{"none for the input", 1, tooMuch, transcode.Space{}, false},
		{"none for what is made", 1, 1, transcode.Space{Bytes: tooMuch}, false},
		{"a disk that never had so much", total + 1, 1, transcode.Space{}, true},
	} {
		d := newTestDisk(t, c.min)
		if _, got := d.Reserve(t.Context(), "job", d.dir, Need(c.size, c.plan, false)); got != c.want {
			t.Errorf("%s: %v with %d free of %d", c.name, got, free, total)
		}
	}
}

// Space is reserved once: two jobs of which each would fit do not start together.
func TestSpaceIsReservedOnce(t *testing.T) {
	d := newTestDisk(t, 1)
	_, free := diskOf(t, d.dir)
	plan := transcode.Space{Bytes: free/2 + free/4}
	first := d.reserve("first", plan)
	if first == nil {
		t.Fatal("there is no room for one job")
	}
	if d.reserve("second", plan) != nil {
		t.Error("there is room for two jobs where there is room for one")
	}
	if small := d.reserve("small", transcode.Space{Bytes: free / 100}); small == nil {
		t.Error("a small job does not find the room beside")
	} else {
		small.Release()
	}
	first.Release()
	first.Release() // at the end of the encodes, and of the run
	if d.reserve("second", plan) == nil {
		t.Error("there is no room when the other has left")
	}
}

// A job starts after a while even without enough space, if no other job runs: its
// need is an upper bound, and the space may never be freed.
func TestReserveTimeout(t *testing.T) {
	d := newTestDisk(t, 1)
	total, free := diskOf(t, d.dir)
	plan := transcode.Space{Bytes: free + (total-free)/2}
	if d.reserve("waits", plan) != nil {
		t.Fatal("there is room for more than is free")
	}
	d.waiting["waits"] = time.Now().Add(-reserveTimeout)
	other := d.reserve("other", transcode.Space{Bytes: 1})
	if other == nil {
		t.Fatal("no room for a byte")
	}
	if d.reserve("waits", plan) != nil {
		t.Error("it did not wait for a job that will end")
	}
	other.Release()
	if d.reserve("waits", plan) == nil {
		t.Error("it waits though it is alone")
	}
	if len(d.waiting) > 0 {
		t.Errorf("it is still noted as waiting: %v", d.waiting)
	}
}

func TestDiskUsage(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "sub", "file")
	if err := os.WriteFile(file, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(file, filepath.Join(dir, "again")); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "hole"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(dir, "hole"), 1<<30); err != nil {
		t.Fatal(err)
	}
	if got := diskUsage(dir); got < 1<<20 || got > 1<<20+64<<10 {
		t.Errorf("%d bytes, want about 1 MiB", got)
	}
	c := &Reservation{folder: dir, bytes: 3 << 20}
	if got := c.unused(); got > 2<<20 || got < 2<<20-64<<10 {
		t.Errorf("%d bytes of 3 MiB are left to be taken, want about 2 MiB", got)
	}
	if got := (&Reservation{folder: dir, bytes: 1}).unused(); got != 0 {
		t.Errorf("who has taken more than was thought has %d bytes left", got)
	}
	if got := diskUsage(filepath.Join(dir, "nowhere")); got != 0 {
		t.Errorf("a folder that is not there takes %d bytes", got)
	}
}
