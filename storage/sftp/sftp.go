// Package sftp stores and reads files over SSH.
//
// Host keys: a customer may pin the server's key with "host_key" in the storage
// or in the query of the URL. It is the SHA-256 fingerprint (as `ssh-keygen -lf`
// prints it) or a line of known_hosts. Then no other key is accepted. Without it
// any key is accepted, as with Coconut, and logged: a server that runs jobs of
// many customers does not know their hosts beforehand.
package sftp

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/url"
	"os"
	"path"
	"strings"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/copra-video/copra/internal/netguard"
	"github.com/copra-video/copra/internal/retry"
	"github.com/copra-video/copra/job"
	"github.com/copra-video/copra/storage"
	"github.com/copra-video/copra/storage/remote"
)

// HostKey is the option, and the parameter of a URL, that pins a host key.
const HostKey = "host_key"

// Options of a server.
type Options struct {
	// Dial opens connections. It is netguard's.
	Dial  remote.Dial
	Retry retry.Policy
	// Exact is set when the URL is that of one output. Keys are not appended to
	// it then.
	Exact bool
	// Log gets host keys that were accepted without a pin. Defaults to nothing.
	Log *slog.Logger
	// Idle is how long the server may be silent while it is expected to answer.
	// Defaults to remote.DefaultIdle.
	Idle time.Duration
}

// server is the address and the login.
type server struct {
	o       Options
	peer    remote.Peer
	address remote.Address
	host    string // with port
	auth    []ssh.AuthMethod
	hostKey string // pinned; "" for any
}

func parse(st *job.Storage, o Options) (*server, error) {
	if o.Idle == 0 {
		o.Idle = remote.DefaultIdle
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	a, err := remote.ParseAddress(st, o.Exact)
	if err != nil {
		return nil, err
	}
	s := &server{o: o, peer: remote.Host(a.URL.Hostname()), address: a, hostKey: st.Options[HostKey]}
	if strings.ContainsAny(a.URL.Path, "\x00\r\n") {
		return nil, job.Errorf(job.StorageNotValid, "The path of the sftp 'url' holds control characters.")
	}
	if pin := pinned(a.URL.RawQuery); pin != "" {
		s.hostKey = pin
	}
	port := a.URL.Port()
	if port == "" {
		port = "22"
	}
	s.host = net.JoinHostPort(a.URL.Hostname(), port)
	if a.User.Username() == "" {
		return nil, job.Errorf(job.StorageCredentialsNotValid, "The sftp 'url' has no user name: expected sftp://user:password@host/path.")
	}
	return s, s.methods(st)
}

// pinned reads the host key from a query. It does not decode "+", which base64
// uses, as a space.
func pinned(query string) string {
	q, err := url.ParseQuery(strings.ReplaceAll(query, "+", "%2B"))
	if err != nil {
		return ""
	}
	return q.Get(HostKey)
}

// methods are the ways to log in: a key before a password.
func (s *server) methods(st *job.Storage) error {
	if pem := st.Credentials["private_key"]; !pem.IsZero() {
		var signer ssh.Signer
		var err error
		if phrase := st.Credentials["passphrase"]; phrase.IsZero() {
			signer, err = ssh.ParsePrivateKey([]byte(pem.Reveal()))
		} else {
			signer, err = ssh.ParsePrivateKeyWithPassphrase([]byte(pem.Reveal()), []byte(phrase.Reveal()))
		}
		if err != nil {
			return job.Errorf(job.StorageCredentialsNotValid, "The storage credential 'private_key' is not a private key of SSH, or its 'passphrase' is missing or wrong.")
		}
		s.auth = append(s.auth, ssh.PublicKeys(signer))
	}
	if password, ok := s.address.User.Password(); ok {
		s.auth = append(s.auth, ssh.Password(password), ssh.KeyboardInteractive(
			func(_, _ string, questions []string, _ []bool) ([]string, error) {
				answers := make([]string, len(questions))
				for i := range answers {
					answers[i] = password
				}
				return answers, nil
			}))
	}
	return nil
}

// client is one connection.
type client struct {
	*sftp.Client
	ssh *ssh.Client
}

// Close closes the connection at once.
func (c *client) Close() error { return c.ssh.Close() }

// connect connects and logs in.
func (s *server) connect(ctx context.Context) (*client, error) {
	conn, err := s.o.Dial(ctx, "tcp", s.host)
	if err != nil {
		return nil, s.explain(err)
	}
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	watch := remote.NewWatch(s.o.Idle, func() { conn.Close() })
	c, err := s.handshake(conn)
	late := watch.Stop()
	if !stop() || late || err != nil {
		conn.Close()
	}
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if late {
		err = netguard.ErrStalled
	}
	if err != nil {
		return nil, s.explain(err)
	}
	return c, nil
}

func (s *server) handshake(conn net.Conn) (*client, error) {
	var refused error
	verified := false // the host key was checked, and the login follows
	config := &ssh.ClientConfig{
		User: s.address.User.Username(), Auth: s.auth, ClientVersion: "SSH-2.0-Copra",
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			refused = s.checkHostKey(key)
			verified = refused == nil
			return refused
		},
	}
	sc, channels, requests, err := ssh.NewClientConn(conn, s.host, config)
	if refused != nil {
		return nil, refused
	}
	if err != nil && verified && !disconnected(err) {
		return nil, errLogin
	}
	if err != nil {
		return nil, err
	}
	c := ssh.NewClient(sc, channels, requests)
	files, err := sftp.NewClient(c, sftp.UseConcurrentWrites(true))
	if err != nil {
		c.Close()
		return nil, err
	}
	return &client{files, c}, nil
}

// errLogin says that the server accepts none of our ways to log in. The ssh
// package has no error value for it, only a text.
var errLogin = errors.New("the server does not accept the login")

// disconnected reports whether err is a failure of the connection, not an answer
// of the server.
func disconnected(err error) bool {
	_, network := errors.AsType[net.Error](err)
	return network || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, net.ErrClosed)
}

func (s *server) checkHostKey(key ssh.PublicKey) error {
	fingerprint := ssh.FingerprintSHA256(key)
	if s.hostKey == "" {
		s.o.Log.Info("sftp: accepted an unknown host key", "host", s.host, "type", key.Type(), "fingerprint", fingerprint)
		return nil
	}
	blob := base64.StdEncoding.EncodeToString(key.Marshal())
	for _, word := range strings.Fields(s.hostKey) { // a fingerprint, or a line of known_hosts
		if bare := strings.TrimPrefix(strings.TrimRight(word, "="), "SHA256:"); word == blob || "SHA256:"+bare == fingerprint {
			return nil
		}
	}
	return job.Errorf(job.StorageRefused, "%s has another host key than the one that is pinned: it has %s.", s.peer.Sentence, fingerprint)
}

// explain turns an error into one with a message for the customer.
func (s *server) explain(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*storage.BodyError](err); ok {
		return s.peer.Explain(err)
	}
	status, isStatus := errors.AsType[*sftp.StatusError](err)
	_, algorithms := errors.AsType[*ssh.AlgorithmNegotiationError](err)
	switch {
	case errors.Is(err, errLogin):
		return job.Errorf(job.StorageCredentialsNotValid, "%s does not accept the user name, the password or the key.", s.peer.Sentence)
	case algorithms:
		return s.peer.Refused("%[1]s speaks no kind of SSH that this server knows (%[3]s).", "no common algorithm").WithCause(err)
	case errors.Is(err, os.ErrNotExist):
		return s.peer.Refused("The file or folder does not exist on %[2]s (%[3]s).", "SSH_FX_NO_SUCH_FILE")
	case errors.Is(err, os.ErrPermission):
		return s.peer.Refused("The user may not do this on %[2]s (%[3]s).", "SSH_FX_PERMISSION_DENIED")
	case errors.Is(err, sftp.ErrSSHFxConnectionLost), errors.Is(err, sftp.ErrSSHFxNoConnection):
		return s.peer.Explain(io.ErrUnexpectedEOF)
	case isStatus:
		return s.peer.Refused("%[1]s refused the request (%[3]s).", fmt.Sprintf("SSH_FX status %d", status.Code)).WithCause(err)
	}
	return s.peer.Explain(err)
}

// path is the path of key at the server. "/~/" at the start of the URL's path is
// the user's own folder.
func (s *server) path(key string) string {
	p := s.address.URL.Path
	if !s.address.Exact {
		p = strings.TrimRight(p, "/") + "/" + key
	}
	if home, ok := strings.CutPrefix(p, "/~/"); ok {
		return path.Clean(home)
	}
	return path.Clean(p)
}

// Bucket is a folder at a server. It implements storage.Deleter. All uploads
// share one connection, which Close closes.
type Bucket struct {
	*server
	mu   sync.Mutex
	conn *client
}

// Open makes a Bucket of the URL of st. It connects to nothing.
func Open(st *job.Storage, o Options) (*Bucket, error) {
	s, err := parse(st, o)
	if err != nil {
		return nil, err
	}
	return &Bucket{server: s}, nil
}

// Close ends the connection.
func (b *Bucket) Close() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conn == nil {
		return nil
	}
	err := b.conn.Close()
	b.conn = nil
	return err
}

// Check logs in.
func (b *Bucket) Check(ctx context.Context) error {
	return storage.Retry(ctx, b.o.Retry, func(ctx context.Context) error {
		_, err := b.get(ctx)
		return err
	})
}

// URL is the address of key, or that below the public_host.
func (b *Bucket) URL(key string) string { return b.address.Reported(key) }

// get returns the connection, and makes one if there is none.
func (b *Bucket) get(ctx context.Context) (*client, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conn != nil {
		return b.conn, nil
	}
	c, err := b.connect(ctx)
	if err != nil {
		return nil, err
	}
	b.conn = c
	return c, nil
}

// drop closes a connection that has failed.
func (b *Bucket) drop(c *client) {
	_ = c.Close()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.conn == c {
		b.conn = nil
	}
}

var _ storage.Deleter = (*Bucket)(nil)
