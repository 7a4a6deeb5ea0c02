package api_test

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/api"
	"github.com/copra-video/copra/job"
)

// TestStorageCheck: a storage that takes results and one that takes none are answered with
// 200, a request that a job would be refused for with its 400.
func TestStorageCheck(t *testing.T) {
	const storage = `{"storage": {"service": "s3", "bucket": "b", "region": "us-east-1", "credentials": {"access_key_id": "a", "secret_access_key": "canary"}}, "outputs": 1}`
	var tried *job.Storage
	w := start(t, func(c *api.Config) {
		c.CheckStorage = func(_ context.Context, st *job.Storage) (job.StorageCheck, error) {
			switch tried = st; st.Service {
			case job.ServiceBuiltIn:
				return job.StorageCheck{Message: "It is full.", Reason: job.ServerDiskFull, Object: "a.txt", Steps: []job.StorageStep{
					{Name: job.StorageWrite, Result: job.StepFailed, Message: "It is full.", Reason: job.ServerDiskFull, Took: 1500 * time.Millisecond},
				}}, nil
			case job.ServiceURL:
				return job.StorageCheck{}, job.Errorf(job.TooManyRequests, "There are too many.")
			}
			return job.StorageCheck{OK: true, Message: "It takes results.", Object: "a.txt", Steps: []job.StorageStep{{Name: job.StorageWrite, Result: job.StepDone}}}, nil
		}
	})
	for _, c := range []struct {
		body   string
		status int
		want   string
	}{
		{storage, 200, `{"status":"ok","message":"It takes results.","object":"a.txt","left":false,"steps":[{"step":"write","result":"done","duration_ms":0}]}`},
		{`{"storage": {"service": "coconut"}}`, 200, `{"status":"failed","message":"It is full.","error_code":"server_disk_full","object":"a.txt","left":false,` +
			`"steps":[{"step":"write","result":"failed","message":"It is full.","error_code":"server_disk_full","duration_ms":1500}]}`},
		{`{"storage": {"url": "https://example.com/in"}}`, 429, "too_many_requests"},
		{`{}`, 400, "storage_not_valid"},
		{`{"storage": {}}`, 400, "storage_service_not_valid"},
		{`{"storage": {"service": "s3", "bucket": "b"}}`, 400, "storage_credentials_not_valid"},
		{`[]`, 400, "config_not_valid"},
		{``, 400, "config_not_valid"},
	} {
		if got := w.do(t, "POST", "/v2/storage-check", token, c.body); got.status != c.status || !strings.Contains(got.body, c.want) {
			t.Errorf("%s: %d %s, want %d %s", c.body, got.status, got.body, c.status, c.want)
		}
	}
	if got := w.do(t, "POST", "/v2/storage-check", "k-unknown", storage); got.status != 401 {
		t.Errorf("an unknown key: %d", got.status)
	}
	if got := w.do(t, "POST", "/v2/storage-check", token, storage); tried.Credentials["secret_access_key"].Reveal() != "canary" || strings.Contains(got.body+w.logs.String(), "canary") {
		t.Errorf("tried with %v, answered %s", tried, got.body)
	}
}
