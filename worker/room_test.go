package worker

import (
	"log/slog"
	"strconv"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/job"
)

func TestRoom(t *testing.T) {
	dir := t.TempDir()
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil {
		t.Fatal(err)
	}
	total, free := int64(fs.Blocks)*fs.Bsize, int64(fs.Bavail)*fs.Bsize
	input := func(size string) *run {
		return &run{
			w:   &Worker{Config: Config{Scratch: dir, Log: slog.New(slog.DiscardHandler)}},
			rec: job.Record{State: job.State{Input: job.InputState{Metadata: []byte(`{"streams":[],"format":{"size":"` + size + `"}}`)}}},
		}
	}
	for _, c := range []struct {
		name string
		min  int64
		size string
		want bool
	}{
		{"not checked", 0, "1", true},
		{"room", 1, "1", true},
		{"none", free + (total-free)/2, "1", false},
		{"none for the input", 1, strconv.FormatInt(free+(total-free)/2, 10), false},
		{"a disk that never had so much", total + 1, "1", true},
	} {
		r := input(c.size)
		r.w.MinFreeDisk = c.min
		if got := r.room(); got != c.want {
			t.Errorf("%s: %v with %d free of %d", c.name, got, free, total)
		}
	}
}
