package server

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/copra-video/copra/console"
	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/storage/local"
)

// ownAddress reaches some of the server's own addresses without the network guard, and from
// this process where it serves them: its public address may not be reachable from here.
type ownAddress struct {
	public           string
	own              string // address of the listener of this process; "": it serves none
	is               func(address string) bool
	trusted, guarded http.RoundTripper
}

// reach lets a client of the guard reach those addresses of the server for which is holds.
func (s *Server) reach(c *http.Client, is func(address string) bool) *http.Client {
	own := ""
	if s.listener != nil {
		own = localURL(s.listener)
	}
	c.Transport = &ownAddress{public: s.settings.PublicURL, own: own, is: is,
		trusted: netguard.TrustedClient(netguard.Options{MaxRedirects: netguard.NoRedirects}).Transport, guarded: c.Transport}
	return c
}

// inOwnStorage reports whether an address is that of a result in the built-in storage.
func (s *Server) inOwnStorage(address string) bool {
	return s.settings.PublicURL != "" && strings.HasPrefix(address, s.settings.PublicURL+local.Prefix)
}

// isReceiver reports whether an address is that of the console's test receiver.
func (s *Server) isReceiver(address string) bool {
	return console.IsReceiver(address, s.settings.PublicURL)
}

// RoundTrip implements http.RoundTripper.
func (o *ownAddress) RoundTrip(r *http.Request) (*http.Response, error) {
	if !o.is(r.URL.String()) {
		return o.guarded.RoundTrip(r)
	}
	if o.own == "" {
		return o.trusted.RoundTrip(r)
	}
	u, err := url.Parse(o.own + strings.TrimPrefix(r.URL.String(), o.public))
	if err != nil {
		return nil, fmt.Errorf("reach %s: %w", r.URL.Redacted(), err)
	}
	own := r.Clone(r.Context())
	own.URL, own.Host = u, ""
	resp, err := o.trusted.RoundTrip(own)
	if resp != nil {
		resp.Request = r
	}
	return resp, err
}
