// Package sandbox starts a program so that a hostile file which takes it over can
// do little harm: ffmpeg and ffprobe read what strangers send. Landlock restricts
// the program to the files and TCP ports that it was given, a seccomp filter
// denies all other sockets, limits bound its memory and its files, and it can
// gain no privileges.
//
// A Landlock rule set applies to the process that asks for it, and stays in place
// across exec(2). So Command starts /proc/self/exe, a copy of this program, with
// a first argument that Main recognises. The copy applies the rules to itself and
// calls exec. The process stays the same: its id, its group, and the signal that
// it gets when its parent dies.
package sandbox

import (
	"encoding/json"
	"sync/atomic"
)

// marker is the first argument of a copy that Main turns into another program.
const marker = "copra-sandbox"

// Rules say what the program may do.
type Rules struct {
	// Write are folders in which it may read, make, change and remove files and
	// folders, but run none.
	Write []string `json:",omitempty"`
	// Read are files and folders that it may read.
	Read []string `json:",omitempty"`
	// Programs are files and folders that it may read and run, beside the
	// system's.
	Programs []string `json:",omitempty"`
	// Devices are device files, or folders of them, that it may read, write and
	// control (ioctl). What drivers read of the system is allowed with them.
	Devices []string `json:",omitempty"`
	// Groups are those that it keeps when it changes to User, for its devices.
	Groups []int `json:",omitempty"`
	// Ports are the TCP ports that it may connect to.
	Ports []uint16 `json:",omitempty"`
	// Memory bounds its data in bytes, and FileSize each file that it writes.
	// 0: no limit.
	Memory, FileSize int64 `json:",omitempty"`
	// User is the number of the user, and of the group, that the program runs
	// as; 0: as this process. Another user needs a server that runs as root.
	User int `json:",omitempty"`
	// Landlock is whether files and ports are restricted. All else is in any case.
	Landlock bool `json:",omitempty"`
}

// mainCalled is whether this program calls Main. A copy of a program that does
// not, such as a test of parts of main, would run the whole program again.
var mainCalled atomic.Bool

// Command returns the program and the arguments that start path with args under
// the rules.
func Command(r Rules, path string, args []string) (program string, argv []string) {
	text, err := json.Marshal(r)
	if err != nil {
		panic(err) // strings and numbers
	}
	// Not the path of our program, where a newer one may lie by now.
	return "/proc/self/exe", append([]string{marker, string(text), path}, args...)
}
