package coconut

import "github.com/copra-video/copra/job"

// DecodeStorage decodes the storage of a request that has nothing else that counts. The
// error is always a *job.Error with status 400.
func DecodeStorage(body []byte) (*job.Storage, error) {
	root, err := parseBody(body)
	if err != nil {
		return nil, err
	}
	d := &decoder{}
	st := d.storage(root.get("storage"), true, root.misspelt("storage"))
	if d.err != nil {
		return nil, d.err
	}
	return st, nil
}

type storageCheckBody struct {
	Status  string            `json:"status"` // ok or failed
	Message string            `json:"message"`
	Code    job.Reason        `json:"error_code,omitzero"`
	Object  string            `json:"object"`
	Left    bool              `json:"left"`
	Steps   []storageStepBody `json:"steps"`
}

type storageStepBody struct {
	Step       job.StorageStepName   `json:"step"`
	Result     job.StorageStepResult `json:"result"`
	Message    string                `json:"message,omitempty"`
	Code       job.Reason            `json:"error_code,omitzero"`
	DurationMS int64                 `json:"duration_ms"`
}

// EncodeStorageCheck encodes what came of trying out a storage.
func EncodeStorageCheck(c job.StorageCheck) []byte {
	b := storageCheckBody{Status: "failed", Message: c.Message, Code: c.Reason, Object: c.Object, Left: c.Left, Steps: make([]storageStepBody, 0, len(c.Steps))}
	if c.OK {
		b.Status = "ok"
	}
	for _, s := range c.Steps {
		b.Steps = append(b.Steps, storageStepBody{s.Name, s.Result, s.Message, s.Reason, s.Took.Milliseconds()})
	}
	return encode(b)
}
