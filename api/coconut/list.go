package coconut

import "github.com/copra-video/copra/job"

type listBody struct {
	Jobs       []jobBody `json:"jobs"`
	NextCursor *string   `json:"next_cursor"`
}

// EncodeJobs encodes a page of jobs. next is the cursor of the next page, "" after
// the last one.
func EncodeJobs(jobs []job.State, next string) []byte {
	b := listBody{Jobs: make([]jobBody, 0, len(jobs))}
	for _, s := range jobs {
		b.Jobs = append(b.Jobs, jobOf(s))
	}
	if next != "" {
		b.NextCursor = &next
	}
	return encode(b)
}
