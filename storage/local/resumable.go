package local

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"net/http"
	"os"
	"path"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/tus/tusd/v2/pkg/handler"
	"github.com/tus/tusd/v2/pkg/memorylocker"
	"golang.org/x/exp/slog"

	"github.com/copra-video/copra/job"
)

// ResumablePrefix is the path of resumable uploads on the API's server.
const ResumablePrefix = "/resumable/"

// The life of an address for uploads.
const (
	defaultUploadLife = time.Hour
	maxUploadLife     = 24 * time.Hour
)

// Resumable receives uploads by the tus protocol 1.0: a client that was cut off asks
// how far it came and goes on there. An upload is begun at an address that
// SignUpload has made, so a browser needs no API key. What belongs to one upload is
// then found by an id of 128 random bits.
//
//	DIR/tmp/<id>.part   the bytes so far
//	DIR/tmp/<id>.json   its size, name and where it goes when it is whole
//
// Sweep deletes what nobody has finished.
type Resumable struct {
	s   *Store
	tus *handler.UnroutedHandler
}

// Resumable returns the handler of ResumablePrefix.
func (s *Store) Resumable() (*Resumable, error) {
	r := &Resumable{s: s}
	cors := handler.DefaultCorsConfig
	cors.ExposeHeaders += ", Content-Location"
	composer := handler.NewStoreComposer()
	composer.UseCore(parts{s})
	composer.UseTerminater(parts{s})
	composer.UseLocker(memorylocker.New())
	tus, err := handler.NewUnroutedHandler(handler.Config{
		StoreComposer: composer, BasePath: s.o.PublicURL + ResumablePrefix, MaxSize: s.o.MaxUpload, Cors: &cors,
		NetworkTimeout: s.o.UploadIdle, Logger: slog.New(slog.NewTextHandler(io.Discard, nil)), // the API logs requests
		PreUploadCreateCallback: r.begin,
	})
	if err != nil {
		return nil, fmt.Errorf("make resumable uploads: %w", err)
	}
	r.tus = tus
	return r, nil
}

// SignUpload returns the address at which uploads can be begun until the time that it
// returns. A life of 0 is an hour; it is a day at most.
func (s *Store) SignUpload(now time.Time, life time.Duration) (address string, until time.Time) {
	if life <= 0 {
		life = defaultUploadLife
	}
	until = now.Add(min(life, maxUploadLife)).Truncate(time.Second)
	return s.o.PublicURL + ResumablePrefix + s.uploadToken(until), until.UTC()
}

// uploadToken is an end and the proof that this store has set it: "6a5f1c20-9b...".
func (s *Store) uploadToken(until time.Time) string {
	end := strconv.FormatInt(until.Unix(), 16)
	m := hmac.New(sha256.New, s.secret)
	m.Write([]byte("resumable upload\x00" + end))
	return end + "-" + hex.EncodeToString(m.Sum(nil)[:16])
}

// mayBegin reports whether a token is one of uploadToken's that has not ended.
func (s *Store) mayBegin(token string, now time.Time) bool {
	end, _, _ := strings.Cut(token, "-")
	unix, err := strconv.ParseInt(end, 16, 64)
	if err != nil || now.After(time.Unix(unix, 0)) {
		return false
	}
	return hmac.Equal([]byte(token), []byte(s.uploadToken(time.Unix(unix, 0))))
}

// SignHandler serves POST /v2/uploads. It answers 201 {"url": "...", "expires_at":
// "..."}. The body may be empty, or {"expires_in": 600}, seconds. The caller must
// check who may call it.
func (s *Store) SignHandler() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var body struct {
			ExpiresIn float64 `json:"expires_in"`
		}
		text, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 4096))
		if err == nil && len(text) > 0 {
			err = json.Unmarshal(text, &body)
		}
		if err != nil || body.ExpiresIn < 0 || body.ExpiresIn > maxUploadLife.Seconds() {
			refuse(w, job.Errorf(job.UploadNotValid, "The body must be empty or {\"expires_in\": SECONDS}, with 1 to %d seconds.", int(maxUploadLife.Seconds())))
			return
		}
		address, until := s.SignUpload(time.Now(), time.Duration(body.ExpiresIn*float64(time.Second)))
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]string{"url": address, "expires_at": until.Format(time.RFC3339)})
	})
}

// ServeHTTP serves ResumablePrefix and everything below it.
func (r *Resumable) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	last := strings.Trim(strings.TrimPrefix(req.URL.Path, ResumablePrefix), "/")
	method := req.Method
	if m := req.Header.Get("X-HTTP-Method-Override"); m != "" && method == http.MethodPost {
		method = m // tus 1.0, for clients that can send no PATCH
	}
	var serve http.HandlerFunc
	switch {
	case method == http.MethodOptions:
		serve = func(http.ResponseWriter, *http.Request) {} // the middleware answers
	case method == http.MethodPost && !r.s.mayBegin(last, time.Now()):
		http.Error(w, "ERR_EXPIRED: this address begins no upload, or it has expired; POST /v2/uploads makes a new one", http.StatusForbidden)
		return
	case method == http.MethodPost:
		serve = r.tus.PostFile
	case method == http.MethodHead:
		r.tell(w, last)
		serve = r.tus.HeadFile
	case method == http.MethodPatch:
		r.tell(w, last)
		serve = r.tus.PatchFile
	case method == http.MethodDelete:
		serve = r.tus.DelFile
	default:
		w.Header().Set("Allow", "POST, HEAD, PATCH, DELETE, OPTIONS")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	http.StripPrefix(ResumablePrefix, r.tus.Middleware(serve)).ServeHTTP(w, req)
}

// tell says where the file will be, which is what the input of a job names.
func (r *Resumable) tell(w http.ResponseWriter, id string) {
	if up, err := r.s.loadPart(id); err == nil {
		w.Header().Set("Content-Location", r.s.url(up.info.Storage["Path"]))
	}
}

// begin gives a new upload its id and its place.
func (r *Resumable) begin(hook handler.HookEvent) (handler.HTTPResponse, handler.FileInfoChanges, error) {
	name := hook.Upload.MetaData["filename"]
	if name == "" {
		name = hook.Upload.MetaData["name"]
	}
	if name = path.Base("/" + strings.ReplaceAll(name, "\\", "/")); name == "/" {
		name = "upload"
	}
	if !safePath(name) || len(name) > 200 {
		return handler.HTTPResponse{}, handler.FileInfoChanges{}, handler.NewError("ERR_NAME", "the metadata filename must be a plain file name of at most 200 bytes", http.StatusBadRequest)
	}
	if err := r.s.checkSpace(hook.Upload.Size); err != nil {
		return handler.HTTPResponse{}, handler.FileInfoChanges{}, errNoSpace
	}
	place := path.Join(uploadsDir, randomHex(), name)
	return handler.HTTPResponse{Header: handler.HTTPHeader{"Content-Location": r.s.url(place)}},
		handler.FileInfoChanges{ID: randomHex(), Storage: map[string]string{"Path": place}}, nil
}

var errNoSpace = handler.NewError("ERR_DISK_FULL", "the server has not enough disk space for this upload", http.StatusInsufficientStorage)

// parts is tusd's store of uploads.
type parts struct{ s *Store }

// part is one upload.
type part struct {
	s    *Store
	info handler.FileInfo
}

// NewUpload stores what is known of an upload that begins.
func (p parts) NewUpload(_ context.Context, info handler.FileInfo) (handler.Upload, error) {
	up := &part{p.s, info}
	text, err := json.Marshal(info)
	if err != nil {
		return nil, fmt.Errorf("encode upload: %w", err)
	}
	if err := p.s.root.WriteFile(up.dataFile(), nil, 0o640); err != nil {
		return nil, noSpace(err)
	}
	if err := p.s.root.WriteFile(up.infoFile(), text, 0o640); err != nil {
		return nil, noSpace(err)
	}
	return up, nil
}

// GetUpload returns an upload with how far it has come, or handler.ErrNotFound.
func (p parts) GetUpload(_ context.Context, id string) (handler.Upload, error) {
	return p.s.loadPart(id)
}

// AsTerminatableUpload lets clients delete uploads.
func (p parts) AsTerminatableUpload(u handler.Upload) handler.TerminatableUpload {
	up, _ := u.(*part) // there are no others
	return up
}

func (s *Store) loadPart(id string) (*part, error) {
	if !isHash(id) {
		return nil, handler.ErrNotFound
	}
	up := &part{s: s, info: handler.FileInfo{ID: id}}
	text, err := s.root.ReadFile(up.infoFile())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, handler.ErrNotFound
	}
	if err == nil {
		err = json.Unmarshal(text, &up.info)
	}
	if err != nil {
		return nil, fmt.Errorf("read upload: %w", err)
	}
	st, err := s.root.Stat(up.dataFile())
	if errors.Is(err, fs.ErrNotExist) {
		st, err = s.root.Stat(up.info.Storage["Path"]) // it is whole
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil, handler.ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("read upload: %w", err)
	}
	up.info.Offset = st.Size()
	return up, nil
}

func (p *part) dataFile() string { return path.Join(tmpDir, p.info.ID+".part") }
func (p *part) infoFile() string { return path.Join(tmpDir, p.info.ID+".json") }

// WriteChunk appends what src gives. What was written before src broke off stays. Of
// several processes that share the folder one writes at a time.
func (p *part) WriteChunk(_ context.Context, offset int64, src io.Reader) (int64, error) {
	f, err := p.s.root.OpenFile(p.dataFile(), os.O_WRONLY|os.O_APPEND, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, handler.ErrNotFound
	}
	if err != nil {
		return 0, fmt.Errorf("open upload: %w", err)
	}
	defer f.Close()
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return 0, handler.ErrFileLocked
	}
	st, err := f.Stat()
	if err != nil {
		return 0, fmt.Errorf("look at upload: %w", err)
	}
	if st.Size() != offset {
		return 0, handler.ErrMismatchOffset
	}
	var written int64
	for {
		n, err := io.CopyN(f, src, uploadCheck)
		written += n
		if err != nil && !errors.Is(err, io.EOF) {
			return written, noSpace(err)
		}
		if err == nil {
			err = p.s.checkSpace(0)
			if err != nil {
				return written, errNoSpace
			}
			continue
		}
		return written, nil
	}
}

// GetInfo returns what is known of the upload.
func (p *part) GetInfo(context.Context) (handler.FileInfo, error) { return p.info, nil }

// GetReader is not offered: the file is read at its place when it is whole.
func (p *part) GetReader(context.Context) (io.ReadCloser, error) { return nil, handler.ErrNotFound }

// FinishUpload puts the whole file into its place.
func (p *part) FinishUpload(context.Context) error {
	place := p.info.Storage["Path"]
	if err := p.s.root.MkdirAll(path.Dir(place), 0o750); err != nil {
		return fmt.Errorf("make folder for upload: %w", err)
	}
	err := p.s.root.Rename(p.dataFile(), place)
	if errors.Is(err, fs.ErrNotExist) {
		if _, whole := p.s.root.Stat(place); whole == nil {
			return nil // another process has done it
		}
	}
	if err != nil {
		return fmt.Errorf("finish upload: %w", err)
	}
	return nil
}

// Terminate deletes the upload.
func (p *part) Terminate(context.Context) error {
	var errs []error
	for _, name := range []string{p.dataFile(), p.info.Storage["Path"], p.infoFile()} {
		if err := p.s.root.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// noSpace names a full disk to the client, and leaves other errors as they are.
func noSpace(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return errNoSpace
	}
	return err
}
