package coconut

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"github.com/copra-video/copra/job"
)

const (
	maxPath = 1024 // bytes of a path or key, the limit of S3
	maxURL  = 8192 // bytes
)

func hasControl(s string) bool { return strings.ContainsFunc(s, unicode.IsControl) }

// pathFault returns what is expected of a path that is invalid, "" for a valid one.
func pathFault(p string) string {
	switch {
	case len(p) > maxPath:
		return "at most " + strconv.Itoa(maxPath) + " bytes"
	case hasControl(p):
		return "a path without control characters"
	}
	for _, segment := range strings.FieldsFunc(p, func(r rune) bool { return r == '/' || r == '\\' }) {
		if segment == ".." {
			return "a path without '..' segments"
		}
	}
	return ""
}

// path returns a member that is a path. It may be empty.
func (h hash) path(name string) string {
	v := h.get(name)
	if v == nil || v.kind == kindDeferred {
		return ""
	}
	if v.kind != kindString {
		h.refuse(name, "a path as a string")
		return ""
	}
	if fault := pathFault(v.text); fault != "" {
		h.refuse(name, fault)
		return ""
	}
	return v.text
}

// folder joins folders into one with a leading and no trailing slash, so that a file
// is folder + "/" + name. The root is "".
func folder(parts ...string) string {
	joined := ""
	for _, p := range parts {
		if p = strings.Trim(p, "/"); p != "" {
			joined += "/" + p
		}
	}
	return joined
}

// hasSequence reports whether a path has a variable for the number of a picture:
// %d, %2d, %02d, %.2d or #num#.
func hasSequence(p string) bool {
	if strings.Contains(p, "#num#") {
		return true
	}
	for rest := p; ; {
		i := strings.IndexByte(rest, '%')
		if i < 0 {
			return false
		}
		rest = rest[i+1:]
		if verb := strings.TrimLeft(rest, ".0123456789"); len(rest)-len(verb) <= 4 && strings.HasPrefix(verb, "d") {
			return true
		}
	}
}

// url returns a member that is an absolute URL with one of the schemes. It may be
// empty.
func (h hash) url(name string, schemes ...string) job.Secret {
	v := h.get(name)
	if v == nil || v.kind == kindDeferred {
		return job.Secret{}
	}
	want := "an absolute " + strings.Join(schemes, ", ") + " URL"
	if v.kind != kindString {
		h.refuse(name, want)
		return job.Secret{}
	}
	text := strings.TrimSpace(v.text)
	if text == "" {
		return job.Secret{}
	}
	if fault := urlFault(text, schemes); fault != "" {
		h.d.refuse(h.reason, "%s is not valid: %s %s, expected %s.", h.subject(name), quote(redactURL(text)), fault, want)
		return job.Secret{}
	}
	return job.NewSecret(text)
}

// urlFault returns what is wrong with the syntax of a URL, "" for a valid one. The
// host is checked only when it is dialled.
func urlFault(text string, schemes []string) string {
	if len(text) > maxURL {
		return "is longer than " + strconv.Itoa(maxURL) + " bytes"
	}
	if hasControl(text) {
		return "holds control characters"
	}
	u, err := url.Parse(text)
	if err != nil {
		return "is not a URL" // err may quote credentials
	}
	if u.Scheme == "" || u.Opaque != "" {
		return "is not an absolute URL"
	}
	if !slices.Contains(schemes, u.Scheme) { // url.Parse returns it in lower case
		return "has the scheme '" + shorten(u.Scheme) + "'"
	}
	if u.Hostname() == "" {
		return "has no host"
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return "has no valid port"
		}
	}
	return ""
}

// redactURL removes the parts of a URL that may be secret: user info, query and
// fragment. The URL may be invalid.
func redactURL(s string) string {
	s, _, _ = strings.Cut(s, "?")
	s, _, _ = strings.Cut(s, "#")
	if i := strings.LastIndexByte(s, '@'); i >= 0 {
		scheme, _, ok := strings.Cut(s[:i], "://")
		if !ok {
			return s[i+1:]
		}
		return scheme + "://" + s[i+1:]
	}
	return s
}
