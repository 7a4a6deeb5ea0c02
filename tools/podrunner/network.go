package main

import (
	"fmt"
	"os/exec"
	"strings"
)

// network is the network namespace of a pod. Its only way out is by this machine,
// which routes between pods, and to the addresses of Services that kube-proxy made.
type network struct {
	namespace string // name, as of ip-netns
	host, in  string // the ends of the cable
	address   string
	gateway   string // of this machine
}

func newNetwork(n int, gateway string) network {
	return network{
		namespace: fmt.Sprint("podrunner-", n), host: fmt.Sprint("prun", n), in: "eth0",
		address: fmt.Sprintf("10.244.%d.%d", 1+n/250, 1+n%250), gateway: gateway,
	}
}

// up makes the namespace and the cable.
func (n network) up() error {
	n.down() // what an earlier process left
	for _, line := range []string{
		"netns add " + n.namespace,
		fmt.Sprintf("link add %s type veth peer name %s netns %s", n.host, n.in, n.namespace),
		fmt.Sprintf("address add %s/32 dev %s", n.gateway, n.host),
		fmt.Sprintf("link set %s up", n.host),
		fmt.Sprintf("route add %s/32 dev %s", n.address, n.host),
		fmt.Sprintf("-n %s link set lo up", n.namespace),
		fmt.Sprintf("-n %s address add %s/32 dev %s", n.namespace, n.address, n.in),
		fmt.Sprintf("-n %s link set %s up", n.namespace, n.in),
		fmt.Sprintf("-n %s route add %s/32 dev %s", n.namespace, n.gateway, n.in),
		fmt.Sprintf("-n %s route add default via %s", n.namespace, n.gateway),
	} {
		if out, err := exec.Command("ip", strings.Fields(line)...).CombinedOutput(); err != nil {
			return fmt.Errorf("ip %s: %w: %s", line, err, out)
		}
	}
	return nil
}

// down removes the namespace, and the cable with it.
func (n network) down() {
	_ = exec.Command("ip", "link", "delete", n.host).Run()
	_ = exec.Command("ip", "netns", "delete", n.namespace).Run()
}
