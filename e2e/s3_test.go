package e2e

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/s3server"
)

func s3Credentials(s *s3server.Server) object {
	return object{"access_key_id": s.AccessKey, "secret_access_key": s.SecretKey}
}

// Results to S3 and inputs from it: by the service s3, which the operator has
// mapped to an own server, and by s3other, which gives its endpoint.
func TestS3(t *testing.T) {
	t.Parallel()
	srv, gateway := shared(t), s3(t)
	gateway.CreateBucket(t, "results")
	outputs := object{
		"mp4:240p":   object{"path": "/clip.mp4"},
		"jpg:100x":   object{"path": "/pictures/a.jpg"},
		"httpstream": object{"hls": object{"path": "/hls"}, "variants": []string{"mp4:240p"}},
	}
	services := map[string]object{
		"s3": {"service": "s3", "bucket": "results", "region": s3server.Region, "credentials": s3Credentials(gateway)},
		"s3other": {"service": "s3other", "bucket": "results", "endpoint": gateway.Endpoint, "force_path_style": true,
			"credentials": s3Credentials(gateway)},
	}
	ids := map[string]string{}
	for name, storage := range services {
		to := object{"path": "/" + name, "cache_control": "max-age=60", "acl": "private"}
		for k, v := range storage {
			to[k] = v
		}
		ids[name] = srv.create(t, object{"input": object{"url": short(t)}, "storage": to, "outputs": outputs}).ID
	}
	for name, storage := range services {
		t.Run(name, func(t *testing.T) {
			j := srv.wait(t, ids[name], 60*time.Second)
			if j.Status != "job.completed" {
				t.Fatalf("the job failed: %s", j.raw)
			}
			keys := gateway.Keys(t, "results")
			for _, want := range []struct{ key, contentType string }{
				{"/clip.mp4", "video/mp4"}, {"/pictures/a.jpg", "image/jpeg"}, {"/hls/master.m3u8", "application/vnd.apple.mpegurl"},
			} {
				body, h, err := gateway.Object("results", name+want.key)
				if err != nil || len(body) == 0 || h.Get("Content-Type") != want.contentType || h.Get("Cache-Control") != "max-age=60" {
					t.Errorf("%s: %d bytes, %v, %v; there are %v", want.key, len(body), h, err, keys)
				}
			}
			if !slices.ContainsFunc(keys, func(k string) bool { return strings.HasPrefix(k, name+"/hls/") && strings.HasSuffix(k, ".ts") }) {
				t.Errorf("no segments in %v", keys)
			}
			if u := j.output(t, "mp4:240p").URL; !strings.HasSuffix(u, "/"+name+"/clip.mp4") || strings.Contains(u, gateway.SecretKey) {
				t.Errorf("url %s", u)
			}

			from := object{"key": "/" + name + "/clip.mp4"}
			for k, v := range storage {
				from[k] = v
			}
			again := srv.completed(t, 60*time.Second, object{"input": from, "storage": object{"service": "coconut"}, "outputs": object{"mp3": object{"path": "/a.mp3"}}})
			probe(t, again.output(t, "mp3").URL).lasts(t, "mp3", 1, 0.1)

			from["key"] = "/nothing.mp4"
			missing := srv.run(t, 60*time.Second, object{"input": from, "storage": object{"service": "coconut"}, "outputs": object{"mp3": object{"path": "/a.mp3"}}})
			if missing.Input.Status != "input.failed" {
				t.Errorf("%s", missing.raw)
			}
			plain(t, missing.Input.Error, "results")
			plain(t, missing.Input.Error, "NoSuchKey")
		})
	}
}

// Outputs to a storage that refuses them fail with a message that has the bucket
// and the server's code, and never the credentials.
func TestS3Refuses(t *testing.T) {
	t.Parallel()
	srv, gateway := shared(t), s3(t)
	gateway.CreateBucket(t, "locked")
	tests := []struct {
		name    string
		storage object
		says    []string
	}{
		{"no such bucket", object{"service": "s3", "bucket": "no-such-bucket", "region": s3server.Region, "credentials": s3Credentials(gateway)},
			[]string{"no-such-bucket", "NoSuchBucket"}},
		{"unknown key", object{"service": "s3other", "endpoint": gateway.Endpoint, "force_path_style": true, "bucket": "locked",
			"credentials": object{"access_key_id": "nobody", "secret_access_key": "canary-wrong-secret"}}, []string{"locked", "XAdminUserNotFound"}},
		{"wrong secret", object{"service": "s3", "bucket": "locked", "region": s3server.Region,
			"credentials": object{"access_key_id": gateway.AccessKey, "secret_access_key": "canary-wrong-secret"}}, []string{"locked", "SignatureDoesNotMatch"}},
		{"no server", object{"service": "s3other", "endpoint": closedPort(t), "force_path_style": true, "bucket": "locked", "credentials": s3Credentials(gateway)},
			[]string{"locked", "the connection was refused"}},
	}
	ids := map[string]string{}
	for _, tt := range tests {
		ids[tt.name] = srv.create(t, object{"input": object{"url": short(t)}, "storage": tt.storage, "outputs": object{
			"mp3":        object{"path": "/a.mp3"},
			"jpg:100x":   object{"path": "/a_%02d.jpg", "number": 2},
			"httpstream": object{"hls": object{"path": "/hls"}, "variants": []string{"mp4:240p"}},
		}}).ID
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			j := srv.wait(t, ids[tt.name], 90*time.Second)
			if j.Status != "job.failed" || j.Input.Error != "" {
				t.Errorf("%s", j.raw)
			}
			for _, o := range j.Outputs {
				if o.Status != o.Type+".failed" {
					t.Errorf("%+v", o)
				}
				for _, want := range tt.says {
					plain(t, o.Error, want)
				}
				if strings.Contains(o.Error, "canary") || strings.Contains(o.Error, gateway.SecretKey) {
					t.Errorf("a secret in %q", o.Error)
				}
			}
		})
	}
	if n := gateway.Uploads(t, "locked"); n != 0 {
		t.Errorf("%d uploads were begun and not ended", n)
	}
	if status, _, _ := srv.send(t, http.MethodGet, "/jobs/"+ids["no server"], nil); status != http.StatusOK {
		t.Errorf("the job is gone: %d", status)
	}
}
