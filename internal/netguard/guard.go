// Package netguard guards outgoing connections: it dials every address that a
// user gave (inputs, webhooks, storage endpoints, watermarks).
//
// It decides at dial time, about the address of the connection itself. So
// redirects, DNS rebinding and odd spellings of an address (decimal,
// hexadecimal, IPv4 in IPv6) cannot evade it. It refuses loopback, private,
// link-local (with the metadata services of clouds), CGNAT, multicast and
// reserved networks, the IPv6 forms that tunnel to them, and a few ports that
// never speak HTTP, FTP or SFTP. An operator allows networks by a list.
package netguard

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"time"

	"code.dny.dev/ssrf"

	"github.com/copra-video/copra/job"
)

const dialTimeout = 10 * time.Second

// Guard decides which addresses may be dialled. It is safe for concurrent use.
type Guard struct {
	allow  []netip.Prefix
	public *ssrf.Guardian
}

// New returns a Guard that also allows the addresses in allow.
func New(allow []netip.Prefix) *Guard {
	g := &Guard{public: ssrf.New(ssrf.WithAnyPort())}
	for _, p := range allow {
		g.allow = append(g.allow, canonical(p))
	}
	return g
}

// ParseNetworks reads the values of COPRA_ALLOW_NETWORKS or --allow-network:
// networks in CIDR notation or single addresses.
func ParseNetworks(values []string) ([]netip.Prefix, error) {
	var networks []netip.Prefix
	for _, v := range values {
		if p, err := netip.ParsePrefix(v); err == nil {
			networks = append(networks, p.Masked())
			continue
		}
		a, err := netip.ParseAddr(v)
		if err != nil || a.Zone() != "" {
			return nil, fmt.Errorf("network %q is not in CIDR notation such as 10.0.0.0/8 or fd00::/8", v)
		}
		networks = append(networks, netip.PrefixFrom(a, a.BitLen()))
	}
	return networks, nil
}

// canonical returns the IPv4 form of a network written in v4-mapped form, since
// addresses are compared in that form.
func canonical(p netip.Prefix) netip.Prefix {
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		return netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p
}

// Check returns nil if addr may be dialled. Otherwise it returns a *job.Error
// that names addr, the reason and the setting that allows it.
func (g *Guard) Check(addr netip.AddrPort) error { return g.check(addr, "") }

func (g *Guard) check(addr netip.AddrPort, host string) error {
	ip := addr.Addr().WithZone("").Unmap()
	subject := "The address " + ip.String()
	if host != "" && host != ip.String() {
		subject = fmt.Sprintf("The address %s (of %s)", ip, host)
	}
	if what, bad := refusedPorts[addr.Port()]; bad {
		return job.Errorf(job.AddressNotAllowed, "%s is refused on port %d, which is for %s.", subject, addr.Port(), what)
	}
	if slices.ContainsFunc(g.allow, func(p netip.Prefix) bool { return p.Contains(ip) }) {
		return nil
	}
	if err := g.public.SafeAddr(ip); err != nil {
		return job.Errorf(job.AddressNotAllowed,
			"%s is refused because it is %s; the operator of this server can allow it with COPRA_ALLOW_NETWORKS or --allow-network.",
			subject, class(ip)).WithCause(err)
	}
	return nil
}

// DialContext dials addr. Each address that its host resolves to must pass the
// guard, and is skipped otherwise.
func (g *Guard) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return g.dial(ctx, network, addr, dialTimeout)
}

func (g *Guard) dial(ctx context.Context, network, addr string, timeout time.Duration) (net.Conn, error) {
	if !strings.HasPrefix(network, "tcp") {
		return nil, job.Errorf(job.AddressNotAllowed, "Connections over %s are refused: only TCP is allowed.", network)
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		return nil, fmt.Errorf("split address: %w", err)
	}
	d := net.Dialer{
		Timeout: timeout,
		// This is called with the resolved address, right before connect(2).
		ControlContext: func(_ context.Context, _, address string, _ syscall.RawConn) error {
			ap, err := netip.ParseAddrPort(address)
			if err != nil {
				return job.Errorf(job.AddressNotAllowed, "The address %q is refused: it is no IP address with a port.", address)
			}
			return g.check(ap, host)
		},
	}
	return d.DialContext(ctx, network, addr)
}
