package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"time"
)

// askFirst is the size from which an upload waits for the server's consent
// (Expect: 100-continue): a server that refuses does so before the body is
// sent.
const askFirst = 1 << 20

// UploadAddress is where uploads by the tus protocol can be begun without an API key.
type UploadAddress struct {
	URL       string    `json:"url"`
	ExpiresAt time.Time `json:"expires_at"`
}

func (a *UploadAddress) check() error {
	if a.URL == "" {
		return errors.New("it is not an address for uploads")
	}
	return nil
}

// SignUpload makes an address to which whoever has it can upload files with a tus
// client until it expires. 0 is the server's default, an hour; a day is the most.
func (c *Client) SignUpload(ctx context.Context, life time.Duration) (*UploadAddress, error) {
	body, err := json.Marshal(map[string]float64{"expires_in": life.Seconds()})
	if err != nil {
		return nil, fmt.Errorf("sign upload: %w", err)
	}
	return decode[UploadAddress](ctx, c, call{do: "sign upload", method: http.MethodPost, path: "/v2/uploads", body: body, want: http.StatusCreated, repeat: true})
}

// Upload sends size bytes of r to be the input of a job, and returns the URL
// that the job names as its input. A negative size means all that r has. The
// name tells the type of the file by its extension. The server keeps the file
// for 24 hours.
//
// The upload is sent once. r is not closed, and not read any more when Upload
// has returned, unless ctx ended while r did not answer.
func (c *Client) Upload(ctx context.Context, name string, r io.Reader, size int64) (string, error) {
	if size == 0 {
		return c.upload(ctx, name, http.NoBody, 0) // a length of 0 with a body would mean that it is not known
	}
	// The transport waits for a read that is under way even when ctx has ended,
	// and may go on reading after the answer. So it gets one end of a pipe.
	body, lent := io.Pipe()
	returned := make(chan struct{})
	go func() {
		defer close(returned)
		_, err := io.Copy(lent, r)
		lent.CloseWithError(err) // nil is the end of the file
	}()
	stop := context.AfterFunc(ctx, func() { body.CloseWithError(context.Cause(ctx)) })
	defer stop()
	url, err := c.upload(ctx, name, body, size)
	body.CloseWithError(errTakenBack)
	select {
	case <-returned:
	case <-ctx.Done():
	}
	return url, err
}

// errTakenBack is for a reader of an upload that has ended.
var errTakenBack = errors.New("the upload has ended")

func (c *Client) upload(ctx context.Context, name string, body io.Reader, size int64) (string, error) {
	const do = "upload"
	switch name {
	case "", ".", "..":
		return "", fmt.Errorf("%s: %q is not the name of a file", do, name)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPut, c.base+"/v2/uploads/"+url.PathEscape(name), body)
	if err != nil {
		return "", fmt.Errorf("%s: make request: %w", do, err)
	}
	req.ContentLength = size
	c.prepare(req, call{})
	req.Header.Set("Content-Type", "application/octet-stream")
	if size < 0 || size >= askFirst {
		req.Header.Set("Expect", "100-continue")
	}
	resp, err := c.api.Do(req)
	if ctx.Err() != nil && err != nil {
		err = context.Cause(ctx) // else it may be what the end of ctx did to the body
	}
	if err != nil {
		return "", fmt.Errorf("%s: %w", do, err)
	}
	defer resp.Body.Close()
	var answer struct{ URL string }
	if err := c.read(resp, http.StatusCreated, &answer); err != nil {
		return "", fmt.Errorf("%s: %w", do, err)
	}
	if answer.URL == "" {
		return "", fmt.Errorf("%s: the server's answer has no URL", do)
	}
	return answer.URL, nil
}

// UploadFile uploads a local file under its own name.
func (c *Client) UploadFile(ctx context.Context, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("upload: %w", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("upload: %w", err)
	}
	switch {
	case st.IsDir():
		return "", fmt.Errorf("upload: %s is a folder", path)
	case !st.Mode().IsRegular():
		return c.Upload(ctx, filepath.Base(path), f, -1) // a pipe or a device has no size
	}
	if st.Size() == 0 {
		return c.upload(ctx, filepath.Base(path), http.NoBody, 0)
	}
	return c.upload(ctx, filepath.Base(path), f, st.Size())
}

// Download writes the file at a URL that the server has given, such as that of
// an output, to w and returns how many bytes it has. The API key is not sent:
// the file may be in a storage of another. The error does not show the URL,
// which may be signed.
func (c *Client) Download(ctx context.Context, rawURL string, w io.Writer) (int64, error) {
	const do = "download"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, rawURL, nil)
	if err != nil {
		return 0, fmt.Errorf("%s: the address is not a URL", do)
	}
	req.Header.Set("User-Agent", c.userAgent)
	resp, err := c.files.Do(req)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", do, withoutURL(err))
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("%s: %w", do, c.errorOf(resp, nil))
	}
	n, err := io.Copy(w, resp.Body)
	if err != nil {
		return n, fmt.Errorf("%s: %w", do, err)
	}
	return n, nil
}

func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
