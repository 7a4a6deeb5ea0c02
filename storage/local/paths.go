package local

import (
	"net/url"
	"path"
	"strings"

	"golang.org/x/sys/unix"
)

// safePath reports whether p has no ".." and no characters that cause trouble in
// file systems or logs. The os.Root is what protects the rest of the disk; this
// check comes first for the sake of its message.
func safePath(p string) bool {
	for _, part := range strings.Split(p, "/") {
		if part == ".." || part == "." {
			return false
		}
	}
	return !strings.ContainsFunc(p, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\\' })
}

// escapePath percent-encodes each segment of p. It encodes "+" too, which some
// clients would read as a space.
func escapePath(p string) string {
	parts := strings.Split(p, "/")
	for i, part := range parts {
		parts[i] = strings.ReplaceAll(url.PathEscape(part), "+", "%2B")
	}
	return strings.Join(parts, "/")
}

// served returns the name below Dir for the path of a request. It returns ""
// unless the path is that of a result or an upload: the secret and unfinished
// files are never served.
func served(urlPath string) string {
	p, ok := strings.CutPrefix(urlPath, Prefix)
	if !ok || !safePath(p) || strings.HasSuffix(p, "/") {
		return ""
	}
	name := strings.TrimPrefix(path.Clean("/"+p), "/")
	parts := strings.Split(name, "/")
	switch {
	case len(parts) == 3 && parts[0] == uploadsDir && isHash(parts[1]):
		return name
	case len(parts) >= 4 && isNumber(parts[0]) && isNumber(parts[1]) && isHash(parts[2]):
		return name
	}
	return ""
}

func isNumber(s string) bool {
	return len(s) == 2 && strings.Trim(s, "0123456789") == ""
}

func freeBytes(dir string) (int64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, err
	}
	return int64(st.Bavail) * st.Bsize, nil
}
