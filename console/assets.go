package console

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"io/fs"
	"mime"
	"net/http"
	"path"
	"strings"
	"sync"
)

//go:embed static templates
var files embed.FS

// assets are the files that pages load. Their addresses contain a checksum of all of them,
// so browsers may cache them for ever.
type assets struct {
	base  string // "/console/static/<checksum>/"
	files map[string]*asset
}

// asset is a file. It is compressed at the first request for that.
type asset struct {
	contentType string
	plain       []byte
	packed      func() []byte // by gzip
}

// contentTypes has the types of files for which package mime asks the machine.
var contentTypes = map[string]string{".mjs": "text/javascript; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

func newAssets() *assets {
	a := &assets{files: map[string]*asset{}}
	sum := sha256.New()
	err := fs.WalkDir(files, "static", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := files.ReadFile(p)
		if err != nil {
			return err
		}
		sum.Write([]byte(p))
		sum.Write(data)
		t := contentTypes[path.Ext(p)]
		if t == "" {
			t = mime.TypeByExtension(path.Ext(p))
		}
		a.files[strings.TrimPrefix(p, "static/")] = &asset{contentType: t, plain: data, packed: sync.OnceValue(func() []byte { return pack(data) })}
		return nil
	})
	if err != nil {
		panic("console: read the files inside the program: " + err.Error()) // cannot be
	}
	a.base = "/console/static/" + hex.EncodeToString(sum.Sum(nil)[:6]) + "/"
	return a
}

func pack(data []byte) []byte {
	var b bytes.Buffer
	w, _ := gzip.NewWriterLevel(&b, gzip.BestCompression) // the level is valid
	_, _ = w.Write(data)                                  // a buffer takes everything
	_ = w.Close()
	return b.Bytes()
}

// url returns the address of a file, for templates.
func (a *assets) url(name string) string { return a.base + name }

func (a *assets) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	_, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/console/static/"), "/")
	f := a.files[name]
	if f == nil {
		http.NotFound(w, r)
		return
	}
	h := w.Header()
	h.Set("Content-Type", f.contentType)
	h.Set("Vary", "Accept-Encoding")
	if strings.HasPrefix(r.URL.Path, a.base) {
		h.Set("Cache-Control", "public, max-age=31536000, immutable")
	}
	body := f.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		h.Set("Content-Encoding", "gzip")
		body = f.packed()
	}
	_, _ = w.Write(body) // fails only when the client has disconnected
}
