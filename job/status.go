package job

import "slices"

// Status of a job, an input or an output, in Coconut's words (coconut-v2.md section 2.2).
type Status string

// The statuses of jobs and inputs.
const (
	JobStarting   Status = "job.starting"
	JobProcessing Status = "job.processing"
	JobCompleted  Status = "job.completed"
	JobFailed     Status = "job.failed"

	InputStarting     Status = "input.starting"
	InputTransferring Status = "input.transferring"
	InputTransferred  Status = "input.transferred"
	InputFailed       Status = "input.failed"
)

// Stage is the state of an output of any type. OutputType.Status translates it
// into the words of a type.
type Stage string

// The stages. The last four are final.
const (
	Waiting   Stage = "waiting"
	Queued    Stage = "queued"
	Encoding  Stage = "encoding"
	Packaging Stage = "packaging" // for video and images the same word as Encoding
	Done      Stage = "done"
	Failed    Stage = "failed"
	Skipped   Stage = "skipped"
	Aborted   Stage = "aborted"
)

// finalStages are the stages that an output leaves only by a retry of its job.
var finalStages = []Stage{Done, Failed, Skipped, Aborted}

// FinalStages returns all stages for which Final is true.
func FinalStages() []Stage { return slices.Clone(finalStages) }

// Final reports whether an output in stage s changes no more, except by a retry.
func (s Stage) Final() bool { return slices.Contains(finalStages, s) }

// Status is Coconut's status of an output of type t in stage s. That of Done is
// video.encoded, image.created or httpstream.packaged (coconut-v2.md section 2.2).
func (t OutputType) Status(s Stage) Status {
	var words map[Stage]string
	switch t {
	case TypeImage:
		words = map[Stage]string{Encoding: "processing", Packaging: "processing", Done: "created"}
	case TypeStream:
		words = map[Stage]string{Queued: "variants.queued", Encoding: "variants.encoding", Done: "packaged"}
	default:
		words = map[Stage]string{Packaging: "encoding", Done: "encoded"}
	}
	if w, ok := words[s]; ok {
		return Status(string(t) + "." + w)
	}
	return Status(string(t) + "." + string(s))
}
