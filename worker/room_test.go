package worker

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/job"
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

func roomTest(t *testing.T, least int64) *Worker {
	return &Worker{Config: Config{WorkDir: t.TempDir(), MinFreeDisk: least, Node: "node", Log: slog.New(slog.DiscardHandler)}}
}

func TestRoom(t *testing.T) {
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
		r := &run{id: "job", w: roomTest(t, c.min)}
		if got := r.room(job.Media{Size: c.size}, c.plan); got != c.want {
			t.Errorf("%s: %v with %d free of %d", c.name, got, free, total)
		}
	}
}

// Two jobs that each find room do not find it together, until one has made its
// files or has ended.
func TestRoomIsPromisedOnce(t *testing.T) {
	w := roomTest(t, 1)
	_, free := diskOf(t, w.WorkDir)
	plan := transcode.Space{Bytes: free/2 + free/4}
	first, second := &run{id: "first", run: 1, w: w}, &run{id: "second", run: 1, w: w}
	if !first.room(job.Media{}, plan) {
		t.Fatal("there is no room for one job")
	}
	if second.room(job.Media{}, plan) {
		t.Error("there is room for two jobs where there is room for one")
	}
	if small := (&run{id: "small", run: 1, w: w}); !small.room(job.Media{}, transcode.Space{Bytes: free / 100}) {
		t.Error("a small job does not find the room beside")
	} else {
		small.leaveRoom()
	}
	first.leaveRoom()
	first.leaveRoom() // at the end of the encodes, and of the run
	if !second.room(job.Media{}, plan) {
		t.Error("there is no room when the other has left")
	}
}

// A job that nobody is in the way of begins after a while even so: what it takes
// at most is an estimate, and nothing says that room will ever be made.
func TestRoomIsNotWaitedForForever(t *testing.T) {
	w := roomTest(t, 1)
	total, free := diskOf(t, w.WorkDir)
	plan := transcode.Space{Bytes: free + (total-free)/2}
	r := &run{id: "waits", run: 1, w: w}
	if r.room(job.Media{}, plan) {
		t.Fatal("there is room for more than is free")
	}
	w.rooms.since["waits"] = time.Now().Add(-roomPatience)
	other := &run{id: "other", run: 1, w: w}
	if !other.room(job.Media{}, transcode.Space{Bytes: 1}) {
		t.Fatal("no room for a byte")
	}
	if r.room(job.Media{}, plan) {
		t.Error("it did not wait for a job that will end")
	}
	other.leaveRoom()
	if !r.room(job.Media{}, plan) {
		t.Error("it waits though it is alone")
	}
	if len(w.rooms.since) > 0 {
		t.Errorf("it is still noted as waiting: %v", w.rooms.since)
	}
}

func TestOccupied(t *testing.T) {
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
	if got := occupied(dir); got < 1<<20 || got > 1<<20+64<<10 {
		t.Errorf("%d bytes, want about 1 MiB", got)
	}
	c := claim{dir, 3 << 20}
	if got := c.left(); got > 2<<20 || got < 2<<20-64<<10 {
		t.Errorf("%d bytes of 3 MiB are left to be taken, want about 2 MiB", got)
	}
	if got := (claim{dir, 1}).left(); got != 0 {
		t.Errorf("who has taken more than was thought has %d bytes left", got)
	}
	if got := occupied(filepath.Join(dir, "nowhere")); got != 0 {
		t.Errorf("a folder that is not there takes %d bytes", got)
	}
}
