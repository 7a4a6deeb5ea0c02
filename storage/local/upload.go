package local

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path"
	"strings"
	"syscall"
	"time"

	"github.com/copra-video/copra/job"
)

// uploadCheck is how many bytes of an upload of unknown size are read between
// two checks of the free space.
const uploadCheck = 64 << 20

// UploadHandler serves PUT /v2/uploads/{name}. The body is the file, and the
// last element of the path its name. It answers 201 {"url": "..."}. The caller
// must check who may call it.
func (s *Store) UploadHandler() http.Handler { return http.HandlerFunc(s.upload) }

func (s *Store) upload(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPut {
		w.Header().Set("Allow", "PUT")
		w.WriteHeader(http.StatusMethodNotAllowed)
		return
	}
	name := path.Base(r.URL.Path)
	if name == "/" || strings.HasSuffix(r.URL.Path, "/") || !safePath(name) || len(name) > 200 {
		refuse(w, job.Errorf(job.UploadNotValid, "The address must end with a plain file name of at most 200 bytes."))
		return
	}
	if s.o.MaxUpload > 0 && r.ContentLength > s.o.MaxUpload {
		s.refuseSize(w)
		return
	}
	if err := s.checkSpace(max(r.ContentLength, 0)); err != nil {
		refuse(w, job.Errorf(job.ServerDiskFull, "The server has not enough disk space for this upload."))
		return
	}
	stored := path.Join(uploadsDir, randomHex(), name)
	err := s.publish(stored, func(f *os.File) error { return s.receive(f, w, r) })
	var tooLarge *http.MaxBytesError
	switch {
	case err == nil:
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(http.StatusCreated)
		_ = json.NewEncoder(w).Encode(map[string]string{"url": s.url(stored)})
	case errors.As(err, &tooLarge):
		s.refuseSize(w)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		refuse(w, job.Errorf(job.ServerDiskFull, "The server has no disk space left."))
	default:
		refuse(w, job.Errorf(job.UploadNotValid, "The upload broke off before its end."))
	}
}

// receive copies the body to f, within the limits of time and disk space.
func (s *Store) receive(f *os.File, w http.ResponseWriter, r *http.Request) error {
	body := r.Body
	if s.o.MaxUpload > 0 {
		body = http.MaxBytesReader(w, body, s.o.MaxUpload)
	}
	ctl := http.NewResponseController(w)
	buf := make([]byte, 256<<10)
	var sinceCheck int64
	for {
		// Not every writer has deadlines. Without them the server's own apply.
		_ = ctl.SetReadDeadline(time.Now().Add(s.o.UploadIdle))
		n, err := body.Read(buf)
		if _, werr := f.Write(buf[:n]); werr != nil {
			return werr
		}
		if err == io.EOF {
			_ = ctl.SetReadDeadline(time.Time{})
			return nil
		}
		if err != nil {
			return err
		}
		if sinceCheck += int64(n); sinceCheck >= uploadCheck {
			sinceCheck = 0
			if err := s.checkSpace(0); err != nil {
				return err
			}
		}
	}
}

func (s *Store) checkSpace(size int64) error {
	free, err := s.o.Free(s.o.Dir)
	if err != nil {
		return fmt.Errorf("ask for free space: %w", err)
	}
	if free-size < s.o.MinFree {
		return syscall.ENOSPC
	}
	return nil
}

func (s *Store) refuseSize(w http.ResponseWriter) {
	refuse(w, job.Errorf(job.UploadTooLarge, "The upload is larger than %d bytes, the limit of this server.", s.o.MaxUpload))
}

// refuse answers in the form of the API's errors. It closes the connection,
// since the rest of the body is not read.
func refuse(w http.ResponseWriter, e *job.Error) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Connection", "close")
	w.WriteHeader(e.Reason.Status())
	_ = json.NewEncoder(w).Encode(struct {
		Message string     `json:"message"`
		Code    job.Reason `json:"error_code"`
		Status  string     `json:"status"`
	}{e.Message, e.Reason, "error"})
}
