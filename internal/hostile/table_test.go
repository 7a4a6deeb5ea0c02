package hostile

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// table adds up outcomes by family.
type table struct {
	mu   sync.Mutex
	rows []row
}

type row struct {
	family                            string
	inputs, good, failed              int
	took                              time.Duration
	memory, workFiles                 int64
	slowest, largest, mostWorkFilesOf string
}

func (t *table) add(in input, o outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var r *row
	for i := range t.rows {
		if t.rows[i].family == in.family {
			r = &t.rows[i]
		}
	}
	if r == nil {
		t.rows = append(t.rows, row{family: in.family})
		r = &t.rows[len(t.rows)-1]
	}
	r.inputs++
	if o.good > 0 {
		r.good++
	}
	if o.err != nil {
		r.failed++
	}
	if o.took > r.took {
		r.took, r.slowest = o.took, in.name
	}
	if o.memory > r.memory {
		r.memory, r.largest = o.memory, in.name
	}
	if o.workFiles > r.workFiles {
		r.workFiles, r.mostWorkFilesOf = o.workFiles, in.name
	}
}

// total adds up the rows of a family, or all.
func (t *table) total(family string) (sum row) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.rows {
		if family == "" || family == r.family {
			sum.inputs, sum.good, sum.failed = sum.inputs+r.inputs, sum.good+r.good, sum.failed+r.failed
		}
	}
	return sum
}

func (t *table) print(tb testing.TB) {
	var out strings.Builder
	fmt.Fprintf(&out, "| %-6s | inputs | with an output | with a failure | worst s | worst MiB of a process | worst MiB in the work directory |\n|---|---|---|---|---|---|---|\n", "kind")
	for _, r := range t.rows {
		fmt.Fprintf(&out, "| %-6s | %6d | %14d | %14d | %.1f (%s) | %d (%s) | %.1f (%s) |\n", r.family, r.inputs, r.good, r.failed,
			r.took.Seconds(), r.slowest, r.memory>>20, r.largest, float64(r.workFiles)/(1<<20), r.mostWorkFilesOf)
	}
	sum := t.total("")
	tb.Logf("%d inputs, bounds: %v and %d times as long as undamaged, %d MiB of memory, %d MiB of the work directory\n%s",
		sum.inputs, maxTime, slowdown, maxMemory>>20, maxWorkFiles>>20, out.String())
}

// watch measures the memory of the processes that work in a folder, and the size
// of the folder, until the returned function is called. That returns the peaks.
func watch(dir string) func() (memory, workFiles int64) {
	end, most := make(chan struct{}), make(chan [2]int64)
	go func() {
		tick := time.NewTicker(50 * time.Millisecond)
		defer tick.Stop()
		var top [2]int64
		for over := false; !over; {
			select {
			case <-tick.C:
			case <-end:
				over = true
			}
			top[0] = max(top[0], memoryOf(dir))
			top[1] = max(top[1], bytesBelow(dir))
		}
		most <- top
	}()
	return func() (int64, int64) {
		close(end)
		top := <-most
		return top[0], top[1]
	}
}

// memoryOf is the largest peak of our children that run in a folder or have it
// in their arguments.
func memoryOf(dir string) (most int64) {
	lists, _ := filepath.Glob("/proc/self/task/*/children")
	for _, list := range lists {
		pids, _ := os.ReadFile(list)
		for pid := range strings.FieldsSeq(string(pids)) {
			p := filepath.Join("/proc", pid)
			if cwd, _ := os.Readlink(filepath.Join(p, "cwd")); cwd != dir {
				if args, _ := os.ReadFile(filepath.Join(p, "cmdline")); !strings.Contains(string(args), dir+"/") {
					continue
				}
			}
			status, _ := os.ReadFile(filepath.Join(p, "status"))
			if _, rest, ok := strings.Cut(string(status), "VmHWM:"); ok {
				var kib int64
				_, _ = fmt.Sscan(rest, &kib)
				most = max(most, kib<<10)
			}
		}
	}
	return most
}

func bytesBelow(dir string) (n int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return nil //nolint:nilerr // files come and go
		}
		if info, err := d.Info(); err == nil {
			n += info.Size()
		}
		return nil
	})
	return n
}
