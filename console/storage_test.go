package console_test

import (
	"context"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
)

// checkStorage stands in for the check of a storage, which has tests of its own.
func (r *rig) checkStorage(_ context.Context, st *job.Storage) (job.StorageCheck, error) {
	if st.Bucket == "nowhere" {
		return job.StorageCheck{Message: "There is no bucket 'nowhere'.", Reason: job.StorageRefused, Object: "a.txt", Steps: []job.StorageStep{
			{Name: job.StorageWrite, Result: job.StepFailed, Message: "There is no bucket 'nowhere'.", Reason: job.StorageRefused},
		}}, nil
	}
	return job.StorageCheck{OK: true, Message: "The storage takes results.", Object: "a.txt", Steps: []job.StorageStep{{Name: job.StorageWrite, Result: job.StepDone, Took: 1}}}, nil
}

// TestStorage: the answer is shown, and never what was sent.
func TestStorage(t *testing.T) {
	r := start(t)
	r.signIn(r.token.Reveal())
	st := func(bucket string) string {
		return `{"storage": {"service": "s3", "bucket": "` + bucket + `", "region": "us-east-1", "credentials": {"access_key_id": "canary1", "secret_access_key": "canary2"}}}`
	}
	for _, tt := range []struct {
		request string
		status  int
		want    []string
	}{
		{st("results"), 200, []string{"The storage takes results.", ">done<", "a.txt"}},
		{st("nowhere"), 200, []string{"There is no bucket", "storage_refused", "Correct bucket, region", ">failed<"}},
		{`{"storage": {"service": "canary3"}}`, 400, []string{"storage_service_not_valid", "Try it out"}},
		{`{`, 400, []string{"config_not_valid"}},
		{``, 400, []string{"config_not_valid"}},
	} {
		a := r.post("/console/storage", "request", tt.request)
		if a.status != tt.status {
			t.Errorf("%s: %d, want %d", tt.request, a.status, tt.status)
		}
		for _, want := range tt.want {
			if !strings.Contains(a.body, want) {
				t.Errorf("%s does not show %q\n%s", tt.request, want, a.body)
			}
		}
		if strings.Contains(a.body, "canary1") || strings.Contains(a.body, "canary2") {
			t.Errorf("%s shows a credential", tt.request)
		}
	}
}
