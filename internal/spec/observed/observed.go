// Package observed lists the rows of the specification that need PostgreSQL or
// FFmpeg to be seen, and the tests that see them. Such a test calls Row where it
// has seen the row; package spec holds that it does.
package observed

import (
	"maps"
	"strings"
	"testing"
)

// tests are "folder.Test" by section and name of the row. Those of errors.md are
// codes of docs/errors.md.
var tests = map[string]string{
	"10 coconutjs (Node)":     "e2e.TestNodeClient",
	"10 coconutgo":            "api.TestClientsCreateAndRetrieve",
	"10 coconutphp":           "api.TestClientsCreateAndRetrieve",
	"10 coconutrb, coconutpy": "api.TestClientsCreateAndRetrieve",

	"12 regions":          "e2e.TestBuiltInEndpoints",
	"12 webhook delivery": "internal/server.TestSignedWebhook",

	"12.1 GET /v2/jobs?status=&limit=&cursor=&q=&metadata=": "internal/postgres.TestListJobs",
	"12.1 DELETE /v2/jobs/:id":                              "internal/postgres.TestCancel",
	"12.1 POST /v2/jobs/:id/retry":                          "internal/postgres.TestRetry",
	"12.1 Idempotency-Key":                                  "internal/postgres.TestIdempotency",
	"12.1 settings.priority":                                "internal/server.TestPriority",
	"12.1 settings.max_duration":                            "worker.TestMaxDuration",
	"12.1 POST /v2/uploads":                                 "e2e.TestTusClient",
	"12.1 settings.encoder":                                 "e2e.TestDevice",
	"12.2 HLS and DASH recordings as inputs":                "e2e.TestRecordings",

	"errors.md cursor_not_valid":         "internal/postgres.TestListByStatus",
	"errors.md idempotency_key_reused":   "internal/postgres.TestIdempotency",
	"errors.md job_finished":             "internal/postgres.TestCancel",
	"errors.md job_not_finished":         "internal/postgres.TestRetry",
	"errors.md nothing_to_retry":         "internal/postgres.TestRetry",
	"errors.md too_many_jobs":            "internal/postgres.TestQueuedLimit",
	"errors.md quota_used_up":            "internal/postgres.TestMonthlyMinutes",
	"errors.md input_damaged":            "transcode/ffmpeg.TestProbeRefuses",
	"errors.md input_photo_not_readable": "transcode/ffmpeg.TestProbeRefusesPhotos",
	"errors.md input_encrypted":          "transcode/ffmpeg.TestProbeRefuses",
	"errors.md input_not_self_contained": "transcode/ffmpeg.TestReason",
	"errors.md input_playlist_not_valid": "worker/input.TestRecordingRefused",
	"errors.md input_stream_missing":     "transcode/ffmpeg.TestReason",
	"errors.md captions_not_valid":       "e2e.TestBadCaptions",
	"errors.md audio_not_valid":          "e2e.TestBadAudioFiles",
	"errors.md encoder_missing":          "transcode/ffmpeg.TestReason",
	"errors.md encoding_failed":          "transcode/ffmpeg.TestReason",
	"errors.md encoding_stalled":         "transcode/ffmpeg.TestRunStalls",
	"errors.md encoding_crashed":         "transcode/ffmpeg.TestRunTellsOfSignals",
	"errors.md server_out_of_memory":     "transcode/ffmpeg.TestRunTellsOfSignals",
	"errors.md output_level_too_low":     "transcode/ffmpeg.TestRunRefusesTooLowALevel",
	"errors.md max_duration_exceeded":    "worker.TestMaxDuration",
	"errors.md internal_error":           "worker.TestFailure",
	"errors.md storage_unavailable":      "worker.TestFailure",
	"errors.md worker_lost":              "internal/postgres.TestReapLastAttempt",
	"errors.md output_not_valid":         "transcode/ffmpeg.TestVerify",
	"errors.md watermark_not_valid":      "e2e.TestPictures",
	"errors.md overlay_not_valid":        "worker/input.TestFetchLUT",
}

// Tests returns the tests by row.
func Tests() map[string]string { return maps.Clone(tests) }

// Row says that the running test has seen a row. It fails the test when the row
// is not listed here, or another test is to see it.
func Row(t testing.TB, row string) {
	t.Helper()
	test, ok := tests[row]
	if !ok {
		t.Fatalf("package observed does not list the row %q", row)
	}
	name, _, _ := strings.Cut(t.Name(), "/")
	if _, want, _ := strings.Cut(test, "."); name != want {
		t.Fatalf("the row %q is to be seen by %s", row, test)
	}
}
