package backends

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// accountJSON is the key file of a service account that does not exist.
func accountJSON(t *testing.T) string {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{
		"client_email": "a@b", "private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})),
	})
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestRequests decodes a request with each service and scheme as customers write
// it, and opens its storage both as a bucket and as an input. It does not
// connect.
func TestRequests(t *testing.T) {
	const keys = `"credentials": {"access_key_id": "a", "secret_access_key": "b"}`
	o := newOpener(t, Options{})
	for _, tt := range []struct {
		members string
		url     string // of the result; "" when only the service knows it
		noInput bool
	}{
		{`"service": "s3", "bucket": "b", "region": "us-east-1", ` + keys, "https://b.s3.amazonaws.com/v/a.mp4", false},
		{`"service": "s3other", "bucket": "b", "endpoint": "https://s3.example.com", ` + keys, "https://s3.example.com/b/v/a.mp4", false},
		{`"service": "minio", "bucket": "b", "endpoint": "minio:9000", ` + keys, "https://minio:9000/b/v/a.mp4", false},
		{`"service": "gcs", "bucket": "b", ` + keys, "https://storage.googleapis.com/b/v/a.mp4", false},
		{`"service": "gcs", "bucket": "b", "credentials": {"service_account_json": ` + accountJSON(t) + `}`, "https://storage.googleapis.com/b/v/a.mp4", false},
		{`"service": "dospaces", "bucket": "b", "region": "ams3", ` + keys, "https://b.ams3.digitaloceanspaces.com/v/a.mp4", false},
		{`"service": "linode", "bucket": "b", "region": "eu-central-1", ` + keys, "https://b.eu-central-1.linodeobjects.com/v/a.mp4", false},
		{`"service": "wasabi", "bucket": "b", "region": "eu-central-1", ` + keys, "https://s3.eu-central-1.wasabisys.com/b/v/a.mp4", false},
		{`"service": "scaleway", "bucket": "b", "region": "nl-ams", ` + keys, "https://b.s3.nl-ams.scw.cloud/v/a.mp4", false},
		{`"service": "vultr", "bucket": "b", "region": "ams1", ` + keys, "https://b.ams1.vultrobjects.com/v/a.mp4", false},
		{`"service": "contabo", "bucket": "b", "tenant_id": "t1", "region": "eu2", ` + keys, "https://eu2.contabostorage.com/t1:b/v/a.mp4", false},
		{`"service": "contabostorage", "bucket": "t1:b", "region": "eu2", ` + keys, "https://eu2.contabostorage.com/t1:b/v/a.mp4", false},
		{`"service": "impossible", "bucket": "b", "region": "eu-central-2", ` + keys, "https://b.eu-central-2.storage.impossibleapi.net/v/a.mp4", false},
		{`"service": "cdn77", "bucket": "b", "region": "us-1", ` + keys, "https://us-1.cdn77-storage.com/b/v/a.mp4", false},
		{`"service": "r2", "bucket": "b", "account_id": "acc", ` + keys, "https://acc.r2.cloudflarestorage.com/b/v/a.mp4", false},
		{`"service": "azure", "container": "abc", "credentials": {"account": "acc", "api_key": "a2V5"}`, "https://acc.blob.core.windows.net/abc/v/a.mp4", false},
		{`"service": "azure", "container": "abc", "credentials": {"account": "acc", "access_key": "a2V5"}`, "https://acc.blob.core.windows.net/abc/v/a.mp4", false},
		{`"service": "backblaze", "bucket_id": "b", "credentials": {"account_id": "c", "app_key_id": "a", "app_key": "b"}`, "", false},
		{`"service": "rackspace", "container": "b", "region": "DFW", "credentials": {"username": "a", "api_key": "b"}`, "", false},
		{`"service": "swift", "container": "b", "endpoint": "https://auth.example.com/v3", "credentials": {"username": "a", "password": "b"}`, "", false},
		{`"service": "ipfs_pinata", "credentials": {"api_key": "a", "secret_api_key": "b"}`, "", true},
		{`"service": "ipfs_infura", "credentials": {"project_id": "a", "project_secret": "b"}`, "", true},
		{`"url": "https://u:p@h.example.com/in?x=1"`, "https://h.example.com/in/v/a.mp4", true},
		{`"url": "ftp://u:p@h.example.com/in"`, "ftp://h.example.com/in/v/a.mp4", true},
		{`"url": "ftps://u:p@h.example.com/in", "public_host": "https://cdn.example.com"`, "https://cdn.example.com/v/a.mp4", true},
		{`"url": "sftp://u:p@h.example.com/in", "host_key": "SHA256:x"`, "sftp://h.example.com/in/v/a.mp4", true},
	} {
		input := `{"url": "https://example.com/a.mp4"}`
		if !tt.noInput {
			input = `{` + tt.members + `, "key": "/k.mp4"}`
		}
		body := fmt.Sprintf(`{"input": %s, "storage": {%s, "path": "/v"}, "outputs": {"mp4": "/a.mp4"}}`, input, tt.members)
		spec, err := coconut.DecodeJob([]byte(body))
		if err != nil {
			t.Errorf("%s: %v", tt.members, err)
			continue
		}
		b, err := o.Bucket(t.Context(), spec.Storage, owner)
		if err != nil {
			t.Errorf("%s: %v", tt.members, err)
			continue
		}
		if got := b.URL("/a.mp4"); got != tt.url {
			t.Errorf("%s: URL = %q, want %q", tt.members, got, tt.url)
		}
		if _, ok := b.(storage.BatchPutter); ok != (spec.Storage.Service == "ipfs_pinata" || spec.Storage.Service == "ipfs_infura") {
			t.Errorf("%s: together %v", tt.members, ok)
		}
		// All but IPFS and HTTP uploads can look for objects.
		if _, ok := b.(storage.Deleter); ok != (!strings.HasPrefix(spec.Storage.Service, "ipfs") && scheme(spec.Storage.URL) != "https") {
			t.Errorf("%s: can delete %v", tt.members, ok)
		}
		if err := storage.Close(b); err != nil {
			t.Error(err)
		}
		if tt.noInput {
			continue
		}
		inner, err := o.backend(t.Context(), spec.Input.Storage)
		if err != nil {
			t.Errorf("%s as an input: %v", tt.members, err)
			continue
		}
		if _, ok := inner.(reader); !ok {
			t.Errorf("%s cannot be read", tt.members)
		}
	}
}

// TestGuardEverywhere checks that the guard sees the connections of every
// backend.
func TestGuardEverywhere(t *testing.T) {
	o := newOpener(t, Options{Guard: netguard.New([]netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}), UploadRetry: retry.Policy{Tries: 1}})
	c := func(names ...string) map[string]job.Secret {
		m := map[string]job.Secret{}
		for _, n := range names {
			m[n] = job.NewSecret("a2V5")
		}
		return m
	}
	const at = "http://127.0.0.1:1"
	for _, st := range []*job.Storage{
		{Service: "gcs", Bucket: "b", Endpoint: at, Credentials: c("access_key_id", "secret_access_key")},
		{Service: "gcs", Bucket: "b", Endpoint: at, Credentials: map[string]job.Secret{"service_account_json": job.NewSecret(
			strings.Replace(accountJSON(t), "{", `{"token_uri": "`+at+`",`, 1))}},
		{Service: "azure", Bucket: "abc", Endpoint: at, Credentials: c("account", "api_key")},
		{Service: "backblaze", Bucket: "b", Endpoint: at, Credentials: c("app_key_id", "app_key")},
		{Service: "swift", Bucket: "b", Endpoint: at + "/v1.0", Credentials: c("username", "api_key")},
		{Service: "ipfs_pinata", Endpoint: at, Credentials: c("api_key", "secret_api_key")},
		{Service: "ipfs_infura", Endpoint: at, Credentials: c("project_id", "project_secret")},
		{Service: "url", URL: job.NewSecret(at)},
		{Service: "url", URL: job.NewSecret("ftp://u:p@127.0.0.1:1/")},
		{Service: "url", URL: job.NewSecret("ftps://u:p@127.0.0.1:1/")},
		{Service: "url", URL: job.NewSecret("sftp://u:p@127.0.0.1:1/")},
	} {
		if st.Service == "azure" {
			st.Credentials["account"] = job.NewSecret("acc")
		}
		b, err := o.Bucket(t.Context(), st, owner)
		if err != nil {
			t.Errorf("%+v: %v", st, err)
			continue
		}
		err = b.Put(t.Context(), "/a.mp4", strings.NewReader("film"), storage.PutOptions{})
		if e, ok := errors.AsType[*job.Error](err); !ok || !strings.Contains(e.Message, "127.0.0.1 is refused because it is a loopback address") {
			t.Errorf("%s %s: Put = %v", st.Service, scheme(st.URL), err)
		}
		_ = storage.Close(b)
	}
}
