package docs

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/transcode/codec"
)

// sample is something that a request can ask for, with members that the
// smallest job gets for it.
type sample struct{ name, section, member string }

// samples of what the API knows, by the rows of the table. section is a member
// of the job, or the format of its output; member is the JSON to put there.
var samples = []struct {
	row  string
	list []sample
}{
	{"input", []sample{
		{"http", "input", `{"url": "http://example.com/a.mp4"}`},
		{"https", "input", `{"url": "https://example.com/a.mp4"}`},
		{"ftp", "input", `{"url": "ftp://example.com/a.mp4"}`},
		{"sftp", "input", `{"url": "sftp://example.com/a.mp4"}`},
		{"s3", "input", bucket("s3", `, "region": "us-east-1", "key": "/a.mp4"`)},
		{"s3other", "input", bucket("s3other", `, "endpoint": "https://s3.example.com", "key": "/a.mp4"`)},
		{"gcs", "input", bucket("gcs", `, "key": "/a.mp4"`)},
		{"dospaces", "input", bucket("dospaces", `, "region": "nyc3", "key": "/a.mp4"`)},
		{"linode", "input", bucket("linode", `, "region": "us-east-1", "key": "/a.mp4"`)},
		{"wasabi", "input", bucket("wasabi", `, "region": "us-east-1", "key": "/a.mp4"`)},
		{"scaleway", "input", bucket("scaleway", `, "region": "fr-par", "key": "/a.mp4"`)},
		{"vultr", "input", bucket("vultr", `, "region": "ewr1", "key": "/a.mp4"`)},
		{"cdn77", "input", bucket("cdn77", `, "region": "us-1", "key": "/a.mp4"`)},
		{"contabo", "input", bucket("contabo", `, "region": "eu2", "key": "/a.mp4"`)},
		{"impossible", "input", bucket("impossible", `, "region": "eu-central-2", "key": "/a.mp4"`)},
		{"r2", "input", bucket("r2", `, "account_id": "0123456789abcdef0123456789abcdef", "key": "/a.mp4"`)},
		{"minio", "input", bucket("minio", `, "endpoint": "https://minio.example.com", "key": "/a.mp4"`)},
		{"backblaze", "input", backblaze(`, "key": "/a.mp4"`)},
		{"rackspace", "input", rackspace(`, "key": "/a.mp4"`)},
		{"azure", "input", azure(`, "key": "/a.mp4"`)},
	}},
	{"storage", []sample{
		{"coconut", "storage", `{"service": "coconut"}`},
		{"s3", "storage", bucket("s3", `, "region": "us-east-1"`)},
		{"s3other", "storage", bucket("s3other", `, "endpoint": "https://s3.example.com"`)},
		{"gcs", "storage", bucket("gcs", "")},
		{"dospaces", "storage", bucket("dospaces", `, "region": "nyc3"`)},
		{"linode", "storage", bucket("linode", `, "region": "us-east-1"`)},
		{"wasabi", "storage", bucket("wasabi", `, "region": "us-east-1"`)},
		{"scaleway", "storage", bucket("scaleway", `, "region": "fr-par"`)},
		{"vultr", "storage", bucket("vultr", `, "region": "ewr1"`)},
		{"cdn77", "storage", bucket("cdn77", `, "region": "us-1"`)},
		{"contabo", "storage", bucket("contabo", `, "region": "eu2"`)},
		{"impossible", "storage", bucket("impossible", `, "region": "eu-central-2"`)},
		{"r2", "storage", bucket("r2", `, "account_id": "0123456789abcdef0123456789abcdef"`)},
		{"minio", "storage", bucket("minio", `, "endpoint": "https://minio.example.com"`)},
		{"backblaze", "storage", backblaze("")},
		{"rackspace", "storage", rackspace("")},
		{"azure", "storage", azure("")},
		{"ipfs_pinata", "storage", `{"service": "ipfs_pinata", "credentials": {"api_key": "k", "secret_api_key": "s"}}`},
		{"ipfs_infura", "storage", `{"service": "ipfs_infura", "credentials": {"project_id": "k", "project_secret": "s"}}`},
		{"http and https URLs", "storage", `{"url": "https://example.com/up"}`},
		{"ftp", "storage", `{"url": "ftp://user:secret@example.com/up"}`},
		{"ftps", "storage", `{"url": "ftps://user:secret@example.com/up"}`},
		{"sftp", "storage", `{"url": "sftp://user:secret@example.com/up"}`},
	}},
	{"notification", []sample{
		{"http", "notification", `{"type": "http", "url": "https://example.com/hook"}`},
		{"sns", "notification", `{"type": "sns", "region": "us-east-1", "topic_arn": "arn:aws:sns:us-east-1:1:t", "credentials": {"access_key_id": "k", "secret_access_key": "s"}}`},
	}},
	{"files", []sample{
		{"path", "mp4", `{"path": "/a.mp4"}`},
		{"url", "mp4", `{"url": "https://example.com/up.mp4"}`},
		{"offset", "mp4", `{"path": "/a.mp4", "offset": 1}`},
		{"duration", "mp4", `{"path": "/a.mp4", "duration": 1}`},
		{"fit", "mp4:720p", `{"path": "/a.mp4", "fit": "crop"}`},
		{"transpose", "mp4", `{"path": "/a.mp4", "transpose": 1}`},
		{"hflip", "mp4", `{"path": "/a.mp4", "hflip": true}`},
		{"vflip", "mp4", `{"path": "/a.mp4", "vflip": true}`},
		{"deinterlace", "mp4", `{"path": "/a.mp4", "deinterlace": true}`},
		{"square", "mp4", `{"path": "/a.mp4", "square": true}`},
		{"crop", "mp4", `{"path": "/a.mp4", "crop": "640:360"}`},
		{"watermark", "mp4", `{"path": "/a.mp4", "watermark": {"url": "https://example.com/logo.png"}}`},
	}},
	{"pictures", []sample{
		{"path", "jpg", `{"path": "/a.jpg"}`},
		{"url", "jpg", `{"url": "https://example.com/up.jpg"}`},
		{"number", "jpg", `{"path": "/a_%02d.jpg", "number": 5}`},
		{"interval", "jpg", `{"path": "/a_%02d.jpg", "interval": 5}`},
		{"offsets", "jpg", `{"path": "/a_%02d.jpg", "offsets": [1, 2]}`},
		{"fit", "jpg:320x320", `{"path": "/a.jpg", "fit": "crop"}`},
		{"square", "jpg", `{"path": "/a.jpg", "square": true}`},
		{"blur", "jpg", `{"path": "/a.jpg", "blur": 2}`},
		{"transpose", "jpg", `{"path": "/a.jpg", "transpose": 1}`},
		{"hflip", "jpg", `{"path": "/a.jpg", "hflip": true}`},
		{"vflip", "jpg", `{"path": "/a.jpg", "vflip": true}`},
		{"watermark", "jpg", `{"path": "/a.jpg", "watermark": {"url": "https://example.com/logo.png"}}`},
		{"sprite", "jpg:120x", `{"path": "/a.jpg", "interval": 5, "sprite": true}`},
		{"vtt", "jpg:120x", `{"path": "/a_%02d.jpg", "interval": 5, "vtt": true}`},
	}},
	{"animations", []sample{
		{"gif", "gif:300x", `{"path": "/a.gif"}`},
		{"webp_anim", "webp_anim:300x", `{"path": "/a.webp"}`},
		{"scene", "gif:300x", `{"path": "/a.gif", "scene": {"number": 5, "duration": 1}}`},
	}},
	{"httpstream", []sample{
		{"hls", "httpstream", `{"hls": {"path": "/hls"}}`},
		{"dash", "httpstream", `{"dash": {"path": "/dash"}}`},
		{"dash.hlsfmp4", "httpstream", `{"dash": {"path": "/dash", "hlsfmp4": true}}`},
		{"variants", "httpstream", `{"hls": {"path": "/hls"}, "variants": ["mp4:360p"]}`},
		{"playlist_name", "httpstream", `{"hls": {"path": "/hls"}, "playlist_name": "index"}`},
		{"protection", "httpstream", `{"dash": {"path": "/dash"}, "protection": {"keys": [{"kid": "00112233445566778899aabbccddeeff", "key": "0f1e2d3c4b5a69788796a5b4c3d2e1f0"}]}}`},
		{"thumbnails", "httpstream", `{"hls": {"path": "/hls"}, "thumbnails": {"interval": 10}}`},
		{"segment_duration", "httpstream", `{"hls": {"path": "/hls"}, "segment_duration": 4}`},
		{"gop", "httpstream", `{"hls": {"path": "/hls"}, "gop": 1}`},
		{"loudness", "httpstream", `{"hls": {"path": "/hls"}, "loudness": -14}`},
		{"hls.version", "httpstream", `{"hls": {"path": "/hls", "version": 3}}`},
		{"hls.encryption_key", "httpstream", `{"hls": {"path": "/hls", "encryption_key": "00112233445566778899aabbccddeeff", "encryption_key_uri": "https://example.com/key"}}`},
	}},
}

const keys = `"credentials": {"access_key_id": "k", "secret_access_key": "s"}`

func bucket(service, more string) string {
	return `{"service": "` + service + `", "bucket": "b", ` + keys + more + `}`
}

func backblaze(more string) string {
	return `{"service": "backblaze", "bucket_id": "b", "credentials": {"app_key_id": "k", "app_key": "s"}` + more + `}`
}

func rackspace(more string) string {
	return `{"service": "rackspace", "container": "c", "credentials": {"username": "u", "api_key": "k"}` + more + `}`
}

func azure(more string) string {
	return `{"service": "azure", "container": "c", "credentials": {"account": "a", "api_key": "a2V5"}` + more + `}`
}

// job is the smallest one that holds the sample.
func (s sample) job(t *testing.T) []byte {
	members := map[string]json.RawMessage{
		"input":   json.RawMessage(`{"url": "https://example.com/a.mp4"}`),
		"storage": json.RawMessage(`{"service": "coconut"}`),
		"outputs": json.RawMessage(`{"mp4": {"path": "/a.mp4"}}`),
	}
	switch s.section {
	case "input", "storage", "notification":
		members[s.section] = json.RawMessage(s.member)
	default:
		members["outputs"] = json.RawMessage(`{"` + s.section + `": ` + s.member + `}`)
	}
	body, err := json.Marshal(members)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	return body
}

// TestDone: what formats.md lists as done and as refused for now is what the
// server accepts and refuses.
func TestDone(t *testing.T) {
	rows := "| | done | refused at POST for now |\n|---|---|---|\n"
	row := func(name string, done, later []string) {
		rows += "| " + name + " | " + strings.Join(done, ", ") + " | " + strings.Join(later, ", ") + " |\n"
	}
	for _, r := range samples {
		var done, later []string
		for _, s := range r.list {
			_, err := coconut.DecodeJob(s.job(t))
			switch {
			case err == nil:
				done = append(done, "`"+s.name+"`")
			case strings.Contains(err.Error(), "recognised"):
				later = append(later, "`"+s.name+"`")
			default:
				t.Errorf("%s %s: %v", r.row, s.name, err)
			}
		}
		row(r.row, done, later)
	}
	var done, later []string
	for _, c := range codec.Containers() {
		if c.Encodable {
			done = append(done, "`"+c.Name+"`")
		} else {
			later = append(later, "`"+c.Name+"`")
		}
	}
	row("containers", done, later)
	for _, track := range []codec.Track{codec.Video, codec.Audio} {
		done, later = []string{"`copy`"}, nil
		for _, c := range codec.Codecs() {
			switch {
			case c.Track != track:
			case c.Encodable:
				done = append(done, "`"+c.Name+"`")
			default:
				later = append(later, "`"+c.Name+"`")
			}
		}
		row(string(track)+" codecs", done, later)
	}
	table(t, "formats.md", "what is done", rows)
}
