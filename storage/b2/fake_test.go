package b2

import (
	"bytes"
	"crypto/sha1"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// fake is Backblaze's native API as documented: tokens, upload URLs for one
// upload at a time, checksums, large files in parts, versions of files.
type fake struct {
	*httptest.Server
	t          *testing.T
	mu         sync.Mutex
	restricted bool // the application key is for this bucket alone
	tokens     int
	targets    map[string]bool // upload URLs, and whether one is in use
	files      []fileVersion   // the oldest first
	n          int             // of versions so far
	denied     map[string]bool // calls that the key has no capability for
	large      map[string]*largeFile
	partSize   int64
	calls      []string
	discard    bool
	total      int64
	uploads    string // base of upload URLs
	// answer may handle a request itself.
	answer func(w http.ResponseWriter, r *http.Request) bool
}

type stored struct {
	content []byte
	header  http.Header
}

type fileVersion struct {
	name, id, action string // "upload" or "hide"
	stored
}

// add adds the newest version of a file.
func (f *fake) add(name, action string, s stored) {
	f.n++
	f.files = append(f.files, fileVersion{name, fmt.Sprintf("id%d", f.n), action, s})
}

// versions are those of a file, the newest first.
func (f *fake) versions(name string) []fileVersion {
	var list []fileVersion
	for _, v := range slices.Backward(f.files) {
		if v.name == name {
			list = append(list, v)
		}
	}
	return list
}

// file is the version that a reader of the name gets.
func (f *fake) file(name string) (stored, bool) {
	if list := f.versions(name); len(list) > 0 && list[0].action == "upload" {
		return list[0].stored, true
	}
	return stored{}, false
}

type largeFile struct {
	name  string
	parts map[string][]byte
	sums  map[string]string
	stored
}

func newFake(t *testing.T) *fake {
	f := &fake{t: t, restricted: true, targets: map[string]bool{}, large: map[string]*largeFile{}, partSize: 512 << 10}
	f.Server = httptest.NewServer(f)
	f.uploads = f.URL
	t.Cleanup(f.Close)
	return f
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.answer != nil && f.answer(w, r) {
		return
	}
	if strings.HasPrefix(r.URL.Path, "/upload/") {
		f.upload(w, r)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	call, isCall := strings.CutPrefix(r.URL.Path, "/b2api/v3/")
	if call == "b2_authorize_account" {
		f.authorize(w, r)
		return
	}
	if r.Header.Get("Authorization") != fmt.Sprintf("token-%d", f.tokens) {
		fail(w, 401, "expired_auth_token")
		return
	}
	if !isCall {
		f.download(w, r)
		return
	}
	var in struct {
		AccountID, BucketID, FileName, ContentType, FileID, Prefix, StartFileName string
		FileInfo                                                                  map[string]string
		PartSha1Array                                                             []string
		MaxFileCount                                                              int
	}
	if err := json.NewDecoder(r.Body).Decode(&in); err != nil {
		fail(w, 400, "bad_json")
		return
	}
	f.calls = append(f.calls, call)
	if in.BucketID != "" && in.BucketID != "bkt-id" && call != "b2_list_buckets" {
		fail(w, 400, "bad_bucket_id")
		return
	}
	if f.denied[call] {
		fail(w, 401, "unauthorized")
		return
	}
	var out any
	switch call {
	case "b2_list_buckets":
		buckets := []any{}
		if in.BucketID == "bkt-id" && in.AccountID == "acc1" {
			buckets = append(buckets, map[string]string{"bucketName": "my-bucket"})
		}
		out = map[string]any{"buckets": buckets}
	case "b2_get_upload_url", "b2_get_upload_part_url":
		id := fmt.Sprintf("/upload/%d/%s", len(f.targets), in.FileID)
		f.targets[id] = false
		out = map[string]string{"uploadUrl": f.uploads + id, "authorizationToken": "for " + id}
	case "b2_start_large_file":
		id := fmt.Sprintf("large%d", len(f.large))
		h := http.Header{"Content-Type": {in.ContentType}}
		for k, v := range in.FileInfo {
			h.Set("X-Bz-Info-"+k, v)
		}
		f.large[id] = &largeFile{name: in.FileName, parts: map[string][]byte{}, sums: map[string]string{}, stored: stored{header: h}}
		out = map[string]string{"fileId": id}
	case "b2_finish_large_file":
		l := f.large[in.FileID]
		for i, sum := range in.PartSha1Array {
			n := fmt.Sprint(i + 1)
			if l.sums[n] != sum {
				fail(w, 400, "bad_request")
				return
			}
			l.content = append(l.content, l.parts[n]...)
		}
		f.add(l.name, "upload", l.stored)
		delete(f.large, in.FileID)
	case "b2_cancel_large_file":
		delete(f.large, in.FileID)
	case "b2_list_file_versions":
		out = map[string]any{"files": f.list(in.Prefix, in.StartFileName, in.MaxFileCount)}
	case "b2_hide_file":
		switch list := f.versions(in.FileName); {
		case len(list) == 0:
			fail(w, 400, "no_such_file")
			return
		case list[0].action == "hide":
			fail(w, 400, "already_hidden")
			return
		}
		f.add(in.FileName, "hide", stored{})
	case "b2_delete_file_version":
		i := slices.IndexFunc(f.files, func(v fileVersion) bool { return v.name == in.FileName && v.id == in.FileID })
		if i < 0 {
			fail(w, 400, "file_not_present")
			return
		}
		f.files = slices.Delete(f.files, i, i+1)
	}
	json.NewEncoder(w).Encode(out)
}

// list is a page of versions, by name and the newest first, with incomplete
// uploads.
func (f *fake) list(prefix, start string, most int) []any {
	names := map[string]bool{}
	for _, v := range f.files {
		names[v.name] = true
	}
	for _, l := range f.large {
		names[l.name] = true
	}
	page := []any{}
	row := func(id, name, action string) {
		if len(page) < most {
			page = append(page, map[string]any{"fileId": id, "fileName": name, "action": action, "contentLength": 1})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		if name < start || !strings.HasPrefix(name, prefix) {
			continue
		}
		for id, l := range f.large {
			if l.name == name {
				row(id, name, "start")
			}
		}
		for _, v := range f.versions(name) {
			row(v.id, name, v.action)
		}
	}
	return page
}

func (f *fake) authorize(w http.ResponseWriter, r *http.Request) {
	if id, key, _ := r.BasicAuth(); id != "key-id" || key != "the-key" {
		fail(w, 401, "bad_auth_token")
		return
	}
	f.tokens++
	api := map[string]any{"apiUrl": f.URL, "downloadUrl": f.URL, "recommendedPartSize": f.partSize, "bucketId": nil, "bucketName": nil}
	if f.restricted {
		api["bucketId"], api["bucketName"] = "bkt-id", "my-bucket"
	}
	json.NewEncoder(w).Encode(map[string]any{
		"accountId": "acc1", "authorizationToken": fmt.Sprintf("token-%d", f.tokens), "apiInfo": map[string]any{"storageApi": api},
	})
}

// upload receives a file or a part, with its checksum at the end.
func (f *fake) upload(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	busy, known := f.targets[r.URL.Path]
	if busy {
		f.t.Errorf("two uploads at once to %s", r.URL.Path)
	}
	f.targets[r.URL.Path] = true
	f.mu.Unlock()
	if !known || r.Header.Get("Authorization") != "for "+r.URL.Path || r.Header.Get("X-Bz-Content-Sha1") != "hex_digits_at_end" {
		fail(w, 401, "bad_auth_token")
		return
	}
	var body []byte
	var err error
	sum := ""
	if f.discard {
		h := sha1.New()
		n, _ := io.CopyN(h, r.Body, r.ContentLength-40)
		rest, _ := io.ReadAll(r.Body)
		if sum = string(rest); sum != hex.EncodeToString(h.Sum(nil)) {
			f.t.Errorf("checksum %s of %d bytes", sum, n)
		}
		f.mu.Lock()
		f.total += n
		f.mu.Unlock()
	} else if body, err = io.ReadAll(r.Body); err != nil {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.targets[r.URL.Path] = false
	if !f.discard {
		body, sum = body[:len(body)-40], string(body[len(body)-40:])
		if want := sha1.Sum(body); sum != hex.EncodeToString(want[:]) {
			fail(w, 400, "bad_request")
			return
		}
	}
	if n := r.Header.Get("X-Bz-Part-Number"); n != "" {
		l := f.large[strings.Split(r.URL.Path, "/")[3]]
		l.parts[n], l.sums[n] = body, sum
		return
	}
	name, err := url.PathUnescape(r.Header.Get("X-Bz-File-Name"))
	if err != nil {
		fail(w, 400, "bad_request")
		return
	}
	f.add(name, "upload", stored{body, r.Header.Clone()})
	io.WriteString(w, "{}")
}

func (f *fake) download(w http.ResponseWriter, r *http.Request) {
	o, ok := f.file(strings.TrimPrefix(r.URL.Path, "/file/my-bucket/"))
	if !ok {
		fail(w, 404, "not_found")
		return
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(o.content))
}

func fail(w http.ResponseWriter, status int, code string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"status": %d, "code": %q, "message": "words of Backblaze"}`, status, code)
}
