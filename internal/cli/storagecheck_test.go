package cli

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/command"
)

// TestStorageCheck reads a file or standard input, and ends with 1 for a storage that takes
// no results.
func TestStorageCheck(t *testing.T) {
	answer := `{"status":"ok","message":"The storage takes results.","object":"a.txt","left":false,"steps":[{"step":"write","result":"done","duration_ms":7}]}`
	status, sent := 200, ""
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var b strings.Builder
		_ = r.Write(&b)
		sent = b.String()
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answer))
	}))
	defer srv.Close()
	env := map[string]string{"COPRA_SERVER": srv.URL + "/v2", "COPRA_API_KEY": "k-1"}
	description := file(t, "job.json", `{"storage": {"service": "coconut"}}`)
	called(t.Context(), StorageCheck, env, description).expect(t, 0, "write", "7 ms", "ok: The storage takes results.")
	if !strings.Contains(sent, "POST /v2/storage-check") || !strings.Contains(sent, `{"storage": {"service": "coconut"}}`) {
		t.Errorf("%s was sent", sent)
	}
	var out syncBuffer
	err := StorageCheck(t.Context(), command.Call{Stdio: command.Stdio{Getenv: func(n string) string { return env[n] }, Stdin: strings.NewReader(`{"storage": 1}`), Stdout: &out, Stderr: &out}, Name: "test", Args: []string{"-"}})
	if err != nil || !strings.Contains(sent, `{"storage": 1}`) {
		t.Errorf("standard input: %v, %s was sent", err, sent)
	}
	answer = `{"status":"failed","message":"There is no bucket.","error_code":"storage_refused","object":"a.txt","left":false,"steps":[{"step":"write","result":"failed","message":"There is no bucket.","duration_ms":7},{"step":"read","result":"skipped","message":"Nothing was written.","duration_ms":0}]}`
	called(t.Context(), StorageCheck, env, description).expect(t, 1, "skipped", "failed: There is no bucket. (storage_refused)")
	called(t.Context(), StorageCheck, env, "--json", description).expect(t, 1, `"status": "failed"`)
	status, answer = 400, `{"message":"The storage is bad.","error_code":"storage_not_valid","status":"error"}`
	called(t.Context(), StorageCheck, env, description).expect(t, 1, "The storage is bad.")
	called(t.Context(), StorageCheck, env).expect(t, 2, "name one FILE")
	called(t.Context(), StorageCheck, env, "nowhere.json").expect(t, 2, "nowhere.json")
	called(t.Context(), StorageCheck, env, "-").expect(t, 2, "no standard input")
}
