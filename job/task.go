package job

import "time"

// TaskStatus is the state of a task: a step of a running job that any worker may
// run.
type TaskStatus string

// The states of a task.
const (
	TaskOffered TaskStatus = "offered" // nobody runs it
	TaskRunning TaskStatus = "running"
	TaskDone    TaskStatus = "done" // its artifacts are stored
	TaskFailed  TaskStatus = "failed"
)

// NewTask is a task to be offered.
type NewTask struct {
	Step    string // its ID in the plan of the run
	Kind    string
	Attempt int      // of the step, from 1
	Tried   []string // workers that should not be the next, since they have failed it
	Cost    float64
	Start   time.Duration // of the part of the time line that it covers
	Length  time.Duration
	// Spec is what its worker needs. It may hold addresses and keys. The store
	// seals it.
	Spec []byte
}

// ClaimedTask is a task that a worker has claimed.
type ClaimedTask struct {
	ID      int64
	JobID   string
	Fence   int64 // the fencing token of the task
	Step    string
	Kind    string
	Attempt int    // of the step, from 1
	Spec    []byte // unsealed
	Request []byte // the request of the job, unsealed
	KeyName string // of the job's API key
	// Traceparent is the span of the run that has offered it; "": not traced.
	Traceparent string
}

// TaskState is what the run that has offered a task, and the console, see of it.
type TaskState struct {
	ID       int64
	Step     string
	Kind     string        // of the step
	Start    time.Duration // of the part of the time line that it covers
	Length   time.Duration
	Status   TaskStatus
	Node     string
	Progress float64 // 0 to 1
	// Running is how long it has been running or ran, and Silent how long ago its
	// worker last renewed the lease, by the clock of the database.
	Running, Silent time.Duration
	Error           string
}

// TaskCount is how many tasks of a kind are in a state.
type TaskCount struct {
	Kind   string
	Status TaskStatus
	Count  int64
}
