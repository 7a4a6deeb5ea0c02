package console

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"

	"github.com/copra-video/copra/api/preview"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/transcode"
)

// maxRequest is the largest request in bytes, as in the API.
const maxRequest = 1 << 20

// builderData is what the request builder begins with.
type builderData struct {
	Request   string
	Problem   string
	PublicURL string
	Receiver  string    // the test receiver, without the status
	Languages []string  // of code.mjs
	Keys      []job.Key // an operator chooses to which one the job will belong
}

// languages are those of code.mjs, in the order of the page.
var languages = []string{"curl", "PHP", "Ruby", "Node", "Python", "Go"}

// firstRequest is the request of an empty builder.
const firstRequest = `{
  "input": {"url": "https://example.com/video.mov"},
  "storage": {"service": "coconut"},
  "outputs": {
    "mp4:720p": {"path": "/720p.mp4"},
    "jpg:320x": {"path": "/thumbs/%03d.jpg", "interval": 2, "sprite": {"limit": 100, "columns": 10}, "vtt": {"filename": "thumbs"}},
    "httpstream": {"hls": {"path": "/hls"}}
  }
}
`

func (c *console) builderPage(w http.ResponseWriter, r *http.Request, v viewer) error {
	return c.showBuilder(w, r, v, http.StatusOK, builderData{Request: firstRequest})
}

func (c *console) showBuilder(w http.ResponseWriter, r *http.Request, v viewer, status int, d builderData) error {
	d.PublicURL, d.Receiver, d.Languages = c.PublicURL, c.PublicURL+ReceiverPath, languages
	if v.Operator {
		keys, err := c.Store.ListKeys(r.Context())
		if err != nil {
			return err
		}
		for _, k := range keys {
			if k.RevokedAt.IsZero() {
				d.Keys = append(d.Keys, k)
			}
		}
	}
	c.show(w, r, status, "builder", v, "New job", d)
	return nil
}

// createJob makes a job of the form of the builder. A refused request is shown again with the
// reason.
func (c *console) createJob(w http.ResponseWriter, r *http.Request, v viewer) error {
	r.Body = http.MaxBytesReader(w, r.Body, 3*maxRequest) // a form is percent-encoded
	request := r.PostFormValue("request")
	keyID := v.Scope
	if v.Operator {
		keyID = r.PostFormValue("key")
		if err := c.validKey(r, keyID); err != nil {
			return err
		}
	}
	err := c.create(w, r, []byte(request), keyID)
	if e, ok := errors.AsType[*job.Error](err); ok && e.Reason.Status() != 0 {
		return c.showBuilder(w, r, v, e.Reason.Status(), builderData{Request: request, Problem: e.Message})
	}
	return err
}

// validKey reports whether an operator may make jobs for a key.
func (c *console) validKey(r *http.Request, id string) error {
	keys, err := c.Store.ListKeys(r.Context())
	if err != nil {
		return err
	}
	for _, k := range keys {
		if k.ID == id && k.RevokedAt.IsZero() {
			return nil
		}
	}
	return job.Errorf(job.QueryNotValid, "Choose the API key that the job will belong to.")
}

// validate checks a request while it is typed, with the decoder and the
// planner of the API.
func (c *console) validate(w http.ResponseWriter, r *http.Request, _ viewer) error {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxRequest))
	if err != nil {
		return job.Errorf(job.ConfigNotValid, "The request is too large: at most %d bytes are accepted.", maxRequest)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	return json.NewEncoder(w).Encode(preview.Of(body, preview.DefaultInput, transcode.Options{}))
}
