package job

import "time"

// AnyKey in the place of the id of an API key means the jobs of all keys. No key
// has this id, so it cannot come from a request. It is what an operator sees.
const AnyKey = "*"

// Submission is a request for a new job.
type Submission struct {
	KeyID          string // the API key of the request
	Request        []byte // the body as it was sent; it holds credentials
	Spec           *Spec  // the body, decoded
	IdempotencyKey string // "": the client sent none
}

// ListQuery selects a page of the jobs of an API key.
type ListQuery struct {
	Status Status // "": any
	Limit  int    // of the page, 1 to 100; 0: 20
	Cursor string // of the page before; "": the first page
	// Text is in the id, in an error, in the metadata, or in the key or format of
	// an output, whatever its case. "": any.
	Text string
	// MetadataName and MetadataValue are a member of the job's metadata. "": any.
	MetadataName, MetadataValue string
	// Since and Until bound the time of creation: from Since, before Until. Zero:
	// no bound.
	Since, Until time.Time
}
