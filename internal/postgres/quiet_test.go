package postgres

import (
	"net"
	"testing"
)

// TestQuiet: a connection is quiet until the other side says something or closes.
func TestQuiet(t *testing.T) {
	for name, end := range map[string]func(net.Conn) error{
		"says something": func(c net.Conn) error { _, err := c.Write([]byte{1}); return err },
		"closes":         net.Conn.Close,
	} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		here, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer here.Close()
		there, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		defer there.Close()
		if !quiet(here) {
			t.Errorf("%s: the connection is not quiet before", name)
		}
		if err := end(there); err != nil {
			t.Fatal(err)
		}
		for quiet(here) && t.Context().Err() == nil { // loopback takes a moment
		}
	}
}
