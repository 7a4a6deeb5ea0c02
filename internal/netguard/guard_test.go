package netguard

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"testing"

	"github.com/copra-video/copra/internal/testmedia"
	"github.com/copra-video/copra/job"
)

func TestCheckRefuses(t *testing.T) {
	tests := []struct{ addr, want string }{
		{"127.0.0.1:80", "loopback"},
		{"127.255.255.254:8080", "loopback"},
		{"[::1]:80", "loopback"},
		{"[::ffff:127.0.0.1]:80", "loopback"},
		{"[::127.0.0.1]:80", "reserved"},
		{"0.0.0.0:80", "unspecified"},
		{"[::]:80", "unspecified"},
		{"10.1.2.3:80", "private"},
		{"172.16.0.1:80", "private"},
		{"172.31.255.255:80", "private"},
		{"192.168.1.1:80", "private"},
		{"[::ffff:192.168.1.1]:80", "private"},
		{"[fd12:3456::1]:80", "private"},
		{"[fec0::1]:80", "private"},
		{"169.254.1.1:80", "link-local"},
		{"[fe80::1]:80", "link-local"},
		{"[fe80::1%eth0]:80", "link-local"},
		{"169.254.169.254:80", "metadata"},
		{"[::ffff:169.254.169.254]:80", "metadata"},
		{"[fd00:ec2::254]:80", "metadata"},
		{"100.100.100.200:80", "metadata"},
		{"100.64.0.1:80", "carrier-grade NAT"},
		{"224.0.0.1:80", "multicast"},
		{"[ff02::1]:80", "multicast"},
		{"255.255.255.255:80", "reserved"},
		{"240.0.0.1:80", "reserved"},
		{"198.18.0.1:80", "reserved"},
		{"192.0.2.1:80", "reserved"},
		{"[64:ff9b::7f00:1]:80", "NAT64"},
		{"[64:ff9b:1::7f00:1]:80", "NAT64"},
		{"[2002:7f00:1::]:80", "6to4"},
		{"[2001:0:1::]:80", "Teredo"},
		{"[2001:db8::1%1]:80", "reserved"},
		{"93.184.216.34:25", "mail"},
		{"[2606:4700::1]:6379", "Redis"},
	}
	g := New(nil)
	for _, tt := range tests {
		err := g.Check(netip.MustParseAddrPort(tt.addr))
		if e, ok := errors.AsType[*job.Error](err); !ok || !strings.Contains(e.Message, tt.want) {
			t.Errorf("Check(%s) = %v, want a refusal that says %q", tt.addr, err, tt.want)
		}
	}
}

func TestCheckAllows(t *testing.T) {
	g := New(nil)
	for _, addr := range []string{
		"93.184.216.34:80", "93.184.216.34:443", "93.184.216.34:9000", "93.184.216.34:21", "93.184.216.34:22",
		"[2606:4700::1111]:443", "[::ffff:93.184.216.34]:80", "172.32.0.1:80", "100.128.0.1:80",
	} {
		if err := g.Check(netip.MustParseAddrPort(addr)); err != nil {
			t.Errorf("Check(%s) = %v", addr, err)
		}
	}
}

func TestAllowList(t *testing.T) {
	networks, err := ParseNetworks([]string{"10.0.0.0/8", "127.0.0.1", "fe80::/10", "::ffff:192.168.0.0/112"})
	if err != nil {
		t.Fatal(err)
	}
	g := New(networks)
	for addr, ok := range map[string]bool{
		"10.255.0.1:9000": true, "127.0.0.1:80": true, "[::ffff:127.0.0.1]:80": true, "[fe80::1%eth0]:80": true,
		"192.168.7.7:80": true, "127.0.0.2:80": false, "[::1]:80": false, "10.0.0.1:6379": false,
	} {
		if err := g.Check(netip.MustParseAddrPort(addr)); (err == nil) != ok {
			t.Errorf("Check(%s) = %v, want allowed %v", addr, err, ok)
		}
	}
	for _, bad := range []string{"", "10.0.0.0/33", "localhost", "fe80::1%eth0", "10.0.0.0/8,127.0.0.1"} {
		if _, err := ParseNetworks([]string{bad}); err == nil {
			t.Errorf("ParseNetworks(%q) succeeded", bad)
		}
	}
}

// hostile are spellings of places that must not be reached: whatever the
// resolver makes of them, the listener below never sees a connection.
func TestHostileURLsAreNeverDialled(t *testing.T) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	reached := make(chan string, 100)
	srv := &http.Server{Handler: http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { reached <- r.Host })}
	go srv.Serve(l)
	defer srv.Close()
	_, port, _ := net.SplitHostPort(l.Addr().String())

	client := New(nil).HTTPClient(Options{})
	for _, host := range []string{
		"127.0.0.1", "127.1", "0177.0.0.1", "2130706433", "0x7f000001", "0x7f.1", "0", "0.0.0.0", "localhost", "localhost.",
		"LOCALHOST", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:ffff:127.0.0.1]", "[::127.0.0.1]",
		"127.0.0.1.", "①②⑦.⓪.⓪.①", "user@127.0.0.1", "[fe80::1%25lo]",
	} {
		resp, err := client.Get("http://" + host + ":" + port + "/")
		if err == nil {
			resp.Body.Close()
			t.Errorf("GET of host %s succeeded", host)
		}
	}
	if len(reached) > 0 {
		t.Errorf("reached by %s", <-reached)
	}
}

func TestRedirectToRefusedAddress(t *testing.T) {
	inner := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("reached") }))
	defer inner.Close()
	l, err := net.Listen("tcp", "127.0.0.2:0")
	if err != nil {
		testmedia.Missing(t, "no 127.0.0.2: "+err.Error())
	}
	outer := &httptest.Server{Listener: l, Config: &http.Server{Handler: http.RedirectHandler(inner.URL, http.StatusFound)}}
	outer.Start()
	defer outer.Close()

	_, err = New([]netip.Prefix{netip.MustParsePrefix("127.0.0.2/32")}).HTTPClient(Options{}).Get(outer.URL)
	e, ok := errors.AsType[*job.Error](err)
	if !ok || !strings.Contains(e.Message, "127.0.0.1 is refused because it is a loopback address") ||
		!strings.Contains(e.Message, "COPRA_ALLOW_NETWORKS") || !strings.Contains(e.Message, "--allow-network") {
		t.Errorf("error = %v", err)
	}
}

func TestErrorNamesTheHost(t *testing.T) {
	_, err := New(nil).DialContext(context.Background(), "tcp4", "localhost:80")
	e, ok := errors.AsType[*job.Error](err)
	if !ok || !strings.Contains(e.Message, "127.0.0.1 (of localhost)") {
		t.Errorf("error = %v", err)
	}
	if _, err := New(nil).DialContext(context.Background(), "udp", "93.184.216.34:53"); err == nil {
		t.Error("UDP was allowed")
	}
}
