package worker

import (
	"log/slog"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

func TestRoom(t *testing.T) {
	dir := t.TempDir()
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		t.Fatal(err)
	}
	total, free := int64(fs.Blocks)*fs.Bsize, int64(fs.Bavail)*fs.Bsize
	tooMuch := free + (total-free)/2
	for _, c := range []struct {
		name string
		min  int64
		size int64
		plan transcode.Space
		want bool
	}{
		{"not checked", 0, 1, transcode.Space{}, true},
		{"room", 1, 1, transcode.Space{Bytes: 1, Kept: tooMuch}, true},
		{"none", tooMuch, 1, transcode.Space{}, false},
		{"none for the input", 1, tooMuch, transcode.Space{}, false},
		{"none for what is made", 1, 1, transcode.Space{Bytes: tooMuch}, false},
		{"a disk that never had so much", total + 1, 1, transcode.Space{}, true},
	} {
		r := &run{w: &Worker{Config: Config{Scratch: dir, MinFreeDisk: c.min, Log: slog.New(slog.DiscardHandler)}}}
		if got := r.room(job.Media{Size: c.size}, c.plan); got != c.want {
			t.Errorf("%s: %v with %d free of %d", c.name, got, free, total)
		}
	}
}
