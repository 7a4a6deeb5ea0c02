package netguard

import "net/netip"

// refusedPorts are services that obey whoever connects, and that the bytes of an
// HTTP request or an upload could control: mail above all, so that the server
// cannot be used to send spam, and databases without a password in a network
// that the operator has allowed. All other ports are allowed, since inputs are
// on many ports, and 21 and 22 are for FTP and SFTP.
var refusedPorts = map[uint16]string{
	23:    "Telnet",
	25:    "mail",
	53:    "DNS",
	110:   "mail",
	111:   "remote procedure calls",
	119:   "news",
	143:   "mail",
	465:   "mail",
	587:   "mail",
	993:   "mail",
	995:   "mail",
	2375:  "the Docker API",
	2379:  "etcd",
	5432:  "PostgreSQL",
	6379:  "Redis",
	6667:  "chat",
	10250: "the Kubernetes kubelet",
	11211: "memcached",
}

// classes names networks in plain words. The first match counts.
var classes = []struct {
	name    string
	network netip.Prefix
}{
	{"the metadata service of a cloud", netip.MustParsePrefix("169.254.169.254/32")},
	{"the metadata service of a cloud", netip.MustParsePrefix("169.254.170.2/32")},
	{"the metadata service of a cloud", netip.MustParsePrefix("100.100.100.200/32")},
	{"the metadata service of a cloud", netip.MustParsePrefix("fd00:ec2::254/128")},
	{"a loopback address", netip.MustParsePrefix("127.0.0.0/8")},
	{"a loopback address", netip.MustParsePrefix("::1/128")},
	{"an unspecified address", netip.MustParsePrefix("0.0.0.0/8")},
	{"an unspecified address", netip.MustParsePrefix("::/128")},
	{"a private address", netip.MustParsePrefix("10.0.0.0/8")},
	{"a private address", netip.MustParsePrefix("172.16.0.0/12")},
	{"a private address", netip.MustParsePrefix("192.168.0.0/16")},
	{"a private address", netip.MustParsePrefix("fc00::/7")},
	{"a private address", netip.MustParsePrefix("fec0::/10")},
	{"a link-local address", netip.MustParsePrefix("169.254.0.0/16")},
	{"a link-local address", netip.MustParsePrefix("fe80::/10")},
	{"an address of carrier-grade NAT", netip.MustParsePrefix("100.64.0.0/10")},
	{"a multicast address", netip.MustParsePrefix("224.0.0.0/4")},
	{"a multicast address", netip.MustParsePrefix("ff00::/8")},
	{"a NAT64 address", netip.MustParsePrefix("64:ff9b::/96")},
	{"a NAT64 address", netip.MustParsePrefix("64:ff9b:1::/48")},
	{"a 6to4 address", netip.MustParsePrefix("2002::/16")},
	{"a Teredo address", netip.MustParsePrefix("2001::/32")},
}

func class(ip netip.Addr) string {
	for _, c := range classes {
		if c.network.Contains(ip) {
			return c.name
		}
	}
	return "a reserved address"
}
