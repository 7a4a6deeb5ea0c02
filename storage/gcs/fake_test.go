package gcs

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// fake is Google's JSON API as documented: the token service, resumable uploads
// that keep what arrived before a break, downloads with ranges, the metadata of
// an object, and its deletion.
type fake struct {
	*httptest.Server
	t        *testing.T
	mu       sync.Mutex
	key      *rsa.PublicKey
	tokens   int
	objects  map[string]stored
	sessions map[string]*session
	lifetime int // of tokens in seconds
	discard  bool
	total    int64
	// answer may handle a request itself.
	answer func(w http.ResponseWriter, r *http.Request) bool
}

type stored struct {
	content []byte
	meta    map[string]string
	acl     string
}

type session struct {
	busy sync.Mutex // held by the request that is being served
	key  string
	size int64
	stored
}

// testKey is generated once, since RSA keys take time.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return k
})

func newFake(t *testing.T) *fake {
	f := &fake{t: t, key: &testKey().PublicKey, objects: map[string]stored{}, sessions: map[string]*session{}, lifetime: 3600}
	f.Server = httptest.NewServer(f)
	t.Cleanup(f.Close)
	return f
}

// serviceAccount is the JSON file of an account of the fake.
func (f *fake) serviceAccount() string {
	der, err := x509.MarshalPKCS8PrivateKey(testKey())
	if err != nil {
		f.t.Fatal(err)
	}
	text, err := json.Marshal(map[string]string{
		"type": "service_account", "client_email": "copra@example.iam.gserviceaccount.com", "private_key_id": "k1",
		"private_key": string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})), "token_uri": f.URL + "/token",
	})
	if err != nil {
		f.t.Fatal(err)
	}
	return string(text)
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if f.answer != nil && f.answer(w, r) {
		return
	}
	path := r.URL.EscapedPath()
	switch {
	case path == "/token":
		f.token(w, r)
		return
	case strings.HasPrefix(path, "/session/"):
		f.upload(w, r)
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.Header.Get("Authorization") != fmt.Sprintf("Bearer token-%d", f.tokens) || f.tokens == 0 {
		fail(w, 401, "authError")
		return
	}
	rest, ok := strings.CutPrefix(strings.TrimPrefix(path, "/upload"), "/storage/v1/b/bkt/o")
	switch {
	case !ok:
		fail(w, 404, "notFound")
	case strings.HasPrefix(path, "/upload/"):
		s := &session{key: r.URL.Query().Get("name")}
		s.acl = r.URL.Query().Get("predefinedAcl")
		fmt.Sscan(r.Header.Get("X-Upload-Content-Length"), &s.size)
		if err := json.NewDecoder(r.Body).Decode(&s.meta); err != nil || r.URL.Query().Get("uploadType") != "resumable" {
			fail(w, 400, "invalid")
			return
		}
		id := fmt.Sprintf("/session/%d", len(f.sessions)+1)
		f.sessions[id] = s
		w.Header().Set("Location", f.URL+id)
	case rest == "":
		io.WriteString(w, `{"kind": "storage#objects"}`)
	default:
		name := strings.NewReplacer("%2F", "/").Replace(strings.TrimPrefix(rest, "/"))
		if strings.Contains(strings.TrimPrefix(rest, "/"), "/") {
			f.t.Errorf("the key in %s is not one segment", rest)
		}
		u, _ := r.URL.Parse("/" + name)
		key := strings.TrimPrefix(u.Path, "/")
		o, ok := f.objects[key]
		switch {
		case !ok:
			fail(w, 404, "notFound")
			return
		case r.Method == http.MethodDelete:
			delete(f.objects, key)
			w.WriteHeader(http.StatusNoContent)
			return
		case r.URL.Query().Get("alt") != "media":
			io.WriteString(w, `{"kind": "storage#object"}`)
			return
		}
		w.Header().Set("ETag", fmt.Sprintf(`"%d"`, len(o.content)))
		w.Header().Set("Content-Type", o.meta["contentType"])
		http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(o.content))
	}
}

// token checks an assertion as RFC 7523 asks.
func (f *fake) token(w http.ResponseWriter, r *http.Request) {
	parts := strings.Split(r.FormValue("assertion"), ".")
	refuse := func() {
		w.WriteHeader(400)
		io.WriteString(w, `{"error": "invalid_grant", "error_description": "secret words"}`)
	}
	if len(parts) != 3 {
		refuse()
		return
	}
	signature, _ := base64.RawURLEncoding.DecodeString(parts[2])
	claims, _ := base64.RawURLEncoding.DecodeString(parts[1])
	sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
	var c struct {
		Iss, Scope, Aud string
		Iat, Exp        int64
	}
	if json.Unmarshal(claims, &c) != nil || rsa.VerifyPKCS1v15(f.key, crypto.SHA256, sum[:], signature) != nil ||
		c.Aud != f.URL+"/token" || c.Exp-c.Iat > 3600 || !strings.Contains(c.Scope, "devstorage") || c.Iss == "" {
		refuse()
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.tokens++
	fmt.Fprintf(w, `{"access_token": "token-%d", "expires_in": %d, "token_type": "Bearer"}`, f.tokens, f.lifetime)
}

// upload receives bytes of a session, in units of 256 KiB except for the last.
func (f *fake) upload(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	s := f.sessions[r.URL.Path]
	f.mu.Unlock()
	if s == nil {
		fail(w, 404, "notFound")
		return
	}
	s.busy.Lock()
	defer s.busy.Unlock()
	from, rng := int64(0), r.Header.Get("Content-Range")
	if n, _ := fmt.Sscanf(rng, "bytes %d-", &from); n == 0 && s.size > 0 {
		f.incomplete(w, s)
		return
	}
	if f.discard {
		n, _ := io.Copy(io.Discard, r.Body)
		f.total += n
		return
	}
	body, err := io.ReadAll(r.Body)
	f.mu.Lock()
	defer f.mu.Unlock()
	if from != int64(len(s.content)) {
		f.t.Errorf("bytes from %d were sent when %d were there", from, len(s.content))
	}
	if err != nil { // kept of a broken request
		s.content = append(s.content, body[:len(body)/(256<<10)*(256<<10)]...)
		return
	}
	s.content = append(s.content, body...)
	if int64(len(s.content)) != s.size {
		fail(w, 400, "badContent")
		return
	}
	f.objects[s.key] = s.stored
	io.WriteString(w, `{"kind": "storage#object"}`)
}

func (f *fake) incomplete(w http.ResponseWriter, s *session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(s.content) > 0 {
		w.Header().Set("Range", fmt.Sprintf("bytes=0-%d", len(s.content)-1))
	}
	w.WriteHeader(http.StatusPermanentRedirect)
}

func fail(w http.ResponseWriter, status int, reason string) {
	w.WriteHeader(status)
	fmt.Fprintf(w, `{"error": {"code": %d, "message": "words of Google", "errors": [{"reason": %q}]}}`, status, reason)
}

func (f *fake) object(key string) (stored, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	o, ok := f.objects[key]
	return o, ok
}
