package spec

import (
	"strings"

	"github.com/copra-video/copra/job"
)

// decisionRows are the table of section 12, without its error codes.
func decisionRows() []row {
	list := []row{
		pair("12", "newest API version", plain("mp4:hevc_360p::force_sdr"), plain("mp4:hevc_360p")),
		pair("12", "force_sdr", plain("mp4:hevc_360p::force_sdr"), plain("mp4:hevc_360p")),
		pair("12", "service names", stored(`{"service":"contabo","bucket":"films","region":"eu2",`+keys+`}`), stored(`{"service":"floppy"}`)),
		pair("12", "400 codes not on record", output("mp4:721q", ""), output("mp4:720p", "")),
		pair("12", "api_version", request(`api_version="2021-001"`), request()),
		pair("12", "quality 1-5", request(`outputs={"mp4:360p::quality=1":"/1.mp4","mp4:360p::quality=2":"/2.mp4","mp4:360p::quality=3":"/3.mp4","mp4:360p::quality=4,maxrate=900k":"/4.mp4","mp4:360p::quality=5":"/5.mp4","mp4:hevc_360p::quality=5":"/6.mp4"}`), request()),
		pair("12", "bitrate mode", plain("mp4:2000k"), plain("mp4:1000k")),
		pair("12", "encoder presets", plain("mp4:360p::preset=slow,tune=film"), plain("mp4:360p")),
		pair("12", "default H.264 profile, level", plain("mp4:360p"), plain("mp4:360p::vprofile=main,level=31")),
		pair("12", "keyframes", plain("mp4:360p"), plain("mov:prores_360p")),
		pair("12", "audio copy/x etc.", plain("mkv:av1_1440p:opus"), plain("mkv")),
		pair("12", "aac/wav defaults", request(`outputs={"aac":"/a.aac","wav":"/a.wav"}`), plain("mp3")),
		pair("12", "key of a repeated format without key", request(`outputs={"mp4:360p":["/a.mp4","/b.mp4","/c.mp4"]}`), request()),
		pair("12", "httpstream segments", request(`outputs={"httpstream":{"hls":{"path":"/h"},"dash":{"path":"/d"},"variants":["mp4:hevc_360p"]}}`), request(`outputs={"httpstream":{"hls":{"path":"/h","version":3},"variants":["mp4:360p"]}}`)),
		pair("12", "layout of an httpstream", request(`outputs={"httpstream":{"hls":{"path":"/h"},"dash":{"path":"/d"},"variants":["mp4:360p"]}}`), request()),
		pair("12", "audio-only variant", streamed(`,"variants":["mp4:360p","mp4:x:64k"]`), streamed("")),
		pair("12", "HLS AES-128", request(`outputs={"httpstream":{"hls":{"path":"/hls","encryption_key":"00112233445566778899aabbccddeeff","encryption_key_uri":"https://example.com/key"},"variants":["mp4:360p"]}}`), streamed("")),
		pair("12", "sprite, VTT", request(`outputs={"jpg:120x":{"path":"/a_%.2d.jpg","interval":10,"sprite":true,"vtt":true}}`), request(`outputs={"jpg:120x":{"path":"/a_%.2d.jpg","interval":10}}`)),
		pair("12", "an output larger than the source", request(`outputs={"mp4:2160p":"/a.mp4","httpstream":{"hls":{"path":"/h"},"variants":["mp4:2160p","mp4:360p"]}}`), streamed("")),
		calls("12", "GET /v2/metadata/jobs/:id/:key", get(oneMetadata+"/jpg:300x", finished...), get(oneMetadata, finished...)),
		calls("12", "failed input", get(oneJob, inputFailed...), get(oneJob, started...)),
		pair("12", "webhook delivery", request(`notification={"url":"http://recorder:80/hook"}`), request()),
		pair("12", "SNS message", request(`notification={"type":"sns","region":"us-east-1","topic_arn":"arn:aws:sns:us-east-1:123456789012:t","params":{"a":"b"},`+keys+`}`), request()),
		calls("12", "query of GET after POST", get(oneJob), get(oneJob, started...)),
		calls("12", "regions", post(request(), "Host", "api-eu-west-1.coconut.co"), post(request(), "Host", "copra.example.com")),
	}
	for i := range list {
		switch r := &list[i]; r.name {
		case "api_version", "regions":
			r.same = true
		case "keyframes":
			r.only, r.needs = []string{"keyframes", "-force_key_frames", "-g ", "-sc_threshold", "-x264-params", "-keyint", "-flags"}, []string{"-force_key_frames"}
		case "newest API version", "force_sdr":
			hdr := []string{`"pix_fmt":"yuv420p"`, `"pix_fmt":"yuv420p10le","color_space":"bt2020nc","color_primaries":"bt2020","color_transfer":"smpte2084"`, `"codec_name":"h264"`, `"codec_name":"hevc"`}
			r.with.film, r.without.film = hdr, hdr
		case "quality 1-5":
			r.only = []string{"-crf", "-maxrate", "-bufsize"}
		case "audio copy/x etc.", "aac/wav defaults":
			r.only = []string{"audio:", "-c:v", "publishes"}
		case "webhook delivery", "SNS message":
			r.only = []string{"webhook"}
		}
	}
	for _, s := range [][2]string{
		{"contabo", `"region":"eu2"`}, {"contabostorage", `"region":"eu2"`}, {"impossible", `"region":"eu-central-2"`}, {"impossiblecloud", `"region":"eu-central-2"`},
		{"cdn77", `"region":"us-1"`}, {"scaleway", `"region":"fr-par"`}, {"vultr", `"region":"ewr1"`}, {"r2", `"account_id":"0123456789abcdef0123456789abcdef"`},
		{"minio", `"endpoint":"http://recorder:80"`},
	} {
		list = append(list, pair("12", s[0], stored(`{"service":"`+s[0]+`","bucket":"films",`+s[1]+`,`+keys+`}`), request()))
	}
	whole := hash{"service": `"scaleway"`, "bucket": `"films"`, "region": `"fr-par"`, "endpoint": recorder, "path": `"/p"`, "acl": `"private"`, "credentials": `{"access_key_id":"a","secret_access_key":"b"}`}
	return append(list,
		pair("12", "bucket, region, endpoint, path, acl, credentials", stored(whole.text()), request()),
		pair("12", "endpoint", stored(whole.text()), stored(whole.but("endpoint", "").text())))
}

// codeRows are the codes of sections 6.1 and 12: each with a request that is
// refused with it, against one that is not.
func codeRows() (list []row) {
	many := make([]string, 31)
	for i := range many {
		many[i] = `"/a.mp4"`
	}
	for _, c := range [][3]string{
		{"6.1", "input_not_valid", request("input=")},
		{"6.1", "input_url_not_valid", input(`{"url":"notvalidurl"}`)},
		{"6.1", "output_param_not_valid", output("mp4", `"notvalidparam":1`)},
		{"6.1", "storage_credentials_not_valid", s3("credentials", `{"access_key_id":"","secret_access_key":""}`)},
		{"6.1", "storage_service_not_valid", stored(`{"service":"floppy"}`)},
		{"6.1", "notification_not_valid", request(`notification={}`)},
		{"12", "config_not_valid", "[]"},
		{"12", "storage_not_valid", request("storage=")},
		{"12", "outputs_not_valid", request("outputs={}")},
		{"12", "outputs_out_of_range", request(`outputs={"mp4":[` + strings.Join(many, ",") + `]}`)},
		{"12", "output_format_not_valid", output("mp4:721q", "")},
		{"12", "output_param_not_valid", output("mp4", `"fit":"stretch"`)},
		{"12", "output_path_not_valid", request(`outputs={"mp4":{"path":"/../a.mp4"}}`)},
		{"12", "settings_not_valid", request(`settings={"priority":51}`)},
		{"12", "metadata_not_valid", request(`metadata="text"`)},
		{"12", "notification_not_valid", request(`notification={"type":"smoke","url":"https://a/b"}`)},
	} {
		r := pair(c[0], c[1], c[2], request())
		r.only, r.needs = []string{"answer: 4", "answer: error_code", "answer: message"}, []string{"answer: error_code = " + c[1]}
		list = append(list, r)
	}
	missing := get("/v2/jobs/undefined")
	return append(list,
		calls("6.1", "authentication_failed", stranger(post(request())), post(request())),
		// Made up by the clients of answers without a body.
		calls("6.1", "request_error", missing, get(oneJob)), calls("6.1", "server_error", missing, get(oneJob)))
}

// failureRows are codes of docs/errors.md that the specification does not have.
func failureRows() (list []row) {
	of := func(with, without exchange, code string) row {
		r := calls(errorsSection, code, with, without)
		r.only, r.needs = []string{"answer: 4", "answer: 5", "answer: error_code", "answer: message", "answer: Retry"}, []string{"answer: error_code = " + code}
		return r
	}
	act := func(what string, events []job.Event) exchange {
		return exchange{method: "POST", path: oneJob + "/" + what, events: events}
	}
	upload := exchange{method: "PUT", path: "/v2/uploads/film.mp4", body: "film"}
	full, nameless, long := upload, upload, upload
	full.disk, nameless.path, long.largest = 1, "/v2/uploads/..", 3
	list = []row{
		of(post(request(), "Idempotency-Key", strings.Repeat("k", 256)), post(request()), "idempotency_key_not_valid"),
		of(repeated(request(`settings={"priority":1}`), "a"), repeated(request(), "a"), "idempotency_key_reused"),
		of(act("cancel", finished), act("cancel", started), "job_finished"),
		of(act("retry", started), act("retry", failed), "job_not_finished"),
		of(act("retry", finished), act("retry", failed), "nothing_to_retry"),
		of(manyJobs(post(request())), post(request()), "too_many_jobs"),
		of(manyRequests(get(oneJob)), get(oneJob), "too_many_requests"),
		of(get("/v2/jobs?sort=up"), get("/v2/jobs"), "query_not_valid"),
		of(get("/v2/jobs?cursor=of+nobody"), get("/v2/jobs"), "cursor_not_valid"),
		of(nameless, upload, "upload_not_valid"),
		of(long, upload, "upload_too_large"),
		of(full, upload, "server_disk_full"),
	}
	for _, f := range [][2]string{
		{"input_http_error", input(`{"url":"http://recorder:80/403"}`)},
		{"input_not_found", input(`{"url":"https://copra.example.com/storage/uploads/00112233445566778899aabbccddeeff/film.mp4"}`)},
		{"input_not_readable", input(`{"url":"http://recorder:80/broken"}`)},
		{"input_too_large", input(`{"url":"http://recorder:80/large"}`)},
		{"address_not_allowed", input(`{"url":"http://10.0.0.1/in.mov"}`)},
		{"redirects_not_valid", input(`{"url":"http://recorder:80/around"}`)},
		{"storage_refused", stored(`{"service":"s3other","endpoint":"http://recorder:80","bucket":"no-such-bucket",` + keys + `}`)},
	} {
		r := pair(errorsSection, f[0], f[1], request())
		r.only, r.needs = []string{"fails:", "at last: input", "at last: outputs"}, []string{"fails: " + f[0]}
		list = append(list, r)
	}
	return list
}
