package remote

import (
	"encoding/xml"
	"net/url"
	"strings"

	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
)

// Address is the location that the URL of a storage or an output names.
type Address struct {
	URL  *url.URL // without user info
	User *url.Userinfo
	// Exact is set when the URL names the file itself. Keys are not appended to
	// it then.
	Exact bool
	// Public is the public_host, the base of the addresses of files. "" means
	// the URL itself.
	Public string
}

// ParseAddress reads the URL of st. Its errors do not repeat the URL, which may
// hold credentials.
func ParseAddress(st *job.Storage, exact bool) (Address, error) {
	u, err := url.Parse(strings.TrimSpace(st.URL.Reveal()))
	if err != nil || u.Scheme == "" || u.Hostname() == "" {
		return Address{}, job.Errorf(job.StorageNotValid, "The 'url' of the storage or output is not a valid URL.")
	}
	a := Address{URL: u, User: u.User, Exact: exact, Public: st.PublicHost}
	u.User, u.Fragment, u.RawFragment = nil, "", ""
	if a.Public != "" && !strings.Contains(a.Public, "://") {
		a.Public = "https://" + a.Public
	}
	a.Public = strings.TrimRight(a.Public, "/")
	return a, nil
}

// Path is the escaped path of the file for key.
func (a Address) Path(key string) string {
	if a.Exact {
		return a.URL.EscapedPath()
	}
	return strings.TrimRight(a.URL.EscapedPath(), "/") + "/" + storage.EscapeKey(key)
}

// Reported is the address of key for clients. It leaves out user info and query,
// which may be credentials.
func (a Address) Reported(key string) string {
	if a.Public != "" && !a.Exact {
		return a.Public + "/" + storage.EscapeKey(key)
	}
	return a.URL.Scheme + "://" + a.URL.Host + a.Path(key)
}

// XMLCode reads the error code from an answer of the S3 family or Azure.
func XMLCode(_ int, body []byte) string {
	var answer struct {
		Code string `xml:"Code"`
	}
	if xml.Unmarshal(body, &answer) != nil {
		return ""
	}
	return answer.Code
}
