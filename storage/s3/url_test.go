package s3

import (
	"errors"
	"strings"
	"testing"

	"github.com/copra-video/copra/job"
)

func ptr[T any](v T) *T { return &v }

func withKeys(st job.Storage) *job.Storage {
	if st.Credentials == nil {
		st.Credentials = map[string]job.Secret{}
	}
	st.Credentials["access_key_id"], st.Credentials["secret_access_key"] = job.NewSecret("a"), job.NewSecret("s")
	return &st
}

func TestURL(t *testing.T) {
	account := map[string]job.Secret{"account_id": job.NewSecret("acc1")}
	tests := []struct {
		st   job.Storage
		key  string
		want string
	}{
		{job.Storage{Service: "s3", Bucket: "b"}, "k.mp4", "https://b.s3.amazonaws.com/k.mp4"},
		{job.Storage{Service: "s3", Bucket: "b", Region: "us-east-1", Secure: ptr(false)}, "k.mp4", "http://b.s3.amazonaws.com/k.mp4"},
		{job.Storage{Service: "s3", Bucket: "b", Region: "eu-west-1"}, "k.mp4", "https://b.s3.eu-west-1.amazonaws.com/k.mp4"},
		{job.Storage{Service: "s3", Bucket: "b", Region: "cn-north-1"}, "k.mp4", "https://b.s3.cn-north-1.amazonaws.com.cn/k.mp4"},
		{job.Storage{Service: "s3", Bucket: "my.b", Region: "us-east-1"}, "k.mp4", "https://s3.amazonaws.com/my.b/k.mp4"},
		{job.Storage{Service: "s3", Bucket: "b", ForcePathStyle: ptr(true)}, "k.mp4", "https://s3.amazonaws.com/b/k.mp4"},
		{job.Storage{Service: "s3", Bucket: "b"}, "a b+c/ü?#%.mp4", "https://b.s3.amazonaws.com/a%20b%2Bc/%C3%BC%3F%23%25.mp4"},
		{job.Storage{Service: "s3", Bucket: "b"}, "_coconut//a.mp4", "https://b.s3.amazonaws.com/_coconut//a.mp4"},
		{job.Storage{Service: "s3other", Bucket: "b", Endpoint: "https://s3.example.com"}, "k", "https://s3.example.com/b/k"},
		{job.Storage{Service: "s3other", Bucket: "b", Endpoint: "s3.example.com:9000/"}, "k", "https://s3.example.com:9000/b/k"},
		{job.Storage{Service: "s3other", Bucket: "b", Endpoint: "s3.example.com", Secure: ptr(false)}, "k", "http://s3.example.com/b/k"},
		{job.Storage{Service: "s3other", Bucket: "b", Endpoint: "https://s3.example.com", ForcePathStyle: ptr(false)}, "k", "https://b.s3.example.com/k"},
		{job.Storage{Service: "s3other", Bucket: "my.b", Endpoint: "https://s3.example.com", ForcePathStyle: ptr(false)}, "k", "https://s3.example.com/my.b/k"},
		{job.Storage{Service: "s3other", Bucket: "b", Endpoint: "http://10.0.0.1:9000", ForcePathStyle: ptr(false)}, "k", "http://10.0.0.1:9000/b/k"},
		{job.Storage{Service: "minio", Bucket: "b", Endpoint: "http://minio:9000"}, "k", "http://minio:9000/b/k"},
		{job.Storage{Service: "gcs", Bucket: "b"}, "k", "https://storage.googleapis.com/b/k"},
		{job.Storage{Service: "dospaces", Bucket: "b"}, "k", "https://b.nyc3.digitaloceanspaces.com/k"},
		{job.Storage{Service: "dospaces", Bucket: "b", Region: "ams3"}, "k", "https://b.ams3.digitaloceanspaces.com/k"},
		{job.Storage{Service: "linode", Bucket: "b", Region: "eu-central-1"}, "k", "https://b.eu-central-1.linodeobjects.com/k"},
		{job.Storage{Service: "wasabi", Bucket: "b", Region: "eu-central-1"}, "k", "https://s3.eu-central-1.wasabisys.com/b/k"},
		{job.Storage{Service: "wasabi", Bucket: "b", Endpoint: "https://other.example"}, "k", "https://other.example/b/k"},
		{job.Storage{Service: "scaleway", Bucket: "b"}, "k", "https://b.s3.fr-par.scw.cloud/k"},
		{job.Storage{Service: "vultr", Bucket: "b"}, "k", "https://b.ewr1.vultrobjects.com/k"},
		{job.Storage{Service: "contabo", Bucket: "t:b"}, "k", "https://eu2.contabostorage.com/t:b/k"},
		{job.Storage{Service: "contabo", Bucket: "b", Options: map[string]string{"tenant_id": "t1"}}, "k", "https://eu2.contabostorage.com/t1:b/k"},
		{job.Storage{Service: "impossible", Bucket: "b"}, "k", "https://b.eu-central-2.storage.impossibleapi.net/k"},
		{job.Storage{Service: "cdn77", Bucket: "b"}, "k", "https://us-1.cdn77-storage.com/b/k"},
		{job.Storage{Service: "r2", Bucket: "b", Options: map[string]string{"account_id": "acc1"}}, "k", "https://acc1.r2.cloudflarestorage.com/b/k"},
		{job.Storage{Service: "r2", Bucket: "b", Credentials: account}, "k", "https://acc1.r2.cloudflarestorage.com/b/k"},
	}
	for _, tt := range tests {
		b, err := Open(withKeys(tt.st), testOptions())
		if err != nil {
			t.Errorf("%+v: %v", tt.st, err)
			continue
		}
		if got := b.URL(tt.key); got != tt.want {
			t.Errorf("URL(%q) of %s %q = %q, want %q", tt.key, tt.st.Service, tt.st.Bucket, got, tt.want)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	evil := map[string]job.Secret{"account_id": job.NewSecret("evil.example/")}
	tests := []struct {
		st     job.Storage
		reason job.Reason
		want   string
	}{
		{job.Storage{Service: "floppy", Bucket: "b"}, job.StorageServiceNotValid, `"floppy"`},
		{job.Storage{Service: "s3", Bucket: ""}, job.StorageNotValid, "bucket"},
		{job.Storage{Service: "s3", Bucket: "../admin"}, job.StorageNotValid, `"../admin"`},
		{job.Storage{Service: "s3", Bucket: "b", Region: "x.evil.example/"}, job.StorageNotValid, "region"},
		{job.Storage{Service: "s3other", Bucket: "b"}, job.StorageNotValid, "needs an 'endpoint'"},
		{job.Storage{Service: "r2", Bucket: "b"}, job.StorageNotValid, "needs an 'endpoint'"},
		{job.Storage{Service: "r2", Bucket: "b", Credentials: evil}, job.StorageCredentialsNotValid, "account_id"},
		{job.Storage{Service: "s3other", Bucket: "b", Endpoint: "ftp://x"}, job.StorageNotValid, "endpoint is not valid"},
		{job.Storage{Service: "s3other", Bucket: "b", Endpoint: "https://user:hunter2@x"}, job.StorageNotValid, "endpoint is not valid"},
		{job.Storage{Service: "s3", Bucket: "b", CacheControl: "a\r\nX-Evil: 1"}, job.StorageNotValid, "cache_control"},
	}
	for _, tt := range tests {
		_, err := Open(withKeys(tt.st), testOptions())
		e, ok := errors.AsType[*job.Error](err)
		if !ok || e.Reason != tt.reason || !strings.Contains(e.Message, tt.want) || strings.Contains(e.Message, "hunter2") {
			t.Errorf("Open(%+v) = %v, want %s with %q", tt.st, err, tt.reason, tt.want)
		}
	}
	_, err := Open(&job.Storage{Service: "s3", Bucket: "b"}, testOptions())
	if e, ok := errors.AsType[*job.Error](err); !ok || e.Reason != job.StorageCredentialsNotValid {
		t.Errorf("without credentials: %v", err)
	}
}
