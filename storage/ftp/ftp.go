// Package ftp stores and reads files over FTP, plain (ftp) and with TLS (ftps).
// Connections are passive. Data connections go to the host of the control
// connection, whatever address the server names.
package ftp

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/textproto"
	"strings"
	"sync"
	"time"

	"github.com/jlaffaye/ftp"

	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/remote"
)

// Options of a server.
type Options struct {
	// Dial opens connections. It is netguard's.
	Dial  remote.Dial
	Retry retry.Policy
	// Exact is set when the URL is that of one output. Keys are not appended to
	// it then.
	Exact bool
	// TLS is the configuration for ftps. Defaults to the system's authorities.
	TLS *tls.Config
	// Idle is how long the server may be silent while it is expected to answer.
	// Defaults to remote.DefaultIdle.
	Idle time.Duration
}

// server is the address and the login.
type server struct {
	o              Options
	peer           remote.Peer
	address        remote.Address
	host           string // with port
	user, password string
	tls            *tls.Config // nil: plain

	mu       sync.Mutex
	explicit bool // TLS begins with AUTH TLS
}

func parse(st *job.Storage, o Options) (*server, error) {
	if o.Idle == 0 {
		o.Idle = remote.DefaultIdle
	}
	a, err := remote.ParseAddress(st, o.Exact)
	if err != nil {
		return nil, err
	}
	s := &server{o: o, peer: remote.Host(a.URL.Hostname()), address: a, user: "anonymous", password: "anonymous@"}
	if name := a.User.Username(); name != "" {
		s.user = name
		s.password, _ = a.User.Password()
	}
	if strings.ContainsAny(a.URL.Path+s.user+s.password, "\x00\r\n") {
		return nil, job.Errorf(job.StorageNotValid, "The ftp 'url' holds control characters.")
	}
	port := a.URL.Port()
	if a.URL.Scheme == "ftps" {
		s.tls = &tls.Config{MinVersion: tls.VersionTLS12}
		if o.TLS != nil {
			s.tls = o.TLS.Clone()
		}
		s.tls.ServerName = a.URL.Hostname()
		// Many servers accept data connections only on the TLS session of the
		// control connection.
		s.tls.ClientSessionCache = tls.NewLRUClientSessionCache(8)
		s.explicit = port == "21"
		if port == "" {
			port = "990"
		}
	}
	if port == "" {
		port = "21"
	}
	s.host = net.JoinHostPort(a.URL.Hostname(), port)
	return s, nil
}

// path is the path of key, below the folder of the login as usual for ftp URLs.
// A path that begins with "//" is absolute.
func (s *server) path(key string) string {
	p := s.address.URL.Path
	if !s.address.Exact {
		p = strings.TrimRight(p, "/") + "/" + key
	}
	return strings.TrimPrefix(p, "/")
}

// conn is a control connection after its login.
type conn struct {
	*ftp.ServerConn
	mu   sync.Mutex
	open []net.Conn // control and data
	ip   net.IP     // of the server
}

// Close closes all connections at once.
func (c *conn) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.open {
		_ = o.Close()
	}
	c.open = nil
	return nil
}

// connect connects and logs in. If the server answers a TLS handshake in plain
// text, connect tries again with AUTH TLS.
func (s *server) connect(ctx context.Context) (*conn, error) {
	s.mu.Lock()
	explicit := s.explicit
	s.mu.Unlock()
	c, err := s.login(ctx, explicit)
	if _, plain := errors.AsType[tls.RecordHeaderError](err); plain && s.tls != nil && !explicit {
		s.mu.Lock()
		s.explicit = true
		s.mu.Unlock()
		c, err = s.login(ctx, true)
	}
	if err != nil {
		return nil, s.explain(err)
	}
	return c, nil
}

func (s *server) login(ctx context.Context, explicit bool) (*conn, error) {
	c := &conn{}
	stop := context.AfterFunc(ctx, func() { c.Close() })
	options := []ftp.DialOption{
		ftp.DialWithDialFunc(func(_, addr string) (net.Conn, error) { return s.dial(ctx, c, addr, explicit) }),
		ftp.DialWithShutTimeout(s.o.Idle),
	}
	switch {
	case s.tls != nil && explicit:
		options = append(options, ftp.DialWithExplicitTLS(s.tls))
	case s.tls != nil:
		options = append(options, ftp.DialWithTLS(s.tls))
	}
	var err error
	c.ServerConn, err = ftp.Dial(s.host, options...)
	if err == nil {
		err = c.Login(s.user, s.password)
	}
	if !stop() {
		c.Close()
		return nil, context.Cause(ctx)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// dial opens the control connection, and later data connections: to the same
// address, only with another port.
func (s *server) dial(ctx context.Context, c *conn, addr string, explicit bool) (net.Conn, error) {
	control := c.ip == nil
	if !control {
		_, port, err := net.SplitHostPort(addr)
		if err != nil {
			return nil, err
		}
		addr = net.JoinHostPort(c.ip.String(), port)
		ctx = context.WithoutCancel(ctx) // ctx is that of the login; later the connection is closed instead
	}
	raw, err := s.o.Dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	if control {
		c.ip = raw.RemoteAddr().(*net.TCPAddr).IP //nolint:errcheck,forcetypeassert // a connection over TCP
	}
	var nc net.Conn = remote.IdleConn{Conn: raw, Idle: s.o.Idle}
	c.mu.Lock()
	c.open = append(c.open[:min(1, len(c.open))], raw) // at most one data connection at a time
	c.mu.Unlock()
	if s.tls != nil && (!control || !explicit) {
		nc = tls.Client(nc, s.tls)
	}
	return nc, nil
}

// explain turns an error into one with a message for the customer. Replies 4xx
// may pass.
func (s *server) explain(err error) error {
	answer, ok := errors.AsType[*textproto.Error](err)
	if _, body := errors.AsType[*storage.BodyError](err); !ok || body {
		if _, odd := errors.AsType[textproto.ProtocolError](err); odd {
			return s.peer.Refused("%[1]s does not speak FTP (%[3]s).", "no FTP reply")
		}
		return s.peer.Explain(err)
	}
	code := fmt.Sprintf("FTP %d", answer.Code)
	switch {
	case answer.Code == ftp.StatusNotLoggedIn:
		return job.Errorf(job.StorageCredentialsNotValid, "%s does not accept the user name or the password (%s).", s.peer.Sentence, code)
	case answer.Code/100 == 4:
		return &storage.Unavailable{Message: fmt.Sprintf("%s did not work (%s).", s.peer.Sentence, code), Cause: err}
	case answer.Code == ftp.StatusFileUnavailable, answer.Code == ftp.StatusBadFileName:
		return s.peer.Refused("The file or folder does not exist on %[2]s or may not be used (%[3]s).", code)
	case answer.Code == ftp.StatusExceededStorage:
		return s.peer.Refused("%[1]s has no more room for this user (%[3]s).", code)
	}
	return s.peer.Refused("%[1]s refused the request (%[3]s).", code)
}
