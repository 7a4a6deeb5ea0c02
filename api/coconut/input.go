package coconut

import (
	"cmp"
	"strings"

	"github.com/copra-video/copra/job"
)

// inputSchemes are the schemes that the URL of an input may have.
var inputSchemes = []string{"http", "https", "ftp", "ftps", "sftp"}

// input decodes the input. Unknown members are ignored: clients send their storage
// hash again, with a key.
func (d *decoder) input(v *value, misspelt string) job.Input {
	if !v.isHash() || len(v.members) == 0 {
		// The test suites of clients compare this message.
		d.refuse(job.InputNotValid, "The job 'input' is not a valid object%s.", misspelt)
		return job.Input{}
	}
	return d.location("input", v)
}

// location decodes where an input is. name is that of the member of the job.
func (d *decoder) location(name string, v *value) job.Input {
	h := d.section(name, job.InputNotValid, v)
	service := h.get("service")
	hasService := service != nil && !blank(service)
	if u := h.get("url"); u != nil && !(blank(u) && hasService) {
		h.reason = job.InputURLNotValid
		in := job.Input{URL: h.url("url", inputSchemes...)}
		if in.URL.IsZero() {
			h.refuse("url", "an absolute "+strings.Join(inputSchemes, ", ")+" URL")
		}
		return in
	}
	if !hasService {
		d.refuse(job.InputNotValid, "The job '%s' is not valid: it has no 'url', and no 'service' with a 'bucket' and a 'key'%s.", name, cmp.Or(v.misspelt("url"), v.misspelt("service")))
		return job.Input{}
	}
	row, ok := h.service(true)
	if !ok {
		return job.Input{}
	}
	in := job.Input{Storage: h.bucket(row, "input")}
	for _, n := range row.input {
		h.need(n)
	}
	in.Key = h.key()
	return in
}

// key reads the key of an object. Coconut's documentation writes it with a leading
// slash, which is not part of the key. A segment such as ".." is allowed, because
// it has no meaning in a bucket.
func (h hash) key() string {
	v := h.get("key")
	if v == nil || v.kind != kindString && v.kind != kindNumber {
		h.refuse("key", "the key of an object in the bucket")
		return ""
	}
	key := strings.TrimPrefix(v.text, "/")
	if key == "" || len(key) > maxPath || hasControl(key) {
		h.refuse("key", "the key of an object in the bucket, without control characters")
	}
	return key
}
