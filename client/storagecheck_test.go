package client_test

import (
	"io"
	"net/http"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/client"
	"github.com/copra-video/copra/job"
)

// TestCheckStorage reads what the server's own encoder writes.
func TestCheckStorage(t *testing.T) {
	var sent string
	c := against(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = string(body)
		_, _ = w.Write(coconut.EncodeStorageCheck(job.StorageCheck{Message: "No.", Reason: job.StorageRefused, Object: "a.txt", Left: true, Steps: []job.StorageStep{
			{Name: job.StorageWrite, Result: job.StepFailed, Message: "No.", Reason: job.StorageRefused, Took: 5e6},
		}}))
	})
	got, err := c.CheckStorage(t.Context(), &client.Storage{Service: "coconut"})
	if err != nil {
		t.Fatal(err)
	}
	want := &client.StorageCheck{Status: "failed", Message: "No.", Code: "storage_refused", Object: "a.txt", Left: true, Steps: []client.StorageStep{
		{Step: "write", Result: "failed", Message: "No.", Code: "storage_refused", DurationMS: 5},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if got.OK() || sent != `{"storage":{"service":"coconut"}}` {
		t.Errorf("%s was sent", sent)
	}
}
