// Package sandbox starts a program that can do little harm when a hostile file
// takes it over: ffmpeg and ffprobe read what strangers send. Landlock leaves it
// the files and the TCP ports that it was given, a filter takes all other sockets,
// limits bound its memory and its files, and it can gain no privileges.
//
// Landlock restricts the process that asks for it, and what that becomes. So the
// program is started through this one: Command names /proc/self/exe with a
// first argument that Intercept, the first statement of main, knows; it applies
// the rules and becomes the program. The process stays the same, and with it its
// number, its group and the signal that it gets when its parent dies.
package sandbox

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"sync/atomic"
	"time"
)

// marker is the first argument of a process that is to become another.
const marker = "copra-sandbox"

// Rules say what the program may do.
type Rules struct {
	// Write are folders in which it may read, make, change and remove files and
	// folders, but run none.
	Write []string `json:",omitempty"`
	// Read are files and folders that it may read.
	Read []string `json:",omitempty"`
	// Programs are files and folders that it may read and run, besides those of
	// the system.
	Programs []string `json:",omitempty"`
	// Ports are the TCP ports that it may connect to.
	Ports []uint16 `json:",omitempty"`
	// Memory bounds its data in bytes, and FileSize each file that it writes.
	// 0: not bounded.
	Memory, FileSize int64 `json:",omitempty"`
	// User is the number of the user, and of the group, that the program runs
	// as; 0: as we do. It takes a server that runs as root.
	User int `json:",omitempty"`
	// Landlock is whether files and ports are held to the rules; the limits are
	// in any case.
	Landlock bool `json:",omitempty"`
}

// mainCalled says that a copy of this program would become what it is told.
// Without it, as in a test that calls main's parts, a copy would run the whole
// program again.
var mainCalled atomic.Bool

// Command is the program and the arguments that start path with args under the
// rules.
func Command(r Rules, path string, args []string) (program string, argv []string) {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // strings and numbers
	}
	// Not our own path: it may name a newer program by now.
	return "/proc/self/exe", append([]string{marker, string(text), path}, args...)
}

// Report is what the kernel offers here.
type Report struct {
	ABI     int  // of Landlock; 0: none
	Files   bool // files are held to the rules
	TCP     bool // and TCP connections
	Sockets bool // no sockets are made but those of TCP, and only where a port is allowed
}

// String is a line for the operator.
func (r Report) String() string {
	text := "ffmpeg has limits on memory and file size"
	if r.Files {
		text = fmt.Sprintf("ffmpeg is held to its own files (Landlock ABI %d), with limits on memory and file size", r.ABI)
	} else {
		text += ", but can read every file that the server can: Landlock is not offered by this kernel or container"
	}
	switch {
	case r.TCP && r.Sockets:
		return text + "; it makes no connections but to what it is to probe"
	case r.Sockets:
		return text + "; it makes no connections, but ffprobe does, which takes Linux 6.7 to hold"
	default:
		return text + "; its connections are not held"
	}
}

// Full reports whether everything holds.
func (r Report) Full() bool { return r.Files && r.TCP && r.Sockets }

// Check tries the rules on a process of its own and says what held. An error
// says that programs cannot be started this way at all.
func Check(ctx context.Context) (Report, error) {
	if !mainCalled.Load() {
		return Report{}, fmt.Errorf("check the sandbox: this program does not call sandbox.Main")
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	program, args := Command(Rules{Landlock: true, Ports: []uint16{9}}, selfTest, nil)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = []string{}
	var messages bytes.Buffer
	cmd.Stderr = &messages
	out, err := cmd.Output()
	var r Report
	if err == nil {
		err = json.Unmarshal(out, &r)
	}
	if err != nil {
		return Report{}, fmt.Errorf("check the sandbox: %w: %s", err, strings.TrimSpace(messages.String()))
	}
	return r, nil
}
