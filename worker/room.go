package worker

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/job"
)

// roomWait is how long a job waits for room on the disk before it looks again.
const roomWait = 15 * time.Second

// room reports whether the scratch space has room to begin the job: its jobs end,
// and an operator makes room, so that waiting is better than to fail. A disk that
// never had so much is not waited for.
func (r *run) room() bool {
	if r.w.MinFreeDisk <= 0 {
		return true
	}
	need := uint64(r.w.MinFreeDisk)
	if m, err := job.ParseMedia(r.rec.State.Input.Metadata); err == nil && m.Size > 0 {
		need += uint64(m.Size)
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(r.w.Scratch, &fs); err != nil {
		return true // what is wrong with it is told by what uses it
	}
	free, total := fs.Bavail*uint64(fs.Bsize), fs.Blocks*uint64(fs.Bsize)
	if free >= need || total < need {
		return true
	}
	r.w.Log.Warn("job waits for room in the scratch space", "job", r.id, "free_mib", free>>20, "needed_mib", need>>20)
	return false
}
