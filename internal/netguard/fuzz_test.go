package netguard

import (
	"net"
	"net/netip"
	"net/url"
	"testing"
)

// inside are networks that no request may reach. Tunnels to them are in the
// table of TestCheckRefuses.
var inside = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("127.0.0.0/8"),
	netip.MustParsePrefix("169.254.0.0/16"), netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("224.0.0.0/3"),
	netip.MustParsePrefix("::/96"), netip.MustParsePrefix("::1/128"), netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"), netip.MustParsePrefix("ff00::/8"),
	netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001::/32"),
}

// FuzzHost checks that for every spelling of an address, in a URL or by the
// resolver, the guard allows only addresses outside.
func FuzzHost(f *testing.F) {
	for _, s := range []string{"127.0.0.1:80", "[::1]:80", "[::ffff:7f00:1]:80", "0x7f.1:80", "2130706433:80", "017700000001:80", "127.1:80", "[fe80::1%25eth0]:80", "[64:ff9b::a00:1]:443", "8.8.8.8:443", "[::]:80", "169.254.169.254:80", "１２７.0.0.1:80"} {
		f.Add(s)
	}
	g := New(nil)
	f.Fuzz(func(t *testing.T, hostport string) {
		host, port, err := net.SplitHostPort(hostport)
		if u, uerr := url.Parse("http://" + hostport + "/"); uerr == nil && u.Host != "" {
			host, port, err = u.Hostname(), u.Port(), nil
		}
		if err != nil {
			return
		}
		addr, err := netip.ParseAddr(host)
		if err != nil {
			return // a name: its addresses are checked once they are known
		}
		ap, err := netip.ParseAddrPort(net.JoinHostPort(addr.String(), port))
		if err != nil || g.Check(ap) != nil {
			return
		}
		plain := addr.WithZone("").Unmap()
		for _, p := range inside {
			if p.Contains(plain) {
				t.Errorf("%q passes, and is in %s", hostport, p)
			}
		}
	})
}

// FuzzNetworks checks that a list of networks allows what it says and no more.
func FuzzNetworks(f *testing.F) {
	for _, s := range []string{"10.0.0.0/8", "::ffff:10.0.0.0/104", "fd00::/8", "10.0.0.1", "fe80::1%eth0", "10.0.0.0/99", "::/0"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		list, err := ParseNetworks([]string{text})
		if err != nil {
			return
		}
		g := New(list)
		if err := g.Check(netip.AddrPortFrom(list[0].Addr(), 443)); err != nil {
			t.Errorf("%q does not open %s: %v", text, list[0].Addr(), err)
		}
		if loop := netip.MustParseAddrPort("127.0.0.1:443"); g.Check(loop) == nil && !canonical(list[0]).Contains(loop.Addr()) {
			t.Errorf("%q opens %s", text, loop)
		}
	})
}
