package worker

import (
	"errors"
	"time"

	"golang.org/x/sys/unix"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

// roomWait is how long a job waits for room on the disk before it looks again.
const roomWait = 15 * time.Second

// errNoRoom says that the job is to wait for room.
var errNoRoom = errors.New("there is no room in the scratch space")

// room reports whether the scratch space has room for the input and for what a
// plan makes of it: jobs end, and an operator makes room, so that waiting is
// better than to fail. A disk that never had so much is not waited for.
func (r *run) room(input job.Media, plan transcode.Space) bool {
	if r.w.MinFreeDisk <= 0 {
		return true
	}
	need := uint64(r.w.MinFreeDisk) + uint64(max(0, input.Size)) + uint64(plan.Bytes)
	if r.w.Parts != nil {
		need += uint64(plan.Kept) // they are stored when they are whole
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
