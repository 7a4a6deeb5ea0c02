package job

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
}
