package client

import (
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
)

// Options configure a Client.
type Options struct {
	// BaseURL is the address of the server, such as http://localhost:8080/v2.
	// The /v2 at its end may be left out.
	BaseURL string
	// APIKey is sent as the user name of HTTP Basic authentication. Without it
	// only requests that need no key succeed, such as Health.
	APIKey string `json:"-"`
	// HTTPClient sends the requests. A Timeout in it also cuts uploads and event
	// streams; the latter reconnect. Unless it has a CheckRedirect of its own,
	// no redirect of the API is followed: the API has none, and a redirected
	// POST would become a GET. Defaults to one without a timeout: contexts bound
	// requests.
	HTTPClient *http.Client `json:"-"`
	// UserAgent defaults to "copra-go-client".
	UserAgent string
	// Attempts is how often a request is sent that may be repeated (see the
	// package documentation). Defaults to 4; 1 turns repeats off.
	Attempts int
}

const (
	defaultUserAgent = "copra-go-client"
	defaultAttempts  = 4
)

// Format prints the options without the API key, whatever the verb.
func (o Options) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, o.text()) // as fmt itself does
}

// LogValue logs the options without the API key.
func (o Options) LogValue() slog.Value { return slog.StringValue(o.text()) }

func (o Options) text() string {
	base := redacted // a URL that New refuses may hold a key
	if u, err := parseBase(o.BaseURL); err == nil {
		base = u
	}
	return fmt.Sprintf("client.Options{BaseURL: %s/v2, APIKey: %s}", base, redacted)
}

const redacted = "[redacted]"

// Client speaks to one Copra server with one API key.
type Client struct {
	base      string // without /v2
	userAgent string
	attempts  int
	api       *http.Client // follows no redirects
	files     *http.Client // as it was given
	// The key is only reachable through functions: fmt prints the address of a
	// function, also where a Client is an unexported field of another struct.
	authorize func(*http.Request)
	scrub     func(string) string // removes the key from a text

	timing timing
}

// New returns a client. It does not connect. The error says which option is not
// valid, without its value.
func New(o Options) (*Client, error) {
	base, err := parseBase(o.BaseURL)
	if err != nil {
		return nil, fmt.Errorf("make client: %w", err)
	}
	if strings.ContainsFunc(o.APIKey, func(c rune) bool { return c <= ' ' || c == ':' || c == 0x7f }) {
		// RFC 7617, section 2: a colon would end the user name.
		return nil, errors.New("make client: the API key holds a space, a colon or a control character")
	}
	if !printable(o.UserAgent) {
		return nil, errors.New("make client: the user agent may hold printable ASCII characters only")
	}
	c := &Client{
		base: base, userAgent: o.UserAgent, attempts: o.Attempts, timing: usualTiming,
		authorize: func(r *http.Request) {
			if o.APIKey != "" {
				r.SetBasicAuth(o.APIKey, "")
			}
		},
		scrub: scrubber(o.APIKey),
	}
	if c.userAgent == "" {
		c.userAgent = defaultUserAgent
	}
	if c.attempts < 1 {
		c.attempts = defaultAttempts
	}
	c.files = o.HTTPClient
	if c.files == nil {
		c.files = &http.Client{}
	}
	api := *c.files
	if api.CheckRedirect == nil {
		api.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	}
	c.api = &api
	return c, nil
}

// BaseURL returns the address of the API, which ends with /v2.
func (c *Client) BaseURL() string { return c.base + "/v2" }

// Format prints the client without the API key, whatever the verb.
func (c *Client) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, c.text()) // as fmt itself does
}

// LogValue logs the client without the API key.
func (c *Client) LogValue() slog.Value { return slog.StringValue(c.text()) }

func (c *Client) text() string {
	if c == nil {
		return "<nil>"
	}
	return fmt.Sprintf("client.Client{BaseURL: %s}", c.BaseURL())
}

// parseBase checks the base URL and returns it without /v2 and slashes at its
// end. The errors do not show it: people put keys where they do not belong.
func parseBase(text string) (string, error) {
	u, err := url.Parse(strings.TrimSpace(text))
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return "", errors.New("the base URL is not an absolute http or https URL")
	case u.User != nil:
		return "", errors.New("the base URL holds a user name; the API key belongs into Options.APIKey")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return "", errors.New("the base URL holds a query or a fragment")
	}
	path := strings.TrimSuffix(strings.TrimRight(u.EscapedPath(), "/"), "/v2")
	return u.Scheme + "://" + u.Host + strings.TrimRight(path, "/"), nil
}

// printable reports whether a text can be the value of a header as it is.
func printable(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c < ' ' || c > '~' })
}

// scrubber returns a function that removes an API key from a text, also as the
// header of HTTP Basic has it. Servers and proxies may echo what they got.
func scrubber(key string) func(string) string {
	if key == "" {
		return func(s string) string { return s }
	}
	r := http.Request{Header: http.Header{}}
	r.SetBasicAuth(key, "")
	_, basic, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	return strings.NewReplacer(basic, redacted, strings.TrimRight(basic, "="), redacted, key, redacted).Replace
}
