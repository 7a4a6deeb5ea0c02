package spec

import "strings"

// codeRows are the codes of sections 6 and 12, each with a request that
// provokes it where one can, and those that this server adds.
func codeRows() []row {
	many := make([]string, 31)
	for i := range many {
		many[i] = `"/a.mp4"`
	}
	var list []row
	for _, c := range []struct{ section, code, request, test string }{
		{"6.1", "input_not_valid", request("input="), "api/coconut.TestRefused"},
		{"6.1", "input_url_not_valid", request(`input={"url":"notvalidurl"}`), "api/coconut.TestRefused"},
		{"6.1", "output_param_not_valid", output("mp4", `"notvalidparam":1`), "api/coconut.TestRefused"},
		{"6.1", "storage_credentials_not_valid", request(`storage={"service":"s3","bucket":"b","region":"r","credentials":{"access_key_id":"","secret_access_key":""}}`), "api/coconut.TestRefused"},
		{"6.1", "storage_service_not_valid", request(`storage={"service":"floppy"}`), "api/coconut.TestRefused"},
		{"6.1", "notification_not_valid", request(`notification={}`), "api/coconut.TestRefused"},
		{"6.1", "authentication_failed", "", "api.TestAuthentication"},
		{"12", "config_not_valid", "[]", "api/coconut.TestRefused"},
		{"12", "storage_not_valid", request("storage="), "api/coconut.TestRefused"},
		{"12", "outputs_not_valid", request("outputs={}"), "api/coconut.TestRefused"},
		{"12", "outputs_out_of_range", request(`outputs={"mp4":[` + strings.Join(many, ",") + `]}`), "api/coconut.TestRefused"},
		{"12", "output_format_not_valid", output("mp4:721q", ""), "api/coconut.TestRefused"},
		{"12", "output_param_not_valid", output("mp4", `"fit":"stretch"`), "api/coconut.TestRefused"},
		{"12", "output_path_not_valid", request(`outputs={"mp4":{"path":"/../a.mp4"}}`), "api/coconut.TestRefused"},
		{"12", "settings_not_valid", request(`settings={"priority":51}`), "api/coconut.TestRefused"},
		{"12", "notification_not_valid", request(`notification={"type":"smoke","url":"https://a/b"}`), "api/coconut.TestRefused"},
		// Beside those of the specification.
		{"12.1", "idempotency_key_not_valid", "", "api.TestIdempotencyKey"},
		{"12.1", "idempotency_key_reused", "", "internal/server.TestIdempotencyKey"},
		{"12.1", "job_finished", "", "api.TestCancelAndRetry"},
		{"12.1", "job_not_finished", "", "internal/postgres.TestRetry"},
		{"12.1", "nothing_to_retry", "", "api.TestCancelAndRetry"},
		{"12.1", "query_not_valid", "", "api.TestListRefuses"},
		{"12.1", "cursor_not_valid", "", "api.TestListRefuses"},
		{"12.1", "upload_not_valid", "", "storage/local.TestUploadRefused"},
		{"12.1", "upload_too_large", "", "storage/local.TestUploadRefused"},
		{"12.1", "server_disk_full", "", "storage/local.TestUploadRefused"},
	} {
		r := row{section: c.section, name: c.code, request: c.request, test: c.test}
		if c.request != "" {
			r.code = c.code
		}
		list = append(list, r)
	}
	for i := range list {
		if list[i].name == "job_not_finished" {
			list[i].says = "JobNotFinished"
		}
	}
	return append(list, // made up by the clients, of what they do not understand
		row{section: "6.1", name: "request_error", test: "api.TestClientsSeeErrors", says: "404"},
		row{section: "6.1", name: "server_error", test: "api.TestClientsSeeErrors", says: "404"})
}

// failureRows are the codes of jobs that fail later, in docs/errors.md: the
// sentences that customers get, which is all they get.
func failureRows() []row {
	return []row{
		{section: "errors.md", name: "input_http_error", test: "e2e.TestBadInputs", says: "403"},
		{section: "errors.md", name: "input_not_found", test: "storage/local.TestLookupOfOtherAddresses", says: "InputNotFound"},
		{section: "errors.md", name: "input_not_readable", test: "e2e.TestBadInputs", says: "broke off"},
		{section: "errors.md", name: "input_too_large", test: "storage.TestFetch", says: "larger than 999999 bytes"},
		{section: "errors.md", name: "address_not_allowed", test: "e2e.TestBadInputs", says: "COPRA_ALLOW_NETWORKS"},
		{section: "errors.md", name: "redirects_not_valid", test: "e2e.TestBadInputs", says: "redirects for ever"},
		{section: "errors.md", name: "storage_refused", test: "e2e.TestS3Refuses", says: "NoSuchBucket"},
		{section: "errors.md", name: "watermark_not_valid", test: "e2e.TestPictures", says: "The watermark is a web page"},
		{section: "errors.md", name: "input_damaged", test: "transcode/ffmpeg.TestReason", says: "InputDamaged"},
		{section: "errors.md", name: "input_not_self_contained", test: "transcode/ffmpeg.TestReason", says: "InputNotSelfContained"},
		{section: "errors.md", name: "input_stream_missing", test: "transcode/ffmpeg.TestReason", says: "InputStreamMissing"},
		{section: "errors.md", name: "encoder_missing", test: "transcode/ffmpeg.TestReason", says: "EncoderMissing"},
		{section: "errors.md", name: "encoding_failed", test: "transcode/ffmpeg.TestReason", says: "EncodingFailed"},
		{section: "errors.md", name: "encoding_stalled", test: "transcode/ffmpeg.TestReason", says: "EncodingStalled"},
		{section: "errors.md", name: "server_out_of_memory", test: "transcode/ffmpeg.TestReason", says: "ServerOutOfMemory"},
		{section: "errors.md", name: "internal_error", test: "transcode/ffmpeg.TestReason", says: "InternalError"},
		{section: "errors.md", name: "encoding_crashed", test: "transcode/ffmpeg.TestRunTellsOfSignals", says: "EncodingCrashed"},
		{section: "errors.md", name: "output_level_too_low", test: "transcode/ffmpeg.TestRunRefusesTooLowALevel", says: "OutputLevelTooLow"},
		{section: "errors.md", name: "storage_unavailable", test: "worker.TestFailure", says: "StorageUnavailable"},
		{section: "errors.md", name: "max_duration_exceeded", test: "worker.TestFailuresAreCounted", says: "MaxDurationExceeded"},
		{section: "errors.md", name: "worker_lost", test: "internal/postgres.TestReapLastAttempt", says: "WorkerLost"},
		{section: "errors.md", name: "output_not_valid", test: "transcode/ffmpeg.TestVerify", says: "couldn't be encoded"},
	}
}

// decisionRows are the table of section 12.
func decisionRows() []row {
	list := []row{
		{section: "12", name: "newest API version", test: "transcode.TestUnknownTransfer", says: "transfer"},
		{section: "12", name: "service names", test: "api/coconut.TestServices", says: "impossible"},
		{section: "12", name: "force_sdr", request: output("mp4:1080p::force_sdr", ""), test: "transcode.TestHDR"},
		{section: "12", name: "400 codes not on record", test: "api/coconut.TestRefused", says: "outputs_not_valid"},
		{section: "12", name: "api_version", request: request(`api_version="2021-001"`), test: "api/coconut.TestAccepted"},
		{section: "12", name: "quality 1-5", request: output("mp4:720p::quality=1", ""), test: "transcode.TestQualityAndPasses", says: "quality"},
		{section: "12", name: "bitrate mode", request: output("mp4:2000k", ""), test: "transcode.TestGolden", says: "-bufsize"},
		{section: "12", name: "encoder presets", request: output("mp4:720p::preset=slow", ""), test: "transcode.TestGolden", says: "-preset"},
		{section: "12", name: "regions", test: "e2e.TestBuiltInEndpoints", says: "COPRA_REGION"},
		{section: "12", name: "default H.264 profile, level", test: "transcode.TestGolden", says: "-profile:v"},
		{section: "12", name: "keyframes", test: "transcode.TestFramesAndKeyframes", says: "keyframe"},
		{section: "12", name: "audio copy/x etc.", request: output("mkv:av1_1440p:opus", ""), test: "transcode.TestPairs", says: "opus"},
		{section: "12", name: "aac/wav defaults", request: output("wav", ""), test: "transcode.TestGolden", says: "pcm_s16le"},
		{section: "12", name: "key of a repeated format without key", request: request(`outputs={"mp4:720p":["/a.mp4","/b.mp4"]}`), test: "api/coconut.TestAccepted", says: "mp4:720p-2"},
		{section: "12", name: "httpstream segments", test: "transcode.TestSegments", says: "segment"},
		{section: "12", name: "layout of an httpstream", test: "transcode/stream.TestPlaylists", says: "master"},
		{section: "12", name: "audio-only variant", request: stream(`,"variants":["mp4:360p","mp4:x:64k"]`), test: "transcode/stream.TestPlaylists", says: "audio"},
		{section: "12", name: "HLS AES-128", test: "transcode.TestEncryption", says: "ncryption",
			request: request(`outputs={"httpstream":{"hls":{"path":"/h","encryption_key":"00112233445566778899aabbccddeeff","encryption_key_uri":"https://example.com/key"}}}`)},
		{section: "12", name: "sprite, VTT", request: output("jpg:120x", `"interval":10,"sprite":true,"vtt":true`), test: "e2e.TestPictures", says: "image.vtt"},
		{section: "12", name: "an output larger than the source", request: output("mp4:2160p", ""), test: "transcode.TestLadder" + "Properties", says: "adder"},
		{section: "12", name: "GET /v2/metadata/jobs/:id/:key", test: "api/coconut.TestEncodeMetadataKey", says: "job_id"},
		{section: "12", name: "failed input", test: "e2e.TestBadInputs", says: "input.failed"},
		{section: "12", name: "webhook delivery", test: "internal/server.TestSignedWebhook", says: "webhook-signature"},
		{section: "12", name: "SNS message", test: "webhook/sns.TestPublish", says: "MessageAttributes"},
		{section: "12", name: "query of GET after POST", test: "e2e.TestConsumers", says: "job.starting"},
	}
	for service, members := range map[string]string{
		"contabo": `"region":"eu2"`, "contabostorage": `"region":"eu2"`, "impossible": `"region":"eu-central-2"`, "impossiblecloud": `"region":"eu-central-2"`,
		"cdn77": `"region":"us-1"`, "scaleway": `"region":"fr-par"`, "vultr": `"region":"ewr1"`, "r2": `"account_id":"0123456789abcdef0123456789abcdef"`,
		"minio": `"endpoint":"https://minio.example.com"`, "wasabi": `"region":"us-east-1","endpoint":"https://wasabi.example.com","acl":"private"`,
	} {
		test := "storage/s3.TestFamily"
		if service == "contabostorage" || service == "impossiblecloud" {
			test = "api/coconut.TestServices"
		}
		list = append(list, row{section: "12", name: service, request: request(`storage={"service":"` + service + `","bucket":"b","path":"/p",` + members + `,` + keys + `}`), test: test})
	}
	// What the row of the named services lists as their members.
	for _, m := range []string{"bucket, region, endpoint, path, acl, credentials", "endpoint"} {
		list = append(list, row{section: "12", name: m, test: "storage/s3.TestFamily", says: "Endpoint"})
	}
	return list
}

// additionRows are section 12.1.
func additionRows() []row {
	return []row{
		{section: "12.1", name: "GET /v2/jobs?status=&limit=&cursor=", test: "api.TestList", says: "cursor"},
		{section: "12.1", name: "DELETE /v2/jobs/:id", test: "api.TestCancelAndRetry", says: "DELETE"},
		{section: "12.1", name: "POST /v2/jobs/:id/cancel", test: "api.TestCancelAndRetry", says: "/cancel"},
		{section: "12.1", name: "POST /v2/jobs/:id/retry", test: "api.TestCancelAndRetry", says: "/retry"},
		{section: "12.1", name: "GET /v2/jobs/:id/events", test: "api.TestStream", says: "/events"},
		{section: "12.1", name: "GET /v2/jobs/:id/deliveries", test: "api.TestDeliveries", says: "/deliveries"},
		{section: "12.1", name: "POST .../deliveries/:n/replay", test: "api.TestDeliveries", says: "/replay"},
		{section: "12.1", name: "Idempotency-Key", test: "e2e.TestIdempotency"},
		{section: "12.1", name: "settings.priority", request: request(`settings={"priority":-50}`), test: "internal/server.TestPriority", says: "priority"},
		{section: "12.1", name: "settings.max_duration", request: request(`settings={"max_duration":60}`), test: "api/coconut.TestAccepted", says: "max_duration"},
	}
}
