package sftp

import (
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"sync"
	"testing"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
)

// sshServer is an SSH server with the subsystem sftp over real files.
type sshServer struct {
	addr    string
	hostKey ssh.PublicKey
	config  *ssh.ServerConfig
	logins  sync.Map // methods that were used
	// handlers replaces the real files if set.
	handlers *sftp.Handlers
	mu       sync.Mutex
	conns    map[net.Conn]bool
	total    int
}

func startServer(t *testing.T, clientKey ssh.PublicKey) *sshServer {
	_, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	signer, err := ssh.NewSignerFromKey(private)
	if err != nil {
		t.Fatal(err)
	}
	s := &sshServer{hostKey: signer.PublicKey(), conns: map[net.Conn]bool{}}
	s.config = &ssh.ServerConfig{
		PasswordCallback: func(c ssh.ConnMetadata, password []byte) (*ssh.Permissions, error) {
			s.logins.Store("password", true)
			if c.User() == "us@er" && string(password) == "pa:ss" {
				return nil, nil
			}
			return nil, errors.New("no")
		},
		PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			if clientKey != nil && string(key.Marshal()) == string(clientKey.Marshal()) {
				s.logins.Store("key", true)
				return nil, nil
			}
			return nil, errors.New("no")
		},
	}
	s.config.AddHostKey(signer)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.addr = l.Addr().String()
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			s.mu.Lock()
			s.conns[c] = true
			s.total++
			s.mu.Unlock()
			wg.Go(func() { s.serve(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		s.cutAll()
		wg.Wait()
	})
	return s
}

// cutAll breaks all connections.
func (s *sshServer) cutAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		c.Close()
	}
}

func (s *sshServer) serve(c net.Conn) {
	defer func() {
		c.Close()
		s.mu.Lock()
		delete(s.conns, c)
		s.mu.Unlock()
	}()
	_, channels, requests, err := ssh.NewServerConn(c, s.config)
	if err != nil {
		return
	}
	go ssh.DiscardRequests(requests)
	var wg sync.WaitGroup
	defer wg.Wait()
	for ch := range channels {
		channel, requests, err := ch.Accept()
		if err != nil {
			return
		}
		go func() {
			for r := range requests {
				r.Reply(r.Type == "subsystem" && string(r.Payload[4:]) == "sftp", nil)
			}
		}()
		wg.Go(func() {
			defer channel.Close()
			if s.handlers != nil {
				sftp.NewRequestServer(channel, *s.handlers).Serve()
				return
			}
			srv, err := sftp.NewServer(channel)
			if err == nil && errors.Is(srv.Serve(), io.EOF) {
				srv.Close()
			}
		})
	}
}
