// Package systemd tells the service manager how far this process is, by the protocol
// of sd_notify(3). With Type=notify a unit counts as started only when the server
// answers, and not as soon as its process exists.
package systemd

import (
	"fmt"
	"net"
)

// What a service says of itself.
const (
	Ready    = "READY=1"
	Stopping = "STOPPING=1"
)

// Notify sends the state to the socket that NOTIFY_SOCKET names; "": nobody asked.
func Notify(socket, state string) error {
	if socket == "" {
		return nil
	}
	// A name that begins with @ is an abstract one, for systemd and for net alike.
	conn, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		return fmt.Errorf("tell systemd %q: %w", state, err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(state)); err != nil {
		return fmt.Errorf("tell systemd %q: %w", state, err)
	}
	return nil
}
