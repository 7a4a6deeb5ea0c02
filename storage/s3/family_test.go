package s3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/storagetest"
)

// family is an S3 server in memory for one row of the table. Unlike other fakes
// it checks signatures, over the request as it arrives: behind a front that
// changes headers, for services that have such a front.
type family struct {
	row     Service
	virtual bool // the bucket is in the host name
	mu      sync.Mutex
	objects map[string]object // by bucket/key
	parts   map[string]map[string][]byte
	hosts   map[string]bool
	regions map[string]bool
	acls    map[string]bool
	faults  []string
	cut     bool // the next upload breaks
}

type object struct {
	content []byte
	header  http.Header
}

func (f *family) RoundTrip(r *http.Request) (*http.Response, error) {
	body := []byte{}
	if r.Body != nil {
		var err error
		if f.takeCut() {
			io.CopyN(io.Discard, r.Body, 100_000)
			r.Body.Close()
			return nil, io.ErrUnexpectedEOF
		}
		body, err = io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil {
			return nil, err
		}
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.hosts[r.URL.Scheme+"://"+r.URL.Host] = true
	if acl := r.Header.Get("X-Amz-Acl"); acl != "" {
		f.acls[acl] = true
	}
	for name := range r.Header {
		if l := strings.ToLower(name); strings.Contains(l, "checksum") || strings.Contains(l, "trailer") || l == "content-encoding" {
			f.faults = append(f.faults, r.Method+" has the header "+name)
		}
	}
	if f.row.Name == "gcs" {
		r.Header.Set("Accept-Encoding", "gzip,gfe")
	}
	status, header, answer := http.StatusForbidden, http.Header{}, []byte("<Error><Code>SignatureDoesNotMatch</Code></Error>")
	if region, ok := verify(r, body, "the-secret"); ok {
		f.regions[region] = true
		status, header, answer = f.serve(r, body)
	}
	return &http.Response{
		StatusCode: status, Header: header, Request: r, ContentLength: int64(len(answer)), Body: io.NopCloser(bytes.NewReader(answer)),
	}, nil
}

func (f *family) takeCut() bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	cut := f.cut
	f.cut = false
	return cut
}

func (f *family) serve(r *http.Request, body []byte) (int, http.Header, []byte) {
	name := strings.TrimPrefix(r.URL.Path, "/")
	if f.virtual {
		bucket, _, _ := strings.Cut(r.URL.Host, ".")
		name = bucket + "/" + name
	}
	if !strings.HasPrefix(name, "bkt") {
		return 404, http.Header{}, []byte("<Error><Code>NoSuchBucket</Code></Error>")
	}
	q, h := r.URL.Query(), http.Header{}
	switch {
	case r.Method == "GET" && q.Has("list-type"):
		return 200, h, []byte("<ListBucketResult/>")
	case r.Method == "DELETE" && !q.Has("uploadId"):
		_, ok := f.objects[name]
		if delete(f.objects, name); !ok && f.row.Name == "gcs" {
			return 404, h, []byte("<Error><Code>NoSuchKey</Code></Error>")
		}
		return 204, h, nil
	case r.Method == "GET" || r.Method == "HEAD":
		o, ok := f.objects[name]
		if !ok && r.Method == "HEAD" {
			return 404, h, nil
		}
		if !ok {
			return 404, h, []byte("<Error><Code>NoSuchKey</Code></Error>")
		}
		h = o.header.Clone()
		if r.Method == "HEAD" {
			return 200, h, nil
		}
		var from, to int
		switch n, _ := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); {
		case n == 0:
			return 200, h, o.content
		case n == 1:
			to = len(o.content) - 1
		}
		if from >= len(o.content) {
			return 416, h, []byte("<Error><Code>InvalidRange</Code></Error>")
		}
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, len(o.content)))
		return 206, h, o.content[from : to+1]
	case r.Method == "POST" && q.Has("uploads"):
		f.parts[name] = map[string][]byte{}
		f.objects["new "+name] = object{header: r.Header.Clone()}
		return 200, h, []byte("<InitiateMultipartUploadResult><UploadId>u1</UploadId></InitiateMultipartUploadResult>")
	case r.Method == "PUT" && q.Has("uploadId"):
		f.parts[name][fmt.Sprintf("%5s", q.Get("partNumber"))] = body
		h.Set("ETag", `"part"`)
		return 200, h, nil
	case r.Method == "POST" && q.Has("uploadId"):
		var all []byte
		for _, n := range sortedKeys(f.parts[name]) {
			all = append(all, f.parts[name][n]...)
		}
		f.objects[name] = object{all, f.objects["new "+name].header}
		return 200, h, []byte("<CompleteMultipartUploadResult><ETag>e</ETag></CompleteMultipartUploadResult>")
	case r.Method == "PUT":
		f.objects[name] = object{body, r.Header.Clone()}
		return 200, h, nil
	}
	return 204, h, nil
}

func sortedKeys(m map[string][]byte) []string {
	var keys []string
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// families are the rows as customers write them.
var families = []struct {
	st     job.Storage
	host   string
	region string
	acl    string
}{
	{job.Storage{Service: "s3other", Endpoint: "https://s3.example.com"}, "https://s3.example.com", "us-east-1", ""},
	{job.Storage{Service: "minio", Endpoint: "http://minio:9000"}, "http://minio:9000", "us-east-1", ""},
	{job.Storage{Service: "gcs"}, "https://storage.googleapis.com", "auto", ""},
	{job.Storage{Service: "gcs", ACL: "public-read"}, "https://storage.googleapis.com", "auto", "public-read"},
	{job.Storage{Service: "dospaces"}, "https://bkt.nyc3.digitaloceanspaces.com", "nyc3", "public-read"},
	{job.Storage{Service: "linode", Region: "eu-central-1"}, "https://bkt.eu-central-1.linodeobjects.com", "eu-central-1", "public-read"},
	{job.Storage{Service: "wasabi", Region: "eu-central-1"}, "https://s3.eu-central-1.wasabisys.com", "eu-central-1", "public-read"},
	{job.Storage{Service: "scaleway", Region: "nl-ams"}, "https://bkt.s3.nl-ams.scw.cloud", "nl-ams", "public-read"},
	{job.Storage{Service: "vultr", Region: "ams1"}, "https://bkt.ams1.vultrobjects.com", "ams1", "public-read"},
	{job.Storage{Service: "contabo", Region: "eu2"}, "https://eu2.contabostorage.com", "eu2", "public-read"},
	{job.Storage{Service: "contabo", Bucket: "bkt:tenant", Region: "eu2"}, "https://eu2.contabostorage.com", "eu2", "public-read"},
	{job.Storage{Service: "impossible", Region: "eu-central-2"}, "https://bkt.eu-central-2.storage.impossibleapi.net", "eu-central-2", "public-read"},
	{job.Storage{Service: "cdn77", Region: "eu-1"}, "https://eu-1.cdn77-storage.com", "eu-1", "public-read"},
	{job.Storage{Service: "cdn77", Endpoint: "https://us-1.cdn77-storage.com", ACL: "private"}, "https://us-1.cdn77-storage.com", "us-1", "private"},
	{job.Storage{Service: "r2", Options: map[string]string{"account_id": "acc1"}}, "https://acc1.r2.cloudflarestorage.com", "auto", ""},
}

// TestFamily runs the conformance suite for every row of the table.
func TestFamily(t *testing.T) {
	for _, tt := range families {
		st := tt.st
		if st.Bucket == "" {
			st.Bucket = "bkt"
		}
		st.Credentials = map[string]job.Secret{"access_key_id": job.NewSecret("AKID"), "secret_access_key": job.NewSecret("the-secret")}
		row, ok := Lookup(st.Service)
		if !ok {
			t.Fatalf("no row %s", st.Service)
		}
		t.Run(st.Service+" "+tt.region, func(t *testing.T) {
			storagetest.Run(t, func(t *testing.T) storagetest.Target {
				f := &family{row: row, virtual: !row.PathStyle, objects: map[string]object{}, parts: map[string]map[string][]byte{},
					hosts: map[string]bool{}, regions: map[string]bool{}, acls: map[string]bool{}}
				b := mustOpen(t, &st, Options{
					Client: &http.Client{Transport: f}, PartSize: 256 << 10, Retry: retry.Policy{Waits: []time.Duration{0}},
				})
				t.Cleanup(func() { f.check(t, tt.host, tt.region, tt.acl) })
				return storagetest.Target{
					Bucket: b, LargeSize: 1 << 20,
					Break: func() { f.cut = true },
					Read:  func(key string) ([]byte, http.Header, error) { return f.read(b, st.Bucket, key) },
				}
			})
		})
	}
}

// read returns an object as the server has it, and checks that a Source reads
// the same.
func (f *family) read(b *Bucket, bucket, key string) ([]byte, http.Header, error) {
	o, ok := f.objects[bucket+"/"+key]
	src, err := b.Source(context.Background(), key)
	if !ok {
		if _, told := errors.AsType[*job.Error](err); !told {
			return nil, nil, fmt.Errorf("source of a missing object: %w", err)
		}
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	half := src.Size() / 2
	r, err := src.Open(context.Background(), half)
	if err != nil {
		return nil, nil, err
	}
	defer r.Close()
	if rest, err := io.ReadAll(r); err != nil || !bytes.Equal(rest, o.content[half:]) {
		return nil, nil, fmt.Errorf("the second half has %d bytes of %d: %w", len(rest), len(o.content), err)
	}
	return o.content, o.header, nil
}

func (f *family) check(t *testing.T, host, region, acl string) {
	if len(f.hosts) > 1 || len(f.regions) > 1 || len(f.faults) > 0 {
		t.Errorf("hosts %v, regions %v, faults %v", f.hosts, f.regions, f.faults)
	}
	if len(f.hosts) > 0 && !f.hosts[host] {
		t.Errorf("hosts %v, want %s", f.hosts, host)
	}
	if len(f.regions) > 0 && !f.regions[region] && region != "us-1" {
		t.Errorf("regions %v, want %s", f.regions, region)
	}
	if len(f.acls) > 0 && !(f.acls[acl] && len(f.acls) == 1) {
		t.Errorf("ACLs %v, want %q", f.acls, acl)
	}
}

// TestSignatureIsChecked checks that the fake refuses a signature over
// Accept-Encoding behind Google's front.
func TestSignatureIsChecked(t *testing.T) {
	f := &family{row: Service{Name: "gcs"}, objects: map[string]object{}, hosts: map[string]bool{}, regions: map[string]bool{}, acls: map[string]bool{}}
	st := s3other("https://storage.googleapis.com", "bkt", "AKID", "the-secret")
	b := mustOpen(t, st, Options{Client: &http.Client{Transport: f}, Retry: retry.Policy{Waits: []time.Duration{0}}})
	_, err := b.Source(t.Context(), "k")
	if !strings.Contains(job.Message(err, ""), "SignatureDoesNotMatch") {
		t.Errorf("Source = %v", err)
	}
}

// TestHuge checks that the use of memory does not grow with files, and that
// there are enough part numbers.
func TestHuge(t *testing.T) {
	var mu sync.Mutex
	var total int64
	f := newFake(t)
	f.Config.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		mu.Lock()
		total += n
		mu.Unlock()
		if r.Method != http.MethodPut {
			f.ServeHTTP(w, r)
			total -= r.ContentLength
			return
		}
		w.Header().Set("ETag", `"e"`)
	})
	b := mustOpen(t, s3other(f.URL, "b", "a", "s"), testOptions())
	size := storagetest.Huge(t, func(body storage.Body) error {
		return b.Put(context.Background(), "huge.mp4", body, storage.PutOptions{})
	})
	if total != size {
		t.Errorf("%d bytes arrived of %d", total, size)
	}
}
