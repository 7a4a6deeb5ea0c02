package local

import (
	"io"
	"mime"
	"net/http"
	"os"
	"path"
	"strings"
)

// contentTypes are the types of what is produced here. Types that a browser
// would run as a page are left out on purpose: the files come from users and
// share an origin with the API.
var contentTypes = map[string]string{
	".mp4": "video/mp4", ".m4v": "video/mp4", ".m4s": "video/iso.segment", ".cmfv": "video/mp4", ".webm": "video/webm",
	".mov": "video/quicktime", ".mkv": "video/x-matroska", ".avi": "video/x-msvideo", ".ts": "video/mp2t",
	".flv": "video/x-flv", ".3gp": "video/3gpp", ".ogv": "video/ogg", ".wmv": "video/x-ms-wmv", ".asf": "video/x-ms-asf",
	".mp3": "audio/mpeg", ".aac": "audio/aac", ".m4a": "audio/mp4", ".cmfa": "audio/mp4", ".ogg": "audio/ogg",
	".oga": "audio/ogg", ".opus": "audio/ogg", ".wav": "audio/wav", ".flac": "audio/flac",
	".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".gif": "image/gif", ".webp": "image/webp",
	".m3u8": "application/vnd.apple.mpegurl", ".mpd": "application/dash+xml",
	".vtt": "text/vtt; charset=utf-8", ".json": "application/json", ".txt": "text/plain; charset=utf-8",
}

// ServeHTTP serves GET, HEAD and OPTIONS at Prefix and below, with ranges and
// with the CORS headers that players on other sites need. There are no listings.
func (s *Store) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Access-Control-Allow-Origin", "*")
	h.Set("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS")
	h.Set("Access-Control-Allow-Headers", "origin, range")
	h.Set("Access-Control-Expose-Headers", "Server, range, Content-Length, Content-Range, Accept-Ranges, ETag")
	h.Set("Access-Control-Max-Age", "86400")
	switch r.Method {
	case http.MethodGet, http.MethodHead:
		s.serveFile(w, r)
	case http.MethodOptions:
		w.WriteHeader(http.StatusNoContent)
	default:
		h.Set("Allow", "GET, HEAD, OPTIONS")
		http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
	}
}

func (s *Store) serveFile(w http.ResponseWriter, r *http.Request) {
	name := served(r.URL.Path)
	if name == "" {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	f, info, err := s.open(name)
	if err != nil {
		http.Error(w, "not found", http.StatusNotFound)
		return
	}
	defer f.Close()
	h := w.Header()
	h.Set("Content-Type", contentType(name, f))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Cross-Origin-Resource-Policy", "cross-origin")
	http.ServeContent(w, r, "", info.ModTime(), f)
}

// open opens a regular file. Anything else counts as missing. The mode keeps a
// named pipe from blocking.
func (s *Store) open(name string) (*os.File, os.FileInfo, error) {
	f, err := s.root.OpenFile(name, os.O_RDONLY|nonblock, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = os.ErrNotExist
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// contentType chooses by the name. If the name does not say, it chooses by the
// first bytes, among media types only.
func contentType(name string, f io.ReaderAt) string {
	if t, ok := contentTypes[strings.ToLower(path.Ext(name))]; ok {
		return t
	}
	head := make([]byte, 512)
	n, _ := f.ReadAt(head, 0)
	sniffed := http.DetectContentType(head[:n])
	if major, _, _ := mime.ParseMediaType(sniffed); strings.HasPrefix(major, "video/") ||
		strings.HasPrefix(major, "audio/") || strings.HasPrefix(major, "image/") {
		return sniffed
	}
	return "application/octet-stream"
}
