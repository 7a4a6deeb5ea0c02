// Package admission decides what this machine works on at once: whether a job's
// files fit on the disk (Disk), when its encodes may start (Slots), and when it
// lets another job in because it only waits (SlotLease).
package admission

import (
	"io/fs"
	"log/slog"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

// reserveTimeout is how long a job waits for disk space while no other job runs
// here. What fills the disk is not ours then and may stay, and what a plan takes
// is a bound that most jobs stay below: the job is let in, and fails with a
// sentence if it has to.
const reserveTimeout = 10 * time.Minute

// Disk keeps account of what the runs of a process may still come to take of the
// work directory: what is free on the disk is not free for all who start together.
type Disk struct {
	dir     string
	minFree int64
	log     *slog.Logger

	mu           sync.Mutex
	reservations map[*Reservation]struct{}
	waiting      map[string]time.Time // since when a job has been waiting here, by its id
}

// NewDisk returns the account of the file system that dir is on, of which
// minFree bytes are to stay free. With 0 nothing is checked.
func NewDisk(dir string, minFree int64, log *slog.Logger) *Disk {
	return &Disk{dir: dir, minFree: minFree, log: log, reservations: map[*Reservation]struct{}{}, waiting: map[string]time.Time{}}
}

// Reservation is what a run takes in its folder at most.
type Reservation struct {
	disk   *Disk
	folder string
	bytes  uint64
}

// Release gives up what was reserved and is not taken. It may be called again.
func (r *Reservation) Release() {
	r.disk.mu.Lock()
	defer r.disk.mu.Unlock()
	delete(r.disk.reservations, r)
}

// left is what of a reservation is not on the disk yet.
func (r *Reservation) left() uint64 {
	return r.bytes - min(r.bytes, diskUsage(r.folder))
}

// diskUsage is what a folder takes of the disk, in bytes: a hole takes nothing,
// nor does the second name of a file. What goes away meanwhile counts for nothing.
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

// Need is what a job takes of the disk at most, in bytes: its input and what the
// plan makes of it. cached: intermediates stay until they are in the artifact
// store.
func Need(input job.Media, plan transcode.Space, cached bool) uint64 {
	need := uint64(max(0, input.Size)) + uint64(plan.Bytes)
	if cached {
		need += uint64(plan.CachedBytes)
	}
	return need
}

// Reserve reserves bytes for a job whose files will be in folder, beside what the
// runs that have begun will take. ok is false when they are not there: the
// job is to come back, since jobs end, and an operator makes room, so that
// waiting is better than to fail. A disk that never had so much is not waited for.
func (d *Disk) Reserve(jobID, folder string, bytes uint64) (r *Reservation, ok bool) {
	r = &Reservation{disk: d, folder: folder, bytes: bytes}
	if d.minFree <= 0 {
		return r, true
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	var disk unix.Statfs_t
	if err := unix.Statfs(d.dir, &disk); err != nil {
		return r, true // what is wrong with it is told by what uses it
	}
	free, total := disk.Bavail*uint64(disk.Bsize), disk.Blocks*uint64(disk.Bsize)
	var reserved uint64
	for other := range d.reservations {
		reserved += other.left()
	}
	need := bytes + uint64(d.minFree)
	fits := free >= need+reserved || total < need
	if !fits {
		waited := d.wait(jobID, time.Now())
		log := d.log.With("job", jobID, "free_mib", free>>20, "needed_mib", need>>20, "promised_mib", reserved>>20)
		if len(d.reservations) > 0 || waited < reserveTimeout {
			log.Warn("job waits for room in the work directory")
			return nil, false
		}
		log.Warn("job has waited long for room in the work directory and begins without")
	}
	delete(d.waiting, jobID)
	d.reservations[r] = struct{}{}
	return r, true
}

// wait notes that a job has to wait, and returns for how long it has already.
func (d *Disk) wait(id string, now time.Time) time.Duration {
	for other, since := range d.waiting {
		if now.Sub(since) > 2*reserveTimeout { // another worker had room
			delete(d.waiting, other)
		}
	}
	if _, known := d.waiting[id]; !known {
		d.waiting[id] = now
	}
	return now.Sub(d.waiting[id])
}
