package storagetest

import (
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
)

// Cutter passes connections on to a server. When it is armed, it cuts the next
// connection that has sent 100 kB, like a server that dies in the middle of an
// upload.
type Cutter struct {
	Addr  string // host and port
	armed atomic.Bool
}

// NewCutter starts a Cutter in front of the server at the address target. It ends with the
// test.
func NewCutter(t testing.TB, target string) *Cutter {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	c := &Cutter{Addr: l.Addr().String()}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { c.pass(in, target) })
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return c
}

// Arm makes the Cutter cut one connection.
func (c *Cutter) Arm() { c.armed.Store(true) }

func (c *Cutter) pass(in net.Conn, target string) {
	defer in.Close()
	out, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer out.Close()
	go func() { io.Copy(in, out); in.Close() }()
	if n, _ := io.CopyN(out, in, 100_000); n == 100_000 && c.armed.CompareAndSwap(true, false) {
		return
	}
	io.Copy(out, in)
}
