package backends

import (
	"net/url"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// FuzzKey checks that no prefix and path lead out of the folder, or give a key
// that a service could not store.
func FuzzKey(f *testing.F) {
	for _, s := range [][2]string{{"/_coconut/", "/a.mp4"}, {"", "../../etc/passwd"}, {"a/..", "b"}, {"a", "./b"}, {"x", "%2e%2e/y"}, {"\x00", "a\nb"}, {"a//", "//b c+d?e#f"}} {
		f.Add(s[0], s[1])
	}
	f.Fuzz(func(t *testing.T, prefix, path string) {
		key := Key(prefix, path)
		if checkKey(key) != nil {
			return
		}
		if key == "" || len(key) > 1024 || strings.HasPrefix(key, "/") || strings.HasSuffix(key, "/") || strings.ContainsAny(key, "\x00\r\n") {
			t.Errorf("%q", key)
		}
		for part := range strings.SplitSeq(key, "/") {
			if part == "." || part == ".." {
				t.Errorf("%q climbs", key)
			}
		}
		u, err := url.Parse("https://host/bucket/" + storage.EscapeKey(key))
		if err != nil || u.Path != "/bucket/"+key || u.RawQuery != "" || u.Fragment != "" {
			t.Errorf("the address of %q is %v, %v", key, u, err)
		}
	})
}

// FuzzAddress checks that every address or endpoint of a user either opens a
// bucket or is refused with a message that does not repeat a password. The
// address for clients has neither user info nor query.
func FuzzAddress(f *testing.F) {
	for _, s := range []string{"ftp://user:canary@host/dir", "sftp://user:canary@[::1]:22/a%2fb", "https://host/put?canary=1#x", "http://0x7f000001/", "https://a@b@c/", "HTTPS://host:99999/", "//host", "https://s3.example.com/", "s3.example.com:443", "\x00", "https://host/%zz"} {
		f.Add(s, "/a b/ü.mp4")
	}
	o := New(Options{Guard: netguard.New(nil)})
	f.Cleanup(o.Close)
	f.Fuzz(func(t *testing.T, address, key string) {
		secret := job.NewSecret(address)
		for _, try := range []func() (storage.Bucket, error){
			func() (storage.Bucket, error) { return o.Upload(t.Context(), secret) },
			func() (storage.Bucket, error) {
				return o.Bucket(t.Context(), &job.Storage{Service: job.ServiceURL, URL: secret}, storage.Namespace{})
			},
			func() (storage.Bucket, error) {
				return o.Bucket(t.Context(), &job.Storage{Service: "s3other", Bucket: "bucket", Region: "r", Endpoint: address, Credentials: map[string]job.Secret{
					"access_key_id": job.NewSecret("a"), "secret_access_key": job.NewSecret("b")}}, storage.Namespace{})
			},
		} {
			b, err := try()
			if err != nil {
				text := job.Message(err, "")
				if text == "" {
					t.Errorf("%q is refused without a sentence: %v", address, err)
				}
				if strings.Contains(text, "canary") {
					t.Errorf("%q is told: %s", address, text)
				}
				continue
			}
			told := b.URL(key)
			if u, err := url.Parse(told); err != nil || u.User != nil || u.RawQuery != "" {
				t.Errorf("%q is told as %s, %v", address, told, err)
			}
			_ = storage.Close(b)
		}
	})
}
