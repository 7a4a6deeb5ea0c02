// Package admission decides how much work this machine takes on at once: whether
// a job's files fit on the disk (Disk), when its encodes may start (Slots), and
// whether a job that only waits for a storage makes way for another (SlotLease).
package admission

import (
	"context"
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/transcode"
)

// reserveTimeout is how long a job waits for disk space while no other job has
// any reserved here. After that it starts all the same. Something else fills the
// disk and may never go, and most jobs need less than their plan's bound.
const reserveTimeout = 10 * time.Minute

// Disk keeps account of the disk space that the runs of this process have
// reserved and not used yet. Without it, jobs that start together would all count
// on the same free space.
type Disk struct {
	dir     string
	minFree int64
	log     *slog.Logger

	mu           sync.Mutex
	reservations map[*Reservation]struct{}
	waiting      map[string]time.Time // by job id: since when it has been waiting
}

// NewDisk returns the account of the file system of dir. minFree bytes of it stay
// free. With 0 nothing is checked.
func NewDisk(dir string, minFree int64, log *slog.Logger) *Disk {
	return &Disk{dir: dir, minFree: minFree, log: log, reservations: map[*Reservation]struct{}{}, waiting: map[string]time.Time{}}
}

// Reservation is the disk space that a run may use in its folder.
type Reservation struct {
	disk   *Disk
	folder string
	bytes  uint64
}

// Release gives up what is reserved and not used. It may be called again.
func (r *Reservation) Release() {
	r.disk.mu.Lock()
	defer r.disk.mu.Unlock()
	delete(r.disk.reservations, r)
}

// unused is how much of the reservation is not on the disk yet, in bytes.
func (r *Reservation) unused() uint64 {
	return r.bytes - min(r.bytes, diskUsage(r.folder))
}

// diskUsage returns how many bytes a folder takes on the disk. Holes and further
// names of a file take none. A file that disappears meanwhile is not counted.
func diskUsage(folder string) uint64 {
	var sum uint64
	seen := map[uint64]bool{}
	add := func(d fs.DirEntry) {
		info, err := d.Info()
		if err != nil || d.IsDir() {
			return
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && !seen[st.Ino] {
			seen[st.Ino] = true
			sum += uint64(st.Blocks) * 512 // stat(2): whatever the file system's blocks are
		}
	}
	_ = filepath.WalkDir(folder, func(_ string, d fs.DirEntry, err error) error {
		if err == nil {
			add(d)
		} else if d == nil {
			return err // the folder itself
		}
		return nil
	})
	return sum
}

// Need returns how many bytes a job takes on the disk at most: what it keeps of its input
// and what the plan makes of it. cached says that intermediates stay until they are in the
// artifact store.
func Need(input int64, plan transcode.Space, cached bool) uint64 {
	need := uint64(max(0, input)) + uint64(plan.Bytes)
	if cached {
		need += uint64(plan.CachedBytes)
	}
	return need
}

// Reserve reserves bytes for a job whose files will be in folder. ok is false when
// too little is free besides what other runs have reserved. The job should then
// come back later: other jobs end, and an operator may free some space. A job that
// needs more than the whole disk does not wait.
func (d *Disk) Reserve(ctx context.Context, jobID, folder string, bytes uint64) (r *Reservation, ok bool) {
	r = &Reservation{disk: d, folder: folder, bytes: bytes}
	if d.minFree <= 0 {
		return r, true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var disk unix.Statfs_t
	if err := unix.Statfs(d.dir, &disk); err != nil {
		return r, true // the first file that is written reports the error
	}
	free, total := disk.Bavail*uint64(disk.Bsize), disk.Blocks*uint64(disk.Bsize)
	var reserved uint64
	for other := range d.reservations {
		reserved += other.unused()
	}
	need := bytes + uint64(d.minFree)
	fits := free >= need+reserved || total < need
	if !fits {
		waited := d.wait(jobID, time.Now())
		log := d.log.With("free_mib", free>>20, "needed_mib", need>>20, "reserved_mib", reserved>>20)
		if len(d.reservations) > 0 || waited < reserveTimeout {
			log.WarnContext(ctx, "waiting for disk space")
			return nil, false
		}
		log.WarnContext(ctx, "starting without enough disk space")
	}
	delete(d.waiting, jobID)
	d.reservations[r] = struct{}{}
	return r, true
}

// wait notes that a job is waiting, and returns for how long it has been.
func (d *Disk) wait(id string, now time.Time) time.Duration {
	for other, since := range d.waiting {
		if now.Sub(since) > 2*reserveTimeout { // it went to another worker
			delete(d.waiting, other)
		}
	}
	if _, known := d.waiting[id]; !known {
		d.waiting[id] = now
	}
	return now.Sub(d.waiting[id])
}
