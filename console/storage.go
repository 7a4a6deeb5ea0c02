package console

import (
	"errors"
	"net/http"
	"strings"

	"github.com/copra-video/copra/api/coconut"
	"github.com/copra-video/copra/job"
)

// storageData is what the page of the storage check shows. What was sent is not shown
// again: it holds credentials.
type storageData struct {
	Request string
	Kinds   []storageKind
	Problem string
	Code    job.Reason
	Found   *job.StorageCheck
}

// storageKind is an example of a storage.
type storageKind struct{ Name, Request string }

// storageKinds are the examples, the first of which the page begins with.
var storageKinds = []storageKind{
	{"Amazon S3", storageExample(`"service": "s3", "bucket": "BUCKET", "region": "us-east-1", "path": "/"`, `"access_key_id": "", "secret_access_key": ""`)},
	{"Cloudflare R2", storageExample(`"service": "r2", "account_id": "ACCOUNT", "bucket": "BUCKET", "path": "/"`, `"access_key_id": "", "secret_access_key": ""`)},
	{"MinIO and other S3", storageExample(`"service": "s3other", "endpoint": "https://s3.example.com", "bucket": "BUCKET", "path": "/"`, `"access_key_id": "", "secret_access_key": ""`)},
	{"Google Cloud", storageExample(`"service": "gcs", "bucket": "BUCKET", "path": "/"`, `"access_key_id": "", "secret_access_key": ""`)},
	{"Azure", storageExample(`"service": "azure", "container": "CONTAINER", "path": "/"`, `"account": "", "api_key": ""`)},
	{"Backblaze B2", storageExample(`"service": "backblaze", "bucket_id": "BUCKET", "path": "/"`, `"account_id": "", "app_key_id": "", "app_key": ""`)},
	{"SFTP or FTP", "{\n  \"storage\": {\n    \"url\": \"sftp://USER:PASSWORD@example.com/folder\", \"path\": \"/\"\n  }\n}\n"},
	{"Built-in", "{\n  \"storage\": {\"service\": \"coconut\"}\n}\n"},
}

func storageExample(members, credentials string) string {
	return "{\n  \"storage\": {\n    " + members + ",\n    \"credentials\": {" + credentials + "}\n  }\n}\n"
}

func (c *console) storagePage(w http.ResponseWriter, r *http.Request, v viewer) error {
	return c.showStorage(w, r, v, http.StatusOK, storageData{})
}

func (c *console) showStorage(w http.ResponseWriter, r *http.Request, v viewer, status int, d storageData) error {
	if c.CheckStorage == nil {
		return job.ErrNotFound
	}
	d.Kinds, d.Request = storageKinds, storageKinds[0].Request
	c.show(w, r, status, "storage", v, "Storage", d)
	return nil
}

// tryStorage tries out the storage of the form. The script of the page takes the element
// with the answer and leaves the form as it is.
func (c *console) tryStorage(w http.ResponseWriter, r *http.Request, v viewer) error {
	if c.CheckStorage == nil {
		return job.ErrNotFound
	}
	r.Body = http.MaxBytesReader(w, r.Body, 3*maxRequest) // a form is percent-encoded
	st, err := coconut.DecodeStorage([]byte(strings.TrimSpace(r.PostFormValue("request"))))
	var found job.StorageCheck
	if err == nil {
		found, err = c.CheckStorage(r.Context(), st)
	}
	if e, ok := errors.AsType[*job.Error](err); ok && e.Reason.Status() != 0 {
		return c.showStorage(w, r, v, e.Reason.Status(), storageData{Problem: e.Message, Code: e.Reason})
	}
	if err != nil {
		return err
	}
	return c.showStorage(w, r, v, http.StatusOK, storageData{Found: &found})
}
