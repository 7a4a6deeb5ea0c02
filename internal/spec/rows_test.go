package spec

import (
	"fmt"
	"slices"
	"strings"
)

// row is one row of the specification.
type row struct {
	section, name string
	request       string // a request with it; empty where none can have it
	code          string // the request is refused, with this
	test          string // "folder.Name" of the test that covers it
	says          string // what the tests of that package must mention; the name when empty
}

func (r row) word() string {
	switch {
	case r.says != "":
		return r.says
	case r.code != "":
		return r.code
	}
	return r.name
}

// rows are all of them.
var rows = slices.Concat(endpointRows(), inputRows(), storageRows(), notificationRows(), formatRows(), hashRows(), exampleRows(),
	videoRows(), imageRows(), streamRows(), variableRows(), functionRows(), codeRows(), failureRows(), decisionRows(), additionRows())

// request is a job that is accepted, with some members in the place of its own.
func request(members ...string) string {
	all := map[string]string{"input": `{"url":"https://example.com/in.mov"}`, "storage": `{"service":"coconut"}`, "outputs": `{"mp4:720p":{"path":"/720p.mp4"}}`}
	for _, m := range members {
		name, value, _ := strings.Cut(m, "=")
		if all[name] = value; value == "" {
			delete(all, name)
		}
	}
	var list []string
	for name, value := range all {
		list = append(list, fmt.Sprintf("%q:%s", name, value))
	}
	slices.Sort(list)
	return "{" + strings.Join(list, ",") + "}"
}

// output is a request with one output.
func output(format, params string) string {
	if params != "" && !strings.HasPrefix(params, ",") {
		params = "," + params
	}
	return request(fmt.Sprintf(`outputs={%q:{"path":"/a.out"%s}}`, format, params))
}

func stream(params string) string {
	return request(`outputs={"httpstream":{"hls":{"path":"/hls"}` + params + `}}`)
}

const keys = `"credentials":{"access_key_id":"a","secret_access_key":"b"}`

func endpointRows() []row {
	return []row{
		{section: "1.2", name: "POST /v2/jobs", test: "api.TestClientsCreateAndRetrieve"},
		{section: "1.2", name: "GET /v2/jobs/:id", test: "api.TestClientsReadFinishedJobs", says: "GET /v2/jobs/"},
		{section: "1.2", name: "GET /v2/metadata/jobs/:id", test: "api.TestClientsReadFinishedJobs", says: "/v2/metadata/jobs/"},
		{section: "1.2", name: "GET /v2/metadata/jobs/:id/", test: "api.TestPaths", says: "/v2/metadata/jobs/"},
		{section: "1.2", name: "GET /v2/metadata/jobs/:id/:key", test: "api.TestMetadataOfKey", says: "/v2/metadata/jobs/"},
	}
}

func inputRows() []row {
	list := []row{{section: "3.1", name: "ultrafast", request: request(`settings={"ultrafast":true}`), test: "api/coconut.TestAccepted"}}
	for scheme, test := range map[string]string{
		"http": "storage/httpsource.TestServers", "https": "storage/httpsource.TestRequest", "ftp": "storage/ftp.TestSource", "sftp": "storage/sftp.TestSource",
	} {
		list = append(list, row{section: "3.2", name: scheme, request: request(`input={"url":"` + scheme + `://user:pass@example.com:99/path/file.mp4?a=b"}`), test: test})
	}
	for service, members := range map[string]string{
		"s3": `,"region":"us-east-1"`, "gcs": "", "dospaces": `,"region":"nyc3"`, "linode": `,"region":"us-east"`, "wasabi": `,"region":"us-east-1"`,
		"s3other": `,"endpoint":"https://s3.example.com","region":"auto","force_path_style":true`,
	} {
		test := "storage/s3.TestFamily"
		switch service {
		case "s3", "s3other":
			test = "e2e.TestS3"
		case "gcs":
			test = "storage/gcs.TestConformance"
		}
		list = append(list, row{section: "3.2", name: service, test: test,
			request: request(`input={"service":"` + service + `","bucket":"b","key":"/path/file.mp4","path":"/x","acl":"private"` + members + `,` + keys + `}`)})
	}
	return list
}

// serviceTests are the services with their own members, and who holds them.
var serviceTests = []struct{ name, members, test string }{
	{"coconut", ``, "storage/local.TestConformance"},
	{"s3", `"bucket":"b","region":"us-east-1","path":"/","secure":true,"expires":"Thu, 01 Dec 2030 16:00:00 GMT","cache_control":"max-age=5",` + keys, "storage/s3.TestConformance"},
	{"gcs", `"bucket":"b","path":"/","expires":"x","cache_control":"y",` + keys, "storage/gcs.TestConformance"},
	{"dospaces", `"bucket":"b","region":"nyc3","path":"/","acl":"private",` + keys, "storage/s3.TestFamily"},
	{"linode", `"bucket":"b","region":"us-east","path":"/","acl":"public-read",` + keys, "storage/s3.TestFamily"},
	{"wasabi", `"bucket":"b","region":"us-east-1","path":"/","acl":"public-read",` + keys, "storage/s3.TestFamily"},
	{"s3other", `"bucket":"b","endpoint":"https://s3.example.com","force_path_style":true,"region":"auto","acl":"private",` + keys, "e2e.TestS3"},
	{"backblaze", `"bucket_id":"b","path":"/","credentials":{"account_id":"a","app_key_id":"b","app_key":"c"}`, "e2e.TestConsumers"},
	{"rackspace", `"container":"c","region":"DFW","path":"/","credentials":{"username":"u","api_key":"k"}`, "storage/swift.TestConformance"},
	{"azure", `"container":"c","path":"/","credentials":{"account":"a","access_key":"aw=="}`, "e2e.TestConsumers"},
	{"ipfs_pinata", `"gateway_dns":"x.mypinata.cloud","credentials":{"api_key":"a","secret_api_key":"b"}`, "storage/ipfs.TestConformance"},
	{"ipfs_infura", `"credentials":{"project_id":"a","project_secret":"b"}`, "storage/ipfs.TestConformance"},
}

func storageRows() []row {
	var list []row
	for _, s := range serviceTests {
		members := ""
		if s.members != "" {
			members = "," + s.members
		}
		list = append(list, row{section: "3.3", name: s.name, request: request(`storage={"service":"` + s.name + `"` + members + `}`), test: s.test})
	}
	for scheme, test := range map[string]string{
		"http": "storage/httpupload.TestForm", "https": "storage/httpupload.TestOpenRefuses", "ftp": "storage/ftp.TestConformance", "sftp": "storage/sftp.TestConformance",
	} {
		list = append(list, row{section: "3.3", name: "URL storage by " + scheme, test: test, says: scheme,
			request: request(`storage={"url":"` + scheme + `://u:p@example.com/dir","public_host":"https://cdn.example.com"}`)})
	}
	list = append(list, row{section: "3.3", name: "*(none)* URL storage", request: request(`storage={"url":"https://u:p@example.com/dir"}`), test: "e2e.TestConsumers", says: "$FORMS/webhook/storage"})
	s3 := func(member, value string) string {
		return request(fmt.Sprintf(`storage={"service":"s3","bucket":"b","region":"us-east-1",%q:%q,%s}`, member, value, keys))
	}
	for _, v := range strings.Fields("private public-read public-read-write authenticated-read aws-exec-read bucket-owner-read bucket-owner-full-control") {
		list = append(list, row{section: "3.3", name: "acl " + v, request: s3("acl", v), test: "storage/s3.TestHeaders", says: "ACL"})
	}
	for _, v := range strings.Fields("STANDARD REDUCED_REDUNDANCY STANDARD_IA ONEZONE_IA INTELLIGENT_TIERING GLACIER DEEP_ARCHIVE") {
		list = append(list, row{section: "3.3", name: "storage_class " + v, request: s3("storage_class", v), test: "storage/s3.TestHeaders", says: "StorageClass"})
	}
	return list
}

func notificationRows() []row {
	http := func(members string) string {
		return request(`notification={"type":"http","url":"https://example.com/hook"` + members + `}`)
	}
	sns := request(`notification={"type":"sns","region":"us-east-1","topic_arn":"arn:aws:sns:us-east-1:123456789012:t",` + keys + `}`)
	list := []row{
		{section: "3.4", name: "type", request: http(""), test: "e2e.TestConsumers"},
		{section: "3.4", name: "url", request: request(`notification={"url":"https://example.com/hook?a=b"}`), test: "e2e.TestConsumers"},
		{section: "3.4", name: "params", request: http(`,"params":{"a":"b"}`), test: "e2e.TestConsumers"},
		{section: "3.4", name: "metadata", request: http(`,"metadata":true`), test: "e2e.TestConsumers"},
		{section: "3.4", name: "events", request: http(`,"events":true`), test: "e2e.TestConsumers"},
		{section: "3.4", name: "region", request: sns, test: "webhook/sns.TestPublish", says: "Region"},
		{section: "3.4", name: "topic_arn", request: sns, test: "webhook/sns.TestPublish", says: "TopicARN"},
		{section: "3.4", name: "credentials{access_key_id,secret_access_key}", request: sns, test: "webhook/sns.TestPublish", says: "access_key_id"},
	}
	for _, event := range []string{"input.transferred", "output.completed", "output.failed", "job.completed", "job.failed"} {
		list = append(list, row{section: "3.4", name: event, test: "api/coconut.TestEncodeNotification"})
	}
	return list
}

func variableRows() []row {
	var list []row
	for _, v := range strings.Fields("mime_type file_size format width height fps ifps video_bitrate rotation is_hd is_audio_only duration video_codec audio_codec channels audio_bitrate sample_rate") {
		v = "input." + v
		list = append(list, row{section: "5.5", name: v, request: output("mp4", `"if":"{{ `+v+` }} != 'x'","format":{"resolution":"{% if({{ `+v+` }} = 'x', 1, 2) * 160 %}x"}`), test: "api/coconut.TestVars"})
	}
	list = append(list,
		row{section: "5.5", name: "input.metadata.format.*", request: output("mp4", `"if":"{{ input.metadata.format.duration }} > 1"`), test: "api/coconut.TestVars", says: "input.metadata.format.duration"},
		row{section: "5.5", name: "input.metadata.streams…", request: output("mp4", `"if":"{{ input.metadata.streams[0].codec_name }} = 'h264'"`), test: "api/coconut.TestVars", says: "input.metadata.streams[0].codec_name"})
	for _, op := range strings.Fields("< > <= >= <> != = AND OR NOT") {
		condition := "{{ input.width }} " + op + " 1280"
		switch op {
		case "AND", "OR":
			condition = "{{ input.width }} >= 1280 " + op + " {{ input.width }} < 1980"
		case "NOT":
			condition = "NOT {{ input.is_hd }}"
		}
		list = append(list, row{section: "5.5", name: op, request: output("mp4", `"if":"`+condition+`"`), test: "transcode/expr.TestCondition"})
	}
	return list
}

func functionRows() []row {
	var list []row
	for _, f := range []struct{ name, expr, says string }{
		{"+", "input.width + 2", " + "}, {"-", "input.width - 2", " - "}, {"*", "input.width * 2", " * "}, {"/", "input.width / 2", " / "},
		{"min", "min(input.width, 640)", "min("}, {"max", "max(input.width / 4, 320)", "max("}, {"int", "int(input.width / 3) * 2", "int("},
		{"float", "float(640)", "float("}, {"if(cond,a,b)", "if(input.width > 640, 640, 320)", "if("},
	} {
		list = append(list, row{section: "5.6", name: f.name, request: output("mp4", `"format":{"resolution":"{% `+f.expr+` %}x"}`), test: "transcode/expr.TestEval", says: f.says})
	}
	return append(list, row{section: "5.6", name: "array", test: "transcode/expr.TestEval", says: "array(",
		request: request(`outputs={"jpg":{"path":"/a_%.2d.jpg","offsets":"{% array(1, input.duration / 3) %}"}}`)})
}
