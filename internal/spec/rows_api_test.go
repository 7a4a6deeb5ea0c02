package spec

import (
	"encoding/base64"
	"strings"

	"github.com/copra-video/copra/job"
)

// What may have happened to the job of a call.
var (
	started     = []job.Event{{Kind: job.JobStartedEvent}}
	probed      = append(started[:1:1], job.Event{Kind: job.InputProbedEvent, Metadata: []byte(film)})
	transferred = append(probed[:2:2], job.Event{Kind: job.InputTransferredEvent})
	finished    = append(transferred[:3:3],
		job.Event{Kind: job.OutputCompletedEvent, Output: "mp4:720p", Result: job.Result{URL: "https://example.com/a.mp4", Metadata: []byte(`{"streams":[],"format":{}}`)}},
		job.Event{Kind: job.OutputCompletedEvent, Output: "jpg:300x", Result: job.Result{URLs: []string{"https://example.com/a.jpg"}}},
		job.Event{Kind: job.OutputCompletedEvent, Output: "httpstream", Result: job.Result{
			Streams:  []job.StreamURL{{Format: "hls", URL: "https://example.com/hls/master.m3u8"}},
			Metadata: []byte(`{"hls":{"streams":[],"format":{}}}`),
		}})
	failed      = append(transferred[:3:3], ends(job.OutputFailedEvent)...)
	skipped     = append(transferred[:3:3], ends(job.OutputSkippedEvent)...)
	cancelled   = append(started[:1:1], job.Event{Kind: job.JobCancelledEvent})
	inputFailed = append(started[:1:1], job.Event{Kind: job.InputFailedEvent, Error: "The input's server answered with HTTP status 403."})
)

// ends is the end of every output.
func ends(kind job.EventKind) (list []job.Event) {
	for _, key := range []string{"mp4:720p", "jpg:300x", "httpstream"} {
		e := job.Event{Kind: kind, Output: key}
		if kind == job.OutputFailedEvent {
			e.Error = "The media file couldn't be encoded."
		}
		list = append(list, e)
	}
	return list
}

// at is a job whose outputs are at a stage.
func at(stage job.Stage) []job.Event {
	list := append(transferred[:3:3], ends(job.OutputStageEvent)...)
	for i := range list[3:] {
		list[3+i].Stage = stage
	}
	return list
}

// get and post are calls about a job; all of them are answered.
func get(path string, events ...job.Event) exchange {
	return exchange{method: "GET", path: path, events: events}
}

func post(body string, header ...string) exchange {
	e := exchange{method: "POST", path: "/v2/jobs", body: body, header: map[string]string{}}
	for i := 0; i < len(header); i += 2 {
		e.header[header[i]] = header[i+1]
	}
	return e
}

const (
	oneJob      = "/v2/jobs/" + jobID
	oneMetadata = "/v2/metadata/jobs/" + jobID
)

func transportRows() []row {
	nothing := get("/v2/nothing")
	list := []row{
		calls("1.1", "N. Virginia, the default", post(request(), "Host", "api.coconut.co"), post(request(), "Host", "copra.example.com")),
		calls("1.1", "Oregon", post(request(), "Host", "api-us-west-2.coconut.co"), post(request(), "Host", "copra.example.com")),
		calls("1.1", "Ireland", post(request(), "Host", "api-eu-west-1.coconut.co"), post(request(), "Host", "copra.example.com")),

		calls("1.2", "POST /v2/jobs", post(request()), exchange{method: "POST", path: "/v2/nothing", body: request()}),
		calls("1.2", "GET /v2/jobs/:id", get(oneJob), nothing),
		calls("1.2", "GET /v2/metadata/jobs/:id", get(oneMetadata, probed...), nothing),
		calls("1.2", "GET /v2/metadata/jobs/:id/", get(oneMetadata+"/", probed...), nothing),
		calls("1.2", "GET /v2/metadata/jobs/:id/:key", get(oneMetadata+"/mp4:720p", finished...), get(oneMetadata+"/mp4:999p", finished...)),

		calls("1.3", "Ruby (gem http) and PHP (curl) follow no redirect", get(oneJob+"/"), get(oneJob)),
		calls("1.3", "a key is put into the path unescaped: :, =, ,, ::", get(oneMetadata+"/mp4:720p", finished...), get(oneMetadata+"/mp4%3A720p", finished...)),
		calls("1.3", "Node sends POST bodies chunked, without Content-Length, and a Content-Type with GET",
			exchange{method: "GET", path: oneJob, header: map[string]string{"Content-Type": "application/json"}}, get(oneJob)),
		calls("1.3", "PHP may send Expect: 100-continue", post(request(), "Expect", "100-continue"), post(request())),
		calls("1.3", "Go asks for gzip", post(request(), "Accept-Encoding", "gzip"), post(request())),
		calls("1.3", "the documentation's curl sends JSON as application/x-www-form-urlencoded (D); programs using fetch send text/plain (T)",
			post(request(), "Content-Type", "application/x-www-form-urlencoded"), post(request(), "Content-Type", "application/json")),
		calls("1.3", "Ruby sends no Accept and decodes by the answer's type", post(request("input=")), get("/v2/jobs/undefined")),
		calls("1.3", "no client waits for a 401 challenge", post(request(), "Authorization", "Basic "+strings.TrimRight(base64.StdEncoding.EncodeToString([]byte(apiKey)), "=")), post(request())),

		calls("1.5", "400", post(request("input=")), post(request())),
		calls("1.5", "401", stranger(post(request())), post(request())),
		calls("1.5", "404", get("/v2/jobs/undefined"), get(oneJob)),
		calls("1.5", "other", exchange{method: "PATCH", path: oneJob}, get(oneJob)),
	}
	for i := range list { // what clients send in different ways is the same
		switch r := &list[i]; {
		case r.section == "1.1":
			r.same = true
		case r.section == "1.3" && !strings.HasPrefix(r.name, "Ruby sends"):
			r.same = true
		}
	}
	return list
}

func stranger(e exchange) exchange {
	e.stranger, e.shows = true, []string{"WWW-Authenticate"}
	return e
}

// jobRows are sections 1.7 and 2.
func jobRows() []row {
	list := []row{
		pair("1.7", "settings", request(`settings={"priority":50}`), request()),
		pair("1.7", "input", request(), request("input=")),
		pair("1.7", "storage", request(`storage={"service":"coconut","path":"/below"}`), request()),
		pair("1.7", "outputs", request(), request("outputs=")),
		pair("1.7", "notification", request(`notification={"url":"http://recorder:80/hook"}`), request()),
		pair("1.7", "null", request("notification=null"), request()),
		pair("1.7", "[]", request("settings=[]"), request()),
		pair("1.7", "members that are unknown", request(`colour="red"`), request()),

		calls("2.1", "id", get(oneJob), get("/v2/jobs/undefined")),
		calls("2.1", "created_at", get(oneJob), get("/v2/jobs/undefined")),
		calls("2.1", "completed_at", get(oneJob, finished...), get(oneJob)),
		calls("2.1", "status", get(oneJob, started...), get(oneJob)),
		calls("2.1", "progress", get(oneJob, finished...), get(oneJob)),
		calls("2.1", "input", get(oneJob, started...), get(oneJob)),
		calls("2.1", "outputs", get(oneJob, finished...), get(oneJob)),

		calls("2.3", "video", get(oneJob, finished...), get(oneJob, failed...)),
		calls("2.3", "image", get(oneJob, finished...), get(oneJob, failed...)),
		calls("2.3", "httpstream", get(oneJob, finished...), get(oneJob, failed...)),

		pair("2.4", "built-in", request(), request(`storage={"url":"http://recorder:80/dir"}`)),
		pair("2.4", "S3 family", s3("", ""), request()),
		pair("2.4", "URL", request(`storage={"url":"http://recorder:80/dir","public_host":"https://cdn.example.com"}`), request(`storage={"url":"http://recorder:80/dir"}`)),
		pair("2.4", "others", request(`storage={"service":"azure","container":"videos","credentials":{"account":"acme","access_key":"aw=="}}`), request()),
	}
	for i := range list {
		switch r := &list[i]; {
		case r.name == "null" || r.name == "[]" || r.name == "members that are unknown":
			r.same = true
		case r.section == "2.1" && r.name == "outputs":
			r.only = []string{"outputs[0]", "outputs[1]"}
		case r.section == "2.1":
			r.only = []string{"answer: " + r.name}
		case r.section == "2.3":
			r.only = []string{map[string]string{"video": "outputs[0]", "image": "outputs[1]", "httpstream": "outputs[2]"}[r.name]}
		case r.section == "2.4":
			r.only = []string{".url"}
		}
	}
	return append(list, statusRows()...)
}

// statusRows are section 2.2: each word in an answer.
func statusRows() (list []row) {
	waiting := get(oneJob)
	for _, s := range []struct {
		names  string
		events []job.Event
	}{
		{"job.processing input.transferring", started},
		{"input.transferred", transferred},
		{"input.failed", inputFailed},
		{"job.completed video.encoded image.created httpstream.packaged", finished},
		{"job.failed video.failed image.failed httpstream.failed", failed},
		{"video.skipped image.skipped httpstream.skipped", skipped},
		{"video.aborted image.aborted httpstream.aborted", cancelled},
		{"video.queued image.queued httpstream.variants.queued", at(job.Queued)},
		{"video.encoding image.processing httpstream.variants.encoding", at(job.Encoding)},
		{"httpstream.packaging", at(job.Packaging)},
	} {
		for _, name := range strings.Fields(s.names) {
			r := calls("2.2", name, get(oneJob, s.events...), waiting)
			r.only = []string{"= " + name}
			list = append(list, r)
		}
	}
	for _, name := range strings.Fields("job.starting input.starting video.waiting image.waiting httpstream.waiting") {
		r := calls("2.2", name, waiting, get(oneJob, finished...))
		r.only = []string{"= " + name}
		list = append(list, r)
	}
	for _, name := range strings.Fields("httpstream.queued httpstream.variants.waiting") { // which Copra does not say
		r := calls("2.2", name, get(oneJob, at(job.Queued)...), waiting)
		r.only, r.same = []string{"= " + name}, true
		list = append(list, r)
	}
	return list
}

// additionRows are section 12.1 and 12.2.
func additionRows() []row {
	nothing := get(oneJob + "/nothing")
	upload := exchange{method: "PUT", path: "/v2/uploads/film.mp4", body: "film"}
	list := []row{
		calls("12.1", "GET /v2/jobs?status=&limit=&cursor=&q=&metadata=", get("/v2/jobs?status=job.starting&limit=2&cursor=c&q=a&metadata=order:4711"), get("/v2/jobs?status=job.failed")),
		calls("12.1", "POST /v2/validate", exchange{method: "POST", path: "/v2/validate", body: request()}, nothing),
		calls("12.1", "POST /v2/storage-check", exchange{method: "POST", path: "/v2/storage-check", body: request()}, exchange{method: "POST", path: "/v2/storage-check", body: request("storage=")}),
		calls("12.1", "GET /v2/nodes", exchange{method: "GET", path: "/v2/nodes", header: map[string]string{"Authorization": basic(operatorKey)}}, get("/v2/nodes")),
		calls("12.1", "metadata", post(request(`metadata={"order":"4711"}`)), post(request())),
		calls("12.1", "DELETE /v2/jobs/:id", exchange{method: "DELETE", path: oneJob, events: started}, get(oneJob, started...)),
		calls("12.1", "POST /v2/jobs/:id/cancel", exchange{method: "POST", path: oneJob + "/cancel", events: started}, get(oneJob, started...)),
		calls("12.1", "POST /v2/jobs/:id/retry", exchange{method: "POST", path: oneJob + "/retry", events: failed}, get(oneJob, failed...)),
		calls("12.1", "POST /v2/jobs/:id/playback-token", exchange{method: "POST", path: oneJob + "/playback-token", events: finished}, nothing),
		calls("12.1", "GET /v2/jobs/:id/events", get(oneJob+"/events", failed...), nothing),
		calls("12.1", "GET /v2/jobs/:id/deliveries", get(oneJob+"/deliveries", finished...), nothing),
		calls("12.1", "GET /v2/deliveries?state=&since=&limit=&cursor=&bodies=", get("/v2/deliveries?since=2026-11-30T14:30:00Z&bodies=true", finished...), get("/v2/deliveries?since=today", finished...)),
		calls("12.1", "POST .../deliveries/:n/replay", exchange{method: "POST", path: oneJob + "/deliveries/1/replay", events: finished}, exchange{method: "POST", path: oneJob + "/deliveries/2/replay", events: finished}),
		calls("12.1", "Idempotency-Key", repeated(request(`settings={"priority":1}`), "a"), repeated(request(), "a")),
		pair("12.1", "settings.priority", request(`settings={"priority":-50}`), request()),
		pair("12.1", "settings.max_duration", request(`settings={"max_duration":60}`), request()),

		calls("12.2", "PUT /v2/uploads/:name and the built-in storage's GET /storage/...", upload, exchange{method: "PUT", path: "/v2/uploads/", body: "film"}),
		calls("12.2", "limits of a key: 429 too_many_jobs and too_many_requests with Retry-After", manyJobs(post(request())), post(request())),
		pair("12.2", "ftps in every address; host_key and keys for sftp", input(`{"url":"ftps://user:pass@recorder:21/in.mov"}`), input(`{"url":"ftp://user:pass@recorder:21/in.mov"}`)),
		pair("12.2", "any OpenStack Swift; a service account for gcs; newer storage classes",
			stored(`{"service":"swift","container":"c","endpoint":"http://recorder:80/v3","credentials":{"username":"u","password":"p"}}`), request()),
		{section: "12.2", name: "all audio tracks and text subtitles of the source in a stream",
			with:    attempt{job: streamed(""), film: []string{`"tags":{"language":"eng"}}],`, `"tags":{"language":"eng"}},` + secondSound + `,` + subtitle + `],`}},
			without: attempt{job: streamed("")}},
		pair("12.2", "loudness in formats, and as a param of httpstream",
			request(`outputs={"mp4:360p::loudness=-14":"/a.mp4","httpstream":{"hls":{"path":"/hls"},"variants":["mp4:360p"],"loudness":-16}}`), request()),
		pair("12.2", "segment_duration and gop of httpstream; gop and crf in formats",
			request(`outputs={"mp4:360p::gop=1,crf=25":"/a.mp4","httpstream":{"hls":{"path":"/hls"},"variants":["mp4:360p"],"segment_duration":4,"gop":1}}`),
			request(`outputs={"mp4:360p":"/a.mp4","httpstream":{"hls":{"path":"/hls"},"variants":["mp4:360p"]}}`)),
		pair("12.2", "VP9 and AV1 in variants, several codecs in one stream",
			request(`outputs={"httpstream":{"hls":{"path":"/hls"},"variants":["mp4:360p","mp4:vp9_360p","mp4:av1_360p"]}}`),
			request(`outputs={"httpstream":{"hls":{"path":"/hls"},"variants":["mp4:360p"]}}`)),
		calls("12.2", "settings.copy, and copy of files and streams: video that fits is copied",
			exchange{method: "POST", path: "/v2/validate", body: request(`settings={"copy":"auto"}`, `outputs={"mp4:1080p":"/a.mp4","mp4:720p":{"path":"/b.mp4","copy":"off"}}`)},
			exchange{method: "POST", path: "/v2/validate", body: request(`outputs={"mp4:1080p":"/a.mp4","mp4:720p":"/b.mp4"}`)}),
		calls("12.2", "settings.early_playback: early_url and stream.playable",
			get(oneJob, append(at(job.Encoding), job.Event{Kind: job.StreamPlayableEvent, Output: "httpstream", Result: job.Result{Early: "https://example.com/hls/early/master.m3u8"}})...),
			get(oneJob, at(job.Encoding)...)),
		calls("12.2", "/v2/keys/:id: keys for players with a token", get("/v2/keys/vdq1fShawHzyz3/00112233445566778899aabbccddeeff?token=token"), nothing),
		pair("12.2", "captions of httpstream, mp4, mov and mkv: text from files",
			request(`outputs={"mp4:360p":{"path":"/a.mp4","captions":[{"url":"http://recorder/en.srt","language":"en"}]},"httpstream":{"hls":{"path":"/hls"},"variants":["mp4:360p"],"captions":["http://recorder/fr.srt"]}}`),
			request(`outputs={"mp4:360p":"/a.mp4","httpstream":{"hls":{"path":"/hls"},"variants":["mp4:360p"]}}`)),
		pair("12.2", "captions with speech: text of what is spoken",
			request(`outputs={"mp4:360p":{"path":"/a.mp4","captions":[{"speech":true,"language":"en"}]}}`),
			request(`outputs={"mp4:360p":{"path":"/a.mp4","captions":[]}}`)),
		pair("12.2", "burn of files with video and of httpstream: captions in the picture",
			request(`outputs={"mp4:360p":{"path":"/a.mp4","burn":{"url":"http://recorder/en.srt"}}}`),
			request(`outputs={"mp4:360p":{"path":"/a.mp4"}}`)),
		pair("12.2", "surround of httpstream: AC-3 with all channels beside the variants' sound",
			request(`outputs={"httpstream":{"dash":{"path":"/dash"},"variants":["mp4:360p"],"surround":true}}`),
			request(`outputs={"httpstream":{"dash":{"path":"/dash"},"variants":["mp4:360p"]}}`)),
		pair("12.2", "audio of httpstream: tracks of sound from other files",
			request(`outputs={"httpstream":{"hls":{"path":"/hls"},"variants":["mp4:360p"],"audio":[{"url":"http://recorder/de.m4a","language":"de","role":"dub"}]}}`),
			request(`outputs={"httpstream":{"hls":{"path":"/hls"},"variants":["mp4:360p"]}}`)),
		pair("12.2", "protection of httpstream: Common Encryption",
			request(`outputs={"httpstream":{"dash":{"path":"/dash"},"variants":["mp4:360p"],"protection":{"keys":[{"kid":"00112233445566778899aabbccddeeff","key":"0f1e2d3c4b5a69788796a5b4c3d2e1f0"}]}}}`),
			request(`outputs={"httpstream":{"dash":{"path":"/dash"},"variants":["mp4:360p"]}}`)),
		calls("12.2", "inputs: parts that are joined to one input",
			exchange{method: "POST", path: "/v2/validate", body: request("input=", `inputs=[{"url":"http://recorder:80/a.mov","offset":1,"duration":2},{"black":1},{"url":"http://recorder:80/b.mov"}]`)},
			exchange{method: "POST", path: "/v2/validate", body: request()}),
		pair("12.2", "quality_metrics of files with video and of httpstream: SSIM and PSNR of what is encoded",
			request(`outputs={"mp4:360p":{"path":"/a.mp4","quality_metrics":true},"httpstream":{"hls":{"path":"/hls"},"variants":["mp4:240p"],"quality_metrics":true}}`),
			request(`outputs={"mp4:360p":"/a.mp4","httpstream":{"hls":{"path":"/hls"},"variants":["mp4:240p"]}}`)),
		pair("12.2", "overlay of files with video and of httpstream: text, timecode, pictures, LUTs",
			request(`outputs={"mp4:360p":{"path":"/a.mp4","overlay":[{"lut":"http://recorder/a.cube"},{"text":"Draft","start":1,"end":2},{"image":"http://recorder/a.png"}]},"httpstream":{"hls":{"path":"/hls"},"variants":["mp4:240p"],"overlay":{"timecode":"10:00:00:00"}}}`),
			request(`outputs={"mp4:360p":"/a.mp4","httpstream":{"hls":{"path":"/hls"},"variants":["mp4:240p"]}}`)),
		pair("12.2", "thumbnails of httpstream: pictures on the bar of players",
			request(`outputs={"httpstream":{"dash":{"path":"/dash"},"variants":["mp4:360p"],"thumbnails":{"interval":2,"width":160,"columns":4,"rows":2}}}`),
			request(`outputs={"httpstream":{"dash":{"path":"/dash"},"variants":["mp4:360p"]}}`)),
	}
	return list
}

const (
	secondSound = `{"index":2,"codec_name":"aac","codec_type":"audio","sample_rate":"44100","channels":2,"start_time":"0.000000","duration":"30.000000","tags":{"language":"deu"}}`
	subtitle    = `{"index":3,"codec_name":"mov_text","codec_type":"subtitle","start_time":"0.000000","duration":"30.000000","tags":{"language":"eng"}}`
)

// repeated is a job that is sent twice with an idempotency key, the second time
// with this body.
func repeated(body, key string) exchange {
	e := post(body, "Idempotency-Key", key)
	e.often, e.before = 1, request()
	return e
}

// manyJobs and manyRequests are calls over a limit of their key.
func manyJobs(e exchange) exchange {
	e.often, e.jobs, e.shows = 1, 1, []string{"Retry-After"}
	return e
}

func manyRequests(e exchange) exchange {
	e.often, e.rate, e.shows = 10, 0.001, []string{"Retry-After"}
	return e
}
