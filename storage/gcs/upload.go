package gcs

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/remote"
)

// upload is one resumable upload.
type upload struct {
	b       *Bucket
	key     string
	body    storage.Body
	opts    storage.PutOptions
	session string // its URL is a credential; "" before the upload begins
	offset  int64  // how much the service has
}

// try begins or resumes the upload, and sends the rest.
func (u *upload) try(ctx context.Context) error {
	if u.session == "" {
		if err := u.begin(ctx); err != nil {
			return err
		}
	} else if done, err := u.resume(ctx); done || err != nil {
		return err
	}
	size := u.body.Size()
	r, err := u.request(ctx)
	if err != nil {
		return err
	}
	remote.SetBody(r, storage.Section(u.body, u.offset, size-u.offset), size-u.offset)
	if size > 0 {
		r.Header.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", u.offset, size-1, size))
	}
	_, _, err = u.b.client.Once(r)
	return u.lost(err)
}

// begin opens a session.
func (u *upload) begin(ctx context.Context) error {
	q := url.Values{"uploadType": {"resumable"}, "name": {u.key}}
	if u.b.acl != "" {
		q.Set("predefinedAcl", u.b.acl)
	}
	meta, err := json.Marshal(object{u.opts.ContentType, u.b.st.CacheControl, u.b.st.StorageClass})
	if err != nil {
		return fmt.Errorf("encode object: %w", err)
	}
	header := http.Header{}
	header.Set("Content-Type", "application/json; charset=UTF-8")
	header.Set("X-Upload-Content-Length", strconv.FormatInt(u.body.Size(), 10))
	if u.opts.ContentType != "" {
		header.Set("X-Upload-Content-Type", u.opts.ContentType)
	}
	answer, _, err := u.b.do(ctx, http.MethodPost, "/upload/storage/v1/b/"+url.PathEscape(u.b.name)+"/o?"+q.Encode(), header, meta)
	if err != nil {
		return err
	}
	u.offset = 0
	if u.session = answer.Get("Location"); u.session == "" {
		return u.b.client.Peer.Refused("%[1]s opened no upload (%[3]s).", "no Location")
	}
	return nil
}

type object struct {
	ContentType  string `json:"contentType,omitempty"`
	CacheControl string `json:"cacheControl,omitempty"`
	StorageClass string `json:"storageClass,omitempty"`
}

// resume asks how much the service has. done reports that it has everything and
// the object exists.
func (u *upload) resume(ctx context.Context) (done bool, err error) {
	r, err := u.request(ctx)
	if err != nil {
		return false, err
	}
	r.ContentLength = 0
	r.Header.Set("Content-Range", fmt.Sprintf("bytes */%d", u.body.Size()))
	answer, _, err := u.b.client.Once(r)
	if err == nil {
		return true, nil
	}
	if !remote.IsStatus(err, http.StatusPermanentRedirect) {
		return false, u.lost(err)
	}
	u.offset = 0
	if _, last, ok := strings.Cut(answer.Get("Range"), "-"); ok {
		n, err := strconv.ParseInt(last, 10, 64)
		if err != nil || n < 0 || n >= u.body.Size() {
			return false, u.b.client.Peer.Refused("%[1]s tells nonsense about an upload (%[3]s).", "Range")
		}
		u.offset = n + 1
	}
	return false, nil
}

// lost turns the loss of a session into an error after which the upload begins
// again.
func (u *upload) lost(err error) error {
	if remote.IsStatus(err, http.StatusNotFound) || remote.IsStatus(err, http.StatusGone) {
		u.session, u.offset = "", 0
		return &storage.Unavailable{Message: fmt.Sprintf("%s lost an upload.", u.b.client.Peer.Sentence), Cause: err}
	}
	if remote.IsStatus(err, http.StatusPermanentRedirect) {
		return &storage.Unavailable{Message: fmt.Sprintf("%s took only a part of an upload.", u.b.client.Peer.Sentence), Cause: err}
	}
	return err
}

func (u *upload) request(ctx context.Context) (*http.Request, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, u.session, http.NoBody)
	if err != nil {
		return nil, job.Errorf(job.StorageRefused, "%s opened an upload at no valid address.", u.b.client.Peer.Sentence)
	}
	return r, nil
}
