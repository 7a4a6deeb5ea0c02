package spec

import (
	"fmt"
	"strings"
)

// inputRows are sections 3.1 and 3.2.
func inputRows() []row {
	ultrafast := pair("3.1", "ultrafast", request(`settings={"ultrafast":true}`), request())
	ultrafast.same = true
	list := []row{ultrafast}
	address := func(scheme, port string) string {
		return input(`{"url":"` + scheme + `://user:pass@recorder:` + port + `/path/file.mp4?a=b"}`)
	}
	http, https := address("http", "80"), address("https", "443")
	list = append(list, pair("3.2", "by http", http, https), pair("3.2", "by https", https, http),
		pair("3.2", "by ftp", address("ftp", "21"), http), pair("3.2", "by sftp", address("sftp", "22"), http))
	for _, s := range []struct {
		name    string
		members map[string]string
	}{
		{"s3", map[string]string{"region": `"us-east-1"`}},
		{"gcs", nil},
		{"dospaces", map[string]string{"region": `"nyc3"`}},
		{"linode", map[string]string{"region": `"us-east"`}},
		{"wasabi", map[string]string{"region": `"us-east-1"`}},
		{"s3other", map[string]string{"endpoint": `"http://recorder:80"`, "region": `"auto"`, "force_path_style": `true`}},
	} {
		bucket := hash{"service": quote(s.name), "bucket": `"films"`, "key": `"/path/file.mp4"`, "credentials": `{"access_key_id":"a","secret_access_key":"b"}`}
		for k, v := range s.members {
			bucket[k] = v
		}
		list = append(list, pair("3.2", s.name, input(bucket.text()), request()))
		for member := range bucket {
			if member == "service" {
				continue
			}
			other := bucket.but(member, map[string]string{"bucket": `"stills"`, "key": `"other.mp4"`, "region": `"eu-west-1"`, "force_path_style": `false`, "credentials": `{"access_key_id":"other","secret_access_key":"b"}`, "endpoint": public}[member])
			with := bucket
			switch {
			case member == "region" && s.name == "s3other":
				other = bucket.but(member, `"us-east-1"`)
			case member == "force_path_style": // an address has no subdomains
				with, other = with.but("endpoint", public), other.but("endpoint", public)
			case member == "bucket" || member == "key" || member == "credentials": // in a request, which the recorder sees
				with, other = with.but("endpoint", recorder), other.but("endpoint", recorder)
			}
			list = append(list, pair("3.2", s.name+" "+member, input(with.text()), input(other.text())))
		}
	}
	for i := range list[1:] {
		list[1+i].only = []string{"input: ", "answer: "}
	}
	return list
}

// serviceRows are the services of section 3.3 with their members, each against
// the same request with another value, or without.
func serviceRows() (list []row) {
	awsKeys := `{"access_key_id":"a","secret_access_key":"b"}`
	for _, s := range []struct {
		members hash
		other   hash // the values of the controls; "": without
	}{
		{hash{"service": `"coconut"`}, hash{}},
		{hash{"service": `"gcs"`, "bucket": `"films"`, "path": `"/p"`, "expires": `"Thu, 01 Dec 2030 16:00:00 GMT"`, "cache_control": `"max-age=5"`, "endpoint": recorder, "credentials": awsKeys}, hash{"bucket": `"stills"`}},
		{hash{"service": `"dospaces"`, "bucket": `"films"`, "region": `"sfo3"`, "path": `"/p"`, "acl": `"private"`, "credentials": awsKeys}, hash{"bucket": `"stills"`}},
		{hash{"service": `"linode"`, "bucket": `"films"`, "region": `"us-east"`, "path": `"/p"`, "acl": `"private"`, "credentials": awsKeys}, hash{"bucket": `"stills"`, "region": `"eu-central"`}},
		{hash{"service": `"wasabi"`, "bucket": `"films"`, "region": `"us-east-1"`, "path": `"/p"`, "acl": `"private"`, "credentials": awsKeys}, hash{"bucket": `"stills"`, "region": `"eu-west-1"`}},
		{hash{"service": `"s3other"`, "bucket": `"films"`, "endpoint": recorder, "force_path_style": `false`, "path": `"/p"`, "region": `"auto"`, "acl": `"private"`, "credentials": awsKeys}, hash{"bucket": `"stills"`, "endpoint": public}},
		{hash{"service": `"backblaze"`, "endpoint": recorder, "bucket_id": `"b"`, "path": `"/p"`, "credentials.account_id": `"a"`, "credentials.app_key_id": `"b"`, "credentials.app_key": `"c"`}, hash{"bucket_id": `"c"`, "credentials.app_key_id": `"other"`, "credentials.app_key": `"other"`}},
		{hash{"service": `"rackspace"`, "endpoint": `"http://recorder:80/v2.0"`, "container": `"c"`, "region": `"LON"`, "path": `"/p"`, "credentials.username": `"u"`, "credentials.api_key": `"k"`}, hash{"container": `"d"`, "region": `"DFW"`, "credentials.username": `"other"`, "credentials.api_key": `"other"`}},
		{hash{"service": `"azure"`, "endpoint": recorder, "container": `"videos"`, "path": `"/p"`, "credentials.account": `"acme"`, "credentials.access_key": `"aw=="`}, hash{"container": `"films"`, "credentials.account": `"other"`}},
		{hash{"service": `"ipfs_pinata"`, "endpoint": recorder, "gateway_dns": `"x.mypinata.cloud"`, "credentials.api_key": `"a"`, "credentials.secret_api_key": `"b"`}, hash{"credentials.api_key": `"other"`, "credentials.secret_api_key": `"other"`}},
		{hash{"service": `"ipfs_infura"`, "endpoint": recorder, "credentials.project_id": `"a"`, "credentials.project_secret": `"b"`}, hash{"credentials.project_id": `"other"`, "credentials.project_secret": `"other"`}},
	} {
		name := strings.Trim(s.members["service"], `"`)
		whole := s.members
		if name != "s3other" { // the service's own host
			whole = whole.but("endpoint", "")
		}
		control := `{"service":"coconut"}`
		if name == "coconut" {
			control = `{"url":"http://recorder:80/dir"}`
		}
		list = append(list, pair("3.3", name, stored(whole.text()), stored(control)))
		for member := range s.members {
			if member == "service" || member == "credentials" || member == "endpoint" && name != "s3other" {
				continue
			}
			with := s.members
			switch {
			case member == "acl": // in a header, which the recorder sees
				with = with.but("endpoint", recorder)
			case member == "force_path_style": // an address has no subdomains
				with = with.but("endpoint", public)
			}
			r := pair("3.3", name+" "+strings.TrimPrefix(member, "credentials."), stored(with.text()), stored(with.but(member, s.other[member]).text()))
			r.same = r.name == "backblaze account_id"
			list = append(list, r)
		}
	}
	key := hash{"service": `"azure"`, "container": `"videos"`, "credentials.account": `"acme"`, "credentials.api_key": `"aw=="`}
	list = append(list, pair("3.3", "azure api_key", stored(key.text()), stored(key.but("credentials.api_key", "").text())))

	list = append(list, pair("3.3", "*(none)*", stored(`{"url":"http://u:p@recorder:80/dir?http_file_name=film","public_host":"https://cdn.example.com"}`), request()))
	for _, s := range [][2]string{{"https", "443"}, {"ftp", "21"}, {"sftp", "22"}} {
		r := pair("3.3", "URL storage by "+s[0], stored(`{"url":"`+s[0]+`://u:p@recorder:`+s[1]+`/dir"}`), stored(`{"url":"http://u:p@recorder:80/dir"}`))
		r.only = []string{"storage: "}
		list = append(list, r)
	}
	return list
}

// Endpoints in a request: the recorder, and a host with subdomains.
const (
	recorder = `"http://recorder:80"`
	public   = `"https://s3.example.com"`
)

// s3 is a request with Amazon's storage, whose requests the recorder sees, with
// one more member.
func s3(member, value string) string {
	h := hash{"service": `"s3"`, "bucket": `"films"`, "region": `"recorded"`, "credentials": `{"access_key_id":"a","secret_access_key":"b"}`}
	if member != "" {
		h[member] = value
	}
	return stored(h.text())
}

// s3Rows are the members of s3 in section 3.3.
func s3Rows() []row {
	amazon := hash{"service": `"s3"`, "bucket": `"films"`, "region": `"us-west-2"`, "credentials": `{"access_key_id":"a","secret_access_key":"b"}`}
	list := []row{
		pair("3.3", "s3", stored(amazon.text()), request()),
		pair("3.3", "s3 bucket", s3("bucket", `"stills"`), s3("", "")),
		pair("3.3", "s3 access_key_id", s3("credentials", `{"access_key_id":"other","secret_access_key":"b"}`), s3("", "")),
		pair("3.3", "s3 secret_access_key", s3("", ""), s3("credentials", `{"access_key_id":"a"}`)),
		pair("3.3", "s3 region", stored(amazon.text()), stored(amazon.but("region", `"eu-west-1"`).text())),
		pair("3.3", "s3 path", s3("path", `"/p"`), s3("path", `"/"`)),
		pair("3.3", "s3 secure", stored(amazon.but("secure", "false").text()), stored(amazon.text())),
		pair("3.3", "s3 acl", s3("acl", `"private"`), s3("", "")),
		pair("3.3", "s3 storage_class", s3("storage_class", `"GLACIER"`), s3("", "")),
		pair("3.3", "s3 expires", s3("expires", `"Thu, 01 Dec 2030 16:00:00 GMT"`), s3("", "")),
		pair("3.3", "s3 cache_control", s3("cache_control", `"max-age=5"`), s3("", "")),
	}
	for _, v := range strings.Fields("private public-read-write authenticated-read aws-exec-read bucket-owner-read bucket-owner-full-control") {
		list = append(list, pair("3.3", "acl "+v, s3("acl", quote(v)), s3("", "")))
	}
	list = append(list, pair("3.3", "acl public-read", s3("acl", `"public-read"`), s3("acl", `"private"`)))
	for _, v := range strings.Fields("STANDARD REDUCED_REDUNDANCY STANDARD_IA ONEZONE_IA INTELLIGENT_TIERING GLACIER DEEP_ARCHIVE") {
		list = append(list, pair("3.3", "storage_class "+v, s3("storage_class", quote(v)), s3("", "")))
	}
	return list
}

func notificationRows() []row {
	hook := func(members string) string {
		return request(`notification={"type":"http","url":"http://recorder:80/hook?a=b"` + members + `}`)
	}
	topic := hash{"type": `"sns"`, "region": `"us-east-1"`, "topic_arn": `"arn:aws:sns:us-east-1:123456789012:t"`, "credentials": `{"access_key_id":"a","secret_access_key":"b"}`}
	sns := func(h hash) string { return request("notification=" + h.text()) }
	list := []row{
		pair("3.4", "type", sns(topic.but("url", `"http://recorder:80/hook?a=b"`)), hook("")),
		pair("3.4", "url", hook(""), request(`notification={"type":"http","url":"http://recorder:80/other"}`)),
		pair("3.4", "params", hook(`,"params":{"c":"d"}`), hook("")),
		pair("3.4", "metadata", hook(`,"metadata":true`), hook("")),
		pair("3.4", "events", hook(`,"events":true`), hook("")),
		pair("3.4", "region", sns(topic), sns(topic.but("region", `"eu-west-1"`))),
		pair("3.4", "topic_arn", sns(topic), sns(topic.but("topic_arn", `"arn:aws:sns:us-east-1:123456789012:other"`))),
		pair("3.4", "credentials{access_key_id,secret_access_key}", sns(topic), sns(topic.but("credentials", `{"access_key_id":"other","secret_access_key":"b"}`))),
	}
	bad := `outputs={"mp4":{"path":"/a.mp4","format":{"resolution":"{% 1 / 0 %}x"}}}`
	events := `notification={"url":"http://recorder:80/hook","events":true,"metadata":true}`
	for name, with := range map[string]string{
		"input.transferred": request(events), "output.completed": request(events), "output.failed": request(events, bad),
		"job.completed": request(events), "job.failed": request(events, bad),
	} {
		r := pair("3.4", name, with, request())
		r.only = []string{"webhook " + name}
		list = append(list, r)
	}
	return list
}

// hash is a JSON object whose values are JSON. A name with a dot is a member of
// a member.
type hash map[string]string

func quote(s string) string { return fmt.Sprintf("%q", s) }

// but is h with another value of a member, or without it.
func (h hash) but(member, value string) hash {
	other := hash{}
	for k, v := range h {
		other[k] = v
	}
	if other[member] = value; value == "" {
		delete(other, member)
	}
	return other
}

func (h hash) text() string {
	inner := map[string]hash{}
	var members []string
	for _, k := range sorted(h) {
		outer, name, nested := strings.Cut(k, ".")
		if !nested {
			members = append(members, fmt.Sprintf("%q:%s", k, h[k]))
			continue
		}
		if inner[outer] == nil {
			inner[outer] = hash{}
		}
		inner[outer][name] = h[k]
	}
	for _, k := range sorted(inner) {
		members = append(members, fmt.Sprintf("%q:%s", k, inner[k].text()))
	}
	return "{" + strings.Join(members, ",") + "}"
}
