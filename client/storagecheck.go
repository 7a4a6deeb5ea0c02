package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

// StorageCheck is what came of trying out a storage: a small file was stored as a result
// of a job is, read back and deleted.
type StorageCheck struct {
	Status  string        `json:"status"` // "ok": results can be stored; "failed"
	Message string        `json:"message"`
	Code    string        `json:"error_code,omitempty"` // why it failed
	Object  string        `json:"object"`               // the key of the file
	Left    bool          `json:"left"`                 // the file may still be there
	Steps   []StorageStep `json:"steps"`
}

// OK reports whether results can be stored.
func (s *StorageCheck) OK() bool { return s.Status == "ok" }

// StorageStep is a step of a StorageCheck: "write", "read" or "delete".
type StorageStep struct {
	Step       string `json:"step"`
	Result     string `json:"result"`            // "done", "failed" or "skipped"
	Message    string `json:"message,omitempty"` // why it failed or was skipped
	Code       string `json:"error_code,omitempty"`
	DurationMS int64  `json:"duration_ms"` // milliseconds
}

func (s *StorageCheck) check() error {
	if s.Status == "" || s.Message == "" {
		return errors.New("it is no check of a storage")
	}
	return nil
}

// CheckStorage has the server try out a storage. One that takes no results is no error. A
// description that a job with it would be refused for is an *Error.
func (c *Client) CheckStorage(ctx context.Context, st *Storage) (*StorageCheck, error) {
	body, err := json.Marshal(struct {
		Storage *Storage `json:"storage"`
	}{st})
	if err != nil {
		return nil, fmt.Errorf("check storage: encode the request: %w", err)
	}
	return c.CheckStorageJSON(ctx, body)
}

// CheckStorageJSON is CheckStorage for a request that is JSON already. Members other than
// "storage" do not count, so it may be that of a job.
func (c *Client) CheckStorageJSON(ctx context.Context, body []byte) (*StorageCheck, error) {
	if body == nil {
		body = []byte{} // the server says what is missing
	}
	return decode[StorageCheck](ctx, c, call{do: "check storage", method: http.MethodPost, path: "/v2/storage-check", body: body, want: http.StatusOK})
}
