package job

import "time"

// StorageCheck is what came of trying out a storage: a small file was stored as a result
// of a job is, read back and deleted.
type StorageCheck struct {
	// OK is whether results can be stored. Reading and deleting need permissions that
	// jobs can do without.
	OK bool
	// Message is a sentence for the customer, and Reason says why it is not OK. Neither
	// holds a credential.
	Message string
	Reason  Reason
	Object  string // the key of the file, with the path of the storage
	Left    bool   // the file may still be there
	Steps   []StorageStep
}

// StorageStep is one step of a StorageCheck.
type StorageStep struct {
	Name    StorageStepName
	Result  StorageStepResult
	Message string // why it failed, or was skipped
	Reason  Reason // of what failed
	Took    time.Duration
}

// StorageStepName is what a step does.
type StorageStepName string

// The steps, in their order.
const (
	StorageWrite  StorageStepName = "write"
	StorageRead   StorageStepName = "read"
	StorageDelete StorageStepName = "delete"
)

// StorageStepResult is what came of a step.
type StorageStepResult string

// The results of a step.
const (
	StepDone    StorageStepResult = "done"
	StepFailed  StorageStepResult = "failed"
	StepSkipped StorageStepResult = "skipped" // the storage cannot do it, or there was nothing to do
)
