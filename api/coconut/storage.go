package coconut

import (
	"fmt"
	"slices"
	"strings"

	"github.com/copra-video/copra/job"
)

// storage decodes the storage. It is nil when it is absent or empty and no output
// needs one.
func (d *decoder) storage(v *value, needed bool, misspelt string) *job.Storage {
	if v == nil || v.isHash() && len(v.members) == 0 {
		if !needed {
			return nil
		}
		if v == nil {
			d.refuse(job.StorageNotValid, "The job 'storage' is not a valid object%s.", misspelt)
		} else {
			d.refuse(job.StorageServiceNotValid, "The storage 'service' is missing: expected one of %s, or a 'url'.", strings.Join(serviceNames(false), ", "))
		}
		return nil
	}
	if !v.isHash() {
		d.refuse(job.StorageNotValid, "The job 'storage' is not a valid object.")
		return nil
	}
	h := d.section("storage", job.StorageNotValid, v)
	if s := h.get("service"); (s == nil || blank(s)) && h.get("url") != nil {
		return h.urlStorage()
	}
	row, ok := h.service(false)
	if !ok {
		return nil
	}
	s := h.bucket(row, "storage")
	for _, n := range row.needs {
		h.need(n)
	}
	s.Path = h.path("path")
	s.Secure = h.optionalBool("secure")
	if row.acls != nil {
		s.ACL = h.oneOf("acl", "", row.acls...)
	}
	if row.classes != nil {
		s.StorageClass = h.oneOf("storage_class", "", row.classes...)
	}
	s.Expires = h.word("expires")
	s.CacheControl = h.word("cache_control")
	return s
}

// service reads 'service' and returns its row.
func (h hash) service(input bool) (service, bool) {
	names := strings.Join(serviceNames(input), ", ")
	v := h.get("service")
	if v == nil || blank(v) {
		h.d.refuse(job.StorageServiceNotValid, "%s is missing: expected one of %s, or a 'url'%s.", h.subject("service"), names, h.v.misspelt("service"))
		return service{}, false
	}
	row, ok := findService(strings.ToLower(strings.TrimSpace(v.text)))
	if !ok || input && row.noInput {
		h.d.refuse(job.StorageServiceNotValid, "%s is not valid: got %s, expected one of %s.", h.subject("service"), v.describe(), names)
		return service{}, false
	}
	return row, true
}

// bucket reads the members that storages and inputs have in common. It checks the
// credentials first: a client without its environment variables sends all members
// empty, and the credentials are the most useful error then.
func (h hash) bucket(row service, section string) *job.Storage {
	s := &job.Storage{Service: row.name, Credentials: h.credentials(row, section)}
	if row.target != "" {
		if s.Bucket = h.word(row.target); s.Bucket == "" {
			h.refuse(row.target, "the name of the "+row.target)
		}
		if strings.ContainsAny(s.Bucket, "/\\?#") {
			h.refuse(row.target, "a name without slashes")
		}
	}
	s.Region = h.word("region")
	if strings.ContainsAny(s.Region, "/\\?#@: ") {
		h.refuse("region", "the name of a region, such as us-east-1")
	}
	if row.name != job.ServiceBuiltIn {
		s.Endpoint = h.endpoint()
	}
	s.ForcePathStyle = h.optionalBool("force_path_style")
	for _, name := range row.options {
		if o := h.word(name); o != "" {
			if s.Options == nil {
				s.Options = map[string]string{}
			}
			s.Options[name] = o
		}
	}
	return s
}

// endpoint reads an endpoint, which may have no scheme.
func (h hash) endpoint() string {
	text := h.word("endpoint")
	if text == "" {
		return ""
	}
	if !strings.Contains(text, "://") {
		text = "https://" + text
	}
	if fault := urlFault(text, []string{"http", "https"}); fault != "" || strings.ContainsAny(text, "?#@") {
		h.d.refuse(h.reason, "%s is not valid: got %s, expected an http or https URL.", h.subject("endpoint"), quote(redactURL(text)))
		return ""
	}
	return strings.TrimRight(text, "/")
}

// need refuses a request without any of the members "a|b".
func (h hash) need(names string) {
	list := strings.Split(names, "|")
	for _, n := range list {
		if h.str(n) != "" {
			return
		}
	}
	h.d.refuse(h.reason, "%s is missing: the service %s needs it%s.", h.subject(strings.Join(list, "' or '")), quote(h.word("service")), h.v.misspelt(list...))
}

func (h hash) credentials(row service, section string) map[string]job.Secret {
	if len(row.credentials) == 0 {
		return nil
	}
	names := make([]string, len(row.credentials))
	for i, n := range row.credentials {
		names[i], _, _ = strings.Cut(n, "|")
	}
	if v := h.get("credentials").get(row.alternative); row.alternative != "" && v != nil {
		text := v.text
		if v.kind == kindHash {
			text = string(v.raw)
		}
		if strings.TrimSpace(text) != "" {
			return map[string]job.Secret{row.alternative: job.NewSecret(text)}
		}
	}
	found := h.get("credentials").secrets(row.credentials)
	for _, n := range names {
		if found[n].IsZero() {
			h.d.refuse(job.StorageCredentialsNotValid, "The %s credentials are not correct, you must define your %s.", section, quoted(names))
			return nil
		}
	}
	for n, s := range h.get("credentials").secrets(row.optional) {
		found[n] = s
	}
	return found
}

// secrets returns the members that are non-empty strings or numbers, by name. A name
// is "a" or "a|b", see service.
func (v *value) secrets(names []string) map[string]job.Secret {
	found := map[string]job.Secret{}
	for _, alternatives := range names {
		list := strings.Split(alternatives, "|")
		for _, n := range list {
			m := v.get(n)
			if m == nil || m.kind != kindString && m.kind != kindNumber {
				continue
			}
			if text := strings.TrimSpace(m.text); text != "" && found[list[0]].IsZero() {
				found[list[0]] = job.NewSecret(text)
			}
		}
	}
	return found
}

// quoted returns "'a', 'b' and 'c'".
func quoted(names []string) string {
	q := slices.Clone(names)
	for i := range q {
		q[i] = "'" + q[i] + "'"
	}
	if len(q) < 2 {
		return strings.Join(q, "")
	}
	return fmt.Sprintf("%s and %s", strings.Join(q[:len(q)-1], ", "), q[len(q)-1])
}

func (h hash) urlStorage() *job.Storage {
	s := &job.Storage{Service: job.ServiceURL, URL: h.url("url", uploadSchemes...), Path: h.path("path")}
	if s.URL.IsZero() {
		h.refuse("url", "an absolute URL with one of the schemes "+strings.Join(uploadSchemes, ", "))
	}
	s.PublicHost = h.word("public_host")
	// For SFTP: a private key to log in with, and the expected key of the server.
	if found := h.get("credentials").secrets(sshKeys); len(found) > 0 {
		s.Credentials = found
	}
	if pin := h.word("host_key"); pin != "" {
		s.Options = map[string]string{"host_key": pin}
	}
	return s
}
