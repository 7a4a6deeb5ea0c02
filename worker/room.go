package worker

import (
	"errors"
	"io/fs"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

const (
	// roomWait is how long a job waits for room on the disk before it looks again.
	roomWait = 15 * time.Second
	// roomPatience is how long it does so while no other job runs here. What fills
	// the disk is not ours then and may stay, and what a plan takes is a bound that
	// most jobs stay below: the job is let in, and fails with a sentence if it has to.
	roomPatience = 10 * time.Minute
)

// errNoRoom says that the job is to wait for room.
var errNoRoom = errors.New("there is no room in the work directory")

// rooms are what the runs of a process may still come to take of the scratch
// space: what is free on the disk is not free for all who start together.
type rooms struct {
	mu     sync.Mutex
	claims map[*run]claim
	since  map[string]time.Time // since when a job has been waiting here, by its id
}

// claim is what a run takes in its folder at most, in bytes.
type claim struct {
	folder string
	bytes  uint64
}

// left is what of a claim is not on the disk yet.
func (c claim) left() uint64 {
	return c.bytes - min(c.bytes, occupied(c.folder))
}

// occupied is what a folder takes of the disk, in bytes: a hole takes nothing,
// nor does the second name of a file. What goes away meanwhile counts for nothing.
func occupied(folder string) uint64 {
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

// room reports whether the work directory has room for the input and for what a
// plan makes of it, beside what the runs that have begun will take, and claims it
// until the run leaves it: jobs end, and an operator makes room, so that waiting
// is better than to fail. A disk that never had so much is not waited for.
func (r *run) room(input job.Media, plan transcode.Space) bool {
	if r.w.MinFreeDisk <= 0 {
		return true
	}
	c := claim{r.w.runFolder(r.id, r.run), uint64(max(0, input.Size)) + uint64(plan.Bytes)}
	if r.w.Artifacts != nil {
		c.bytes += uint64(plan.CachedBytes) // they are stored when they are whole
	}
	rooms := &r.w.rooms
	rooms.mu.Lock()
	defer rooms.mu.Unlock()
	var disk unix.Statfs_t
	if err := unix.Statfs(r.w.WorkDir, &disk); err != nil {
		return true // what is wrong with it is told by what uses it
	}
	free, total := disk.Bavail*uint64(disk.Bsize), disk.Blocks*uint64(disk.Bsize)
	var promised uint64
	for _, other := range rooms.claims {
		promised += other.left()
	}
	need := c.bytes + uint64(r.w.MinFreeDisk)
	fits := free >= need+promised || total < need
	if !fits {
		waited := rooms.wait(r.id, time.Now())
		log := r.w.Log.With("job", r.id, "free_mib", free>>20, "needed_mib", need>>20, "promised_mib", promised>>20)
		if len(rooms.claims) > 0 || waited < roomPatience {
			log.Warn("job waits for room in the work directory")
			return false
		}
		log.Warn("job has waited long for room in the work directory and begins without")
	}
	delete(rooms.since, r.id)
	if rooms.claims == nil {
		rooms.claims = map[*run]claim{}
	}
	rooms.claims[r] = c
	return true
}

// wait notes that a job has to wait, and returns for how long it has already.
func (s *rooms) wait(id string, now time.Time) time.Duration {
	for other, since := range s.since {
		if now.Sub(since) > 2*roomPatience { // another worker had room
			delete(s.since, other)
		}
	}
	if s.since == nil {
		s.since = map[string]time.Time{}
	}
	if _, known := s.since[id]; !known {
		s.since[id] = now
	}
	return now.Sub(s.since[id])
}

// leaveRoom gives up what the run has claimed and not taken.
func (r *run) leaveRoom() {
	r.w.rooms.mu.Lock()
	defer r.w.rooms.mu.Unlock()
	delete(r.w.rooms.claims, r)
}
