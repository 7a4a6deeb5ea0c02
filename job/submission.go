package job

// Submission is a job as it was asked for.
type Submission struct {
	KeyID          string // the API key that it was asked for with
	Request        []byte // the body as it came; it holds credentials
	Spec           *Spec  // the body, decoded
	IdempotencyKey string // "": the client sent none
}

// ListQuery says which jobs of a key a page lists.
type ListQuery struct {
	Status Status // "": any
	Limit  int    // of the page, 1 to 100; 0: 20
	Cursor string // of the page before; "": the first page
}
